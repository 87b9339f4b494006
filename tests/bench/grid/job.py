"""What a job of the grid is: recipes to train, tokens of work between them, and stacks to score."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DATA = "../../../shared/data"
"""How recipes in examples/ and the jobs here name the folder of data; another one takes its place if it is named."""

_REFERENCE = re.compile(r"\b(?:lang|task):[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Test:
    """Rows to score a stack on.

    Args:
        reader: a reader's name, with its options in `config`.
    """

    reader: str
    config: Mapping[str, Any]

    def table(self) -> dict[str, Any]:
        """The same as a recipe's data table has it."""
        return {"reader": self.reader, **self.config}


@dataclass(frozen=True)
class Train:
    """A recipe to train.

    Args:
        recipe: its file in examples/.
        changes: as ``lect train --set`` takes them, but for the seed.
        makes: the components that come of it, as stacks name them.
        guard: rows that must not be among the training ones: the run refuses them.
    """

    recipe: str
    changes: tuple[str, ...]
    makes: tuple[str, ...]
    guard: tuple[Test, ...] = ()


@dataclass(frozen=True)
class Score:
    """A figure of a table: how a stack does on a test.

    Args:
        metric: which of the scores the table shows; all are kept.
    """

    table: str
    row: str
    column: str
    stack: str
    test: Test
    metric: str


@dataclass(frozen=True)
class PseudoLabels:
    """What a task says of one side of parallel text, as labels of the other side.

    Args:
        name: of the file, ``made/<seed>/<name>.tsv`` in the grid's folder, with the columns ``text`` and ``category``.
        stack: what answers.
        asked: line-aligned with `labelled`, in the language that the stack reads.
        certainty: the least probability of an answer that is kept.
    """

    name: str
    stack: str
    asked: str
    labelled: str
    certainty: float


@dataclass(frozen=True)
class Compare:
    """An initialiser of new tokens, alone, before training and after it."""

    table: str
    column: str
    language: str
    initialiser: str
    steps: int
    tokens: int
    rows: int


Step = Train | Score | PseudoLabels | Compare


@dataclass(frozen=True)
class Job:
    """What one process does in one go, once for each seed.

    Args:
        name: unlike that of every other job: ``theme/what``.
        keeps: whether the components it makes are needed by others; fully tuned models are large.
        more_needs: what its recipes name themselves.
        later: after the jobs of all themes that have a smaller number.
    """

    name: str
    steps: tuple[Step, ...]
    keeps: bool = True
    more_needs: tuple[str, ...] = ()
    later: int = 0

    @property
    def theme(self) -> str:
        """The first half of the name."""
        return self.name.partition("/")[0]

    @property
    def makes(self) -> frozenset[str]:
        """The components and files that it leaves."""
        made = [name for step in self.steps if isinstance(step, Train) for name in step.makes]
        return frozenset([*made, *(f"made:{step.name}" for step in self.steps if isinstance(step, PseudoLabels))])

    @property
    def needs(self) -> frozenset[str]:
        """The components and files that other jobs leave for it."""
        named: set[str] = set(self.more_needs)
        for step in self.steps:
            if isinstance(step, Train):
                named |= {found for change in step.changes for found in _REFERENCE.findall(change)}
            elif isinstance(step, Score | PseudoLabels):
                named |= set(_REFERENCE.findall(step.stack))
        return frozenset(named) - self.makes


@dataclass(frozen=True)
class Table:
    """A table of the results.

    Args:
        name: as scores name it.
        title: the text of its first cell.
        mean: whether a last column has the mean of the others.
        baseline: the row that others are compared with, where they are.
    """

    name: str
    title: str
    mean: bool = False
    baseline: str = ""


@dataclass(frozen=True)
class Theme:
    """Jobs that belong together, in the order of their importance, and the tables they fill."""

    name: str
    jobs: Sequence[Job]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Settings:
    """What all jobs of a grid share.

    Args:
        folder: everything that is made lies in it.
        data: the folder of data.
        backbone: another one than the recipes', by name or folder. Of a trimmed one the languages are parts, and what
            is scored without any is scored on the one that it was cut from.
        quick: few rows and steps, to see that everything runs; the figures mean nothing.
    """

    folder: str
    data: str
    backbone: str | None = None
    quick: bool = False
    threads: int = 1


@dataclass
class Records:
    """What a job has found out so far."""

    scores: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
