"""The decoder SmolLM2-135M as a backbone for `lect`."""
