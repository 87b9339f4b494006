"""A component's card: ``README.md`` with the metadata of a Hugging Face model card, made from manifest and audit alone.

Every text of the manifest is escaped: no name, label or path becomes markup.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect.counts import number_of
from lect.specs import HeadSpec
from lect.storage.licences import conflicts_of
from lect.storage.manifest import Manifest, MemberEntry, ResultEntry
from lect.visible import visible

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True)
class AuditLines:
    """What an audit found of a component, in sentences.

    Args:
        stack, title: of the audit.
    """

    stack: str
    title: str
    lines: tuple[str, ...]


def render_card(manifest: Manifest, audit: AuditLines | None = None, *, task: str = "") -> str:
    """The card as Markdown. It says what the manifest says, and where the manifest is silent, that it is.

    Args:
        audit: what `lect audit` found of the component.
        task: what the hub calls the task of its head, as `hub_task` finds it.
    """
    sections = [
        f"---\n{_metadata(manifest, task)}---",
        f"# {_text(manifest.key)}",
        *_introduction(manifest),
        "## Use",
        *_use(manifest),
        *_gate(manifest),
        "## Training",
        *_training(manifest),
        "## Results",
        *_results(manifest),
        "## Intended use and limits",
        *_limits(manifest),
        "## Bias and risks",
        *_audited(audit),
        "## Licence",
        *_licence(manifest),
        *_citation(manifest),
    ]
    return visible("\n\n".join(section.strip("\n") for section in sections) + "\n")


def hub_task(manifest: Manifest, host: Host) -> str:
    """What the hub calls the task of a component's head; "" where it has none, or no plugin here provides it."""
    provided = host.specs(HeadSpec).get(manifest.head.kind) if manifest.head else None
    return provided.spec.pipeline_tag if provided else ""


def _metadata(manifest: Manifest, task: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    values: dict[str, Any] = hub_licence(manifest.licence)
    if manifest.languages:
        values["language"] = hub_languages(manifest.languages)
        values["language_bcp47"] = list(manifest.languages)
    # The hub takes nothing but a hub id here.
    if _is_hub_id(manifest.backbone.identity):
        values |= {"base_model": manifest.backbone.identity, "base_model_relation": "adapter"}
    if manifest.results:
        values["model_name"] = manifest.name
        values["eval_results"] = [
            EvalResult(
                task_type=task or (_flat(manifest.head.kind) if manifest.head else _VECTORS),
                dataset_type=_flat(result.dataset),
                dataset_name=_flat(result.dataset),
                metric_type=_flat(result.metric),
                metric_name=_flat(result.metric),
                metric_value=result.value,
            )
            for result in manifest.results
        ]
    if task:
        values["pipeline_tag"] = task
    tags = ["lect", "adapter", manifest.role, *manifest.methods]
    return str(ModelCardData(library_name="lect", tags=tags, **values).to_yaml()).rstrip("\n") + "\n"


def hub_languages(tags: Iterable[str]) -> list[str]:
    """Languages as the hub takes them: codes of ISO 639 alone, without script and region."""
    return list(dict.fromkeys(re.split("[-_]", tag)[0].lower() for tag in tags))


def hub_licence(licence: str) -> dict[str, str]:
    """A licence as the hub's metadata has it: one that it knows by its name, else ``other`` with the expression."""
    if not licence:
        return {}
    # The hub's names do not tell "only" from "or later".
    known = re.sub("-(only|or-later)$", "", licence.lower())
    if known in _HUB_LICENCES.split():
        return {"license": known}
    return {"license": "other", "license_name": licence}


def _is_hub_id(identity: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]*\w", identity)) and ".." not in identity


def _introduction(manifest: Manifest) -> Iterable[str]:
    if manifest.summary:
        yield _text(manifest.summary)
    what = "language" if manifest.role == "lang" else "task"
    backbone = manifest.backbone
    revision = f", revision {_code(backbone.revision)}" if backbone.revision else ""
    yield (
        f"A {what} component of lect, version {_text(manifest.version)}: a small "
        f"trained part that is composed onto the frozen backbone {_code(backbone.name)}. It works with no other one."
    )
    rows = [
        ("role", _code(manifest.role)),
        ("languages", ", ".join(_language(tag) for tag in manifest.languages) or "not stated"),
        ("methods", ", ".join(_code(method) for method in manifest.methods) or "none"),
        ("head", _code(manifest.head.kind) if manifest.head else "none"),
        ("labels", ", ".join(_code(label) for label in manifest.head.labels) if manifest.head else "none"),
        ("own tokenizer", "yes" if manifest.own_tokenizer else "no"),
        ("backbone", f"{_code(backbone.name)}, from {_code(backbone.identity)}{revision}"),
        ("backbone's fingerprint", _code(backbone.fingerprint)),
        ("trained over", _code(manifest.stack) if manifest.stack else "the bare backbone"),
        ("needs", ", ".join(_code(f"{n.distribution} {n.version}") for n in manifest.requires) or "no plugin"),
    ]
    if manifest.head is None:
        rows = [row for row in rows if row[0] not in ("head", "labels")]
    yield _table(("", ""), rows)


def _language(tag: str) -> str:
    from lect.languages.tags import display_name

    return f"{_text(display_name(tag))} ({_code(tag)})"


def _use(manifest: Manifest) -> Iterable[str]:
    folder = f"components/{manifest.role}/{manifest.name}"
    yield f"Lay this folder at {_code(folder)}, or pull it from a registry, and stacks find it by its name:"
    if manifest.head is not None:
        yield _block("sh", f'lect predict --stack "{manifest.key}" "a text"')
        stack = f"lang:… + {manifest.key}"
        yield f"For a language that has a component of this backbone, put that in front: {_code(stack)}."
    else:
        yield _block("sh", f'lect predict --stack "{manifest.key} + task:NAME" "a text"')
        yield f"where {_code('task:NAME')} is a task component of this backbone."
    yield "From Python:"
    used = 'predict("a text")' if manifest.head is not None else 'embed("a text").shape'
    yield _block("python", f'import lect\n\nmodel = lect.load("{manifest.key}")\nprint(model.{used})')


def _training(manifest: Manifest) -> Iterable[str]:
    training = manifest.training
    if manifest.members:
        yield "It attends over these components, which it needs in these very versions:"
        yield _member_table(manifest.members)
    if manifest.origin is not None:
        yield f"Not trained but made, by arithmetic on parameters, as {_code(manifest.origin.formula)}, of:"
        yield _member_table(manifest.origin.members)
        return
    if training is None:
        yield "Not recorded."
        return
    length = number_of(training.steps, "step") + (
        f" ({number_of(training.epochs, 'epoch')})" if training.epochs else ""
    )
    mixed = training.mixed
    together = ", ".join(_code(key) for key in mixed.beside) if mixed else ""
    yield _table(
        ("", ""),
        [
            ("objective", _code(training.objective)),
            ("examples", f"{training.examples:,}" + (f", {mixed.rows:,} times one of them seen" if mixed else "")),
            *([("in one run with", together)] if together else []),
            ("length", length),
            ("seed", str(training.seed)),
            ("time", f"{training.seconds:,.0f} s"),
            ("hardware", _text(training.hardware) or "not recorded"),
        ],
    )
    yield "Data:"
    yield _table(
        ("source", "rows", "licence", "SHA-256"),
        [
            (
                _code(data.source),
                f"{data.rows:,}",
                _text(data.licence) or "not stated",
                _code(data.sha256) if data.sha256 else "not taken",
            )
            for data in training.data
        ],
    )
    if training.recipe:
        yield "The recipe:"
        yield _block("toml", training.recipe)
    if mixed and mixed.recipe:
        yield "The mixed recipe of the run, which takes the place of most of the table `training` above:"
        yield _block("toml", mixed.recipe)


def _member_table(members: Sequence[MemberEntry]) -> str:
    return _table(
        ("component", "version", "licence", "SHA-256 of its weights"),
        [
            (_code(each.component), _text(each.version), _text(each.licence) or "not stated", _code(each.weights))
            for each in members
        ],
    )


def _gate(manifest: Manifest) -> Iterable[str]:
    if not manifest.gate:
        return
    yield (
        "For each kind of use, how strongly the component acts in a stack that gives it no weight: the least strength "
        "that is within a standard error of the best one on translations that were held out from its training. 0 "
        "leaves it out."
    )
    yield _table(
        ("use", "strength", "measured", "at that strength", "at 1", "without", "rows"),
        [
            (
                *(_code(each.use), f"{each.strength:g}", _text(each.measure)),
                *(f"{each.score:.4g}", f"{each.whole:.4g}", f"{each.without:.4g}", str(each.rows)),
            )
            for each in manifest.gate
        ],
    )


def _results(manifest: Manifest) -> Iterable[str]:
    if not manifest.results:
        yield "None were recorded."
        return
    yield "*With* is the score with this component, *without* the score of the same stack less this component."
    if manifest.backbone.trimmed_from:
        yield (
            "Both are of the backbone named above, which was trimmed from another: that one may know letters and "
            "tokens which this one lacks, and do better without the component."
        )
    yield _table(
        ("data", "metric", "with", "interval", "without"),
        [
            (_text(result.dataset), _metric(result), f"{result.value:.4g}", _interval(result), _without(result))
            for result in manifest.results
        ],
    )


def _metric(result: ResultEntry) -> str:
    return f"{_code(result.metric)}{' (the lower, the better)' if result.direction == 'lower' else ''}"


def _interval(result: ResultEntry) -> str:
    if result.low is None or result.high is None:
        return "not measured"
    return f"{result.low:.4g} to {result.high:.4g}"


def _without(result: ResultEntry) -> str:
    return "not measured" if result.without is None else f"{result.without:.4g}"


def _limits(manifest: Manifest) -> Iterable[str]:
    own = manifest.card
    if own and own.intended_use:
        yield from _paragraphs(own.intended_use)
    if manifest.role == "lang":
        use = "It is meant to stand beneath a task component, so that the task works on texts in its languages."
    else:
        use = "It is meant to answer its one task, alone or over a language component of the same backbone."
    measured = "the data sets listed under Results" if manifest.results else "nothing, so far as is recorded"
    yield (
        f"{use} What is known of its quality was measured on {measured}; on other kinds of text, other domains and "
        "other languages it may be worse, and nothing here says by how much. It inherits what the backbone cannot do."
    )
    if own and own.limits:
        yield from _paragraphs(own.limits)


def _audited(audit: AuditLines | None) -> Iterable[str]:
    if audit is None:
        yield f"Nothing of it was measured with `lect audit`. {_BIAS}"
        return
    yield f"Measured by `lect audit` of {_code(audit.stack)} ({_text(audit.title)}):"
    yield "\n".join(f"- {_text(sentence)}" for sentence in audit.lines) or "- It found no groups to compare."
    yield f"Of anything else it is not known. {_BIAS}"


_BIAS = (
    "Not measured, unless it stands above: bias by gender, dialect, region, religion or social group. Not measured at "
    "all: toxicity; whether personal data of the training texts can be recovered. The backbone's own biases are "
    "carried over. Do not let it decide about people without checking it on their texts first."
)


def _licence(manifest: Manifest) -> Iterable[str]:
    stated = f"The component: {_text(manifest.licence)}."
    yield stated if manifest.licence else "No licence is stated for the component."
    conflicts = conflicts_of(manifest)
    if conflicts:
        yield "**The licences of its training data seem to forbid this one:**"
        yield "\n".join(f"- {_text(str(conflict))}" for conflict in conflicts)
        reason = manifest.card.licence_reason if manifest.card else None
        yield (
            f"Its author says: {_text(reason)}" if reason else "Its author says nothing of that. Ask before you use it."
        )
    yield "The backbone and the training data have licences of their own."


def _citation(manifest: Manifest) -> Iterable[str]:
    if manifest.card and manifest.card.citation:
        yield "## Citation"
        yield _block("bibtex" if manifest.card.citation.lstrip().startswith("@") else "", manifest.card.citation)


def _paragraphs(text: str) -> Iterable[str]:
    return (_text(paragraph) for paragraph in re.split(r"\n\s*\n", text.strip()))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: str) -> str:
    """A text as nothing but text, on one line, in a table's cell or outside."""
    flat = _flat(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*_{}\[\]#|~!$])", r"\\\1", flat)
    # What begins a list, a rule or a heading's underline at the start of a line.
    return re.sub(r"^(\d*)([-+=.)])(?=[ =-]|$)", r"\1\\\2", escaped)


def _code(value: str) -> str:
    """A code span, in a table's cell or outside."""
    # An entity of HTML and not a backslash, which a code span would show outside of tables.
    flat = _flat(value)
    if "|" in flat or not flat:
        escaped = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"<code>{re.sub(r'([^A-Za-z0-9 ;&.,])', _entity, escaped)}</code>"
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    space = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{space}{flat}{space}{fence}"


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _block(language: str, content: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", content)), 0)
    kept = "".join(c for c in content.replace("\r\n", "\n") if c == "\n" or unicodedata.category(c) not in {"Cc", "Cs"})
    return f"{fence}{language}\n{kept.rstrip(chr(10))}\n{fence}"


def _flat(value: str) -> str:
    line = " ".join(value.split())
    return "".join(character for character in line if unicodedata.category(character) not in {"Cc", "Cs"})


# https://huggingface.co/tasks, by the kind of a head
_VECTORS = "feature-extraction"

# https://huggingface.co/docs/hub/repositories-licenses
_HUB_LICENCES = """
apache-2.0 mit afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0
cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl
gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl mpl-2.0 odc-by odbl
ofl-1.1 osl-3.0 postgresql ncsa unlicense zlib pddl
"""
