"""Retrieval: a vector a text, learned so that a text is nearer to its match than to whatever else is in the batch.

In-batch negatives as in Karpukhin et al. (2020), section 3.2, with hard ones beside them; the loss is InfoNCE (van den
Oord et al. 2018, equation 4) over cosines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from lect import DataError, Head, Layout, Prediction

if TYPE_CHECKING:
    from lect import Backbone, Example, RowTokenizer
    from lect_heads.configs import RetrievalConfig

_COLDEST = 0.01
"""A learned temperature goes no lower, as in CLIP (Radford et al. 2021, section 2.5), unless it began lower."""
_SHOWN = 4


@dataclass(frozen=True)
class RetrievalTargets:
    """Which rows of a batch match.

    Args:
        anchors: the rows of the texts that are compared. *Shape:* ``(anchors,)``.
        candidates: the rows that they are compared with. *Shape:* ``(candidates,)``.
        right: for each anchor the place of its match among the candidates. *Shape:* ``(anchors,)``.
        left_out: candidates that say what an anchor's match says, or match an equal anchor: no negatives of it.
            *Shape:* ``(anchors, candidates)``.
    """

    anchors: Tensor
    candidates: Tensor
    right: Tensor
    left_out: Tensor

    def to(self, device: torch.device) -> RetrievalTargets:
        """The same on a device."""
        return RetrievalTargets(*(each.to(device) for each in vars(self).values()))


@dataclass(frozen=True)
class VectorPrediction(Prediction):
    """A text's vector beside what is answered.

    Args:
        vectors: those of the text, and of what it is compared with. *Shape:* ``(texts, width)``.
    """

    vectors: Tensor = field(default_factory=lambda: torch.empty(0))


class RetrievalHead(Head):
    """Pooled hidden states, a linear layer where there is one, and length 1."""

    embeds = True

    def __init__(self, config: RetrievalConfig, backbone: Backbone) -> None:
        super().__init__()
        self._takes_maximum = config.pooling == "max"
        own = backbone if config.pooling in (None, "max") else replace(backbone, pooling=config.pooling)
        self._pool = own.pool
        self.dropout = nn.Dropout(config.dropout)
        self.projection: nn.Linear | None = None
        if config.projection is not None:
            self.projection = nn.Linear(backbone.hidden_size, config.projection, bias=False)
            # Cosines begin as they are without it, as far as its width allows.
            nn.init.orthogonal_(self.projection.weight)
        scale = torch.tensor(math.log(1 / config.temperature))
        self.scale: nn.Parameter | None = nn.Parameter(scale) if config.learned else None
        self._fixed, self._most = 1 / config.temperature, 1 / min(_COLDEST, config.temperature)

    def layout(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> Layout:
        """The text, its match, its negatives and whatever it may choose from, a row each."""
        return _layout([(example.text, *_others(example)) for example in examples], tokenizer)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Vectors of length 1, *Shape:* ``(rows, width)``, float32."""
        if self._takes_maximum:
            is_padding = attention_mask.unsqueeze(-1) == 0
            vectors = hidden_states.masked_fill(is_padding, torch.finfo(hidden_states.dtype).min).amax(1)
        else:
            vectors = self._pool(hidden_states, attention_mask)
        vectors = self.dropout(vectors)
        if self.projection is not None:
            vectors = self.projection(vectors)
        return normalize(vectors.float(), dim=-1)

    def references(self, examples: Sequence[Example]) -> list[tuple[str]]:
        """The match of each text: no label, of which a report would say how frequent it is."""
        return [(_match(example),) for example in examples]

    def targets(self, examples: Sequence[Example], layout: Layout) -> RetrievalTargets:
        rows = list(layout.spans)
        others = [(index, row) for index, own in enumerate(rows) for row in own[1:]]
        return _targets(examples, range(len(examples)), [own[0] for own in rows], others)

    def share(
        self, examples: Sequence[Example], indices: Sequence[int], tokenizer: RowTokenizer
    ) -> tuple[Layout, RetrievalTargets]:
        """The texts of some, and the matches and negatives of all: what every process has a vector of its own for."""
        is_own = set(indices)
        layout = _layout(
            [((example.text,) if index in is_own else ()) + _others(example) for index, example in enumerate(examples)],
            tokenizer,
        )
        spans = layout.spans
        others = [(index, row) for index, rows in enumerate(spans) for row in (rows[1:] if index in is_own else rows)]
        return layout, _targets(examples, indices, [spans[index][0] for index in indices], others)

    def loss(self, logits: Tensor, targets: RetrievalTargets) -> Tensor:
        """Cross-entropy of each text's match among the candidates, the mean over texts."""
        # Single precision, also under autocast: cosines are divided by a small number.
        with torch.autocast(logits.device.type, enabled=False):
            vectors = logits.float()
            scale = self._fixed if self.scale is None else self.scale.exp().clamp(max=self._most)
            cosines = scale * (vectors[targets.anchors] @ vectors[targets.candidates].T)
            return cross_entropy(cosines.masked_fill(targets.left_out, float("-inf")), targets.right)

    def decode(self, logits: Tensor, examples: Sequence[Example], layout: Layout) -> list[Prediction]:
        """The cosine with the second text where there is one; the nearest of several choices; else the vector."""
        predictions: list[Prediction] = []
        for example, rows in zip(examples, layout.spans, strict=True):
            vectors = logits[rows.start : rows.stop].cpu()
            predictions.append(_prediction(example, vectors, (vectors[1:] @ vectors[0]).tolist()))
        return predictions

    def compared(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> list[Prediction]:
        """Where each text's matches stand among the matches and negatives of all.

        Texts that are equal have their matches in common.
        """
        from lect import rank_relevant

        places: dict[str, int] = {}
        vectors: list[Tensor] = []
        matching: dict[str, dict[int, float]] = {}
        queries: list[Tensor] = []
        for example, prediction in zip(examples, predictions, strict=True):
            assert isinstance(prediction, VectorPrediction)
            queries.append(prediction.vectors[0])
            for text, vector in zip(_others(example), prediction.vectors[1:], strict=True):
                if text not in places:
                    places[text] = len(vectors)
                    vectors.append(vector)
            matching.setdefault(example.text, {})[places[_match(example)]] = 1.0
        relevant = [matching[example.text] for example in examples]
        ranked = rank_relevant(torch.stack(queries), torch.stack(vectors), relevant)
        return [Prediction(each, None, shown=str(each)) for each in ranked]


def _prediction(example: Example, vectors: Tensor, cosines: list[float]) -> Prediction:
    if example.text_pair:
        return VectorPrediction(cosines[0], cosines[0], shown=f"cosine {cosines[0]:.3f}", vectors=vectors)
    if example.choices:
        best = max(range(len(cosines)), key=cosines.__getitem__)
        scores = {str(number): cosine for number, cosine in enumerate(cosines)}
        found = example.choices[best]
        return VectorPrediction(str(best), cosines[best], scores, found, {"choice": found}, vectors)
    vector = vectors[0].tolist()
    first = ", ".join(f"{value:.3f}" for value in vector[:_SHOWN])
    return VectorPrediction(vector, None, shown=f"{len(vector)} numbers: {first}, …", vectors=vectors)


def _layout(texts: Sequence[Sequence[str]], tokenizer: RowTokenizer) -> Layout:
    rows = iter(tokenizer.whole([text for own in texts for text in own]))
    return Layout.of([[next(rows) for _ in own] for own in texts])


def _others(example: Example) -> tuple[str, ...]:
    """What an example's text is compared with, its match first."""
    if example.text_pair:
        return (example.text_pair, *(example.negatives or ()))
    return example.choices or ()


def _match(example: Example) -> str:
    if not example.text_pair:
        raise DataError(
            "the row has no text that matches", where=example.origin, fix='name its column with text_pair = "…"'
        )
    return example.text_pair


def _targets(
    examples: Sequence[Example], own: Sequence[int], anchors: Sequence[int], others: Sequence[tuple[int, int]]
) -> RetrievalTargets:
    """Targets of some of the examples.

    Args:
        own: their indices.
        anchors: the row of each of them.
        others: the candidates: which example each is of, and its row; of one example in the order of `_others`.
    """
    matching: dict[str, set[str]] = {}
    for example in examples:
        matching.setdefault(example.text, set()).add(_match(example))
    texts: list[str] = []
    firsts: dict[int, int] = {}
    for place, (index, _) in enumerate(others):
        first = firsts.setdefault(index, place)
        texts.append(_others(examples[index])[place - first])
    right = [firsts[index] for index in own]
    left_out = torch.zeros(len(own), len(others), dtype=torch.bool)
    for number, index in enumerate(own):
        known = matching[examples[index].text]
        left_out[number] = torch.tensor([text in known for text in texts])
        left_out[number, right[number]] = False
    return RetrievalTargets(
        torch.tensor(list(anchors), dtype=torch.long),
        torch.tensor([row for _, row in others], dtype=torch.long),
        torch.tensor(right, dtype=torch.long),
        left_out,
    )
