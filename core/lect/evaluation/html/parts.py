"""Tokens of a page: escaped text, tables, shaded cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from lect.evaluation.html.style import CSS, SCOPED
from lect.locales import Locale

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_HEAT = "0,114,178"
_DEEPEST = 0.6


def document(locale: Locale, title: str, *content: str) -> str:
    """A whole page that needs nothing else: no network, no scripts, no files beside it."""
    return (
        f'<!doctype html><html lang="{locale.tag}" dir="{locale.direction}"><head><meta charset="utf-8">'
        f'<title>{escape(title)}</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><style>{CSS}</style></head><body><main>'
        f'<h1 dir="auto">{escape(title)}</h1>{"".join(content)}</main></body></html>\n'
    )


def fragment(locale: Locale, title: str, *content: str) -> str:
    """The same inside another page, such as a notebook."""
    return (
        f'<div class="lect" lang="{locale.tag}" dir="{locale.direction}"><style>{SCOPED}</style>'
        f'<h3 dir="auto">{escape(title)}</h3>{"".join(content)}</div>\n'
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of cells that are HTML already, in a box that scrolls on narrow screens."""
    head = "".join(cell if cell.startswith("<th") else f'<th scope="col">{cell}</th>' for cell in header)
    body = "".join(f"<tr>{_row(row)}</tr>" for row in rows)
    attribute = f' class="{kind}"' if kind else ""
    return f'<div class="scroll"><table{attribute}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def facts_table(rows: Iterable[tuple[str, str]]) -> str:
    """Names and plain texts beside each other; what has no text is left out."""
    return table(("", ""), ((escape(name), text_cell(text)) for name, text in rows if text), "facts")


def text_cell(text: str) -> str:
    """A cell of plain text, which may take several lines."""
    return f'<td class="text" dir="auto">{escape(text)}</td>'


def text_heading(text: str) -> str:
    """The heading of a column of texts."""
    return f'<th scope="col" class="text">{escape(text)}</th>'


def foreign(text: str) -> str:
    """A text that may be of any language and script, such as a label, inside one of the page's."""
    return f"<bdi>{escape(text)}</bdi>"


def code_block(text: str) -> str:
    """Plain text as it is, such as a recipe."""
    return f"<pre><code>{escape(text)}</code></pre>"


def interval(low: float, high: float, form: str, locale: Locale) -> str:
    """Both ends of an interval, below its value; `form` is what `format` takes for a number."""
    text = locale.gettext("{low} to {high}", low=locale.format(low, form), high=locale.format(high, form))
    return f"<small>{text}</small>"


def shaded(content: str, share: float, kind: str = "") -> str:
    """A cell on a ground that is the deeper the larger the share, 0 to 1."""
    depth = _DEEPEST * min(1.0, max(0.0, share))
    attribute = f' class="{kind}"' if kind else ""
    return f'<td{attribute} style="background:rgba({_HEAT},{depth:.3f})">{content}</td>'


def section(anchor: str, title: str, *content: str) -> str:
    """A part of the page with a heading."""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(content)}</section>'


def figure(plot: str, caption: str) -> str:
    """A plot with what it shows."""
    return f"<figure>{plot}<figcaption>{escape(caption)}</figcaption></figure>"


def paragraph(text: str, kind: str = "") -> str:
    """Plain text as a paragraph."""
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{escape(text)}</p>"


def recorded(text: str, kind: str = "") -> str:
    """A paragraph that was written down with what is shown, in English or in a language of its author's."""
    return f'<p{f" class={chr(34)}{kind}{chr(34)}" if kind else ""} lang="" dir="auto">{escape(text)}</p>'


def folded(title: str, *content: str, is_open: bool = False) -> str:
    """What is only shown when it is asked for."""
    return f"<details{' open' if is_open else ''}><summary>{escape(title)}</summary>{''.join(content)}</details>"


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    return f'<th scope="row">{first}</th>' + "".join(
        cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in others
    )
