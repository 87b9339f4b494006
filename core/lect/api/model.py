"""A model to use from Python: a frozen backbone with one or more stacks on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from numpy.typing import NDArray

from lect.api.components import library_of
from lect.api.opened import OpenStacks, StackLike, Stacks
from lect.api.progress import ask_for_no_widgets
from lect.api.results import Predictions
from lect.api.rows import Row, Rows, Single, Table, is_single, is_stream
from lect.api.shown import table_of_components
from lect.api.stacks import Composition
from lect.backbones import Backbone
from lect.backbones.in_memory import HeldModel
from lect.composition.model import RoutedModel
from lect.counts import number_of
from lect.device import device_named
from lect.engine.engine import Engine
from lect.engine.open import OpenStack, open_on, open_stack
from lect.errors import UserError
from lect.heads import Prediction
from lect.host import Host
from lect.literals import Pooling, RequestedPrecision
from lect.selection.automatic import Choice, rest_of, with_choices
from lect.selection.donors import is_automatic, resolve_auto
from lect.storage.library import Library

if TYPE_CHECKING:
    from lect.api.pipelines import Pipeline
    from lect.evaluation.report import EvaluationReport
    from lect.explain.explanation import Explanation


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
    precision: RequestedPrecision = "float32",
    exact: bool = False,
    graphs: bool = False,
) -> Model:
    """A model with a stack on it, such as ``lect.load("lang:jav + task:sentiment")``.

    Args:
        stack: by default none: the bare backbone, which embeds texts.
        backbone: a name, hub id or folder; by default the one that the stack's components were trained on.
        model: one of `transformers` that is in memory already, in the place of a name: it is frozen while it is
            held, and is as it was when this one is closed.
        tokenizer: of that model.
        pooling, prefix: of that model: how its sentence vectors are made, and what it wants before every text.
        language: of the texts, where ``lang:auto`` stands in the stack: the nearest component is taken. Without it the
            language of each text is identified, and a component taken for each (docs/stacks.md).
        library: the folder of components; by default ``./components`` and the user's own.
        device: where the model runs; by default the first GPU, else the CPU, and a model in memory where it is. It is
            moved back when it is closed.
        precision: what it computes in; int8 (frozen projections alone, on a CPU), or ``auto``: the fastest here.
        exact: whether a text gives the same bytes whatever else is in the call; it then takes as long as 256 tokens.
        graphs: whether the layers are recorded as CUDA graphs, for many small batches on a GPU (docs/serving.md).

    Raises:
        StackError: the stack does not parse, or cannot be composed.
        ComponentError: a component is absent or broken, or of another backbone.
        BackboneError: the backbone cannot be loaded.
        UserError: there is no such device, or it has no CUDA graphs.

    Example:
        >>> with lect.load("lang:jav + task:sentiment") as model:
        ...     model.predict("a great and happy day").label
        'good'
        >>> lect.load(backbone="e5-small").embed(["a text", "another"]).shape[0]
        2
    """
    ask_for_no_widgets()
    host, found = Host.load(), library_of(library)
    text, automatic = str(stack), ""
    if is_automatic(text) and language is None:
        text, automatic = rest_of(text), text
    else:
        text, _ = resolve_auto(text, language, found)
    where = None if device is None else device_named(device)
    if model is not None:
        held = HeldModel(model, tokenizer, pooling=pooling, prefix=prefix, device=where)
        made = _on_model_in_memory(text, host, found, held, automatic)
        try:
            made._engine.precision, made._engine.exact, made._engine.graphs = precision, exact, graphs
        except UserError:
            made.close()
            raise
        return made
    opened = open_stack(text, host, found, backbone)
    if where is not None:
        opened.engine.model.to(where)
    opened.engine.precision, opened.engine.exact, opened.engine.graphs = precision, exact, graphs
    return Model(opened, host, found, automatic=automatic)


class Model:
    """A frozen backbone with stacks on it; every row of a call may go through a stack of its own.

    It may be called from several threads, each call with stacks of its own: a batch has the model for itself, and the
    results are those that the calls would have one after the other. Made by `load`.
    """

    def __init__(
        self,
        opened: OpenStack,
        host: Host,
        library: Library,
        on_close: Callable[[], None] | None = None,
        automatic: str = "",
    ) -> None:
        self._on_close = on_close
        self._stacks = OpenStacks(opened, host, library, automatic)
        self._default = opened

    @property
    def backbone(self) -> Backbone:
        """The frozen model."""
        return self._default.backbone

    @property
    def stack(self) -> Composition:
        """The stack that rows go through where no other is named."""
        return Composition(self._stacks.automatic or str(self._default.stack))

    @property
    def stacks(self) -> tuple[str, ...]:
        """Every stack that has been loaded."""
        return self._stacks.texts

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
        choices: deque[Choice | None] = deque()
        routed = self._stacks.routed(rows, stacks, columns, choices.append)
        if is_stream(rows):
            return with_choices(self._engine.predictions(routed), choices)
        given = list(routed)
        predictions = with_choices(self._engine.predictions(given), choices)
        if is_single(rows):
            (found,) = predictions
            return found
        return Predictions(predictions, [example for example, _ in given])

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
        routed = ((example.text, keys) for example, keys in self._stacks.routed(rows, stacks, columns))
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

        return evaluate_rows(self._stacks.opened(), self._stacks.host, self._stacks.examples(rows, columns), dataset)[0]

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
            return explain(
                self._stacks.chosen(None, text)[0], text, target=target, against=against, attention=attention
            )

    # ---------------------------------------------------------------------------------------------- other libraries

    def as_sentence_transformer(self, stacks: Mapping[str, StackLike] | None = None) -> Any:
        """This model as a `sentence_transformers.SentenceTransformer`, to encode with, to save and to load again.

        Args:
            stacks: by the name of a prompt, the stack that it chooses: ``encode(texts, prompt_name="jv")``. Any other
                is named as ``encode(texts, stack="lang:jav")``.

        Raises:
            UserError: sentence-transformers is not installed, or a stack is wrong.
        """
        _need("sentence_transformers", "sentence-transformers")
        from lect.api.sentence_transformers import as_sentence_transformer

        return as_sentence_transformer(self._stacks, stacks)

    def as_mteb_encoder(
        self,
        stacks: Mapping[str, StackLike] | None = None,
        *,
        identify: Callable[[str], str | None] | None = None,
        name: str | None = None,
    ) -> Any:
        """This model as what `mteb.evaluate` takes: each text goes through the stack of its language.

        Args:
            stacks: by language, its stack; by default this model's, with the library's component of that language in
                the place of its own. Texts of other languages go through this model's stack as it is.
            identify: tells the language of a text, for the rows of a subset that is of several languages.
            name: what results are called, as ``organisation/model``.

        Raises:
            UserError: mteb is not installed, or a stack is wrong.
        """
        _need("mteb", "mteb")
        from lect.api.mteb import LanguageEncoder

        return LanguageEncoder.of(self._stacks, stacks, identify=identify, name=name)

    def as_pipeline(self, task: str | None = None, **options: Any) -> Pipeline:
        """This model as a pipeline of `transformers`: called as those are, with the records that they give.

        Args:
            task: ``text-classification``, ``token-classification``, ``question-answering``, ``translation`` or
                ``feature-extraction``; by default what the head is for.
            options: defaults for calls, such as ``top_k=3`` or ``aggregation_strategy="none"``.

        Raises:
            UserError: the head is for another task.

        Example:
            >>> classify = lect.load("lang:jav + task:sentiment").as_pipeline("text-classification")
            >>> [sorted(found) for found in classify(["a great and happy day", "the grim cold"])]
            [['label', 'score'], ['label', 'score']]
        """
        from lect.api.pipelines import pipeline

        return pipeline(self._stacks, task, options)

    # ------------------------------------------------------------------------------------------------------- its life

    def close(self) -> None:
        """Take the components off the backbone again, which is then what it was before; a model is closed once."""
        self._stacks.close(self._on_close)

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        stack = str(self.stack) or "the bare backbone"
        head = self._default.head_kind
        stored = self._default.stored
        parameters = sum(each.parameters for each in stored)
        parts = [f"{number_of(len(stored), 'component')}, {parameters:,} parameters"] if stored else []
        parts += [f"head {head}" + (f" ({len(self.labels)} labels)" if self.labels else "")] if head else []
        return f"<lect.Model {stack} on {self.backbone.name}{': ' if parts else ''}{'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        return table_of_components(repr(self)[1:-1], self._default.stored)

    @property
    def _engine(self) -> Engine:
        return self._stacks.engine


def _on_model_in_memory(text: str, host: Host, library: Library, held: HeldModel, automatic: str) -> Model:
    try:
        opened = open_on(Engine(RoutedModel(held.backbone)), text, host, library)
    except BaseException:
        held.give_back()
        raise
    return Model(opened, host, library, held.give_back, automatic)


def _need(module: str, distribution: str) -> None:
    if find_spec(module) is None:
        raise UserError(f"{distribution} is not installed", fix=f'try: pip install {distribution}, or "lect[interop]"')


def _as_array(vector: torch.Tensor, normalize: bool) -> NDArray[np.float32]:
    found = torch.nn.functional.normalize(vector, dim=0) if normalize else vector
    return found.numpy()
