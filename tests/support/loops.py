"""The training loop alone, without a recipe."""

from __future__ import annotations

from lect.training.callbacks.base import Callbacks
from lect.training.loop import TrainingLoop


def fit(setup, callback, resume=None, stop=lambda: False):
    """Train what is set up, told to one callback; the results."""
    return TrainingLoop(setup, Callbacks([callback], setup.processes.is_main), stop).run(resume)
