"""The subcommands of `lect`, one module each."""
