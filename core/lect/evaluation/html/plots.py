"""Plots as inline SVG: text stays text, and takes the page's colour, so that they are legible in light and dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from lect.data.drawing import COLOURS, DASHES, MARKERS
from lect.errors import UserError
from lect.locales import Locale

_WIDTH = 4.1
"""In inches: about 390 pixels, so that letters keep their size on a phone."""


@dataclass(frozen=True)
class Line:
    """A named series of points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Dot:
    """A value with its interval, in a row and of a series."""

    row: int
    series: int
    value: float
    low: float
    high: float


def lines(
    title: str,
    series: Sequence[Line],
    x_label: str,
    y_label: str,
    locale: Locale,
    *,
    diagonal: bool = False,
    points: bool = False,
) -> str:
    """A plot of lines.

    Args:
        diagonal: draw the line on which both are equal, over 0 to 1.
        points: mark every point.
    """
    figure, axes = _figure(3.0 if diagonal else 1.9)
    if diagonal:
        axes.plot([0, 1], [0, 1], color="#000000", linewidth=0.8, linestyle=":")
    for place, each in enumerate(series):
        marker = MARKERS[place % len(MARKERS)] if points else None
        axes.plot(
            each.x,
            each.y,
            color=colour(place),
            linestyle=DASHES[place % len(DASHES)],
            marker=marker,
            markersize=4,
            linewidth=1.4,
            label=_plain(each.name),
        )
    if all(isinstance(value, int) for each in series for value in each.x):
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(_plain(x_label))
    axes.set_ylabel(_plain(y_label))
    if len(series) > 1:
        _legend(figure, len(series))
    return _svg(figure, title, locale)


def dots(
    title: str,
    rows: Sequence[str],
    series: Sequence[str],
    values: Sequence[Dot],
    x_label: str,
    locale: Locale,
    *,
    zero: bool = False,
) -> str:
    """Values with their intervals, one row above the other, the series of a row beside each other.

    Args:
        zero: draw the line of no difference.
    """
    count = max(1, len(series))
    figure, axes = _figure(max(1.6, 0.75 + len(rows) * (0.16 + 0.11 * count)))
    if zero:
        axes.axvline(0, color="#000000", linewidth=0.8, linestyle=":")
    for place, name in enumerate(series):
        own = [dot for dot in values if dot.series == place]
        spread = (place - (count - 1) / 2) * (0.7 / count)
        axes.errorbar(
            [dot.value for dot in own],
            [dot.row + spread for dot in own],
            xerr=[
                [max(0.0, dot.value - dot.low) for dot in own],
                [max(0.0, dot.high - dot.value) for dot in own],
            ],
            fmt=MARKERS[place % len(MARKERS)],
            color=colour(place),
            markersize=4,
            linewidth=1.2,
            label=_plain(name),
        )
    axes.set_yticks(range(len(rows)), [_plain(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.2, color="#000000")
    axes.set_xlabel(_plain(x_label))
    if len(series) > 1:
        _legend(figure, len(series))
    return _svg(figure, title, locale)


def colour(place: int) -> str:
    """The colour of a series."""
    return COLOURS[place % len(COLOURS)]


def _figure(height: float) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("plots need matplotlib", fix='install it: pip install "lect[plots]"') from None
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)
    return figure, axes


def _legend(figure: Any, count: int) -> None:
    figure.legend(loc="outside upper left", fontsize=8, frameon=False, ncols=min(2, count), borderaxespad=0.1)


def _svg(figure: Any, title: str, locale: Locale) -> str:
    import matplotlib
    from matplotlib.ticker import ScalarFormatter

    class Numbers(ScalarFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return locale.punctuated(super().__call__(x, pos))

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            # Rows have names, and others of its kinds.
            if type(axis.get_major_formatter()) is ScalarFormatter:
                axis.set_major_formatter(Numbers())

    out = io.StringIO()
    # Names of clip paths come from the salt: no two plots of a page may share one.
    settings = {"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The letters are drawn by the browser, with fonts of its own.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="(?!p[0-9a-f]{8,}|m[0-9a-f]{8,})[^"]*"', "", svg)
    svg = re.sub(r"font: ([^;\"]*?)'[^\"]*?(;|\")", r"font: \1sans-serif\2", svg)
    # What matplotlib draws black, or leaves to the default, takes the colour of the page's text.
    svg = svg.replace("#000000", "currentColor").replace("<text ", '<text fill="currentColor" ')
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width, height = (size[1], size[2]) if size else ("295", "200")
    head = f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}" class="plot"'
    return re.sub(r"<svg[^>]*>", f'{head} xmlns:xlink="http://www.w3.org/1999/xlink">', svg, count=1)


def _plain(text: str) -> str:
    # A leading underscore hides a label, and dollars begin mathematics.
    return text.replace("$", r"\$").replace("_", " ") if text.startswith("_") else text.replace("$", r"\$")
