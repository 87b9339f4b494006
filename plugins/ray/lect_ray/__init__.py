"""Fleets of training runs on a Ray cluster."""
