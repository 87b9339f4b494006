"""The file that scores stacks in several languages: of test files, and of the components that there are."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.authoring.commented import paragraph_lines, plain_section
from lect.authoring.draft import Draft, told
from lect.authoring.facts import count
from lect.authoring.files import source_table, split_of
from lect.authoring.folders import readable_files
from lect.authoring.languages import guess_language
from lect.authoring.source import detect
from lect.counts import number_of
from lect.errors import DataError
from lect.languages.identify import plain
from lect.languages.tags import name_with_tag, normalise
from lect.recipes.reference import written

if TYPE_CHECKING:
    from lect.host import Host
    from lect.languages.identify import Identifier
    from lect.storage.library import Library


def draft_matrix(
    named: Sequence[str],
    stacks: Sequence[str],
    host: Host,
    library: Library,
    identifier: Identifier,
    *,
    licence: str,
    output: Path,
    languages: Sequence[str] = (),
) -> Draft:
    """Languages by stacks.

    Args:
        stacks: those that are scored; what the library has for the data where none are named.
        languages: of the files, in their order; found where none are named.

    Raises:
        DataError: nothing says which language a file is in, or there is no component to score.
    """
    files = _files(named)
    if languages and len(languages) != len(files):
        raise DataError(
            f"{len(languages)} languages, and {len(files)} files", where="--language", fix="name one for each"
        )
    counted = {name: count(detect(name, "data", host), host) for name in files}
    tags: dict[str, str] = {}
    for place, (name, each) in enumerate(counted.items()):
        texts = [row.text for row in each.examples[:200]]
        guess = normalise(languages[place]) if languages else guess_language(texts, name, identifier).tag
        if guess is None:
            raise DataError("nothing says which language this is", where=name, fix="say it: --language jv")
        tags[name] = guess
    is_labelled = any(each.detected.kind not in ("text", "pairs", "dictionary") for each in counted.values())
    known = _language_parts(library)
    tables = _stacks(stacks, library, list(tags.values()), known, is_labelled=is_labelled)
    datasets = [
        {
            "language": known.get(plain(tags[name]), tags[name]),
            **_distinct(name, tags),
            **source_table(each.detected.named(language=None), output, licence),
        }
        for name, each in counted.items()
    ]
    what = ", ".join(dict.fromkeys(name_with_tag(tag) for tag in tags.values()))
    paragraph = f"{number_of(len(tables), 'stack')} in {what}: {'answers to labels' if is_labelled else 'retrieval'}."
    command = f"lect eval {shlex.quote(str(output))} --output report.html"
    lines = [*paragraph_lines(paragraph), "#", f"#   {command}", ""]
    lines += ["# Above each report.", f"title = {written(output.stem)}", ""]
    lines += ["# The language that the tasks were trained in, against which gaps are counted."]
    lines += [f"# source = {written(datasets[0]['language'])}"]
    lines += ["# The stack that the others are tested against; the first one if left out."]
    lines += [f"# baseline = {written(tables[0]['name'])}", "# Of the paired tests.", "# resamples = 10000", ""]
    for number, dataset in enumerate(datasets):
        lines += plain_section("[[dataset]]", dataset, "Test rows, and how they are read." if number == 0 else "")
    for number, table in enumerate(tables):
        lines += plain_section("[[stack]]", table, _FALLBACK if number == 0 else "")
    return Draft(output, "\n".join(lines).rstrip() + "\n", [told(each, name) for name, each in counted.items()],
                 paragraph, (), (command,))  # fmt: skip


_FALLBACK = "{language} is each data set's; the fallback stands in for languages without a part."


def _files(named: Sequence[str]) -> list[str]:
    """The files; of a folder those that are called test, or all."""
    found = []
    for name in named:
        inside = readable_files(Path(name)) if Path(name).is_dir() else []
        tests = [file for file in inside if split_of(file.name) == "test"]
        found += [str(file) for file in tests or inside] or [name]
    return found


def _distinct(name: str, tags: Mapping[str, str]) -> dict[str, str]:
    """A name for a data set where several are of its language."""
    alike = [other for other in tags if tags[other] == tags[name]]
    return {"name": f"{tags[name]} {Path(name).stem}"} if len(alike) > 1 else {}


def _language_parts(library: Library) -> dict[str, str]:
    """By language, the name of the first component that is of it."""
    found: dict[str, str] = {}
    for listing in library.all():
        if listing.role == "lang" and listing.manifest is not None and not listing.shadowed:
            for tag in listing.manifest.languages:
                found.setdefault(plain(normalise(tag)), listing.key.partition(":")[2])
    return found


def _stacks(
    stacks: Sequence[str], library: Library, tags: Sequence[str], known: Mapping[str, str], *, is_labelled: bool
) -> list[dict[str, Any]]:
    if stacks:
        return [{"name": stack, "stack": stack} for stack in stacks]
    has_parts = any(plain(tag) in known for tag in tags)
    tasks = [each.key for each in library.all() if each.role == "task" and not each.shadowed] if is_labelled else [""]
    tables: list[dict[str, Any]] = []
    for task in dict.fromkeys(tasks):
        tables.append({"name": task or "bare backbone", "stack": task})
        if has_parts:
            whole = " + ".join(filter(None, ["lang:{language}", task]))
            tables.append({"name": f"language + {task}" if task else "language", "stack": whole, "fallback": task})
    if not tables or (not is_labelled and not has_parts):
        places = ", ".join(map(str, library.folders))
        raise DataError(f"there is no component to score in {places}", fix="train one, or name stacks with --stack")
    return tables
