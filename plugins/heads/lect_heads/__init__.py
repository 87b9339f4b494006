"""Task heads for `lect`."""
