"""A run, a component or a report as one page that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from lect.counts import number_of
from lect.errors import DataError, UserError
from lect.evaluation.html import plots
from lect.evaluation.html.parts import code_block, document, facts_table, figure, folded, paragraph, section, table
from lect.evaluation.html.parts import text_cell as cell
from lect.evaluation.matrix.render import bytes_text
from lect.evaluation.render import marked, readable
from lect.pages.things import Run, ShownComponent, ShownReport, Thing
from lect.storage.licences import conflicts_of
from lect.storage.manifest import Manifest, MemberEntry
from lect.visible import visible


def page(thing: Thing) -> str:
    """The page as HTML: no network, no scripts, no files beside it."""
    if isinstance(thing, ShownReport):
        return thing.report.to_html()
    return visible(_run(thing) if isinstance(thing, Run) else _component(thing))


def curve_plot(title: str, series: Sequence[plots.Line], x: str, y: str, caption: str, *, points: bool = False) -> str:
    """Curves with what they show; where plots cannot be drawn, a sentence that says why."""
    try:
        return figure(plots.lines(title, series, x, y, points=points), caption)
    except UserError as error:
        return paragraph(f"{title}: {error.what}; {error.fix}", "dim")


def config_text(config: Mapping[str, object]) -> str:
    """Settings in a line."""
    return ", ".join(f"{name} = {value}" for name, value in config.items()) or "as by default"


# ------------------------------------------------------------------------------------------------------------ a run


def _run(run: Run) -> str:
    last = run.steps[-1] if run.steps else {}
    best = run.best(run.main) if run.main else None
    rows = [
        ("trained", run.key),
        ("folder", str(run.folder)),
        ("logged until", f"step {int(last['step']):,}, {last.get('seconds', 0):,.0f} s" if last else "nothing yet"),
        ("loss", f"{run.steps[0]['loss']:.4f} at first, {last['loss']:.4f} at last" if "loss" in last else ""),
        (f"best {marked(run.main, run.direction(run.main))}", f"{best[1]:.4f} at step {best[0]:,}" if best else ""),
        ("memory", ", ".join(_memory(last))),
        ("component", f"{run.manifest.key} {run.manifest.version}" if run.manifest else "not in the library here"),
    ]
    sections = [
        ("curves", "Curves", _curves(run)),
        ("validation", "Validation", _validations(run)),
        ("results", "Scores of the component", _results(run.manifest) if run.manifest and run.manifest.results else ""),
        ("recipe", "Recipe", code_block(run.recipe_text) if run.recipe_text else ""),
        ("environment", "Environment", _environment(run)),
    ]
    return _document(f"Run {run.key}", facts_table(rows), sections)


def _memory(figures: Mapping[str, float]) -> list[str]:
    names = {"memory": "{:.1f} GB", "gpu_memory": "{:.1f} GB on the GPU"}
    return [said.format(figures[name]) for name, said in names.items() if name in figures]


def _curves(run: Run) -> str:
    drawn = []
    losses = [(int(each["step"]), each["loss"]) for each in run.steps if "loss" in each]
    if len(losses) > 1:
        caption = f"The loss at the {number_of(len(losses), 'step')} that were logged."
        line = plots.Line("loss", *map(list, zip(*losses, strict=True)))
        drawn.append(curve_plot("loss by step", [line], "step", "loss", caption))
    if len(rates := run.rates()) > 1:
        line = plots.Line("tokens a second", *map(list, zip(*rates, strict=True)))
        caption = "Between logged steps, validations included, as if all steps had as many tokens as the logged one."
        drawn.append(curve_plot("tokens a second by step", [line], "step", "tokens a second", caption))
    if run.main:
        points = [(step, scores[run.main]) for step, scores in run.validations if run.main in scores]
        line = plots.Line(run.main, *map(list, zip(*points, strict=True)))
        label = marked(run.main, run.direction(run.main))
        drawn.append(curve_plot(f"{label} by step", [line], "step", label, f"Validation: {label}.", points=True))
    return f'<div class="grid">{"".join(drawn)}</div>' if drawn else ""


def _validations(run: Run) -> str:
    names = [name for name in (run.validations[0][1] if run.validations else {}) if "[" not in name]
    if not names:
        return ""
    best = run.best(run.main)
    rows = [
        [
            f"{step:,}{' (best)' if best is not None and step == best[0] else ''}",
            *(f"{scores[name]:.4f}" if name in scores else "–" for name in names),
        ]
        for step, scores in run.validations
    ]
    header = ["step", *(escape(marked(name, run.direction(name))) for name in names)]
    return paragraph(f"Scores of held-out rows; the best step is by {readable(run.main)}.") + table(header, rows)


def _environment(run: Run) -> str:
    training = run.manifest.training if run.manifest else None
    known = [("hardware", training.hardware)] if training and not run.environment else []
    needs = ", ".join(f"{each.distribution} {each.version}" for each in run.manifest.requires) if run.manifest else ""
    lines = [("computed on", run.environment[0])] if run.environment else known
    lines += [("backbone", run.manifest.backbone.identity)] if run.manifest else []
    lines += [("plugins of the component", needs), ("versions", ", ".join(run.environment[1:]))]
    return facts_table(lines) if any(text for _, text in lines) else paragraph("Not recorded.")


# ------------------------------------------------------------------------------------------------------ a component


def _component(component: ShownComponent) -> str:
    manifest = component.manifest
    backbone = manifest.backbone
    total = sum(component.parameters.values())
    rows = [
        ("what", manifest.summary),
        ("version", manifest.version),
        ("languages", ", ".join(_language(tag) for tag in manifest.languages) or "not stated"),
        ("licence", manifest.licence or "not stated"),
        ("backbone", f"{backbone.name} ({backbone.identity})"),
        ("trained over", manifest.stack or "the bare backbone"),
        ("parameters", f"{total:,}, {bytes_text(component.size)} on disk"),
        ("own tokenizer", "yes" if manifest.own_tokenizer else ""),
        ("labels", ", ".join(manifest.head.labels) if manifest.head else ""),
        ("folder", str(component.folder)),
    ]
    training = manifest.training
    sections = [
        ("results", "Results", _results(manifest)),
        ("parts", "Parts and their parameters", _parts(component)),
        ("gate", "Gate", _gate(manifest)),
        ("data", "Data and licences", _data(manifest)),
        ("history", "How it was made", _history(manifest)),
        ("use", "Intended use and limits", _card(manifest)),
        ("recipe", "Recipe", folded("The whole recipe", code_block(training.recipe)) if training else ""),
    ]
    return _document(manifest.key, facts_table(rows), sections)


def _parts(component: ShownComponent) -> str:
    manifest = component.manifest
    total = max(1, sum(component.parameters.values()))
    configs = {part.method: config_text(part.config) for part in manifest.parts}
    if manifest.head is not None:
        configs["head"] = f"{manifest.head.kind}; {config_text(manifest.head.config)}"
    rows = [
        [escape(name), f"{count:,}", f"{count / total:.0%}", cell(configs.get(name, ""))]
        for name, count in component.parameters.items()
    ]
    return table(["part", "parameters", "share", _LEFT.format("settings")], rows)


def _gate(manifest: Manifest) -> str:
    if not manifest.gate:
        return ""
    measures = "; ".join(f"{each.use} by {each.measure} ({number_of(each.rows, 'row')})" for each in manifest.gate)
    said = "How strongly the component acts in a stack that gives it no weight, by use; 0 leaves it out."
    header = ["use", "strength", "at that strength", "at 1", "without"]
    rows = [
        [
            escape(each.use),
            f"{each.strength:g}",
            *(f"{value:.1f}" for value in (each.score, each.whole, each.without)),
        ]
        for each in manifest.gate
    ]
    return paragraph(said) + table(header, rows) + paragraph(f"In percent: {measures}.", "dim")


def _data(manifest: Manifest) -> str:
    training = manifest.training
    shown = ""
    if training is not None and training.data:
        rows = [
            [
                escape(_short(each.source)),
                f"{each.rows:,}",
                f'<td class="text whole">{escape(each.licence or "not stated")}</td>',
                cell(", ".join(f"{name} {count:,}" for name, count in (each.cleaning or {}).items()) or "–"),
            ]
            for each in training.data
        ]
        shown = table(["source", "rows", _LEFT.format("licence"), _LEFT.format("cleaning")], rows)
    reason = manifest.card.licence_reason if manifest.card else None
    conflicts = "".join(f"<li>{escape(str(each))}</li>" for each in conflicts_of(manifest))
    if conflicts:
        shown += paragraph("The licences of its data seem to forbid its own:") + f"<ul>{conflicts}</ul>"
        shown += paragraph(f"Its author says: {reason}" if reason else "Its author says nothing of that.")
    return shown or paragraph("No data is recorded.")


def _history(manifest: Manifest) -> str:
    shown, training = "", manifest.training
    if manifest.origin is not None:
        shown += paragraph(f"Made by arithmetic on parameters, as {manifest.origin.formula}, of:")
        shown += _members(manifest.origin.members)
    if manifest.members:
        shown += paragraph("It needs these components, in these very versions:") + _members(manifest.members)
    needs = ", ".join(f"{each.distribution} {each.version}" for each in manifest.requires)
    rows = [("needs", needs), ("backbone's fingerprint", manifest.backbone.fingerprint)]
    if training is not None:
        epochs = f", {number_of(training.epochs, 'epoch')}" if training.epochs else ""
        rows = [
            ("objective", training.objective),
            ("examples", f"{training.examples:,}"),
            ("length", f"{number_of(training.steps, 'step')}{epochs}, {training.seconds:,.0f} s"),
            ("seed", str(training.seed)),
            ("hardware", training.hardware),
            ("in one run with", ", ".join(training.mixed.beside) if training.mixed else ""),
            *rows,
        ]
    return shown + facts_table(rows)


def _members(members: Sequence[MemberEntry]) -> str:
    return table(
        ["component", "version", _LEFT.format("licence")],
        [[escape(each.component), escape(each.version), cell(each.licence or "not stated")] for each in members],
    )


def _results(manifest: Manifest) -> str:
    if not manifest.results:
        return paragraph("No scores are recorded.")
    said = "With this component, and of the same stack without it."
    if any(each.direction == "lower" for each in manifest.results):
        said += " ↓: the lower, the better."
    datasets = list(dict.fromkeys(each.dataset for each in manifest.results))
    if len(datasets) == 1:
        said += f" Measured on {_short(datasets[0])}."
    rows = []
    for each in manifest.results:
        interval = "" if each.low is None or each.high is None else f"<small>{each.low:.4f} to {each.high:.4f}</small>"
        without = "–" if each.without is None else f"{each.without:.4f}"
        gain = "–" if each.without is None else f"{each.value - each.without:+.4f}"
        name = marked(each.metric, each.direction or "higher")
        where = [cell(_short(each.dataset))] if len(datasets) > 1 else []
        rows.append([escape(name), f"{each.value:.4f}{interval}", without, gain, *where])
    header = ["score", "with", "without", "difference", *([_LEFT.format("data")] if len(datasets) > 1 else [])]
    return paragraph(said) + table(header, rows)


_LEFT = '<th scope="col" class="text">{}</th>'
"""The head of a column of text."""


def _short(source: str) -> str:
    """A source with the last two steps of each path: where it lay on its author's machine helps nobody."""
    return re.sub(r"[^\s,]*/(?=[^\s,/]+/[^\s,/]+)", "", source)


def _card(manifest: Manifest) -> str:
    own = manifest.card
    texts = [own.intended_use, own.limits] if own else []
    said = "".join(paragraph(text) for text in texts if text) or paragraph("Its author says nothing of these.")
    return said + (code_block(own.citation) if own and own.citation else "")


def _language(tag: str) -> str:
    from lect.languages.tags import name_with_tag

    try:
        return name_with_tag(tag)
    except DataError:
        return tag


def _document(title: str, head: str, sections: Sequence[tuple[str, str, str]]) -> str:
    shown = [each for each in sections if each[2]]
    links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _ in shown)
    body = "".join(section(anchor, name, content) for anchor, name, content in shown)
    return document(title, head, f"<nav>{links}</nav>", body)
