"""Scores of the heads' answers."""
