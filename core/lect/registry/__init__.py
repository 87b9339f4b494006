"""Registries: which plugins and components there are, where, and how one is fetched, checked and given to others."""
