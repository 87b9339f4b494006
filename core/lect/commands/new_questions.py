"""What `lect new` asks, or takes as it was found where nobody can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lect.commands.asking import ask
from lect.commands.console import echo, echo_paragraph
from lect.errors import UserError

if TYPE_CHECKING:
    from lect.authoring.detect import Detected
    from lect.authoring.language import LanguageData
    from lect.authoring.languages import Guess
    from lect.authoring.licence import Licences
    from lect.authoring.task import TaskData
    from lect.host import Host


def asked_language(guess: Guess, given: str | None, notes: list[str], *, asks: bool, needed: bool = True) -> str:
    """The tag of the language; "" where it is not known and need not be. What is not sure is added to the notes."""
    from lect.languages.tags import display_name, name_with_tag, normalise

    if given:
        return normalise(given)
    if asks:
        why = f"{display_name(guess.tag)}, {guess.why}" if guess.tag else "such as jv or Javanese"
        why += "" if needed or guess.tag else "; empty if you do not know"
        return ask("Language of the texts", guess.tag or "", normalise if needed else _tag_or_none, why)
    if guess.tag is None:
        if not needed:
            return ""
        raise UserError("nothing says which language this is", fix="name it, such as: --language Javanese, or jv")
    if not guess.is_sure:
        notes.append(f"the language is taken to be {name_with_tag(guess.tag)}, {guess.why}; else say --language")
    return guess.tag


def _tag_or_none(text: str) -> str:
    from lect.languages.tags import normalise

    return normalise(text) if text.strip() else ""


def asked_name(given: str | None, found: str, *, asks: bool) -> str:
    """The component's name."""
    from lect.fields import check_name

    if given is None and asks:
        return ask("Name of the component", found, check_name)
    try:
        return check_name(given or found)
    except ValueError as error:
        raise UserError(f'"{given or found}" {error}', where="--name") from None


def asked_licences(given: str | None, names: list[str], notes: list[str], *, asks: bool) -> Licences:
    """The licences of files: what is said, or what lies beside them, after a question where somebody can be asked."""
    from lect.authoring.licence import licences_of
    from lect.fields import check_licence

    if given is not None:
        try:
            return licences_of(names, check_licence(given))
        except ValueError as error:
            raise UserError(f'"{given}" {error}', where="--licence") from None
    found = licences_of(names)
    if asks:
        why = f"by {', '.join(found.told)}" if found.told else "SPDX, such as CC-BY-4.0; empty if you do not know"
        answer = ask("Licence of the data", found.fitting, check_licence, why)
        return found if answer == found.fitting else licences_of(names, answer)
    if found.told:
        fitting = found.fitting or "none fits all of the data"
        notes.append(f"the licence is taken from {', '.join(found.told)}: {fitting}; else say --licence")
    return found


def asked_translations(found: LanguageData) -> LanguageData:
    """Ask which column is the translation, where a table has texts in more than two languages."""
    pairs = dict(found.pairs)
    for name, each in pairs.items():
        columns = each.columns.texts if each.columns is not None else ()
        others = [column for column in columns if column != each.config.get("text")]
        if len(others) > 1:
            question = f"Column of the translations in {name} ({', '.join(others)})"
            answer = ask(question, str(each.config.get("translation", "")), partial(_column, names=others))
            pairs[name] = each.named(translation=answer)
    return replace(found, pairs=pairs)


def say_found(files: Mapping[str, Detected]) -> None:
    """Tell whoever is about to be asked what the files are, and what Enter does."""
    for name, each in files.items():
        echo_paragraph(f"{name}: {'; '.join([f'read as {each.reader}', *each.seen])}")
    echo_paragraph("Enter takes what stands in brackets; Ctrl-C leaves everything as it was.")
    echo("")


def known_kind(kind: str) -> str:
    """A kind of task, if it is one. Raises `UserError`."""
    from lect.authoring.task import TASKS
    from lect.errors import nearest

    if kind not in TASKS:
        raise UserError(f'there is no task "{kind}"', fix=nearest(kind, TASKS))
    return kind


def asked_columns(found: TaskData, host: Host) -> TaskData:
    """Ask which reader it is, which column is what, and how the file is saved, where there is a choice."""
    _, first = found.first
    reader = ask("Reader", first.reader, lambda name: _reader(name.strip(), host))
    if first.columns is None or first.columns.words or reader != first.reader:
        return found.with_settings(reader, {})
    columns = first.columns.names
    changed: dict[str, Any] = {}
    for question, field in (("Column of the texts", "text"), ("Column of the labels (empty for none)", "label")):
        current = str(first.config.get(field, "text" if field == "text" else ""))
        answer = ask(question, current, lambda name: _column(name, columns))
        if answer != current:
            changed[field] = answer or None
    for question, field in (("Delimiter", "delimiter"), ("Encoding", "encoding")):
        if field in first.config:
            answer = ask(question, str(first.config[field]).replace("\t", "tab"))
            changed[field] = "\t" if answer == "tab" else answer
    return found.with_settings(None, changed)


def _reader(name: str, host: Host) -> str:
    from lect.errors import nearest
    from lect.specs import ReaderSpec

    known = list(host.specs(ReaderSpec))
    if name not in known:
        raise UserError(f'there is no reader "{name}"', fix=nearest(name, known))
    return name


def _column(name: str, names: Sequence[str]) -> str:
    from lect.errors import nearest

    if name and name not in names:
        raise UserError(f'there is no column "{name}"', fix=nearest(name, names))
    return name
