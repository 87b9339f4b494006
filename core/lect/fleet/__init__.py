"""Fleets: one recipe, a training run for each of several languages, wherever executors run them."""

from lect.fleet.job import run_job

__all__ = ["run_job"]
