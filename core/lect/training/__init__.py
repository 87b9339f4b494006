"""From a recipe to a component."""
