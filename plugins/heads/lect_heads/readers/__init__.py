"""Readers of the heads' files."""
