"""The recipe for a language: from raw text, translations and dictionaries."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.authoring.commented import Aside, recipe_text
from lect.authoring.detect import Detected
from lect.authoring.draft import Draft, told
from lect.authoring.facts import Counted, count, facts_of, shared_rows
from lect.authoring.files import placed, source_table
from lect.authoring.languages import Guess, guess_language
from lect.authoring.licence import UNSTATED, Licences
from lect.authoring.sides import oriented, sides_of
from lect.authoring.source import detect
from lect.counts import number_of
from lect.errors import DataError
from lect.languages.tags import name_with_tag
from lect.recipes.choice import Use, choose_language

if TYPE_CHECKING:
    from lect.host import Host
    from lect.host.backbones import BackboneTokens
    from lect.languages.identify import Identifier


@dataclass(frozen=True)
class LanguageData:
    """What was found in the files of a language, before they are read whole.

    Args:
        texts, pairs, dictionaries: by the names that the user gave.
        tests: files that the result will be judged by.
        guess: the language.
    """

    texts: Mapping[str, Detected]
    pairs: Mapping[str, Detected]
    dictionaries: Mapping[str, Detected]
    guess: Guess
    tests: Mapping[str, Detected] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All files, as the user named them."""
        return [*self.texts, *self.pairs, *self.dictionaries]


def look_at_language(
    texts: Sequence[str],
    pairs: Sequence[str],
    dictionaries: Sequence[str],
    host: Host,
    identifier: Identifier,
    language: str | None = None,
    tests: Sequence[str] = (),
) -> LanguageData:
    """How the files of a language are read, and which language it is.

    Args:
        tests: files that the result will be judged by.
        language: its tag, where the user says it.

    Raises:
        DataError: a file is not what it was given for.
    """
    if not (texts or pairs or dictionaries):
        raise DataError(
            "there is nothing to learn from", fix="give --text FILE, --pairs FILE or --dictionary FILE, or several"
        )
    raw = {name: detect(name, "text", host) for name in texts}
    beside = _beside(pairs, host)
    words = {name: detect(name, "dictionary", host) for name in dictionaries}
    guess = Guess(language, "as you say", True) if language else _guess(raw, beside, words, identifier)
    aligned = {
        name: _aligned(name, found, identifier, guess.tag) if found.reader == "parallel" else
        _sided(found, identifier, guess.tag, name)
        for name, found in beside.items()
    }  # fmt: skip
    entries = {name: _sided(found, identifier, guess.tag, name) for name, found in words.items()}
    if guess.tag is None:
        known = [guess_language(found.texts[""], name, identifier) for name, found in {**aligned, **entries}.items()]
        guess = next((each for each in known if each.tag is not None), guess)
    judged = {}
    for name in tests:
        # The same side is the text as in what is learned from: rows are known by both.
        found = detect(name, "pairs", host)
        is_paired = len(found.texts) > 1
        judged[name] = _sided(found, identifier, language or guess.tag, name) if is_paired else found
    return LanguageData(raw, aligned, entries, guess, judged)


def draft_language(
    data: LanguageData,
    host: Host,
    tokens: BackboneTokens | None,
    *,
    language: str,
    name: str,
    backbone: str,
    licences: Licences,
    output: Path,
) -> Draft:
    """The recipe for a language.

    Args:
        tokens: the backbone's tokenizer, where it is on this machine.
        licences: of the files.

    Raises:
        DataError: a file cannot be read as it was found to be.
    """
    counted = {
        use: {each: count(found, host, tokens) for each, found in files.items()}
        for use, files in (("pairs", data.pairs), ("lines", data.texts), ("dictionary", data.dictionaries))
    }
    totals = {use: sum(each.rows for each in files.values()) for use, files in counted.items()}
    if totals["pairs"]:
        # Beside pairs a dictionary says which words translate each other, and one of its own reader alone can.
        own = (each.rows for each in counted["dictionary"].values() if each.detected.reader == "dictionary")
        totals["dictionary"] = sum(own)
    texts = [row.text for files in counted.values() for each in files.values() for row in each.examples[:2000]]
    facts = facts_of(backbone, tokens, texts, totals["pairs"], totals["lines"], totals["dictionary"])
    choice = choose_language(facts)
    tables: dict[str, Any] = dict(choice.tables)
    _add_dictionary(tables, data.dictionaries, output)
    used: list[dict[str, Any]] = [
        source_table(each.detected, output, licences.by_file.get(named, ""))
        for use in choice.sources
        for named, each in counted[use].items()
    ]
    licence = licences.fitting
    section: dict[str, Any] = {"train": used if len(used) > 1 else used[0]}
    if choice.validation_share is not None:
        section = {"validation_share": round(choice.validation_share, 4), **section}
    if data.tests:
        section |= {"overlap": "drop", "evaluation": [source_table(each, output) for each in data.tests.values()]}
    values = {
        "component": {
            "name": name,
            "role": "lang",
            "languages": [language],
            "licence": licence,
            "summary": f"Learned from {_learned_from(choice.sources, totals)}.",
        },
        "backbone": {"name": backbone},
        **tables,
        "data": section,
    }
    paragraph = f"{name_with_tag(language)}: {_given(totals)}. {' '.join(choice.reasons)}"
    if facts.unknown is None:
        paragraph += f" How {backbone} cuts the texts was not looked at, as it is not on this machine yet."
    command = f"lect train {shlex.quote(str(output))}"
    return Draft(
        output,
        recipe_text(values, host, paragraph, (command,), _asides(counted, choice.sources, licences, output)),
        [told(each, named) for files in counted.values() for named, each in files.items()],
        paragraph,
        [*_notes(counted, licence), *_test_notes(counted, data.tests, host)],
        (command, f"lect components show lang:{name}", f"lect push lang:{name} --to FOLDER"),
    )


def leakage_notes(train: Mapping[str, Counted], others: Mapping[str, Counted], what: str) -> list[str]:
    """A line for each pair of files that share rows."""
    return [
        f"{number_of(shared, 'row')} of {named} {'is' if shared == 1 else 'are'} in {other}, {what}"
        for named, own in train.items()
        for other, rows in others.items()
        if (shared := shared_rows(own.examples, rows.examples))
    ]


def _beside(pairs: Sequence[str], host: Host) -> dict[str, Detected]:
    """Files of pairs; of two plain texts each line of one is the translation of that of the other."""
    found = {name: detect(name, "pairs", host) for name in pairs}
    plain = [name for name, each in found.items() if each.kind == "text" and each.reader == "text"]
    if len(plain) % 2:
        raise DataError(
            "one text a line, and no translations beside it", where=plain[-1], fix="name their file, too: --pairs FILE"
        )
    for text, other in zip(plain[::2], plain[1::2], strict=True):
        both = {text: found[text].texts[""], other: found[other].texts[""]}
        found[text] = Detected("parallel", {"text": text, "translation": other}, "pairs", found[text].seen, both)
        del found[other]
    for name, each in found.items():
        if each.kind not in ("pairs", "dictionary") or len(each.texts) < 2:
            raise DataError(
                "no second text beside the first", where=name, fix="name texts without translations with --text"
            )
    return found


def _aligned(name: str, found: Detected, identifier: Identifier, language: str | None) -> Detected:
    """Two files by their languages: the one that is learned first."""
    sides = {file: guess_language(texts, file, identifier) for file, texts in found.texts.items()}
    return oriented(found, sides, language, name)


def _sided(found: Detected, identifier: Identifier, language: str | None, name: str) -> Detected:
    return oriented(found, sides_of(found, identifier), language, name)


def _guess(
    raw: Mapping[str, Detected], pairs: Mapping[str, Detected], words: Mapping[str, Detected], identifier: Identifier
) -> Guess:
    """The language that the files are in: of texts first, else of the side of pairs that is no well-known one."""
    best = Guess(None)
    for name, found in raw.items():
        texts = next(iter(found.texts.values()), ())
        guess = guess_language(texts, name, identifier)
        if guess.is_sure:
            return guess
        best = best if best.tag else guess
    for name, found in {**pairs, **words}.items():
        if len(found.texts) > 2:
            continue
        files = found.reader == "parallel"
        sides = {
            column: guess_language(texts, column if files else "", identifier, "" if files else column)
            for column, texts in found.texts.items()
        }
        side = oriented(found, sides, None, name)
        own = next(column for column in found.texts if found.texts[column] is side.texts[""])
        if sides[own].tag is None:
            # What the file's name says, it says of what is learned.
            sides[own] = guess_language(found.texts[own], name, identifier)
        if sides[own].is_sure:
            return sides[own]
        best = best if best.tag else sides[own]
    return best


def _add_dictionary(tables: dict[str, Any], dictionaries: Mapping[str, Detected], output: Path) -> None:
    """Say to an alignment of words which dictionary it has."""
    objective = dict(tables["objective"])
    terms = [dict(term) for term in objective.get("terms", ())]
    found = next((found for found in dictionaries.values() if found.reader == "dictionary"), None)
    for each in (objective, *terms):
        if each.get("tokens") and found is not None:
            each["dictionary"] = placed(found.config, found.reader, output.parent)
    tables["objective"] = {**objective, "terms": terms} if terms else objective


def _asides(
    counted: Mapping[str, Mapping[str, Counted]], sources: Sequence[Use], licences: Licences, output: Path
) -> list[Aside]:
    """What was given and is not learned from."""
    if "lines" in sources or not counted["lines"]:
        return []
    named, first = next(iter(counted["lines"].items()))
    why = (
        'The raw text, to be learned from as well: write [[data.train]] above, too, and an objective "combined" with '
        "the terms alignment and masked-lm (docs/objectives.md)."
    )
    return [Aside(why, "[[data.train]]", source_table(first.detected, output, licences.by_file.get(named, "")))]


def _test_notes(counted: Mapping[str, Mapping[str, Counted]], tests: Mapping[str, Detected], host: Host) -> list[str]:
    others = {name: count(found, host) for name, found in tests.items()}
    train = {name: each for files in counted.values() for name, each in files.items()}
    return leakage_notes(train, others, "and are left out of the training")


def _notes(counted: Mapping[str, Mapping[str, Counted]], licence: str) -> list[str]:
    notes = []
    for files in counted.values():
        for name, each in files.items():
            if each.rows and each.doubled > 0.05 * each.rows:
                clean = "[data.cleaning] in the recipe leaves them out"
                notes.append(f"{name}: {each.doubled:,} of {each.count} rows are there twice or more; {clean}")
    if not licence:
        notes.append(UNSTATED)
    return notes


def _learned_from(sources: Sequence[Use], totals: Mapping[str, int]) -> str:
    named = {"pairs": "sentences and their translations", "lines": "lines of raw text", "dictionary": "words"}
    return " and ".join(f"{totals[use]:,} {named[use]}" for use in sources)


def _given(totals: Mapping[str, int]) -> str:
    named = (("pairs", "pair"), ("lines", "line"), ("dictionary", "entry"))
    parts = [_counted(totals[use], noun) for use, noun in named if totals[use]]
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _counted(number: int, noun: str) -> str:
    if noun == "entry":
        return f"{number:,} {'entry' if number == 1 else 'entries'} of a dictionary"
    return f"{number_of(number, noun)} of {'translations' if noun == 'pair' else 'raw text'}"
