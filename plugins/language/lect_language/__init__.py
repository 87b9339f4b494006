"""Bottleneck adapters for `lect`, with layers of the library `adapters`."""
