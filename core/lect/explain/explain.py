"""Explanations of a stack's answers."""

from __future__ import annotations

import torch
from torch import Tensor

from lect.composition.encode import StackTokenizer
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.data.examples import Example
from lect.engine.open import OpenStack
from lect.errors import DataError, StackError, nearest
from lect.evaluation.evaluate import ablations
from lect.explain.attention import attention_maps, pooled, rollout
from lect.explain.attribution import Score, attribute
from lect.explain.explanation import Explained, Explanation, Token
from lect.explain.words import Span, by_word, words_of
from lect.heads import GenerationHead, Head, Prediction


def explain(
    opened: OpenStack,
    text: str,
    *,
    target: str | None = None,
    against: str | None = None,
    attention: bool = False,
    steps: int = 64,
) -> Explanation:
    """Which words an answer hangs on, with the whole stack and without each of its parts.

    Args:
        target: the label to explain; the stack's own answer by default.
        against: for a stack without a head, or with one that gives vectors: the text that `text` is compared with; its
            vector is that of the bare backbone, or of the head's component alone.
        attention: maps and their rollout, too.
        steps: of the integral; more are more exact.

    Raises:
        DataError: the text is empty, or the head has no such label.
        StackError: the stack has no head and there is nothing to compare with, or its head answers more than one label
            a text.
        BackboneError: attention is asked for and the backbone gives none.
    """
    if not text.strip():
        raise DataError("the text is empty", where="the text to explain")
    # A head that gives vectors answers nothing alone: what is explained is a cosine, as without a head.
    head = None if opened.vectors_by else opened.head
    score, label = _head_score(opened, head, text, target) if head else _cosine(opened, against)
    spans = words_of(text)
    variants = [
        _explained(opened, each.label, each.keys, text, spans, score, head, label, attention, steps)
        for each in ablations(opened, keep_head=True)
    ]
    maps: tuple[tuple[tuple[float, ...], ...], ...] = ()
    if attention:
        found = attention_maps(opened.engine.model, _rows(opened, text, opened.keys)[0])
        maps = tuple(tuple(tuple(round(value, 5) for value in row) for row in layer) for layer in found.tolist())
    return Explanation(
        text=text,
        stack=str(opened.stack) or "bare backbone",
        backbone=opened.backbone.name,
        target=label,
        kind="logit" if head else "cosine",
        words=tuple((text[start:end], start, end) for start, end in spans),
        variants=tuple(variants),
        maps=maps,
    )


def _explained(
    opened: OpenStack,
    name: str,
    keys: tuple[str, ...],
    text: str,
    spans: list[Span],
    score: Score,
    head: Head | None,
    label: str,
    attention: bool,
    steps: int,
) -> Explained:
    rows, offsets, special, tokens = _rows(opened, text, keys)
    found = attribute(opened.engine.model, rows, special, score, steps=steps)
    shares: list[float] = []
    if attention:
        flow = rollout(attention_maps(opened.engine.model, rows))
        shares = pooled(opened.engine.model, flow, rows.attention_mask).tolist()
    answer, probability, scores = "", 0.0, {}
    if head is not None:
        decoded = _decoded(opened, head, rows, text)
        answer, probability, scores = decoded.value, decoded.score or 0.0, dict(decoded.scores)
    return Explained(
        label=name,
        answer=answer,
        probability=probability,
        target_probability=scores.get(label, 0.0),
        score=found.score,
        baseline=found.baseline,
        words=tuple(by_word(spans, offsets, found.values)),
        tokens=tuple(
            Token(token, start, end, value, shares[place] if shares else None)
            for place, (token, (start, end), value) in enumerate(zip(tokens, offsets, found.values, strict=True))
        ),
        gap=found.gap,
        scores=scores,
        rollout=tuple(by_word(spans, offsets, shares)) if shares else (),
    )


def _rows(opened: OpenStack, text: str, keys: tuple[str, ...]) -> tuple[EncodedRows, list[Span], Tensor, list[str]]:
    """The text as a batch, where its tokens stand in it, which of them are none of its own, and the tokens."""
    (encoding,) = opened.engine.encoder.tokens([text], keys)
    prefix = len(opened.backbone.prefix)
    device = opened.engine.device
    rows = opened.engine.encoder.assemble([encoding], Routes.uniform(keys, 1)).to(device)
    spans = [(max(0, start - prefix), max(0, end - prefix)) for start, end in encoding.offsets]
    # What the backbone wants before every text says nothing of this one.
    special = [bool(mark) or end <= 0 for mark, (_, end) in zip(encoding.special_tokens_mask, spans, strict=True)]
    spans = [(0, 0) if mark else span for mark, span in zip(special, spans, strict=True)]
    return rows, spans, torch.tensor(special), list(encoding.tokens)


@torch.no_grad()
def _logits(opened: OpenStack, rows: EncodedRows) -> Tensor:
    hidden = opened.engine.model(rows)
    (output,) = opened.engine.model.logits(hidden, rows)
    return output.logits.float()


def _decoded(opened: OpenStack, head: Head, rows: EncodedRows, text: str) -> Prediction:
    examples = [Example(text)]
    layout = head.layout(examples, StackTokenizer(opened.engine.encoder, rows.routes.groups[0].components))
    return head.decode(_logits(opened, rows), examples, layout)[0]


def _head_score(opened: OpenStack, head: Head, text: str, target: str | None) -> tuple[Score, str]:
    rows = _rows(opened, text, opened.keys)[0]
    logits = None if isinstance(head, GenerationHead) else _logits(opened, rows)
    if logits is None or logits.shape != (1, len(head.labels)):
        raise StackError(
            "its head does not give one label a text", where=f'stack "{opened.stack}"', fix="name one that classifies"
        )
    label = target or _decoded(opened, head, rows, text).value
    if label not in head.labels:
        raise DataError(f'there is no label "{label}"', where="the target", fix=nearest(label, head.labels))
    place = head.labels.index(label)

    def score(hidden: Tensor, rows: EncodedRows) -> Tensor:
        (output,) = opened.engine.model.logits(hidden, rows)
        return output.logits[:, place]

    return score, label


def _cosine(opened: OpenStack, against: str | None) -> tuple[Score, str]:
    if not against:
        what = "gives vectors" if opened.vectors_by else "has no head"
        raise StackError(
            f"this stack {what}, so it answers nothing",
            where=f'stack "{opened.stack}"',
            fix="end it with a task:…, or name a text to compare with by --against",
        )
    own = (opened.vectors_by,) if opened.vectors_by else ()
    vector = opened.engine.embed([against], own)

    def score(hidden: Tensor, rows: EncodedRows) -> Tensor:
        found = opened.engine.model.vectors(hidden, rows)
        return torch.nn.functional.cosine_similarity(found, vector.to(found.device, found.dtype))

    return score, against
