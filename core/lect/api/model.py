"""A model to use from Python: a frozen backbone with one or more stacks on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import NDArray

from lect.api.components import library_of
from lect.api.progress import ask_for_no_widgets
from lect.api.results import Predictions
from lect.api.rows import Row, Rows, Single, Table, examples_of, is_single, is_stream
from lect.api.stacks import Composition
from lect.backbones import Backbone
from lect.backbones.in_memory import HeldModel
from lect.composition.model import RoutedModel
from lect.composition.stack import Stack
from lect.counts import number_of
from lect.data.examples import Example
from lect.engine.engine import Engine, Keys
from lect.engine.open import OpenStack, open_on, open_stack
from lect.errors import DataError, StackError
from lect.heads import Prediction
from lect.host import Host
from lect.literals import ComputePrecision, Pooling
from lect.selection.donors import resolve_auto
from lect.storage.library import Library
from lect.storage.manifest import Manifest

if TYPE_CHECKING:
    from lect.evaluation.report import EvaluationReport
    from lect.explain.explanation import Explanation

StackLike: TypeAlias = "str | Composition | Stack"
Stacks: TypeAlias = "StackLike | Iterable[StackLike] | None"
"""One stack for all rows, one for each, or the model's own."""


def load(
    stack: StackLike = "",
    *,
    backbone: str | None = None,
    model: Any = None,
    tokenizer: Any = None,
    pooling: Pooling = "mean",
    prefix: str = "",
    language: str | None = None,
    library: str | Path | Library | None = None,
    device: str | torch.device | None = None,
    precision: ComputePrecision = "float32",
) -> Model:
    """A model with a stack on it, such as ``lect.load("lang:jav + task:sentiment")``.

    Args:
        stack: by default none: the bare backbone, which embeds texts.
        backbone: a name, hub id or folder; by default the one that the stack's components were trained on.
        model: one of `transformers` that is in memory already, in the place of a name: it is frozen while it is
            held, and is as it was when this one is closed.
        tokenizer: of that model.
        pooling, prefix: of that model: how its sentence vectors are made, and what it wants before every text.
        language: of the texts, where ``lang:auto`` stands in the stack: the nearest component is taken.
        library: the folder of components; by default ``./components`` and the user's own.
        device: where the model runs; by default the first GPU, else the CPU.
        precision: what it computes in; bfloat16 is faster where the processor has it, and a little less exact.

    Raises:
        StackError: the stack does not parse, or cannot be composed.
        ComponentError: a component is absent or broken, or of another backbone.
        BackboneError: the backbone cannot be loaded.

    Example:
        >>> with lect.load("lang:jav + task:sentiment") as model:
        ...     model.predict("a great and happy day").label
        'good'
        >>> lect.load(backbone="e5-small").embed(["a text", "another"]).shape[0]
        2
    """
    ask_for_no_widgets()
    host, found = Host.load(), library_of(library)
    text, _ = resolve_auto(str(stack), language, found)
    if model is not None:
        made = _on_model_in_memory(text, host, found, HeldModel(model, tokenizer, pooling=pooling, prefix=prefix))
        made._engine.precision = precision
        return made
    opened = open_stack(text, host, found, backbone)
    if device is not None:
        opened.engine.model.to(device)
    opened.engine.precision = precision
    return Model(opened, host, found)


class Model:
    """A frozen backbone with stacks on it; every row of a call may go through a stack of its own.

    It may be called from several threads, each call with stacks of its own: a batch has the model for itself, and the
    results are those that the calls would have one after the other. Made by `load`.
    """

    def __init__(
        self, opened: OpenStack, host: Host, library: Library, on_close: Callable[[], None] | None = None
    ) -> None:
        self._on_close = on_close
        self._default, self._host, self._library = opened, host, library
        self._opened = {str(opened.stack): opened}
        self._is_closed = False

    @property
    def backbone(self) -> Backbone:
        """The frozen model."""
        return self._default.backbone

    @property
    def stack(self) -> Composition:
        """The stack that rows go through where no other is named."""
        return Composition(str(self._default.stack))

    @property
    def stacks(self) -> tuple[str, ...]:
        """Every stack that has been loaded."""
        return tuple(self._opened)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the head chooses from, where it has labels."""
        head = self._default.head
        return () if head is None else tuple(head.labels)

    # ------------------------------------------------------------------------------------------------------ results

    @overload
    def predict(self, rows: Single, *, stacks: Stacks = None, **columns: str) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, rows: Table, *, stacks: Stacks = None, **columns: str) -> Predictions: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, rows: Iterable[Row], *, stacks: Stacks = None, **columns: str) -> Iterator[Prediction]: ...

    def predict(
        self, rows: Rows, *, stacks: Stacks = None, **columns: str
    ) -> Prediction | Predictions | Iterator[Prediction]:
        """What the head of each row's stack predicts.

        Args:
            rows: texts, pairs, mappings, `lect.Example`s, or a table.
            stacks: one for all rows, or one for each; by default the one that was loaded. What is missing is loaded.
            columns: by field, the column that holds it, where it is called otherwise: ``text="tweet"``.

        Returns:
            `Predictions`, a list of records; of an iterator an iterator, which gives each prediction as it is done; of
            a single row one `lect.Prediction`.

        Raises:
            DataError: a row is none, or there are none.
            StackError: a stack has no head.

        Example:
            >>> model = lect.load("lang:jav + task:sentiment")
            >>> found = model.predict(["a great and happy day", "the grim cold"])
            >>> found.values
            ['good', 'bad']
            >>> found[0].label, sorted(found[0].probabilities)
            ('good', ['bad', 'good'])
            >>> mixed = model.predict(["warm", "cold"], stacks=["task:sentiment", "lang:sun + task:sentiment"])
            >>> model.predict("the grim cold").label
            'bad'
        """
        routed = self._routed(rows, stacks, columns)
        if is_single(rows):
            (found,) = self._engine.predictions(list(routed))
            return found
        if is_stream(rows):
            return self._engine.predictions(routed)
        given = list(routed)
        return Predictions(self._engine.predictions(given), [example for example, _ in given])

    @overload
    def embed(  # type: ignore[overload-overlap]
        self, rows: Single | Table, *, stacks: Stacks = None, normalize: bool = False, **columns: str
    ) -> NDArray[np.float32]: ...
    @overload
    def embed(
        self, rows: Iterable[Row], *, stacks: Stacks = None, normalize: bool = False, **columns: str
    ) -> Iterator[NDArray[np.float32]]: ...

    def embed(
        self, rows: Rows, *, stacks: Stacks = None, normalize: bool = False, **columns: str
    ) -> NDArray[np.float32] | Iterator[NDArray[np.float32]]:
        """The sentence vectors of texts.

        Args:
            rows, stacks, columns: as `predict` takes them.
            normalize: whether each vector has length 1.

        Returns:
            A float32 array, *Shape:* ``(rows, width)``; of a single text ``(width,)``; of an iterator an iterator of
            vectors.

        Raises:
            DataError: a row is none, or there are none.
            StackError: a stack is wrong, or stacks give vectors of several widths.

        Example:
            >>> model = lect.load("lang:jav")
            >>> vectors = model.embed(["warm and bright", "the grim cold"], normalize=True)
            >>> vectors.shape == (2, model.backbone.hidden_size), str(vectors.dtype)
            (True, 'float32')
        """
        routed = ((example.text, keys) for example, keys in self._routed(rows, stacks, columns))
        vectors = (_as_array(vector, normalize) for vector in self._engine.vectors(
            list(routed) if not is_stream(rows) else routed))  # fmt: skip
        if is_single(rows):
            return next(vectors)
        return vectors if is_stream(rows) else np.stack(list(vectors))

    def evaluate(self, rows: Rows, *, dataset: str = "rows", **columns: str) -> EvaluationReport:
        """Scores on labelled or parallel rows, with and without each component, with confidence intervals.

        Args:
            dataset: how the report calls the rows.
            columns: by field, the column that holds it: ``label="sentiment"``.

        Raises:
            DataError: a row lacks what is asked of it.

        Example:
            >>> rows = lect.read("reviews.csv", label="mood")
            >>> report = lect.load("lang:jav + task:sentiment").evaluate(rows)
            >>> [variant.label for variant in report.variants]
            ['lang:jav + task:sentiment', 'without lang:jav']
            >>> 0 <= report.variants[0].score("macro_f1").value <= 1
            True
        """
        from lect.evaluation.evaluate import evaluate_rows

        return evaluate_rows(self._current, self._host, self._examples(rows, columns), dataset)[0]

    def explain(
        self, text: str, *, target: str | None = None, against: str | None = None, attention: bool = False
    ) -> Explanation:
        """Which words a prediction hangs on, with the whole stack and without each component.

        Args:
            target: the label to explain; by default the predicted one.
            against: of a stack without a head: the text that `text` is compared with.
            attention: attention maps, too.

        Raises:
            StackError: the stack has no head, and there is nothing to compare with.
            UserError: the head has no such label.

        Example:
            >>> explanation = lect.load("lang:jav + task:sentiment").explain("a great and happy day")
            >>> [word for word, *_ in explanation.words]
            ['a', 'great', 'and', 'happy', 'day']
        """
        from lect.explain.explain import explain

        with self._engine.alone():
            return explain(self._current, text, target=target, against=against, attention=attention)

    # ------------------------------------------------------------------------------------------------------- its life

    def close(self) -> None:
        """Take the components off the backbone again, which is then what it was before; a model is closed once."""
        if not self._is_closed:
            self._is_closed = True
            with self._default.engine.alone():
                self._default.engine.model.detach_all()
                if self._on_close is not None:
                    self._on_close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        stack = str(self._default.stack) or "the bare backbone"
        head = self._default.head_kind
        stored = self._default.stored
        parameters = sum(each.parameters for each in stored)
        parts = [f"{number_of(len(stored), 'component')}, {parameters:,} parameters"] if stored else []
        parts += [f"head {head}" + (f" ({len(self.labels)} labels)" if self.labels else "")] if head else []
        return f"<lect.Model {stack} on {self.backbone.name}{': ' if parts else ''}{'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        cells = [
            (
                f"<code>{escape(each.manifest.key)}</code>",
                escape(", ".join(each.manifest.languages)),
                escape(", ".join(each.manifest.methods) or "–"),
                f"{each.parameters:,}",
                "<br>".join(map(escape, _scores(each.manifest))) or "–",
            )
            for each in self._default.stored
        ]
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
        head = "<tr><th>component</th><th>languages</th><th>parts</th><th>parameters</th><th>scores</th></tr>"
        return f"<p><b>{escape(repr(self)[1:-1])}</b></p><table><thead>{head}</thead>{rows}</table>"

    # --------------------------------------------------------------------------------------------------------- ways

    @property
    def _engine(self) -> Engine:
        return self._current.engine

    @property
    def _current(self) -> OpenStack:
        if self._is_closed:
            raise StackError("the model is closed", fix="load it again")
        return self._default

    def _examples(self, rows: Rows, columns: dict[str, str]) -> Sequence[Example]:
        examples = tuple(examples_of(rows, columns))
        if not examples:
            raise DataError("no rows are given", fix='give some, such as ["a text"]')
        return examples

    def _keys_of(self, stack: StackLike) -> Keys:
        text = str(stack)
        if text not in self._opened:
            self._opened[text] = open_on(self._engine, text, self._host, self._library)
        return self._opened[text].keys

    def _routed(self, rows: Rows, stacks: Stacks, columns: dict[str, str]) -> Iterator[tuple[Example, Keys]]:
        examples = examples_of(rows, columns) if is_stream(rows) else iter(self._examples(rows, columns))
        if stacks is None or isinstance(stacks, str | Composition | Stack):
            ways: Iterable[Keys] = repeat(self._current.keys if stacks is None else self._keys_of(stacks))
            return zip(examples, ways, strict=False)
        return _paired(examples, map(self._keys_of, stacks), may_go_on=is_stream(stacks))


def _on_model_in_memory(text: str, host: Host, library: Library, held: HeldModel) -> Model:
    try:
        opened = open_on(Engine(RoutedModel(held.backbone)), text, host, library)
    except BaseException:
        held.give_back()
        raise
    return Model(opened, host, library, held.give_back)


def _paired(examples: Iterator[Example], ways: Iterator[Keys], *, may_go_on: bool) -> Iterator[tuple[Example, Keys]]:
    missing: Any = object()
    for example in examples:
        way = next(ways, missing)
        if way is missing:
            raise DataError("there are fewer stacks than rows", where=example.origin, fix="give one stack for each row")
        yield example, way
    if not may_go_on and next(ways, missing) is not missing:
        raise DataError("there are more stacks than rows", fix="give one stack for each row")


def _scores(manifest: Manifest) -> list[str]:
    """The scores that a component says it has, with it and without, a line each."""
    return [
        f"{each.metric.replace('_', ' ')} {each.value:.3f}"
        + (f" (without {each.without:.3f})" if each.without is not None else "")
        + f" on {each.dataset}"
        for each in manifest.results[:4]
        if "[" not in each.metric
    ]


def _as_array(vector: torch.Tensor, normalize: bool) -> NDArray[np.float32]:
    found = torch.nn.functional.normalize(vector, dim=0) if normalize else vector
    return found.numpy()
