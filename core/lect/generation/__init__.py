"""Texts that a backbone writes, each row through its own stack."""
