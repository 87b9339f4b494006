"""Tags, names and kinship of languages."""
