"""Initialisers side by side: the same pieces, the same training, another start."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect import (
    DataError,
    InitialiserSpec,
    Interrupted,
    Library,
    RecipeError,
    Source,
    execute_run,
    load_backbone,
    nearest,
    prepare_run,
    read_source,
    recipe_of,
)
from lect.files import write_aside
from lect_vocabulary.learn import learn_pieces
from lect_vocabulary.pieces import BaseTokenizer

if TYPE_CHECKING:
    from rich.console import Console

    from lect import Example, Host, InitialiserSpec


@dataclass(frozen=True)
class Budget:
    """What each initialiser gets.

    Args:
        rows: the most rows to learn from; the pieces are learned from all of them.
        test_rows: the most rows to be scored on.
    """

    steps: int
    batch_size: int
    pieces: int
    longest: int
    rows: int
    test_rows: int
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One initialiser's result.

    Args:
        before, after: the share of test rows whose translation is found first, before training and after it.
        pieces: the new pieces.
        seconds: for it all: first embeddings, training, scores.
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
    return {name: provided.spec for name, provided in host.specs(InitialiserSpec).items()}


def compare_initialisers(
    host: Host, backbone: str, data: Source, test: Source, names: Sequence[str], budget: Budget, console: Console
) -> list[Row]:
    """Train and score each initialiser's start; where Ctrl-C stops that, those that are done.

    Raises:
        RecipeError: there is no such initialiser.
        DataError: the data lacks translations, or what an initialiser needs.
    """
    known = known_initialisers(host)
    for name in names:
        if name not in known:
            raise RecipeError(f'there is no initialiser "{name}"', where="--initialise", fix=nearest(name, known))
    needs = ("translation",)
    examples = read_source(host, data, Path(), "--data", needs).examples
    held_out = read_source(host, test, Path(), "--test", needs).examples
    if shared := {example.text for example in examples} & {example.text for example in held_out}:
        raise DataError(
            f"{len(shared)} of its texts are among those to learn from, such as {min(shared)[:60]!r}",
            where="--test",
            fix="name rows that nothing is learned from",
        )
    loaded = load_backbone(backbone, host=host)
    base = BaseTokenizer(loaded.tokenizer.backend_tokenizer.to_str())
    pieces = learn_pieces(base, [example.text for example in examples], budget.pieces, budget.longest)
    if not pieces.pieces:
        raise DataError("has no piece that the backbone's tokenizer lacks", where=str(data))
    with tempfile.TemporaryDirectory(prefix="lect-compare-") as place:
        folder = Path(place).resolve()
        write_aside(folder / "pieces.json", pieces.to_json())
        write_aside(folder / "train.jsonl", _json_lines(examples[: budget.rows]))
        write_aside(folder / "test.jsonl", _json_lines(held_out[: budget.test_rows]))
        rows = []
        for name in names:
            started = time.perf_counter()
            recipe = recipe_of(_recipe(name, backbone, budget), name="compare", folder=folder)
            run = prepare_run(recipe, host, Library((folder,)), backbone=loaded, runs=folder / "runs")
            [component] = run.components
            before = component.objective.scores(run.setup.model, component.validation)["recall@1"]
            try:
                (trained,) = execute_run(run, console=console, name=name)
            except Interrupted:
                break
            seconds = round(time.perf_counter() - started, 1)
            rows.append(Row(name, before, trained.result.scores["recall@1"], len(pieces.pieces), seconds))
    return rows


def _json_lines(examples: Sequence[Example]) -> str:
    lines = ({"text": example.text, "translation": example.translation} for example in examples)
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def _recipe(name: str, backbone: str, budget: Budget) -> dict[str, Any]:
    return {
        "component": {"name": f"compare-{name}", "role": "lang"},
        "backbone": {"name": backbone},
        "parts": [{"method": "vocabulary", "file": "pieces.json", "initialise": name}],
        "objective": {"name": "alignment"},
        "data": {
            "train": {"reader": "jsonl", "path": "train.jsonl", "translation": "translation"},
            "validation": {"reader": "jsonl", "path": "test.jsonl", "translation": "translation"},
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
