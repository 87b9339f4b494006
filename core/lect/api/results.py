"""What predictions are to a user: a list of records that knows its rows and becomes a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, SupportsIndex, overload

from lect.data.examples import Example
from lect.engine.records import record_of_prediction
from lect.heads import Prediction

_SHOWN = 20


class Predictions(Sequence[Prediction]):
    """Predictions in the order of their rows.

    Args:
        rows: what was predicted, a row each.

    Example:
        >>> found = lect.load("task:sentiment").predict(["a great and happy day", "the grim cold"])
        >>> len(found), found[1].label, found.records()[1]["answer"]
        (2, 'bad', 'bad')
        >>> list(found.to_pandas().columns)
        ['text', 'answer', 'score', 'scores']
    """

    def __init__(self, found: Iterable[Prediction], rows: Sequence[Example]) -> None:
        self._found, self._rows = tuple(found), tuple(rows)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Predictions: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Predictions(self._found[index], self._rows[index])
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    @property
    def values(self) -> list[Any]:
        """What is predicted for each row: a label, a number, a tag for each word, a text."""
        return [each.value for each in self._found]

    def records(self) -> list[dict[str, Any]]:
        """A dictionary a row, as ``lect predict --json`` prints it: what was given, the prediction, and its scores."""
        return [record_of_prediction(row, each) for row, each in zip(self._rows, self._found, strict=True)]

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of the records. Raises `ImportError` where pandas is not installed."""
        import pandas

        return pandas.DataFrame.from_records(self.records())

    def __repr__(self) -> str:
        shown = ", ".join(str(each)[:30] for each in self._found[:5])
        return f"<{len(self)} predictions: {shown}{', …' if len(self) > 5 else ''}>"

    def _repr_html_(self) -> str:
        cells = [
            (escape(row.text[:200]), escape(str(each)), "" if each.score is None else f"{each.score:.2f}")
            for row, each in zip(self._rows[:_SHOWN], self._found[:_SHOWN], strict=True)
        ]
        body = "".join(
            f'<tr><td dir="auto">{text}</td><td>{what}</td><td>{score}</td></tr>' for text, what, score in cells
        )
        more = f"<p>… and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        return f"<table><thead><tr><th>text</th><th>prediction</th><th>score</th></tr></thead>{body}</table>{more}"
