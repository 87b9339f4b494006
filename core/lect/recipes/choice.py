"""Which recipe to teach a language or a task by: what `lect new`, `lect.teach_language` and `lect.teach_task` choose.

Every choice follows from counts of the data and from what was measured (BENCHMARKS.md), and says why in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lect.errors import DataError

Use = Literal["pairs", "lines", "dictionary"]
"""Where a language is learned from: pairs of a sentence and its translation, raw text, entries of a dictionary."""

UNKNOWN_MOST = 0.02
"""A share of unknown tokens above which a tokenizer does not know a language's letters."""
ENOUGH_TO_HOLD_OUT = 800
"""Of so many pairs some are held out, to measure on."""
_HELD_OUT = 300
_FEWEST_FOR_TOKENS = 200
"""From fewer sentences no tokens are learned: each would be seen once or twice."""
_SENTENCES_FOR_FOCUS = 2000


@dataclass(frozen=True)
class LanguageFacts:
    """What there is to learn a language from, and what the backbone makes of it.

    Args:
        pairs, lines, entries: how many translated sentences, lines of raw text and entries of a dictionary.
        unknown: the share of tokens that the backbone does not know, 0 to 1; None where it was not measured.
        decoder: whether the backbone writes texts, and so predicts the next token.
        gives_vectors: whether the backbone was trained to give sentence vectors.
    """

    pairs: int = 0
    lines: int = 0
    entries: int = 0
    unknown: float | None = None
    decoder: bool = False
    gives_vectors: bool = True


@dataclass(frozen=True)
class Choice:
    """Tables of a recipe.

    Args:
        tables: ``parts``, ``objective``, ``training``, and ``head`` of a task.
        reasons: why, a sentence each.
        sources: of a language, what is learned from, the main one first.
        validation_share: of the rows, what is held out to validate on.
    """

    tables: Mapping[str, Any]
    reasons: tuple[str, ...]
    sources: tuple[Use, ...] = ()
    validation_share: float | None = None


def choose_language(facts: LanguageFacts) -> Choice:
    """How to teach a language. Raises `DataError` where the backbone cannot learn from what there is."""
    if facts.decoder:
        return _next_tokens(facts)
    if facts.pairs or facts.entries:
        return _aligned(facts)
    return _masked(facts)


def choose_task(kind: str, rows: int, *, uneven: bool = False) -> Choice:
    """How to teach a task.

    Args:
        kind: of its head.
        rows: to train on.
        uneven: whether some label has many more rows than another.
    """
    head: dict[str, Any] = {"kind": kind}
    if kind in _OF_VECTORS:
        part: dict[str, Any] = {"method": "bottleneck", "reduction_factor": 4, "layers": "upper quarter"}
        why = (
            "A bottleneck in the upper quarter of the layers learns it: of what was tried it stood best on languages "
            "that it has no labels of, and what lies below is computed once."
        )
    else:
        part = {"method": "lora", "r": 16, "lora_alpha": 32, "target_modules": "all-linear"}
        why = "LoRA on all linear layers learns it: answers in single words take more than a bottleneck."
    epochs = 10 if rows < 2000 else 5 if rows < 10_000 else 2
    reasons = [why, f"{_times(epochs)} through the rows is what is enough for so many."]
    if uneven and kind in ("classification", "multi-label"):
        head["class_weights"] = "balanced"
        reasons.append("Rows of rare labels count for more, as the labels are uneven.")
    training = {"epochs": epochs, "batch_size": 16, "learning_rate": 5e-4, "schedule": "one-cycle", "warmup": 0.2}
    tables = {"parts": [part], "head": head, "objective": {"name": "supervised"}, "training": training}
    return Choice(tables, tuple(reasons), validation_share=0.1 if rows >= ENOUGH_TO_HOLD_OUT else None)


_OF_VECTORS = ("classification", "multi-label", "regression")


def _aligned(facts: LanguageFacts) -> Choice:
    """By translations: whole sentences, or a dictionary's words where there are no more."""
    main: Use = "pairs" if facts.pairs else "dictionary"
    rows = facts.pairs or facts.entries
    what = "sentence" if facts.pairs else "word"
    tokens = _new_tokens(facts, rows)
    objective: dict[str, Any] = {"name": "alignment", "distance": 100.0, "contrast": 0.2, "temperature": 0.05}
    reasons = [f"It learns by alignment: each {what}'s vector is pulled to the vector of its translation."]
    if tokens:
        objective |= {"contrast": 0.3, "candidates": "all"}
        reasons.append(_why_tokens(facts))
    if facts.pairs and facts.entries:
        objective["tokens"] = 10.0
        reasons.append("The dictionary says which words of a pair translate each other, so that words are aligned too.")
    sources: tuple[Use, ...] = (main,)
    if facts.lines and (tokens or not facts.gives_vectors or not facts.pairs):
        objective = {
            "name": "combined",
            "terms": [{**objective, "weight": 1.0}, {"name": "masked-lm", "weight": 0.1}],
        }
        sources = (main, "lines")
        reasons.append("Tokens hidden in the raw text are predicted beside that, with a small weight.")
    elif facts.lines:
        reasons.append(
            "The raw text is not learned from: to predict its hidden tokens beside the alignment made no task better "
            "where it was measured (it stands in the recipe as a comment)."
        )
    parts = [*tokens, {"method": "bottleneck", "reduction_factor": 16}]
    training: dict[str, Any] = {**_length_of(rows, bool(tokens)), "learning_rate": 5e-4}
    if tokens:
        training["learning_rates"] = {"vocabulary": 3e-3}
    training |= {"schedule": "one-cycle", "warmup": 0.3}
    share = min(0.1, _HELD_OUT / rows) if rows >= ENOUGH_TO_HOLD_OUT and facts.pairs else None
    if share:
        reasons.append(f"{round(share * rows):,} pairs are held out: what the part helps with is measured on them.")
    tables = {"parts": parts, "objective": objective, "training": training}
    return Choice(tables, tuple(reasons), sources, share)


def _masked(facts: LanguageFacts) -> Choice:
    """By raw text alone."""
    tokens = _new_tokens(facts, facts.lines)
    reasons = ["It learns by predicting tokens that are hidden in the raw text."]
    if tokens:
        reasons.append(_why_tokens(facts))
    if facts.gives_vectors:
        reasons.append(
            "On a backbone for sentence vectors this moves the vectors away from those that tasks were trained on: "
            "give translations too (--pairs or --dictionary), even few, wherever there are any."
        )
    training: dict[str, Any] = {"epochs": 3, "batch_size": 32, "max_length": 128, "learning_rate": 5e-4}
    if tokens:
        training["learning_rates"] = {"vocabulary": 3e-3}
    tables = {
        "parts": [*tokens, {"method": "bottleneck", "preset": "seq_bn_inv"}],
        "objective": {"name": "masked-lm"},
        "training": {**training, "schedule": "one-cycle", "warmup": 0.1},
    }
    return Choice(tables, tuple(reasons), ("lines",), _share_of_lines(facts.lines))


def _next_tokens(facts: LanguageFacts) -> Choice:
    """By raw text, on a backbone that writes texts."""
    if not (facts.lines or facts.pairs):
        raise DataError(
            "a backbone that writes texts learns from texts, and a dictionary has none",
            fix="give raw text with --text, or another backbone",
        )
    main: Use = "lines" if facts.lines else "pairs"
    tables = {
        "parts": [{"method": "lora", "r": 16, "lora_alpha": 32, "target_modules": "all-linear"}],
        "objective": {"name": "causal-lm"},
        "training": {"epochs": 3, "batch_size": 16, "max_length": 256, "learning_rate": 2e-4, "warmup": 0.1},
    }
    why = "The backbone writes texts, so it learns the language by predicting each next token."
    reasons = [why]
    if facts.lines and (facts.pairs or facts.entries):
        reasons.append("Translations and dictionaries are not learned from: it reads the raw text alone.")
    return Choice(tables, tuple(reasons), (main,), _share_of_lines(facts.lines or facts.pairs))


def _share_of_lines(lines: int) -> float | None:
    return 0.02 if lines >= 1000 else None


def _new_tokens(facts: LanguageFacts, rows: int) -> list[dict[str, Any]]:
    """The part with new tokens, where the backbone's own say little of the language and there is text to learn from."""
    texts = max(rows, facts.lines)
    if facts.unknown is None or facts.unknown <= UNKNOWN_MOST or texts < _FEWEST_FOR_TOKENS:
        return []
    count = min(4000, max(200, round(texts * 0.65 / 100) * 100))
    many = texts >= _SENTENCES_FOR_FOCUS
    start = "focus" if many else "translations" if facts.pairs or facts.entries else "overlap"
    return [{"method": "vocabulary", "pieces": count, "initialise": start}]


def _why_tokens(facts: LanguageFacts) -> str:
    return f"It gets tokens of its own, as {facts.unknown:.0%} of the backbone's tokens for it are unknown ones."


def _length_of(rows: int, tokens: bool) -> dict[str, int]:
    if rows < 2000:
        return {"epochs": 10, "batch_size": 32} if tokens else {"epochs": 8, "batch_size": 16}
    return {"epochs": 6 if rows < 20_000 else 3 if rows < 100_000 else 1, "batch_size": 32}


def _times(count: int) -> str:
    return {2: "Twice", 5: "Five times", 10: "Ten times"}[count]
