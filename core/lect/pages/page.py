"""A run, a component or a report as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from lect.errors import UserError
from lect.evaluation.html import plots
from lect.evaluation.html.parts import (
    code_block,
    document,
    facts_table,
    figure,
    folded,
    paragraph,
    recorded,
    section,
    table,
    text_heading,
)
from lect.evaluation.html.parts import text_cell as cell
from lect.evaluation.render import marked, readable
from lect.locales import ENGLISH, Locale
from lect.pages.manifests import component_facts, data_table, gate_table, results_table
from lect.pages.things import Run, ShownComponent, ShownReport, Thing
from lect.storage.manifest import Manifest, MemberEntry
from lect.visible import visible


def page(thing: Thing, locale: Locale = ENGLISH) -> str:
    """The page as HTML, in the language of its reader: no network, no scripts, no files beside it."""
    if isinstance(thing, ShownReport):
        return thing.report.to_html(locale.tag)
    return visible(_run(thing, locale) if isinstance(thing, Run) else _component(thing, locale))


def curve_plot(
    title: str, series: Sequence[plots.Line], y: str, caption: str, locale: Locale, *, points: bool = False
) -> str:
    """Curves by step, with what they show; where plots cannot be drawn, a sentence that says why."""
    try:
        return figure(plots.lines(title, series, locale.gettext("step"), y, locale, points=points), caption)
    except UserError as error:
        return paragraph(f"{title}: {error.what}; {error.fix}", "dim")


def config_text(config: Mapping[str, object], locale: Locale) -> str:
    """Settings in a line."""
    return ", ".join(f"{name} = {value}" for name, value in config.items()) or locale.gettext("as by default")


# ------------------------------------------------------------------------------------------------------------ a run


def _run(run: Run, locale: Locale) -> str:
    _, last = locale.gettext, run.steps[-1] if run.steps else {}
    component = f"{run.manifest.key} {run.manifest.version}" if run.manifest else _("not in the library here")
    rows = [
        (_("trained"), run.key),
        (_("folder"), str(run.folder)),
        (_("logged until"), _last_step(last, locale) if last else _("nothing yet")),
        (_("loss"), _losses(run, locale) if "loss" in last else ""),
        *_best(run, locale),
        (_("memory"), ", ".join(_memory(last, locale))),
        (_("component"), component),
    ]
    results = results_table(run.manifest, locale) if run.manifest and run.manifest.results else ""
    sections = [
        ("curves", _("Curves"), _curves(run, locale)),
        ("validation", _("Validation"), _validations(run, locale)),
        ("results", _("Scores of the component"), results),
        ("recipe", _("Recipe"), code_block(run.recipe_text) if run.recipe_text else ""),
        ("environment", _("Environment"), _environment(run, locale)),
    ]
    return _document(_("Run {name}", name=run.key), facts_table(rows), sections, locale)


def _last_step(last: Mapping[str, float], locale: Locale) -> str:
    seconds = locale.gettext("{number} s", number=locale.format(last.get("seconds", 0), ",.0f"))
    return locale.gettext("step {step}, {seconds}", step=locale.format(int(last["step"])), seconds=seconds)


def _losses(run: Run, locale: Locale) -> str:
    first, last = (locale.format(each["loss"], ".4f") for each in (run.steps[0], run.steps[-1]))
    return locale.gettext("{first} at first, {last} at last", first=first, last=last)


def _best(run: Run, locale: Locale) -> list[tuple[str, str]]:
    best = run.best(run.main) if run.main else None
    if best is None:
        return []
    step, value = locale.format(best[0]), locale.format(best[1], ".4f")
    metric = marked(run.main, run.direction(run.main), locale)
    name = locale.gettext("best {metric}", metric=metric)
    return [(name, locale.gettext("{value} at step {step}", value=value, step=step))]


def _memory(figures: Mapping[str, float], locale: Locale) -> list[str]:
    found = []
    if "memory" in figures:
        found.append(locale.gettext("{number} GB", number=locale.format(figures["memory"], ".1f")))
    if "gpu_memory" in figures:
        found.append(locale.gettext("{number} GB on the GPU", number=locale.format(figures["gpu_memory"], ".1f")))
    return found


def _curves(run: Run, locale: Locale) -> str:
    _, drawn = locale.gettext, []
    losses = [(int(each["step"]), each["loss"]) for each in run.steps if "loss" in each]
    if len(losses) > 1:
        caption = locale.ngettext(
            "The loss at the {count} step that was logged.",
            "The loss at the {count} steps that were logged.",
            len(losses),
        )
        line = plots.Line(_("loss"), *map(list, zip(*losses, strict=True)))
        drawn.append(curve_plot(_("loss by step"), [line], _("loss"), caption, locale))
    if len(rates := run.rates()) > 1:
        line = plots.Line(_("tokens a second"), *map(list, zip(*rates, strict=True)))
        caption = _("Between logged steps, validations included, as if all steps had as many tokens as the logged one.")
        drawn.append(curve_plot(_("tokens a second by step"), [line], _("tokens a second"), caption, locale))
    if run.main:
        points = [(step, scores[run.main]) for step, scores in run.validations if run.main in scores]
        line = plots.Line(run.main, *map(list, zip(*points, strict=True)))
        drawn.append(score_plot(marked(run.main, run.direction(run.main), locale), [line], locale))
    return f'<div class="grid">{"".join(drawn)}</div>' if drawn else ""


def score_plot(metric: str, series: Sequence[plots.Line], locale: Locale) -> str:
    """Curves of a score of held-out rows."""
    title = locale.gettext("{metric} by step", metric=metric)
    caption = locale.gettext("Validation: {metric}.", metric=metric)
    return curve_plot(title, series, metric, caption, locale, points=True)


def _validations(run: Run, locale: Locale) -> str:
    names = [name for name in (run.validations[0][1] if run.validations else {}) if "[" not in name]
    if not names:
        return ""
    _, best = locale.gettext, run.best(run.main)
    rows = [
        [
            _("{step} (best)", step=locale.format(step)) if best and step == best[0] else locale.format(step),
            *(locale.format(scores[name], ".4f") if name in scores else "–" for name in names),
        ]
        for step, scores in run.validations
    ]
    header = [_("step"), *(escape(marked(name, run.direction(name), locale)) for name in names)]
    metric = readable(run.main, locale)
    said = _("Scores of held-out rows; the best step is by {metric}.", metric=metric)
    return paragraph(said) + table(header, rows)


def _environment(run: Run, locale: Locale) -> str:
    _ = locale.gettext
    training = run.manifest.training if run.manifest else None
    known = [(_("hardware"), training.hardware)] if training and not run.environment else []
    needs = ", ".join(f"{each.distribution} {each.version}" for each in run.manifest.requires) if run.manifest else ""
    lines = [(_("computed on"), run.environment[0])] if run.environment else known
    lines += [(_("backbone"), run.manifest.backbone.identity)] if run.manifest else []
    lines += [(_("plugins of the component"), needs), (_("versions"), ", ".join(run.environment[1:]))]
    return facts_table(lines) if any(text for _, text in lines) else paragraph(_("Not recorded."))


# ------------------------------------------------------------------------------------------------------ a component


def _component(component: ShownComponent, locale: Locale) -> str:
    _, manifest = locale.gettext, component.manifest
    rows = [
        *component_facts(component, manifest.languages, locale),
        (_("folder"), str(component.folder)),
    ]
    training = manifest.training
    sections = [
        ("results", _("Results"), results_table(manifest, locale)),
        ("parts", _("Parts and their parameters"), _parts(component, locale)),
        ("gate", _("Gate"), gate_table(manifest, locale)),
        ("data", _("Data and licences"), data_table(manifest, locale)),
        ("history", _("How it was made"), _history(manifest, locale)),
        ("use", _("Intended use and limits"), _card(manifest, locale)),
        ("recipe", _("Recipe"), folded(_("The whole recipe"), code_block(training.recipe)) if training else ""),
    ]
    return _document(manifest.key, facts_table(rows), sections, locale)


def _parts(component: ShownComponent, locale: Locale) -> str:
    _, manifest = locale.gettext, component.manifest
    total = max(1, sum(component.parameters.values()))
    configs = {part.method: config_text(part.config, locale) for part in manifest.parts}
    if manifest.head is not None:
        configs["head"] = f"{manifest.head.kind}; {config_text(manifest.head.config, locale)}"
    rows = [
        [
            escape(name),
            locale.format(count),
            _("{number}%", number=f"{100 * count / total:.0f}"),
            cell(configs.get(name, "")),
        ]
        for name, count in component.parameters.items()
    ]
    return table([_("part"), _("parameters"), _("share"), text_heading(_("settings"))], rows)


def _history(manifest: Manifest, locale: Locale) -> str:
    _, shown, training = locale.gettext, "", manifest.training
    if manifest.origin is not None:
        shown += paragraph(_("Made by arithmetic on parameters, as {formula}, of:", formula=manifest.origin.formula))
        shown += _members(manifest.origin.members, locale)
    if manifest.members:
        needed = _("It needs these components, in these very versions:")
        shown += paragraph(needed) + _members(manifest.members, locale)
    needs = ", ".join(f"{each.distribution} {each.version}" for each in manifest.requires)
    rows = [(_("needs"), needs), (_("backbone's fingerprint"), manifest.backbone.fingerprint)]
    if training is not None:
        length = [locale.ngettext("{count} step", "{count} steps", training.steps)]
        length += [locale.ngettext("{count} epoch", "{count} epochs", training.epochs)] if training.epochs else []
        length += [_("{number} s", number=locale.format(training.seconds, ",.0f"))]
        rows = [
            (_("objective"), training.objective),
            (_("examples"), locale.format(training.examples)),
            (_("length"), ", ".join(length)),
            (_("seed"), str(training.seed)),
            (_("hardware"), training.hardware),
            (_("in one run with"), ", ".join(training.mixed.beside) if training.mixed else ""),
            *rows,
        ]
    return shown + facts_table(rows)


def _members(members: Sequence[MemberEntry], locale: Locale) -> str:
    _ = locale.gettext
    return table(
        [_("component"), _("version"), text_heading(_("licence"))],
        [[escape(each.component), escape(each.version), cell(each.licence or _("not stated"))] for each in members],
    )


def _card(manifest: Manifest, locale: Locale) -> str:
    own = manifest.card
    texts = [own.intended_use, own.limits] if own else []
    said = "".join(recorded(text) for text in texts if text)
    said = said or paragraph(locale.gettext("Its author says nothing of these."))
    return said + (code_block(own.citation) if own and own.citation else "")


def _document(title: str, head: str, sections: Sequence[tuple[str, str, str]], locale: Locale) -> str:
    shown = [each for each in sections if each[2]]
    links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _content in shown)
    body = "".join(section(anchor, name, content) for anchor, name, content in shown)
    return document(locale, title, head, f"<nav>{links}</nav>", body)
