"""Initialisers side by side: the same pieces, the same training, another start."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.backbones import load_backbone
from lect.components.library import Library
from lect.data.read import Source, read_source
from lect.errors import DataError, RecipeError, nearest
from lect.files import write_aside
from lect.recipes.load import recipe_of
from lect.training.run import execute_run, prepare_run
from lect_vocabulary.learn import learn_pieces
from lect_vocabulary.pieces import BaseTokenizer

if TYPE_CHECKING:
    from rich.console import Console

    from lect import Host, InitialiserSpec


@dataclass(frozen=True)
class Budget:
    """What each initialiser gets."""

    steps: int
    batch_size: int
    pieces: int
    longest: int
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One initialiser's result.

    Args:
        before, after: the share of test rows whose translation is found first, before training and after it.
        pieces: the new pieces.
        seconds: to make the first embeddings.
    """

    name: str
    before: float
    after: float
    pieces: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def known_initialisers(host: Host) -> Mapping[str, InitialiserSpec]:
    """What plugins register, by name."""
    return {name: provided.spec for name, provided in host.specs("initialiser").items()}


def compare_initialisers(
    host: Host, backbone: str, data: Source, test: Source, names: Sequence[str], budget: Budget, console: Console
) -> list[Row]:
    """Train and score each initialiser's start.

    Raises:
        RecipeError: there is no such initialiser.
        DataError: the data lacks translations, or what an initialiser needs.
    """
    known = known_initialisers(host)
    for name in names:
        if name not in known:
            raise RecipeError(f'there is no initialiser "{name}"', where="--initialise", fix=nearest(name, known))
    examples = read_source(host, data, Path(), "--data", ("translation",)).examples
    loaded = load_backbone(backbone, host=host)
    base = BaseTokenizer(loaded.tokenizer.backend_tokenizer.to_str())
    with tempfile.TemporaryDirectory(prefix="lect-compare-") as place:
        folder = Path(place)
        pieces = learn_pieces(base, [example.text for example in examples], budget.pieces, budget.longest)
        if not pieces.pieces:
            raise DataError("has no piece that the backbone's tokenizer lacks", where=str(data))
        write_aside(folder / "pieces.json", pieces.to_json())
        rows = []
        for name in names:
            recipe = recipe_of(_recipe(name, backbone, data, test, budget, folder), name="compare", folder=Path())
            started = time.perf_counter()
            run = prepare_run(recipe, host, Library((folder,)), backbone=loaded, runs=folder / "runs")
            seconds = time.perf_counter() - started
            lesson = run.lessons[0]
            validation = lesson.learner.validation
            before = lesson.objective.scores(run.model, validation)["recall@1"]
            trained = execute_run(run, console=console, name=name)
            rows.append(Row(name, before, trained[0].result.scores["recall@1"], len(pieces.pieces), round(seconds, 1)))
    return rows


def _recipe(name: str, backbone: str, data: Source, test: Source, budget: Budget, folder: Path) -> dict[str, Any]:
    return {
        "component": {"name": f"compare-{name}", "role": "lang"},
        "backbone": {"name": backbone},
        "parts": [{"method": "vocabulary", "file": str((folder / "pieces.json").resolve()), "initialise": name}],
        "objective": {"name": "alignment"},
        "data": {
            "train": {"reader": data.reader, **data.config},
            "validation": {"reader": test.reader, **test.config},
        },
        "training": {
            "steps": budget.steps,
            "batch_size": budget.batch_size,
            "learning_rate": 3e-3,
            "seed": budget.seed,
            # Once, at the end: what is best on test rows would not be comparable.
            "evaluate_every": budget.steps,
        },
    }
