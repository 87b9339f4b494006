"""Predictions as programs get them: a record a row, the same from Python, the command line and the server."""

from __future__ import annotations

from typing import Any

from lect.data.examples import Example
from lect.heads import Prediction


def record_of_prediction(example: Example, prediction: Prediction) -> dict[str, Any]:
    """What a program gets: what was given and asked, the prediction, and what the head adds."""
    scores = {label: round(score, 6) for label, score in prediction.scores.items()}
    score = None if prediction.score is None else round(prediction.score, 6)
    answer = {"answer": prediction.value, "score": score, "scores": scores}
    return {**_given(example), **answer, **prediction.record}


def record_without_prediction(example: Example, reason: str) -> dict[str, Any]:
    """The record of a row that there is nothing to predict for, and why."""
    return {**_given(example), "answer": None, "score": None, "scores": {}, "reason": reason}


def _given(example: Example) -> dict[str, Any]:
    key = {} if example.key is None else {"key": example.key}
    given = {name: value for name in ("text_pair", "question", "choices") if (value := getattr(example, name))}
    return {**key, "text": example.text, **given}
