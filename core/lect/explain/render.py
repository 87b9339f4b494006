"""An explanation as coloured text, and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from lect.evaluation.html.parts import document, foreign, fragment, paragraph, section, table
from lect.evaluation.render import stack_text
from lect.explain.explanation import Explained, Explanation
from lect.locales import ENGLISH, Locale

_LEAST = 0.05
"""The share of the largest attribution from which a word is marked."""
_FOR, _AGAINST = (16, 150, 96), (220, 60, 60)
"""In a terminal, which has no two kinds of lines below words."""


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


def page(explanation: Explanation, locale: Locale, *, inside: bool = False) -> str:
    """The page as HTML.

    Args:
        locale: of its reader.
        inside: another page, such as a notebook: the words and what each part changed, in short.
    """
    whole, *others = explanation.variants
    _, largest = locale.gettext, _largest(explanation)
    header, *rows = [[foreign(cell) for cell in row] for row in _table(explanation, locale)]
    parts = [
        section("words", _("Words"), _spans(explanation, whole.words, largest, locale)),
        section("parts", _("With and without each part"), table(header, rows)),
    ]
    for place, variant in enumerate(others):
        title = _("What the whole adds to the stack {stack}", stack=stack_text(variant.label, locale))
        spans = _spans(explanation, explanation.changes(variant), largest, locale)
        parts.append(section(f"change{place}", title, spans))
    if whole.rollout and not inside:
        said = _(
            "The share of each word in the sentence vector by attention rollout. Attention says where the model looks, "
            "which is not the same as what its answer hangs on."
        )
        shares = _spans(explanation, whole.rollout, max(whole.rollout), locale)
        parts.append(section("attention", _("Attention"), paragraph(said), shares))
    if not inside:
        parts.append(section("tokens", _("Tokens"), _tokens(whole, locale)))
    legend = "".join(paragraph(sentence, "dim") for sentence in _page_legend(explanation, locale))
    on = _(
        "<code>{stack}</code> on <code>{backbone}</code>",
        stack=escape(explanation.stack),
        backbone=escape(explanation.backbone),
    )
    made = fragment if inside else document
    return made(locale, _headline(explanation, whole, locale), f'<p class="dim">{on}</p>', legend, *parts)


def _tokens(whole: Explained, locale: Locale) -> str:
    _ = locale.gettext
    rows = [
        [
            foreign(each.token),
            locale.format(each.attribution, "+.4f"),
            "" if each.rollout is None else locale.format(each.rollout, ".4f"),
        ]
        for each in whole.tokens
    ]
    return table([_("token"), _("attribution"), _("rollout")], rows)


def _headline(explanation: Explanation, whole: Explained, locale: Locale = ENGLISH) -> str:
    _ = locale.gettext
    if explanation.kind == "cosine":
        return _(
            "cosine {value} with “{text}”", value=locale.format(whole.score, ".3f"), text=_short(explanation.target)
        )
    answer = _("{answer}, probability {value}", answer=whole.answer, value=locale.format(whole.probability, ".2f"))
    if explanation.target != whole.answer:
        value = locale.format(whole.target_probability, ".2f")
        answer += _("; explained: {answer}, {value}", answer=explanation.target, value=value)
    return answer


def _table(explanation: Explanation, locale: Locale = ENGLISH) -> list[tuple[str, ...]]:
    """What each variant answers, below a header; without a column that would say what another says."""
    _, labels = locale.gettext, [stack_text(each.label, locale) for each in explanation.variants]
    if explanation.kind == "cosine":
        scores = (locale.format(each.score, ".3f") for each in explanation.variants)
        return [(_("stack"), _("cosine")), *zip(labels, scores, strict=True)]
    of_target = _("of {answer}", answer=_short(explanation.target))
    rows: list[tuple[str, ...]] = [(_("stack"), _("answer"), _("probability"), of_target, _("score"))]
    for label, each in zip(labels, explanation.variants, strict=True):
        chance, own = locale.format(each.probability, ".3f"), locale.format(each.target_probability, ".3f")
        rows.append((label, each.answer, chance, own, locale.format(each.score, "+.2f")))
    if all(each.answer == explanation.target for each in explanation.variants):
        return [(*row[:3], row[4]) for row in rows]
    return rows


def _legend(explanation: Explanation, *, in_colour: bool = True) -> list[str]:
    what = f'the logit of "{explanation.target}"' if explanation.kind == "logit" else "the cosine"
    said, others = ("Green words raise", "red ones") if in_colour else ("Words with + raise", "those with -")
    return [
        f"{said} {what}, {others} lower it, by integrated gradients from the same text with every token masked.",
        _sum_of_tokens(explanation.variants[0], ENGLISH),
    ]


def _page_legend(explanation: Explanation, locale: Locale) -> list[str]:
    if explanation.kind == "logit":
        said = locale.gettext(
            "Blue words, underlined, raise the logit of “{answer}”, orange ones, underlined with dashes, lower it, by "
            "integrated gradients from the same text with every token masked.",
            answer=explanation.target,
        )
    else:
        said = locale.gettext(
            "Blue words, underlined, raise the cosine, orange ones, underlined with dashes, lower it, by integrated "
            "gradients from the same text with every token masked."
        )
    return [said, _sum_of_tokens(explanation.variants[0], locale)]


def _sum_of_tokens(whole: Explained, locale: Locale) -> str:
    return locale.gettext(
        "All tokens together: {sum} of {difference}; the difference is the integral's error.",
        sum=locale.format(sum(token.attribution for token in whole.tokens), "+.3f"),
        difference=locale.format(whole.score - whole.baseline, "+.3f"),
    )


def _coloured(explanation: Explanation, values: Sequence[float], largest: float) -> Any:
    from rich.text import Text

    text = Text(explanation.text, overflow="fold")
    for (_, start, end), value in zip(explanation.words, values, strict=True):
        share = min(1.0, abs(value) / largest)
        if share >= _LEAST:
            red, green, blue = (int(255 - share * (255 - part)) for part in (_FOR if value > 0 else _AGAINST))
            text.stylize(f"#000000 on #{red:02x}{green:02x}{blue:02x}", start, end)
    return text


def _numbered(explanation: Explanation, values: Sequence[float], largest: float) -> Any:
    from rich.text import Text

    text, done = Text(overflow="fold"), 0
    for (word, start, end), value in zip(explanation.words, values, strict=True):
        text.append(f"{explanation.text[done:start]}{word}")
        if abs(value) >= _LEAST * largest:
            text.append(f"({value:+.2f})")
        done = end
    text.append(explanation.text[done:])
    return text


def _spans(explanation: Explanation, values: Sequence[float], largest: float, locale: Locale) -> str:
    pieces, done = [], 0
    for (word, start, end), value in zip(explanation.words, values, strict=True):
        pieces.append(escape(explanation.text[done:start]))
        depth = min(1.0, abs(value) / largest)
        # Words that hardly count have no line below them.
        kind = "" if depth < _LEAST else ' class="for"' if value > 0 else ' class="against"'
        shown = f'style="--share:{60 * depth:.0f}%" title="{locale.format(value, "+.4f")}"'
        pieces.append(f"<span{kind} {shown}>{escape(word)}</span>")
        done = end
    return f'<p class="words" dir="auto">{"".join(pieces)}{escape(explanation.text[done:])}</p>'


def _largest(explanation: Explanation) -> float:
    return max((abs(value) for variant in explanation.variants for value in variant.words), default=0.0) or 1.0


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:23]}…"
