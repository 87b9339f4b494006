"""Fleets: one recipe, a training run for each of several languages, wherever executors run them."""
