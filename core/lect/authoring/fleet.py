"""One recipe for several languages: of the columns of one table, or of a file for each.

What a language needs beside that, such as tokens of its own, stands in its own table as changes to the recipe.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.authoring.commented import plain_section, recipe_text
from lect.authoring.detect import Detected, Purpose
from lect.authoring.draft import Draft, told
from lect.authoring.facts import Counted, count, facts_of
from lect.authoring.files import placed, source_table
from lect.authoring.folders import readable_files
from lect.authoring.languages import guess_language
from lect.authoring.licence import UNSTATED
from lect.authoring.sides import PIVOTS, oriented, sides_of
from lect.authoring.source import detect
from lect.counts import number_of
from lect.data.lines import open_bytes
from lect.errors import DataError
from lect.languages.tags import name_with_tag, normalise
from lect.recipes.choice import Choice, LanguageFacts, choose_language
from lect.recipes.reference import written

if TYPE_CHECKING:
    from lect.host import Host
    from lect.host.backbones import BackboneTokens
    from lect.languages.identify import Identifier


@dataclass(frozen=True)
class FleetData:
    """What was found for each language.

    Args:
        files: by tag, the file and how it is read.
        shared: the reader's settings that are the same for all.
        own: by tag, what differs: ``column``, or settings of the reader, such as ``path``.
        is_parallel: whether the rows are translations.
    """

    files: Mapping[str, tuple[str, Detected]]
    shared: Detected
    own: Mapping[str, Mapping[str, str]]
    is_parallel: bool


def look_at_fleet(
    texts: Sequence[str], pairs: Sequence[str], host: Host, identifier: Identifier, languages: Sequence[str] = ()
) -> FleetData:
    """Which languages there are, and where each stands.

    Args:
        languages: tags of those that are wanted; all that are found where none are named.

    Raises:
        DataError: there are fewer than two languages, or nothing says which a file is in.
    """
    named = [*texts, *pairs]
    if not named or (texts and pairs):
        raise DataError(
            "a fleet learns from one kind of data", fix="give --pairs FILE, or --text FILE for each language"
        )
    purpose: Purpose = "pairs" if pairs else "text"
    if len(named) == 1 and Path(named[0]).is_dir():
        named = [str(file) for file in readable_files(Path(named[0]))]
    wanted = {normalise(language) for language in languages}
    if len(named) == 1:
        found = _of_columns(named[0], host, identifier, wanted)
    else:
        found = _of_files(named, purpose, host, identifier, wanted)
    if missing := wanted - found.own.keys():
        raise DataError(
            f"nothing is in {name_with_tag(sorted(missing)[0])}", where=", ".join(named[:3]), fix="leave it out"
        )
    if len(found.own) < 2:
        raise DataError("one language is no fleet", where=named[0], fix="use lect new language")
    return found


def draft_fleet(
    data: FleetData, host: Host, tokens: BackboneTokens | None, *, backbone: str, licence: str, output: Path
) -> Draft:
    """The recipe for all of the languages.

    Args:
        licence: of the data and of the components; "" where none is stated.
    """
    counted = {tag: (name, count(found, host, tokens)) for tag, (name, found) in data.files.items()}
    choices = {tag: choose_language(_facts(each, tokens, backbone, data)) for tag, (_, each) in counted.items()}
    common = _commonest(choices)
    choice = choices[common]
    words = list(next(iter(data.own.values())))
    stand_ins = {"text" if word == "column" else word: f"{{{word}}}" for word in words}
    values: dict[str, Any] = {
        "component": {"name": "{language}", "role": "lang", "languages": ["{tag}"], "licence": licence, "summary": ""},
        "backbone": {"name": backbone},
        **choice.tables,
        "data": {
            **({} if choice.validation_share is None else {"validation_share": round(choice.validation_share, 4)}),
            "train": {**source_table(data.shared, output, licence), **stand_ins},
        },
    }
    tables = {}
    for tag, own in data.own.items():
        changes = _changes(choice, choices[tag])
        tables[tag] = placed(own, data.shared.reader, output.parent) | ({"set": changes} if changes else {})
    paragraph = f"A part for each of {len(tables)} languages: {', '.join(map(name_with_tag, tables))}. "
    paragraph += " ".join(choice.reasons)
    for tag, each in choices.items():
        if more := [reason for reason in each.reasons if reason not in choice.reasons]:
            paragraph += f" {name_with_tag(tag)}: {' '.join(more)}"
    text = recipe_text(values, host, paragraph, (f"lect fleet {shlex.quote(str(output))}",))
    named = " and ".join(f'"{{{word}}}"' for word in words)
    verb = "stands" if len(words) == 1 else "stand"
    said = f"What {named} {verb} for in each language, and what a language changes of the recipe."
    files = dict(counted.values())
    return Draft(
        output,
        f"{text}\n" + "\n".join(_fleet_section(tables, said)),
        [told(each, name) for name, each in files.items()],
        paragraph,
        [] if licence else [UNSTATED],
        (f"lect fleet {shlex.quote(str(output))}",),
    )


def filled(text: str, data: FleetData) -> str:
    """The recipe's text as it is for the first language, to be checked."""
    tag, own = next(iter(data.own.items()))
    words = {"language": tag, "tag": tag, **own}
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", written(value)[1:-1])
    return text.partition("\n[fleet]")[0]


def _fleet_section(tables: Mapping[str, Mapping[str, Any]], said: str) -> list[str]:
    """The table of languages; those that change the recipe have one of their own below it."""
    lines = plain_section("[fleet]", {tag: own for tag, own in tables.items() if "set" not in own}, said)
    for tag, own in tables.items():
        if "set" in own:
            lines += plain_section(f"[fleet.{tag}]", {name: value for name, value in own.items() if name != "set"})[:-1]
            # As literal strings, in which quotation marks need no backslash.
            changes = (f"'{change}'" if "'" not in change else written(change) for change in own["set"])
            lines += ["set = [", *(f"    {change}," for change in changes), "]", ""]
    return lines


def _commonest(choices: Mapping[str, Choice]) -> str:
    """A language whose parts most languages have, the first of these."""
    parts = {tag: str(choice.tables["parts"]) for tag, choice in choices.items()}
    return max(parts, key=lambda tag: sum(other == parts[tag] for other in parts.values()))


def _changes(common: Choice, own: Choice) -> list[str]:
    """What ``lect train --set`` makes one choice of another with."""
    changes = [f"{name}={written(table)}" for name, table in own.tables.items() if table != common.tables[name]]
    if own.validation_share != common.validation_share:
        share = "" if own.validation_share is None else f"{own.validation_share:.4g}"
        changes.append(f"data.validation_share={share}")
    return changes


def _facts(each: Counted, tokens: BackboneTokens | None, backbone: str, data: FleetData) -> LanguageFacts:
    texts = [row.text for row in each.examples[:2000]]
    return facts_of(backbone, tokens, texts, **{"pairs" if data.is_parallel else "lines": each.rows})


def _of_columns(name: str, host: Host, identifier: Identifier, wanted: set[str]) -> FleetData:
    """The languages of one table."""
    found = detect(name, "pairs", host)
    sides = sides_of(found, identifier)
    tags = {guess.tag: column for column, guess in sides.items() if guess.tag}
    if len(tags) < 3:
        raise DataError(f"texts in {len(tags)} languages", where=name, fix="a fleet needs two and their translations")
    rarer = [tag for tag in tags if tag not in PIVOTS]
    first = next((tag for tag in tags if tag in wanted), (rarer or list(tags))[0])
    shared = oriented(found, sides, first, name)
    translation = shared.config["translation"]
    own = {
        tag: {"column": column}
        for tag, column in tags.items()
        if column != translation and (tag in wanted if wanted else tag not in PIVOTS)
    }
    files = {tag: (name, shared.named(text=column["column"])) for tag, column in own.items()}
    return FleetData(files, shared, own, is_parallel=True)


def _of_files(
    named: Sequence[str], purpose: Purpose, host: Host, identifier: Identifier, wanted: set[str]
) -> FleetData:
    """A file for each language."""
    files: dict[str, tuple[str, Detected]] = {}
    for name in named:
        found = detect(name, purpose, host)
        if purpose == "pairs" and len(found.texts) > 1:
            found = oriented(found, sides_of(found, identifier), None, name)
        texts = next(iter(found.texts.values()), ())
        guess = guess_language(texts, name, identifier)
        if guess.tag is None:
            fix = "call the file after its language, such as jav.txt"
            raise DataError("nothing says which language this is", where=name, fix=fix)
        if guess.tag in files:
            raise DataError(
                f"as {files[guess.tag][0]} is, this is in {name_with_tag(guess.tag)}", where=name, fix="leave one out"
            )
        files[guess.tag] = (name, found)
    if purpose == "pairs" and all(found.reader == "text" for _, found in files.values()):
        return _of_aligned(files, wanted)
    files = {tag: each for tag, each in files.items() if not wanted or tag in wanted}
    if not files:
        return FleetData({}, detect(named[0], purpose, host), {}, purpose == "pairs")
    first, shared = next(iter(files.values()))
    differ = {key for name, found in files.values() for key in _differing(name, found, first, shared)}
    keys = ("path", *sorted(differ - {"path"}))
    own = {tag: {key: str(found.config[key]) for key in keys} for tag, (_, found) in files.items()}
    return FleetData(files, shared, own, purpose == "pairs")


def _differing(name: str, found: Detected, first: str, shared: Detected) -> set[str]:
    """The reader's settings that are not those of the first file. Raises `DataError` where one recipe cannot say so."""
    keys = {*found.config, *shared.config}
    differ = {key for key in keys if found.config.get(key) != shared.config.get(key)}
    pairs = [(found.config.get(key), shared.config.get(key)) for key in differ]
    if found.reader != shared.reader or not all(isinstance(each, str) for pair in pairs for each in pair):
        raise DataError(f"is read otherwise than {first}", where=name, fix="lay both out alike")
    return differ


def _of_aligned(files: Mapping[str, tuple[str, Detected]], wanted: set[str]) -> FleetData:
    """Plain texts of which a line says the same in each: one in a language that backbones know is the translation."""
    known = [tag for tag in PIVOTS if tag in files and tag not in wanted]
    if not known:
        raise DataError(
            "one text a line, and no translations beside it",
            where=next(iter(files.values()))[0],
            fix=f"give the same lines in a language that backbones know, too ({', '.join(PIVOTS[:4])}, …)",
        )
    other, beside = files[known[0]]
    lines = _lines(other)
    learned: dict[str, tuple[str, Detected]] = {}
    for tag, (name, found) in files.items():
        if tag in wanted or not (wanted or tag in PIVOTS):
            if (there := _lines(name)) != lines:
                raise DataError(
                    f"{number_of(there, 'line')}, and {lines:,} in {other}",
                    where=name,
                    fix="give texts of the same lines",
                )
            texts = {name: found.texts[""], other: beside.texts[""]}
            learned[tag] = (name, Detected("parallel", {"text": name, "translation": other}, "pairs", (), texts))
    if not learned:
        return FleetData({}, beside, {}, is_parallel=True)
    shared = next(iter(learned.values()))[1]
    own = {tag: {"text": name} for tag, (name, _) in learned.items()}
    return FleetData(learned, shared, own, is_parallel=True)


def _lines(name: str) -> int:
    with open_bytes(Path(name).expanduser(), name) as file:
        return sum(1 for _ in file)
