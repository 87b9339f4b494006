"""One cell of a matrix: a stack on a data set, scored once and kept in a file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.composition.kept import MemoryStates
from lect.composition.model import RoutedModel
from lect.composition.stack import parse_stack
from lect.data.dataset import Dataset
from lect.data.examples import Example
from lect.device import default_device
from lect.engine.engine import Engine
from lect.engine.open import DEFAULT_BACKBONE, OpenStack, attach
from lect.errors import DataError
from lect.evaluation.ranking import Ranked
from lect.evaluation.report import EvaluationReport
from lect.files import write_aside
from lect.heads import GenerationHead
from lect.storage.assemble import finder, must_generate, read_stack
from lect.storage.library import Library
from lect.storage.store import TOKENIZER, read_folder_manifest, size_of, weights_hash

if TYPE_CHECKING:
    from lect.host import Host

SCHEMA = 2
"""Cells of schema 1 hold scores of tags under the name of entities' scores, and are computed again."""


_TIMED = 64
"""So many rows at least are timed, where there are as many."""


@dataclass(frozen=True)
class Cost:
    """What a stack costs.

    Args:
        parameters: of all its components, heads included.
        bytes: of all their files.
        training_seconds: as their manifests have it; None where one says nothing.
        inference_seconds: for all rows of the data set, once, tokenisation included, as far as some of them tell.
        hardware: that they were trained on.
    """

    parameters: int
    bytes: int
    training_seconds: float | None
    inference_seconds: float
    hardware: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """What is known of every row, in the order of the data; parallel tuples.

    Args:
        truth: the labels, or "" where there are none.
        tokens: the length of the text in tokens of the stack's own tokenizer.
        unknown: how many of them stand for what the tokenizer does not know.
        correct: whether the whole stack's answer is right (of retrieval: found first); empty where answers are
            neither.
        confidence: the probability of the answer; empty where there is none.
    """

    truth: tuple[str, ...]
    tokens: tuple[int, ...]
    unknown: tuple[int, ...]
    correct: tuple[bool, ...] = ()
    confidence: tuple[float, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A stack's scores on a data set.

    Args:
        key: over everything that the scores depend on; another one means that they must be computed again.
        metric: the registered metric's name.
    """

    key: str
    stack: str
    metric: str
    report: EvaluationReport
    rows: Rows
    cost: Cost
    components: tuple[str, ...] = ()
    languages: dict[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> str:
        """The cell as JSON that `from_json` reads."""
        values = {"schema": SCHEMA, **asdict(self), "report": json.loads(self.report.to_json())}
        # As it has been called there since schema 1.
        values["rows"]["pieces"] = values["rows"].pop("tokens")
        return json.dumps(values, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Cell:
        """The cell that `to_json` wrote. Raises `DataError` for any other text."""
        try:
            given = json.loads(text)
            if given.pop("schema") != SCHEMA:
                raise DataError("the cell is of another schema")
            report = EvaluationReport.from_json(json.dumps(given.pop("report")))
            rows = given.pop("rows")
            rows = Rows(**{"tokens" if name == "pieces" else name: tuple(values) for name, values in rows.items()})
            cost = given.pop("cost")
            cost["hardware"] = tuple(cost["hardware"])
            components = tuple(given.pop("components"))
            return cls(**given, report=report, rows=rows, cost=Cost(**cost), components=components)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"not a cell of a matrix ({type(error).__name__}: {error})") from None


def key_of(host: Host, library: Library, stack: str, dataset: Dataset, backbone: str | None) -> str:
    """The key of a cell: over the stack, its components' manifests, weights and tokens, the data, and the backbone.

    A backbone counts by its name; one in a folder by its files, too.

    Raises:
        ComponentError: a component is absent.
        StackError: the stack does not parse.
    """
    state = hashlib.sha256(f"{SCHEMA}\0{stack}\0{dataset.sha256}\0{backbone}".encode())
    find = finder(library, host)
    for atom in parse_stack(stack).atoms:
        folder = find(atom)
        state.update(read_folder_manifest(folder).model_dump_json().encode())
        state.update(weights_hash(folder).encode())
        if (folder / TOKENIZER).is_file():
            state.update((folder / TOKENIZER).read_bytes())
    for file in sorted(Path(backbone).glob("*")) if backbone and Path(backbone).is_dir() else ():
        # Not by content, which would take longer to read than many a cell to compute.
        found = file.stat()
        state.update(f"{file.name} {found.st_size} {found.st_mtime_ns}".encode("utf-8", "surrogatepass"))
    return state.hexdigest()


@dataclass
class Bench:
    """The backbone that the cells of one matrix share, loaded when the first one is computed."""

    host: Host
    library: Library
    backbone: str | None = None

    @cached_property
    def _models(self) -> dict[tuple[str, str | None, bool], RoutedModel]:
        return {}

    def open(self, text: str) -> OpenStack:
        """A stack on the shared backbone; what was attached for others is not any more. Raises as `open_stack`."""
        from lect.host.backbones import load_backbone

        stack = parse_stack(text)
        stored = tuple(read_stack(stack, self.library, self.host))
        entry = stored[0].manifest.backbone if stored else None
        name = self.backbone or (entry.name if entry else DEFAULT_BACKBONE)
        revision = entry.revision if entry and not self.backbone else None
        which = (name, revision, must_generate(self.host, stored))
        if which not in self._models:
            loaded = load_backbone(name, host=self.host, revision=revision, generates=which[2])
            self._models[which] = RoutedModel(loaded).to(default_device())
            # Cells of one data set share what their stacks have in common below.
            self._models[which].kept = MemoryStates()
        model = self._models[which]
        for key in model.components.keys() - set(map(str, stack.parts)):
            model.detach(key)
        return attach(Engine(model), stack, stored, self.host)

    def forget_states(self) -> None:
        """Forget what was computed of texts, before other ones are asked for."""
        for model in self._models.values():
            model.kept = MemoryStates()


def compute_cell(bench: Bench, stack: str, dataset: Dataset, key: str) -> Cell:
    """Score a stack on a data set. Raises as `evaluate_rows`."""
    from lect.evaluation.evaluate import evaluate_rows

    opened = bench.open(stack)
    report, metric = evaluate_rows(
        opened, bench.host, dataset.examples, str(dataset.source), dataset.remarks, statistics=True
    )
    rows, seconds = _rows(opened, dataset, report, metric)
    training = [stored.manifest.training for stored in opened.stored]
    trained = [each.seconds for each in training if each is not None]
    return Cell(
        key=key,
        stack=stack,
        metric=metric,
        report=report,
        rows=rows,
        cost=Cost(
            parameters=sum(tensor.numel() for stored in opened.stored for tensor in stored.tensors.values()),
            bytes=sum(size_of(stored.folder) for stored in opened.stored),
            training_seconds=round(sum(trained), 1) if len(trained) == len(training) else None,
            inference_seconds=round(seconds, 3),
            hardware=tuple(sorted({each.hardware for each in training if each is not None and each.hardware})),
        ),
        components=tuple(stored.manifest.key for stored in opened.stored),
        languages={stored.manifest.key: list(stored.manifest.languages) for stored in opened.stored},
    )


def _rows(opened: OpenStack, dataset: Dataset, report: EvaluationReport, metric: str) -> tuple[Rows, float]:
    """What is known of the rows, and the seconds that the whole stack takes for them."""
    examples = dataset.examples
    texts = [example.text for example in examples]
    answers = report.variants[0].predictions
    generates = isinstance(opened.head, GenerationHead)
    truth = tuple((example.translation if generates else example.label) or "" for example in examples)
    correct: tuple[bool, ...] = ()
    confidence: tuple[float, ...] = ()
    if metric in ("retrieval", "ranking"):
        correct = tuple(Ranked.parse(answer).places[0][0] == 1 for answer in answers)
    elif metric == "classification":
        correct = tuple(true == answer for true, answer in zip(truth, answers, strict=True))
        confidence = tuple(round(each.score or 0.0, 6) for each in opened.predict(examples))
    # What was written is in the report; what it took is the cost.
    seconds = report.seconds / len(report.variants) if generates else _seconds(opened, examples, metric)
    lengths, unknown = token_counts(opened, texts)
    return Rows(truth, lengths, unknown, correct, confidence), seconds


def _seconds(opened: OpenStack, examples: Sequence[Example], metric: str) -> float:
    """What the whole stack takes for all rows, alone: measured on some of them, spread over the data set."""
    some = examples[:: max(1, len(examples) // _TIMED)]
    model = opened.engine.model
    kept, model.kept = model.kept, None
    started = time.perf_counter()
    try:
        if metric in ("retrieval", "ranking"):
            opened.embed([example.text for example in some])
        else:
            opened.predict(some)
    finally:
        model.kept = kept
    return (time.perf_counter() - started) * len(examples) / max(1, len(some))


def token_counts(opened: OpenStack, texts: Sequence[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many tokens each text has, and how many of them are unknown."""
    encodings = opened.engine.encoder.tokens(texts, opened.keys)
    unknown: Any = getattr(opened.backbone.tokenizer, "unk_token", None)
    counts = tuple(len(encoding.ids) - sum(encoding.special_tokens_mask) for encoding in encodings)
    return counts, tuple(encoding.tokens.count(unknown) if unknown else 0 for encoding in encodings)


@dataclass(frozen=True)
class CellFolder:
    """Where finished cells are kept, one file each."""

    folder: Path

    def get(self, key: str) -> Cell | None:
        """The cell of this key; None where it was not computed yet, or its file is damaged."""
        try:
            cell = Cell.from_json(self._path(key).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, DataError):
            return None
        return cell if cell.key == key else None

    def get_or_compute(self, key: str, compute: Callable[[], Cell]) -> tuple[Cell, bool]:
        """The cell, and whether it had to be computed."""
        known = self.get(key)
        if known is not None:
            return known, False
        cell = compute()
        write_aside(self._path(key), cell.to_json())
        return cell, True

    def _path(self, key: str) -> Path:
        return self.folder / f"{key[:32]}.json"
