"""What answers the rows of a stream: stacks in use, in this process or, made of the same settings, in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from lect.data.examples import Example
from lect.engine.engine import Keys
from lect.engine.open import OpenStack, open_on, open_stack
from lect.engine.records import record_of_prediction, record_without_prediction
from lect.errors import UserError
from lect.heads import GenerationHead
from lect.host import Host
from lect.literals import RequestedPrecision
from lect.selection.automatic import AutomaticStacks, Choice, rest_of
from lect.selection.donors import is_automatic
from lect.streams.rows import StreamRow, why_empty

if TYPE_CHECKING:
    from lect.storage.library import Library

StreamTask = Literal["predict", "embed"]


@dataclass(frozen=True)
class Answer:
    """What a row is answered with.

    Args:
        record: as programs get it; of an embedding with ``vector``, a float32 array of NaN where there is no text.
        shown: a prediction as people read it.
    """

    record: dict[str, Any]
    shown: str = ""


@dataclass(frozen=True)
class Answered:
    """The answers for a stretch of rows.

    Args:
        answers: of the rows, in their order; where one failed, of those before it.
        error: what is wrong with the row behind the last of them.
        empty: how many of the rows have no text.
        cut: the origins of texts that are longer than their stack reads.
        limit: the most tokens that it reads.
        generates: whether the answers are texts that were generated.
    """

    answers: tuple[Answer, ...]
    error: UserError | None = None
    empty: int = 0
    cut: tuple[str, ...] = ()
    limit: int = 0
    generates: bool = False


@dataclass(frozen=True)
class WorkerSettings:
    """All that a worker is made of; it can be sent to another machine that sees the same folders.

    Args:
        task: what is asked of the rows.
        stack: the one that is opened first, on whose backbone all others are; of one with ``lang:auto`` the rest.
        backbone: name, hub id or folder; by default the stack's own.
        device: by default the first GPU, else the CPU.
        tokens_per_batch: the most tokens of a batch; by default the engine's own.
        exact: whether what a row is answered with is the same bytes whatever other rows there are.
        graphs: whether the layers are recorded as CUDA graphs.
        normalize: of embeddings: whether each has length 1.
        origins: whether records say where their rows stand.
        block: plugins that are not to be imported.
    """

    task: StreamTask
    stack: str
    library: Library
    backbone: str | None = None
    device: str | None = None
    precision: RequestedPrecision = "float32"
    exact: bool = False
    graphs: bool = False
    tokens_per_batch: int | None = None
    normalize: bool = False
    origins: bool = True
    block: tuple[str, ...] = ()

    def open(self, host: Host | None = None) -> Worker:
        """Load the backbone and the first stack. Raises `UserError`."""
        from lect.device import device_named

        device = device_named(self.device) if self.device is not None else None
        host = host or Host.load(block=self.block)
        first = rest_of(self.stack) if is_automatic(self.stack) else self.stack
        opened = open_stack(first, host, self.library, self.backbone)
        if device is not None:
            opened.engine.model.to(device)
        opened.engine.precision, opened.engine.exact = self.precision, self.exact
        opened.engine.graphs = self.graphs
        if self.tokens_per_batch is not None:
            opened.engine.tokens_per_batch = self.tokens_per_batch
        return Worker(opened, host, self)


_Ready: TypeAlias = tuple[Example, Keys, "Choice | None"]
"""A row, its stack, and why it is that one where it was chosen for it."""


@dataclass
class Worker:
    """Answers stretches of rows, each row through its own stack; stacks are opened when they are first named."""

    opened: OpenStack
    host: Host
    settings: WorkerSettings
    _keys: dict[str, Keys] = field(default_factory=dict)
    _chooser: AutomaticStacks | None = None

    def __call__(self, rows: Sequence[StreamRow]) -> Answered:
        """The answers for the rows; a row that is wrong ends them, and those before it are kept."""
        ready: list[_Ready] = []
        error: UserError | None = None
        for example, stack in rows:
            try:
                ready.append(self._placed(example, stack))
            except UserError as problem:
                error = problem.at(type(problem), _below(example.origin))
                break
        answers, unanswered = self._as_far_as_possible(ready)
        done = ready[: len(answers)]
        cut, limit = self._cut([(example, keys) for example, keys, _ in done])
        head = self.opened.engine.head_of(ready[0][1]) if ready else None
        return Answered(
            tuple(answers),
            unanswered or error,
            empty=sum(why_empty(example) is not None for example, *_ in done),
            cut=cut,
            limit=limit,
            generates=self.settings.task == "predict" and isinstance(head, GenerationHead),
        )

    def _keys_of(self, stack: str) -> Keys:
        if stack not in self._keys:
            opened = self.opened
            if stack not in (self.settings.stack, str(opened.stack)):
                opened = open_on(self.opened.engine, stack, self.host, self.settings.library)
            self._keys[stack] = opened.keys
        return self._keys[stack]

    def _placed(self, example: Example, stack: str) -> _Ready:
        """A row with its stack, which is chosen by its text where ``lang:auto`` stands in it. Raises `UserError`."""
        if not is_automatic(stack):
            return example, self._keys_of(stack), None
        if why_empty(example):
            return example, self._keys_of(rest_of(stack)), None
        if self._chooser is None:
            self._chooser = AutomaticStacks(self.settings.library, self.host, self.opened.backbone)
        choice = self._chooser.choose(stack, example.text, example.language)
        return example, self._keys_of(choice.stack), choice

    def _as_far_as_possible(self, rows: Sequence[_Ready]) -> tuple[list[Answer], UserError | None]:
        """The answers, and where one row cannot be answered, those before it and why."""
        try:
            return self._answers(rows), None
        except UserError as error:
            if len(rows) == 1:
                return [], error
        half = len(rows) // 2
        first, problem = self._as_far_as_possible(rows[:half])
        if problem is not None:
            return first, problem
        second, problem = self._as_far_as_possible(rows[half:])
        return [*first, *second], problem

    def _answers(self, rows: Sequence[_Ready]) -> list[Answer]:
        full = [(example, keys) for example, keys, _ in rows if why_empty(example) is None]
        if self.settings.task == "embed":
            return self._embeddings(rows, full)
        found = iter(list(self.opened.engine.predictions(full)))
        answers = []
        for example, _, choice in rows:
            if reason := why_empty(example):
                answers.append(Answer({**self._place(example), **record_without_prediction(example, reason)}))
            else:
                prediction = next(found)
                record = {**self._place(example), **record_of_prediction(example, prediction), **_said(choice)}
                answers.append(Answer(record, str(prediction)))
        return answers

    def _embeddings(self, rows: Sequence[_Ready], full: Sequence[tuple[Example, Keys]]) -> list[Answer]:
        if not rows:
            return []
        # Where no row has a text, any text tells how long vectors are.
        asked = [(example.text, keys) for example, keys in full] or [("a", rows[0][1])]
        vectors = [vector.numpy() for vector in self.opened.engine.vectors(asked)]
        if self.settings.normalize:
            vectors = [vector / max(float(np.linalg.norm(vector)), 1e-12) for vector in vectors]
        none, found, answers = np.full_like(vectors[0], np.nan), iter(vectors), []
        for example, _, choice in rows:
            reason = why_empty(example)
            key = {} if example.key is None else {"key": example.key}
            record = {**self._place(example), **key, "text": example.text, "vector": none if reason else next(found)}
            answers.append(Answer({**record, "reason": reason} if reason else {**record, **_said(choice)}))
        return answers

    def _place(self, example: Example) -> dict[str, str]:
        return {"origin": example.origin} if self.settings.origins else {}

    def _cut(self, rows: Sequence[tuple[Example, Keys]]) -> tuple[tuple[str, ...], int]:
        """The origins of texts that are too long for their stacks, and the most tokens that these read."""
        engine, cut, limits = self.opened.engine, list[str](), [0]
        by_stack: dict[Keys, list[Example]] = {}
        for example, keys in rows:
            by_stack.setdefault(keys, []).append(example)
        for keys, examples in by_stack.items():
            limit = engine.limit(keys)
            # A token is of a byte at least, but for marks of words; short texts are not cut into tokens once more.
            long = [each for each in examples if 2 * len(each.text.encode()) + 8 > limit or each.text_pair]
            if long and (found := engine.truncated(long, keys)):
                cut += found
                limits.append(limit)
        return tuple(cut), max(limits)


def _said(choice: Choice | None) -> dict[str, Any]:
    return {} if choice is None else choice.record()


def _below(origin: str) -> Any:
    return lambda where: f"{origin}, {where}" if where else origin
