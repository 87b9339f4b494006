"""Languages as pages: one of each, and one that lists them, which need nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lect.errors import DataError
from lect.evaluation.html.parts import (
    code_block,
    document,
    facts_table,
    paragraph,
    section,
    table,
    text_cell,
    text_heading,
)
from lect.evaluation.matrix.render import p_text
from lect.languages.relations import facts_of
from lect.languages.tags import display_name
from lect.locales import ENGLISH, Locale
from lect.pages.languages import LanguageScore, ShownLanguage
from lect.pages.manifests import (
    component_facts,
    data_table,
    gate_table,
    language_text,
    results_table,
    score_cells,
)
from lect.pages.things import ShownComponent
from lect.scores import gain_of
from lect.selection.donors import languages_of
from lect.visible import visible

INDEX = "index.html"


def page_name(tag: str) -> str:
    """The file of a language's page."""
    return f"{tag}.html"


def index_page(languages: Sequence[ShownLanguage], locale: Locale = ENGLISH) -> str:
    """The page that lists them, in the language of its reader."""
    _ = locale.gettext
    header = [
        _("language"),
        _("components"),
        _("tasks"),
        _("scores"),
        _("better"),
        _("worse"),
        text_heading(_("licence")),
    ]
    rows = []
    for each in languages:
        better, worse = _significant(each.scores)
        licences = sorted({one.manifest.licence or _("not stated") for one in each.components})
        rows.append(
            [
                f'<a href="{escape(page_name(each.tag))}">{escape(language_text(each.tag, locale))}</a>',
                *(locale.format(len(own)) for own in (each.teaches, each.tasks, each.scores)),
                *map(locale.format, (better, worse)),
                text_cell(", ".join(licences) or "–"),
            ]
        )
    said = _(
        "Components that teach the language, tasks with labels in it, and scores; and in how many of these the stack "
        "is significantly better or worse with the language's component than without it (p < 0.05 by Holm's procedure)."
    )
    return visible(document(locale, _("Languages"), paragraph(said), table(header, rows)))


def language_page(language: ShownLanguage, locale: Locale = ENGLISH) -> str:
    """The page of one language, in the language of its reader."""
    _ = locale.gettext
    components = [(each, f"component-{number}") for number, each in enumerate(language.components, start=1)]
    sections = [("scores", _("Scores"), _scores(language.scores, locale))] if language.scores else []
    sections += [(anchor, each.manifest.key, _component(each, locale)) for each, anchor in components]
    sections.append(("use", _("How to use it"), _use(language, locale)))
    links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _content in sections)
    shown = "".join(section(anchor, name, content) for anchor, name, content in sections)
    back = f'<p><a href="{INDEX}">{escape(_("All languages"))}</a></p>'
    facts = facts_table(_facts(language.tag, locale))
    return visible(document(locale, language_text(language.tag, locale), back, facts, f"<nav>{links}</nav>", shown))


def _facts(tag: str, locale: Locale) -> list[tuple[str, str]]:
    import langcodes

    _ = locale.gettext
    try:
        known = facts_of(tag)
    except DataError:
        return [(_("tag"), tag)]
    own = langcodes.Language.get(tag).autonym()
    place = "" if known.place is None else ", ".join(f"{locale.format(each, '.1f')}°" for each in known.place)
    return [
        (_("tag"), tag),
        (_("own name"), "" if own.startswith("Unknown") or own == display_name(tag, locale.tag) else own),
        (_("scripts"), ", ".join(sorted(known.scripts))),
        (_("family"), " › ".join(known.family[:4])),
        (_("latitude and longitude"), place),
    ]


def _scores(scores: Sequence[LanguageScore], locale: Locale) -> str:
    _ = locale.gettext
    better, worse = _significant(scores)
    said = _(
        "Of {scores} the stack is significantly better with the language's component than without it in {better}, and "
        "significantly worse in {worse} (p < 0.05 by Holm's procedure).",
        scores=locale.ngettext("{count} score", "{count} scores", len(scores)),
        better=locale.format(better),
        worse=locale.format(worse),
    )
    header = [_("data"), text_heading(_("stack")), _("score"), _("with"), _("without"), _("difference"), "p", _("rows")]
    rows = []
    for each in scores:
        rows.append(
            [
                escape(each.dataset),
                text_cell(each.stack),
                *score_cells(each, locale),
                "–" if each.p is None else escape(p_text(each.p, locale)),
                locale.format(each.rows),
            ]
        )
    return paragraph(said) + table(header, rows)


def _significant(scores: Sequence[LanguageScore]) -> tuple[int, int]:
    """Of how many scores the component makes a stack significantly better, and worse."""
    gains = [
        gain_of(each.value, each.without, each.direction)
        for each in scores
        if each.without is not None and each.p is not None and each.p < 0.05
    ]
    return sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)


def _component(component: ShownComponent, locale: Locale) -> str:
    _, manifest = locale.gettext, component.manifest
    shown = facts_table(component_facts(component, languages_of(manifest), locale))
    for title, content in (
        (_("Gate"), gate_table(manifest, locale)),
        (_("Results"), results_table(manifest, locale) if manifest.results else ""),
        (_("Data and licences"), data_table(manifest, locale)),
    ):
        shown += f"<h3>{escape(title)}</h3>{content}" if content else ""
    return shown


def _use(language: ShownLanguage, locale: Locale) -> str:
    if not language.teaches:
        said = locale.gettext("No component teaches it yet; those of languages near it may help:")
        return paragraph(said) + code_block(f"lect languages suggest {language.tag}")
    key = language.teaches[0].manifest.key
    return code_block(f'lect pull {key}\nlect predict -s "{key} + task:NAME" "…"') + code_block(
        f'import lect\n\nmodel = lect.load("{key} + task:NAME")\nmodel.predict(["…"])'
    )
