"""One recipe for several languages: of the columns of one table, or of a file for each."""

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
from lect.errors import DataError
from lect.languages.tags import name_with_tag, normalise
from lect.recipes.choice import LanguageFacts, choose_language
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
        own: by tag, what differs: ``column``, or ``path`` and settings of the reader.
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
    facts = {tag: _facts(each, tokens, backbone, data.is_parallel) for tag, (_, each) in counted.items()}
    fewest = min(facts, key=lambda tag: facts[tag].pairs or facts[tag].lines)
    plain = [tag for tag in facts if choose_language(facts[tag]).tables["parts"][0]["method"] != "vocabulary"]
    choice = choose_language(facts[fewest if fewest in plain or not plain else plain[0]])
    words = list(next(iter(data.own.values())))
    source = source_table(data.shared, output) | {"text" if word == "column" else word: f"{{{word}}}" for word in words}
    values: dict[str, Any] = {
        "component": {"name": "{language}", "role": "lang", "languages": ["{tag}"], "licence": licence, "summary": ""},
        "backbone": {"name": backbone},
        **choice.tables,
        "data": {
            **({} if choice.validation_share is None else {"validation_share": round(choice.validation_share, 4)}),
            "train": {**source, **({"licence": licence} if licence else {})},
        },
    }
    tables = {
        tag: {word: placed({word: each[word]}, "", output.parent)[word] for word in words}
        for tag, each in data.own.items()
    }
    paragraph = f"A part for each of {len(tables)} languages: {', '.join(map(name_with_tag, tables))}. "
    paragraph += " ".join(choice.reasons)
    text = recipe_text(values, host, paragraph, (f"lect fleet {shlex.quote(str(output))}",))
    named = " and ".join(f'"{{{word}}}"' for word in words)
    verb = "stands" if len(words) == 1 else "stand"
    fleet = plain_section("[fleet]", tables, f"What {named} {verb} for in each language.")
    notes = [
        f"{name_with_tag(tag)} needs tokens of its own, and the others do not: write it a recipe by lect new language"
        for tag in facts
        if plain and tag not in plain
    ]
    if not licence:
        notes.append(UNSTATED)
    files = dict(counted.values())
    return Draft(
        output,
        f"{text}\n" + "\n".join(fleet),
        [told(each, name) for name, each in files.items()],
        paragraph,
        notes,
        (f"lect fleet {shlex.quote(str(output))}",),
    )


def _facts(each: Counted, tokens: BackboneTokens | None, backbone: str, is_parallel: bool) -> LanguageFacts:
    texts = [row.text for row in each.examples[:2000]]
    return facts_of(backbone, tokens, texts, **{"pairs" if is_parallel else "lines": each.rows})


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
        if not wanted or guess.tag in wanted:
            files[guess.tag] = (name, found)
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


def filled(text: str, data: FleetData) -> str:
    """The recipe's text as it is for the first language, to be checked."""
    tag, own = next(iter(data.own.items()))
    words = {"language": tag, "tag": tag, **own}
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", written(value)[1:-1])
    return text.partition("\n[fleet]")[0]
