"""Runs, components and reports as pages, and two of a kind side by side."""
