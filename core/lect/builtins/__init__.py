"""What `lect` registers itself, through the hooks that every plugin uses."""
