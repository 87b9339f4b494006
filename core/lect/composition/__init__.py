"""Stacks, and the routes of rows through them."""
