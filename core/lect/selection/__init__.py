"""Choosing a backbone for a language, and cutting one down to what its texts need."""
