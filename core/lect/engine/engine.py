"""Stacks in use on one frozen backbone: predictions, sentence vectors and hidden states, each row by its own stack."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lect.backbones import Backbone
from lect.backbones.precision import computing_in, resolve_precision
from lect.composition.batching import TOKENS_PER_BATCH, batches_by_length, stretches
from lect.composition.encode import RowEncoder, StackTokenizer
from lect.composition.finite import check_predictions, check_vectors
from lect.composition.graphs.recording import CudaRecorder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.composition.sharing import hidden_states
from lect.data.examples import Example
from lect.engine.exact import exact_passes
from lect.errors import StackError, UserError
from lect.generation.predictions import generate_predictions, text_limit, truncated_texts
from lect.heads import GenerationHead, Head, Layout, Prediction
from lect.literals import ComputePrecision, RequestedPrecision

Keys = tuple[str, ...]
"""A stack as the model takes it: the keys of attached components, the lowest first; empty for the bare backbone."""


class Engine:
    """A frozen backbone with components attached, and what is asked of their stacks.

    Rows go through in batches of like length, whatever stacks they are of, and results come back in the order of the
    rows. What the stacks of a text have in common in the lower layers is computed once (`lect.composition.sharing`).
    It may be used from several threads: each batch has the model for itself.

    Args:
        encoder: how texts are tokenised; by default up to the backbone's longest input.
        tokens_per_batch: the most tokens of a batch, padding included.

    Attributes:
        tokens_per_batch: the most tokens of a batch.
        exact: whether what a text gives is the same to the last bit whatever else is in the same call, for some more
            time (`lect.engine.exact`).
    """

    def __init__(
        self, model: RoutedModel, encoder: RowEncoder | None = None, *, tokens_per_batch: int = TOKENS_PER_BATCH
    ) -> None:
        self.model = model
        self.encoder = encoder or RowEncoder(model)
        self.tokens_per_batch = tokens_per_batch
        self.exact = False
        self._precision: ComputePrecision = "float32"
        self._lock = threading.RLock()

    # ------------------------------------------------------------------------------------------------- what is there

    @property
    def backbone(self) -> Backbone:
        """The frozen model that everything stands on."""
        return self.model.backbone

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.encoder.parameters()).device

    @property
    def precision(self) -> ComputePrecision:
        """What the model computes in; results are float32.

        It may be set to ``auto``, which becomes what is fastest here. Raises `UserError` for int8 on a GPU.
        """
        return self._precision

    @precision.setter
    def precision(self, requested: RequestedPrecision) -> None:
        self._precision = resolve_precision(requested, self.device)

    @property
    def graphs(self) -> bool:
        """Whether batches go through CUDA graphs of the layers (`lect.composition.graphs`).

        To set it raises `UserError` elsewhere than on a CUDA device, and for a backbone whose layers pass each other
        more than hidden states.
        """
        return self.model.graphs is not None

    @graphs.setter
    def graphs(self, wanted: bool) -> None:
        if wanted and self.device.type != "cuda":
            raise UserError(f"CUDA graphs need a CUDA device, and the model is on {self.device.type}", fix="use none")
        if wanted != self.graphs:
            self.model.use_graphs(CudaRecorder() if wanted else None)

    def head_of(self, keys: Keys) -> Head | None:
        """The head of a stack, where it has one."""
        return self.model.head_of(keys)

    def vectors_by(self, keys: Keys) -> str:
        """The component of a stack whose head gives texts their vectors; empty where these are the backbone's own."""
        heads = {key: self.model.components[key].head for key in keys}
        return next((key for key, head in heads.items() if head is not None and head.embeds), "")

    def limit(self, keys: Keys) -> int:
        """The most tokens of a text that a stack reads; longer texts are truncated."""
        return text_limit(self.encoder, self.head_of(keys))

    def truncated(self, examples: Sequence[Example], keys: Keys) -> tuple[str, ...]:
        """The origins of the texts that are longer than a stack reads, and are truncated."""
        head = self.head_of(keys)
        if head is not None and head.windowed:
            return ()
        if isinstance(head, GenerationHead):
            return truncated_texts(self.encoder, keys, head, examples)
        columns = [[example.text for example in examples]]
        if self.vectors_by(keys):
            columns.append([example.text_pair or "" for example in examples])
        encodings = [self.encoder.tokens(texts, keys) for texts in columns]
        is_truncated = [any(encoding.overflowing for encoding in own) for own in zip(*encodings, strict=True)]
        return tuple(example.origin for example, longer in zip(examples, is_truncated, strict=True) if longer)

    # ---------------------------------------------------------------------------------------------------- predictions

    def predict(self, examples: Sequence[Example], keys: Keys, head: Head | None = None) -> list[Prediction]:
        """The prediction of one stack's head for each example. Raises as `predictions`."""
        return list(self.predictions([(example, keys) for example in examples], head))

    def predictions(self, rows: Iterable[tuple[Example, Keys]], head: Head | None = None) -> Iterator[Prediction]:
        """The prediction for each example by the head of its own stack, in order, as they are done.

        Args:
            rows: examples with their stacks; an iterator is read a stretch at a time, as predictions are asked for.
            head: one that generates texts, in place of the stacks' own.

        Raises:
            StackError: a stack has no head.
            NotFiniteError: a prediction, or what it is made of, is no finite number.
        """
        for stretch in stretches(rows):
            found: dict[int, Prediction] = {}
            for own, places in self._by_head(stretch, head).items():
                if isinstance(own, GenerationHead):
                    examples, stacks = [stretch[place][0] for place in places], [stretch[place][1] for place in places]
                    at_once = 1 if self.exact else len(places)
                    for first in range(0, len(places), at_once):
                        chosen = slice(first, first + at_once)
                        with self._evaluating():
                            texts = generate_predictions(self.encoder, stacks[chosen], own, examples[chosen])
                        found |= dict(zip(places[chosen], texts, strict=True))
            found |= self._decoded(stretch, [place for place in range(len(stretch)) if place not in found])
            ordered = [found[place] for place in range(len(stretch))]
            check_predictions(ordered, [example for example, _ in stretch])
            yield from ordered

    def _by_head(self, stretch: Sequence[tuple[Example, Keys]], given: Head | None) -> dict[Head, list[int]]:
        """The places of the rows that each head predicts for."""
        places: dict[Head, list[int]] = {}
        for place, (_, keys) in enumerate(stretch):
            head = given or self.head_of(keys)
            if head is None:
                raise StackError(
                    "this stack has no head, so it answers nothing",
                    where=f'stack "{" + ".join(keys)}"',
                    fix="end it with a task:…",
                )
            places.setdefault(head, []).append(place)
        return places

    def _decoded(self, stretch: Sequence[tuple[Example, Keys]], places: Sequence[int]) -> dict[int, Prediction]:
        """What heads make of hidden states, by the places of the rows."""
        # All rows of an example go through in one batch: its prediction is made of all of them.
        rows = self._laid_out(stretch, places)
        found: dict[int, Prediction] = {}
        for chosen, hidden, batch in self._passes([(rows[place], stretch[place][1]) for place in places]):
            own = [places[index] for index in chosen]
            with self._evaluating():
                # Hidden states of padding are not checked.
                shown = hidden.masked_fill(~batch.attention_mask.bool().unsqueeze(-1), 0.0)
                check_vectors(shown, [stretch[place][0].origin or "a text" for place in own for _ in rows[place]])
                outputs = self.model.logits(hidden, batch)
                for output in outputs:
                    theirs = [place for place in own if self.head_of(stretch[place][1]) is output.head]
                    examples = [stretch[place][0] for place in theirs]
                    layout = Layout.of([rows[place] for place in theirs])
                    decoded = output.head.decode(output.logits.float(), examples, layout)
                    found |= dict(zip(theirs, decoded, strict=True))
        return found

    def _laid_out(self, stretch: Sequence[tuple[Example, Keys]], places: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        """The rows of each example, as its stack's head lays it out with its stack's tokenizer."""
        rows: dict[int, tuple[Any, ...]] = {}
        of_stack: dict[Keys, list[int]] = {}
        for place in places:
            of_stack.setdefault(stretch[place][1], []).append(place)
        for keys, own in of_stack.items():
            head = self.head_of(keys)
            assert head is not None
            layout = head.layout([stretch[place][0] for place in own], StackTokenizer(self.encoder, keys))
            rows |= {
                place: tuple(layout.rows[row] for row in span) for place, span in zip(own, layout.spans, strict=True)
            }
        return rows

    # -------------------------------------------------------------------------------------------------------- vectors

    def embed(self, texts: Sequence[str], keys: Keys = ()) -> Tensor:
        """The sentence vector of each text through one stack: what its head makes of it where that gives vectors.

        Returns:
            *Shape:* ``(texts, width)``, float32, on the CPU.

        Raises:
            NotFiniteError: one is not finite.
        """
        return self.embed_each(texts, [keys])[0]

    def embed_each(self, texts: Sequence[str], stacks: Sequence[Keys]) -> Tensor:
        """The vectors of all texts through each of several stacks, which share what they have in common.

        Returns:
            *Shape:* ``(stacks, texts, width)``, float32, on the CPU.

        Raises:
            NotFiniteError: one is not finite.
            StackError: the stacks give vectors of several widths.
        """
        if not texts:
            return torch.empty(len(stacks), 0, self.backbone.hidden_size)
        found = torch.stack(list(self.vectors([(text, keys) for text in texts for keys in stacks])))
        return found.view(len(texts), len(stacks), -1).transpose(0, 1).contiguous()

    def vectors(self, rows: Iterable[tuple[str, Keys]]) -> Iterator[Tensor]:
        """The sentence vector of each text by its own stack, *Shape:* ``(width,)``, in order, as they are done.

        Raises:
            NotFiniteError: one is not finite.
            StackError: a batch's stacks give vectors of several widths.
        """
        for stretch in stretches(rows):
            found: dict[int, Tensor] = {}
            for places, hidden, batch in self._texts(stretch):
                with self._evaluating():
                    vectors = self.model.vectors(hidden, batch).float().cpu()
                check_vectors(vectors, [f'the text "{stretch[place][0][:40]}"' for place in places])
                found |= dict(zip(places, vectors, strict=True))
            yield from (found[place] for place in range(len(stretch)))

    def hidden_states(self, rows: Iterable[tuple[str, Keys]]) -> Iterator[tuple[list[int], Tensor]]:
        """The token ids of each text and their hidden states in the last layer, without padding, in order.

        Returns:
            Pairs of ids and states; *Shape:* ``(length, hidden)``, float32, on the CPU.
        """
        for stretch in stretches(rows):
            found: dict[int, tuple[list[int], Tensor]] = {}
            for places, hidden, batch in self._texts(stretch):
                states = hidden.float().cpu()
                for place, own, ids, length in zip(
                    places, states, batch.input_ids.tolist(), batch.attention_mask.sum(1).tolist(), strict=True
                ):
                    found[place] = ids[:length], own[:length]
            yield from (found[place] for place in range(len(stretch)))

    def _texts(self, stretch: Sequence[tuple[str, Keys]]) -> Iterator[tuple[list[int], Tensor, EncodedRows]]:
        """As `_passes`, of texts that are a row each."""
        encodings = self.encoder.tokens_of([text for text, _ in stretch], [keys for _, keys in stretch])
        return self._passes([((encoding,), keys) for encoding, (_, keys) in zip(encodings, stretch, strict=True)])

    def _passes(
        self, examples: Sequence[tuple[Sequence[Any], Keys]]
    ) -> Iterator[tuple[list[int], Tensor, EncodedRows]]:
        """The examples of a batch, the hidden states of all their rows, and the rows; batch by batch.

        Args:
            examples: the rows of each, as the tokenizer gives them, and its stack.
        """
        if self.exact:
            yield from exact_passes(self.encoder, examples, self._evaluating, self.device)
            return
        ids = [[tuple(row.ids) for row in own] for own, _ in examples]
        for chosen in batches_by_length([sum(map(len, own)) for own in ids], self.tokens_per_batch, ids):
            routes = Routes.of([examples[index][1] for index in chosen for _ in examples[index][0]])
            batch = self.encoder.assemble([row for index in chosen for row in examples[index][0]], routes)
            batch = batch.to(self.device)
            with self._evaluating():
                hidden = hidden_states(self.model, batch)
            yield chosen, hidden, batch

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A block in which no other thread uses the model, such as for attaching components."""
        with self._lock:
            yield

    @contextmanager
    def computing(self) -> Iterator[None]:
        """A block that has the model for itself, in the number format that it computes in.

        Raises:
            UserError: it is to be exact in bfloat16, whose kernels give no such results.
        """
        if self.exact and self.precision == "bfloat16":
            raise UserError("results are not exact in bfloat16", fix='compute in "float32" or "int8"')
        with self._lock, computing_in(self.precision, self.backbone, self.device):
            yield

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """A block that has the model for itself, in evaluation mode and without gradients."""
        with self.computing(), torch.no_grad():
            training = self.model.training
            # To look is a quarter of the time of setting; with many parts that counts.
            if any(module.training for module in self.model.modules()):
                self.model.eval()
            try:
                yield
            finally:
                if training:
                    self.model.train()
