"""AdapterHub folders."""
