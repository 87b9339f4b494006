"""Scores, their confidence intervals, and reports of them."""
