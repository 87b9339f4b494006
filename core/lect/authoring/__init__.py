"""Recipes that are written from data: what a file holds, how it is read, and what is best trained on it."""
