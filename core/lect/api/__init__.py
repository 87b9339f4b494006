"""What users import: a model with its stacks, training, components and registries, as Python; `lect` exports it all."""
