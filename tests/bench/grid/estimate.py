"""How many steps a job takes, by its recipes and the length of its data."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

from grid.job import Job, Settings, Train
from grid.work import EXAMPLES, load

UNKNOWN = 4000
"""The rows that are reckoned with for what another job makes."""


def steps_of(job: Job, settings: Settings) -> int:
    """The optimiser steps of a job's recipes together; comparing initialisers takes as many as it says."""
    found = 0
    for step in job.steps:
        if isinstance(step, Train):
            recipe: Any = load(step, 0, settings)
            training = recipe.training
            recipes = getattr(recipe, "recipes", (recipe,))
            rows = sum(
                _rows(table.reader, str(sorted(table.config.items())), str(EXAMPLES / Path(step.recipe).parent))
                for one in recipes
                for table in one.data.train
            )
            found += training.steps or math.ceil(rows / training.batch_size) * training.epochs
        else:
            found += getattr(step, "steps", 0)
    return found


@cache
def _rows(reader: str, config: str, folder: str) -> int:
    import ast

    from lect.data.dataset import Source
    from lect.errors import DataError
    from lect.host.reading import stream_source

    try:
        source = Source(reader, dict(ast.literal_eval(config)))
        return sum(1 for _ in stream_source(_host(), source, Path(folder), "data"))
    except DataError:
        return UNKNOWN


@cache
def _host() -> Any:
    from lect import Host

    return Host.load()
