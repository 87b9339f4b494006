"""Extractive question answering: the stretch of a context that answers a question.

Devlin et al. (2019), section 4.2 and 4.3: a score for each token to begin the answer, and one to end it; "no answer"
is the row's first token. Contexts that are too long are read in overlapping windows, the best of which answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lect import DataError, Head, Layout, Prediction
from lect_heads.metrics.squad import Accepted

if TYPE_CHECKING:
    from lect import Backbone, Example, RowTokenizer, Span, Window
    from lect_heads.configs import QuestionAnsweringConfig


_UNKNOWN = -100
"""What cross-entropy leaves out."""


@dataclass(frozen=True)
class SpanTargets:
    """Where each row's answer begins and ends.

    Args:
        ends: the places of the first and the last token; 0 and 0 where the row has no answer, `_UNKNOWN` where it is
            not known where the answer stands. *Shape:* ``(rows, 2)``.
        allowed: whether a token may be one. *Shape:* ``(rows, length)``.
    """

    ends: Tensor
    allowed: Tensor

    def to(self, device: torch.device) -> SpanTargets:
        """The same on a device."""
        return SpanTargets(self.ends.to(device), self.allowed.to(device))


class QuestionAnsweringHead(Head):
    """Two logits a token: of the answer's beginning and of its end."""

    windowed = True

    def __init__(self, config: QuestionAnsweringConfig, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__()
        self._config = config
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(backbone.hidden_size, 2)

    def layout(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> Layout:
        questions = [_question(example) for example in examples]
        return Layout.of(tokenizer.windows(questions, [example.text for example in examples], self._config.overlap))

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits of every token, *Shape:* ``(rows, length, 2)``."""
        return self.output(self.dropout(hidden_states))

    def references(self, examples: Sequence[Example]) -> list[Accepted]:
        """The accepted answers of each example; none where there is none in the context."""
        return [Accepted(tuple(span.text for span in _answers(each)), each.language) for each in examples]

    def targets(self, examples: Sequence[Example], layout: Layout) -> SpanTargets:
        """The first accepted answer of each example whose place is known, in the rows that have the whole of it."""
        ends = torch.zeros(len(layout.rows), 2, dtype=torch.long)
        for example, rows in zip(examples, layout.spans, strict=True):
            accepted = _answers(example)
            placed = next((span for span in accepted if span.start is not None), None)
            for row in rows:
                if placed is not None and (found := _tokens(layout.rows[row], placed)):
                    ends[row] = torch.tensor(found)
                elif placed is None and accepted:
                    ends[row] = _UNKNOWN
        return SpanTargets(ends, _allowed(layout))

    def loss(self, logits: Tensor, targets: SpanTargets) -> Tensor:
        """Cross-entropy of both ends, the mean over the rows whose answers' places are known."""
        masked = _masked(logits, targets.allowed)
        losses = nn.functional.cross_entropy(masked, targets.ends, ignore_index=_UNKNOWN, reduction="none")
        return losses.sum() / (targets.ends != _UNKNOWN).sum().clamp(min=1)

    def decode(self, logits: Tensor, examples: Sequence[Example], layout: Layout) -> list[Prediction]:
        """The best stretch in any of each example's rows; an empty one where no answer is likelier."""
        predictions = []
        # Shares of each row, of which one that has no answer gives most to its first token: so rows can be compared
        # (Clark & Gardner 2018, the "no-answer option").
        values = _masked(logits, _allowed(layout).to(logits.device)).log_softmax(1).cpu()
        for example, rows in zip(examples, layout.spans, strict=True):
            found: dict[tuple[int, int], float] = {}
            for row in rows:
                for stretch, score in self._stretches(layout.rows[row], values[row]):
                    found[stretch] = max(score, found.get(stretch, -math.inf))
            nothing = min(float(values[row, 0].sum()) for row in rows)
            predictions.append(self._prediction(example, found, nothing))
        return predictions

    def _stretches(self, window: Window, logits: Tensor) -> list[tuple[tuple[int, int], float]]:
        """The best stretches of one row, by their characters, with their scores."""
        tokens = window.tokens_of_text(1)
        if not tokens:
            return []
        first, last = tokens[0][0], tokens[-1][0] + 1
        begins, ends = logits[first:last, 0], logits[first:last, 1]
        scores = begins[:, None] + ends[None, :]
        # An answer ends behind its beginning, and not too far behind it.
        scores = scores.masked_fill(
            ~torch.ones_like(scores, dtype=torch.bool).triu().tril(self._config.longest - 1), -1e9
        )
        best = scores.flatten().topk(min(4 * self._config.n_best, scores.numel()))
        found = []
        for score, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            if score > -1e8:
                start, end = divmod(index, scores.shape[1])
                found.append(((tokens[start][1], tokens[end][2]), score))
        return found

    def _prediction(self, example: Example, found: dict[tuple[int, int], float], nothing: float) -> Prediction:
        ranked: list[tuple[dict[str, Any], float]] = []
        seen = set()
        for (start, end), score in sorted(found.items(), key=lambda each: -each[1]):
            text = example.text[start:end]
            start += len(text) - len(text.lstrip())
            text = text.strip()
            if text and (start, text) not in seen:
                seen.add((start, text))
                ranked.append(({"text": text, "start": start, "end": start + len(text)}, score))
        ranked = ranked[: self._config.n_best]
        best = ranked[0][1] if ranked else -math.inf
        is_none = not ranked or (self._config.no_answer and nothing - best > self._config.threshold)
        if self._config.no_answer or not ranked:
            ranked.append(({"text": "", "start": None, "end": None}, nothing))
            ranked.sort(key=lambda each: -each[1])
        shares = torch.tensor([score for _, score in ranked]).softmax(0).tolist()
        listed = [{**each, "score": round(share, 6)} for (each, _), share in zip(ranked, shares, strict=True)]
        chosen = next(each for each in listed if (each["text"] == "") is is_none)
        text = str(chosen["text"])
        record = {"start": chosen["start"], "end": chosen["end"], "n_best": listed}
        return Prediction(text, chosen["score"], shown=text or "(no answer)", record=record)


def _allowed(layout: Layout) -> Tensor:
    """Whether a token may begin or end an answer, or is the first one. *Shape:* ``(rows, length)``."""
    allowed = torch.zeros(len(layout.rows), max(len(row.ids) for row in layout.rows), dtype=torch.bool)
    allowed[:, 0] = True
    for row, window in enumerate(layout.rows):
        allowed[row, [place for place, _, _ in window.tokens_of_text(1)]] = True
    return allowed


def _masked(logits: Tensor, allowed: Tensor) -> Tensor:
    # A batch may be wider than the rows of one head in it.
    allowed = nn.functional.pad(allowed, (0, logits.shape[1] - allowed.shape[1]))
    return logits.masked_fill(~allowed.unsqueeze(-1), -1e4)


def _question(example: Example) -> str:
    if not example.question:
        raise DataError("nothing is asked", where=example.origin, fix="give a question (--question …)")
    return example.question


def _answers(example: Example) -> tuple[Span, ...]:
    if example.answers is None:
        raise DataError(
            "the question has no answers, so that it can be asked and not scored",
            where=example.origin,
            fix='name their field with answers = "…", read it with the reader squad, or use lect predict',
        )
    return example.answers


def _tokens(window: Window, span: Span) -> tuple[int, int] | None:
    """The first and the last token of an answer, where the row has the whole of it."""
    start = span.start
    if start is None:
        return None
    end = start + len(span.text)
    tokens = window.tokens_of_text(1)
    if not tokens or tokens[0][1] > start or tokens[-1][2] < end:
        return None
    inside = [place for place, first, last in tokens if first < end and last > start]
    return (inside[0], inside[-1]) if inside else None
