"""Tags, names and kinship of languages."""

from lect.languages.tags import display_name, normalise

__all__ = ["display_name", "normalise"]
