"""What a component says of itself, as tables of a page: its scores, its gate, its data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from lect.errors import DataError
from lect.evaluation.html.parts import interval, paragraph, table, text_heading
from lect.evaluation.html.parts import text_cell as cell
from lect.evaluation.matrix.render import bytes_text
from lect.evaluation.render import marked
from lect.locales import Locale
from lect.pages.languages import LanguageScore
from lect.pages.things import ShownComponent
from lect.storage.licences import conflicts_of
from lect.storage.manifest import Manifest, ResultEntry


def results_table(manifest: Manifest, locale: Locale) -> str:
    """The scores that were recorded, with the component and without it."""
    _ = locale.gettext
    if not manifest.results:
        return paragraph(_("No scores are recorded."))
    said = [_("With this component, and of the same stack without it.")]
    if any(each.direction == "lower" for each in manifest.results):
        said.append(_("↓: the lower, the better."))
    datasets = list(dict.fromkeys(each.dataset for each in manifest.results))
    if len(datasets) == 1:
        said.append(_("Measured on {data}.", data=_short(datasets[0])))
    rows = []
    for each in manifest.results:
        where = [cell(_short(each.dataset))] if len(datasets) > 1 else []
        rows.append([*score_cells(each, locale), *where])
    header = [_("score"), _("with"), _("without"), _("difference")]
    header += [text_heading(_("data"))] if len(datasets) > 1 else []
    return paragraph(" ".join(said)) + table(header, rows)


def score_cells(score: ResultEntry | LanguageScore, locale: Locale) -> list[str]:
    """A score's name, its value with its interval, the value without the component, and the difference."""
    ends = "" if score.low is None or score.high is None else interval(score.low, score.high, ".4f", locale)
    without = "–" if score.without is None else locale.format(score.without, ".4f")
    gain = "–" if score.without is None else locale.format(score.value - score.without, "+.4f")
    name = marked(score.metric, score.direction or "higher", locale)
    return [escape(name), f"{locale.format(score.value, '.4f')}{ends}", without, gain]


def gate_table(manifest: Manifest, locale: Locale) -> str:
    """How strongly the component acts, by use; empty where nothing was measured."""
    if not manifest.gate:
        return ""
    _ = locale.gettext
    measures = "; ".join(
        _(
            "{use} by {measure} ({rows})",
            use=each.task or each.use,
            measure=each.measure,
            rows=locale.ngettext("{count} row", "{count} rows", each.rows),
        )
        for each in manifest.gate
    )
    said = _("How strongly the component acts in a stack that gives it no weight, by use; 0 leaves it out.")
    header = [_("use"), _("strength"), _("at that strength"), _("at 1"), _("without")]
    rows = [
        [
            escape(each.task or each.use),
            locale.format(each.strength, "g"),
            *(locale.format(value, ".1f") for value in (each.score, each.whole, each.without)),
        ]
        for each in manifest.gate
    ]
    return paragraph(said) + table(header, rows) + paragraph(_("In percent: {measures}.", measures=measures), "dim")


def data_table(manifest: Manifest, locale: Locale) -> str:
    """What it was learned from, and whether the licences of that forbid its own."""
    _, training = locale.gettext, manifest.training
    shown = ""
    if training is not None and training.data:
        rows = [
            [
                escape(_short(each.source)),
                locale.format(each.rows),
                f'<td class="text whole">{escape(each.licence or _("not stated"))}</td>',
                cell(
                    ", ".join(f"{name} {locale.format(count)}" for name, count in (each.cleaning or {}).items()) or "–"
                ),
            ]
            for each in training.data
        ]
        shown = table(
            [_("source"), _("rows"), text_heading(_("licence")), text_heading(_("cleaning"))],
            rows,
        )
    reason = manifest.card.licence_reason if manifest.card else None
    conflicts = "".join(f'<li lang="">{escape(str(each))}</li>' for each in conflicts_of(manifest))
    if conflicts:
        shown += paragraph(_("The licences of its data seem to forbid its own:")) + f"<ul>{conflicts}</ul>"
        author = _("Its author says: {reason}", reason=reason) if reason else _("Its author says nothing of that.")
        shown += paragraph(author)
    return shown or paragraph(_("No data is recorded."))


def component_facts(component: ShownComponent, languages: Sequence[str], locale: Locale) -> list[tuple[str, str]]:
    """What a component is, by name, as `lect.evaluation.html.parts.facts_table` takes it.

    Args:
        languages: tags of those that it is of.
    """
    _, manifest = locale.gettext, component.manifest
    backbone, not_stated = manifest.backbone, _("not stated")
    size = _("{size} on disk", size=bytes_text(component.size, locale))
    total = sum(component.parameters.values())
    return [
        (_("what"), manifest.summary),
        (_("version"), manifest.version),
        (_("languages"), ", ".join(language_text(tag, locale) for tag in languages) or not_stated),
        (_("licence"), manifest.licence or not_stated),
        (_("backbone"), f"{backbone.name} ({backbone.identity})"),
        (_("trained over"), manifest.stack or _("the bare backbone")),
        (_("parameters"), f"{locale.format(total)}, {size}"),
        (_("own tokenizer"), _("yes") if manifest.own_tokenizer else ""),
        (_("labels"), ", ".join(manifest.head.labels) if manifest.head else ""),
    ]


def language_text(tag: str, locale: Locale) -> str:
    """A language as its reader knows it, with its tag; what is no tag as it is."""
    from lect.languages.tags import name_with_tag

    try:
        return name_with_tag(tag, locale.tag)
    except DataError:
        return tag


def _short(source: str) -> str:
    """A source with the last two steps of each path: where it lay on its author's machine helps nobody."""
    return re.sub(r"[^\s,]*/(?=[^\s,/]+/[^\s,/]+)", "", source)
