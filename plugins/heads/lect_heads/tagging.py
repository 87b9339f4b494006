"""A tag for each word: entities in text, parts of speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lect import DataError, Head, Layout, Prediction, nearest
from lect_heads import schemes
from lect_heads.aligned import WordTargets, locate, word_layout, word_targets
from lect_heads.words import Words

if TYPE_CHECKING:
    from lect import Backbone, Example, RowTokenizer
    from lect_heads.configs import PosConfig


class WordHead(Head):
    """Dropout and one logit a tag, of the first token of each word; long sentences are read in overlapping windows."""

    windowed = True

    def __init__(self, config: PosConfig, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self._overlap = config.overlap
        self._indices = {label: index for index, label in enumerate(self.labels)}
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(backbone.hidden_size, len(self.labels))

    def layout(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> Layout:
        return word_layout(examples, tokenizer, self._overlap)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits of every token, *Shape:* ``(rows, length, tags)``."""
        return self.output(self.dropout(hidden_states))

    def references(self, examples: Sequence[Example]) -> list[tuple[str, ...]]:
        return [self._known(example, tags_of(example)) for example in examples]

    def targets(self, examples: Sequence[Example], layout: Layout) -> WordTargets:
        tags = [
            torch.tensor([self._indices[tag] for tag in own], dtype=torch.long) for own in self.references(examples)
        ]
        return word_targets(examples, layout, tags)

    def loss(self, logits: Tensor, targets: WordTargets) -> Tensor:
        """Cross-entropy, the mean over words."""
        return nn.functional.cross_entropy(logits[targets.rows, targets.tokens], targets.values)

    def decode(self, logits: Tensor, examples: Sequence[Example], layout: Layout) -> list[Prediction]:
        predictions = []
        for words, rows, tokens in locate(examples, layout):
            best = logits[rows.to(logits.device), tokens.to(logits.device)].softmax(-1).max(-1)
            tags = tuple(self.labels[index] for index in best.indices.tolist())
            predictions.append(self._prediction(words, tags, best.values.tolist()))
        return predictions

    def _prediction(self, words: Words, tags: tuple[str, ...], scores: Sequence[float]) -> Prediction:
        shown = " ".join(f"{word}/{tag}" for word, tag in zip(words.words, tags, strict=True))
        return Prediction(tags, _mean(scores), shown=shown, record=_record(words, tags, scores))

    def _known(self, example: Example, tags: tuple[str, ...]) -> tuple[str, ...]:
        for word, tag in enumerate(tags):
            if tag not in self._indices:
                raise DataError(f'unknown tag "{tag}"', where=example.place(word), fix=nearest(tag, self.labels))
        return tags


class EntityHead(WordHead):
    """A `WordHead` whose tags are those of entities, in one scheme whatever scheme its examples have."""

    def __init__(self, config: Any, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__(config, backbone, labels)
        self._scheme: schemes.Scheme = config.scheme

    def references(self, examples: Sequence[Example]) -> list[tuple[str, ...]]:
        return [self._known(example, entity_tags(example, self._scheme)) for example in examples]

    def _known(self, example: Example, tags: tuple[str, ...]) -> tuple[str, ...]:
        for word, tag in enumerate(tags):
            kinds = {label.partition("-")[2] for label in self.labels} - {""}
            if tag.partition("-")[2] not in kinds | {""}:
                raise DataError(
                    f'unknown type of entity "{tag.partition("-")[2]}"',
                    where=example.place(word),
                    fix=f"{nearest(tag.partition('-')[2], kinds)}; or leave it out with the reader's types = […]",
                )
        return super()._known(example, tags)

    def _prediction(self, words: Words, tags: tuple[str, ...], scores: Sequence[float]) -> Prediction:
        # What goes on with nothing is written as the beginning that it is scored as.
        tags = schemes.convert(tags, self._scheme)
        found = schemes.entities(tags)
        listed = [
            {
                "text": " ".join(words.words[start:end]),
                "type": kind,
                "start": words.places[start][0],
                "end": words.places[end - 1][1],
                "score": round(_mean(scores[start:end]) or 0.0, 6),
            }
            for kind, start, end in found
        ]
        record = {**_record(words, tags, scores), "entities": listed}
        return Prediction(tags, _mean(scores), shown=_marked(words, found), record=record)


def tags_of(example: Example) -> tuple[str, ...]:
    """The example's tags. Raises `DataError` where it has none, or not one for each of its words."""
    if example.tags is None or example.words is None:
        raise example.lacking("tags", "read it with the reader conll or conllu")
    if len(example.tags) != len(example.words):
        raise DataError(
            f"{len(example.tags)} tags for {len(example.words)} words", where=example.origin, fix="give each word one"
        )
    return example.tags


def entity_tags(example: Example, scheme: schemes.Scheme) -> tuple[str, ...]:
    """The example's tags in a scheme. Raises `DataError` for what is no tag of an entity."""
    tags = tags_of(example)
    for word, tag in enumerate(tags):
        if not schemes.is_tag(tag):
            raise DataError(f'"{tag}" is no tag of an entity', where=example.place(word), fix=schemes.meant(tag))
    return schemes.convert(tags, scheme)


def entity_labels(examples: Sequence[Example], scheme: schemes.Scheme) -> tuple[str, ...]:
    """Every tag that the types of entities in training rows can have in a scheme."""
    kinds = sorted({kind for example in examples for kind, _, _ in schemes.entities(entity_tags(example, "bio"))})
    prefixes = "BIES" if scheme == "bioes" else "BI"
    return ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in prefixes))


def _record(words: Words, tags: Sequence[str], scores: Sequence[float]) -> dict[str, Any]:
    return {"words": list(words.words), "tags": list(tags), "word_scores": [round(score, 6) for score in scores]}


def _marked(words: Words, found: Sequence[schemes.Entity]) -> str:
    """The words with entities in brackets: ``[Nelson Mandela PER] spoke``."""
    shown = list(words.words)
    for kind, start, end in found:
        shown[start] = f"[{shown[start]}"
        shown[end - 1] = f"{shown[end - 1]} {kind}]"
    return " ".join(shown)


def _mean(scores: Sequence[float]) -> float | None:
    return sum(scores) / len(scores) if scores else None
