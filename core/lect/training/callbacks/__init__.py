"""Callbacks: the base class with a training run's events, and the callbacks that every run has."""
