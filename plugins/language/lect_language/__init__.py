"""Bottleneck adapters for `lect`, with layers of its own."""
