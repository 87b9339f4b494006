"""An explanation as coloured text, and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from lect.evaluation.html.parts import document, fragment, paragraph, section, table
from lect.explain.explanation import Explained, Explanation

_FOR, _AGAINST = (16, 150, 96), (220, 60, 60)


def renderables(explanation: Explanation, *, in_colour: bool = True) -> Iterator[Any]:
    """What `rich` prints for an explanation.

    Args:
        in_colour: whether colours are seen; where they are not, figures stand behind the words.
    """
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    whole, *others = explanation.variants
    yield Text(f"{explanation.stack} · {explanation.backbone}", style="dim")
    yield Text(_headline(explanation, whole), style="bold")
    largest = _largest(explanation)
    marked = _coloured if in_colour else _numbered
    yield Padding(marked(explanation, whole.words, largest), (1, 0, 1, 2))
    columns = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    header, *rows = _table(explanation)
    for place, name in enumerate(header):
        columns.add_column(Text(name), justify="right" if place > 1 else "left", overflow="fold")
    for row in rows:
        columns.add_row(*map(Text, row))
    yield Padding(columns, (0, 0, 0, 2))
    for variant in others:
        yield Text(f"\nwhat the whole adds to the stack {variant.label}", style="bold")
        yield Padding(marked(explanation, explanation.changes(variant), largest), (0, 0, 0, 2))
    yield Text("")
    for sentence in _legend(explanation, in_colour=in_colour):
        yield Text(sentence, style="dim")


def page(explanation: Explanation, *, inside: bool = False) -> str:
    """The page as HTML.

    Args:
        inside: another page, such as a notebook: the words and what each part changed, in short.
    """
    whole, *others = explanation.variants
    largest = _largest(explanation)
    header, *rows = [[escape(cell) for cell in row] for row in _table(explanation)]
    parts = [
        section("words", "Words", _spans(explanation, whole.words, largest)),
        section("parts", "With and without each part", table(header, rows)),
    ]
    parts += [
        section(f"change{place}", f"What the whole adds to the stack {variant.label}",
                _spans(explanation, explanation.changes(variant), largest))
        for place, variant in enumerate(others)
    ]  # fmt: skip
    if whole.rollout and not inside:
        said = "The share of each word in the sentence vector by attention rollout. Attention says where the model "
        said += "looks, which is not the same as what its answer hangs on."
        shares = _spans(explanation, whole.rollout, max(whole.rollout))
        parts.append(section("attention", "Attention", paragraph(said), shares))
    tokens = [[escape(p.token), f"{p.attribution:+.4f}", "" if p.rollout is None else f"{p.rollout:.4f}"]
              for p in whole.tokens]  # fmt: skip
    parts += [] if inside else [section("tokens", "Tokens", table(["token", "attribution", "rollout"], tokens))]
    legend = "".join(paragraph(sentence, "dim") for sentence in _legend(explanation))
    on = f'<p class="dim"><code>{escape(explanation.stack)}</code> on <code>{escape(explanation.backbone)}</code></p>'
    return (fragment if inside else document)(_headline(explanation, whole), on, legend, *parts)


def _headline(explanation: Explanation, whole: Explained) -> str:
    if explanation.kind == "cosine":
        return f"cosine {whole.score:.3f} with “{_short(explanation.target)}”"
    answer = f"{whole.answer}, probability {whole.probability:.2f}"
    if explanation.target != whole.answer:
        answer += f"; explained: {explanation.target}, {whole.target_probability:.2f}"
    return answer


def _table(explanation: Explanation) -> list[tuple[str, ...]]:
    """What each variant answers, below a header; without a column that would say what another says."""
    if explanation.kind == "cosine":
        return [("stack", "cosine"), *((each.label, f"{each.score:.3f}") for each in explanation.variants)]
    rows: list[tuple[str, ...]] = [("stack", "answer", "probability", f"of {_short(explanation.target)}", "score")]
    for each in explanation.variants:
        chance, own = f"{each.probability:.3f}", f"{each.target_probability:.3f}"
        rows.append((each.label, each.answer, chance, own, f"{each.score:+.2f}"))
    if all(each.answer == explanation.target for each in explanation.variants):
        return [(*row[:3], row[4]) for row in rows]
    return rows


def _legend(explanation: Explanation, *, in_colour: bool = True) -> list[str]:
    what = f'the logit of "{explanation.target}"' if explanation.kind == "logit" else "the cosine"
    said, others = ("Green words raise", "red ones") if in_colour else ("Words with + raise", "those with -")
    whole = explanation.variants[0]
    return [
        f"{said} {what}, {others} lower it, by integrated gradients from the same text with every token masked.",
        f"All tokens together: {sum(token.attribution for token in whole.tokens):+.3f} of "
        f"{whole.score - whole.baseline:+.3f}; the difference is the integral's error.",
    ]


def _coloured(explanation: Explanation, values: Sequence[float], largest: float) -> Any:
    from rich.text import Text

    text = Text(explanation.text, overflow="fold")
    for (_, start, end), value in zip(explanation.words, values, strict=True):
        share = min(1.0, abs(value) / largest)
        if share >= 0.05:
            red, green, blue = (int(255 - share * (255 - part)) for part in (_FOR if value > 0 else _AGAINST))
            text.stylize(f"#000000 on #{red:02x}{green:02x}{blue:02x}", start, end)
    return text


def _numbered(explanation: Explanation, values: Sequence[float], largest: float) -> Any:
    from rich.text import Text

    text, done = Text(overflow="fold"), 0
    for (word, start, end), value in zip(explanation.words, values, strict=True):
        text.append(f"{explanation.text[done:start]}{word}")
        if abs(value) >= 0.05 * largest:
            text.append(f"({value:+.2f})")
        done = end
    text.append(explanation.text[done:])
    return text


def _spans(explanation: Explanation, values: Sequence[float], largest: float) -> str:
    pieces, done = [], 0
    for (word, start, end), value in zip(explanation.words, values, strict=True):
        pieces.append(escape(explanation.text[done:start]))
        colour = ",".join(map(str, _FOR if value > 0 else _AGAINST))
        depth = 0.75 * min(1.0, abs(value) / largest)
        pieces.append(f'<span style="background:rgba({colour},{depth:.2f})" title="{value:+.4f}">{escape(word)}</span>')
        done = end
    return f'<p class="words" dir="auto">{"".join(pieces)}{escape(explanation.text[done:])}</p>'


def _largest(explanation: Explanation) -> float:
    return max((abs(value) for variant in explanation.variants for value in variant.words), default=0.0) or 1.0


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:23]}…"
