"""Fleets of training runs, and rows to answer, on a Ray cluster."""
