"""The recipe for a task: from labelled rows."""

from __future__ import annotations

import json
import random
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.authoring.commented import recipe_text
from lect.authoring.detect import SIDES, Detected, Kind
from lect.authoring.draft import Draft, told
from lect.authoring.facts import Counted, count, is_uneven
from lect.authoring.files import Split, by_split, short_name, source_table
from lect.authoring.language import leakage_notes
from lect.authoring.languages import Guess, guess_language
from lect.authoring.licence import UNSTATED, Licences
from lect.authoring.source import detect
from lect.counts import number_of
from lect.data.examples import Example
from lect.data.guard import SHORTEST_PART, Guard, fold
from lect.data.label_forms import LabelForms
from lect.data.written import record_of
from lect.errors import DataError, nearest
from lect.recipes.choice import choose_task

if TYPE_CHECKING:
    from lect.host import Host
    from lect.host.backbones import BackboneTokens
    from lect.languages.identify import Identifier

TASKS: tuple[str, ...] = (
    "classification",
    "multi-label",
    "regression",
    "tagging",
    "pos",
    "parsing",
    "qa",
    "multiple-choice",
    "retrieval",
    "translation",
)
"""The kinds of tasks that a recipe is written for."""
_FEWEST_TO_HOLD_OUT = 50
_MOST_HELD_OUT = 1000
_OF_RECIPES = ("path", "key")
"""Settings that are said otherwise on the command line, or do not matter to a score."""
_GENERAL = frozenset(["label", "labels", "category", "class", "classes", "target", "y", "tag", "answer", "gold"])


@dataclass(frozen=True)
class TaskData:
    """What was found in labelled files, before they are read whole.

    Args:
        files: by split, by the names that the user gave.
        kind: of the task; None where the rows have no labels.
        guess: the language of the texts.
        name: for the component.
    """

    files: Mapping[Split, Mapping[str, Detected]]
    kind: str | None
    guess: Guess
    name: str

    @property
    def names(self) -> list[str]:
        """All files, as the user named them."""
        return [name for own in self.files.values() for name in own]

    @property
    def first(self) -> tuple[str, Detected]:
        """The first file to train on."""
        return next(iter(self.files["train"].items()))

    def with_settings(self, reader: str | None, config: Mapping[str, Any]) -> TaskData:
        """The same with another reader, or other settings of it, in every file; None takes one out."""
        files = {
            split: {name: replace(each.named(**config), reader=reader or each.reader) for name, each in own.items()}
            for split, own in self.files.items()
        }
        label = "label" in config and config["label"]
        return replace(self, files=files, kind=self.kind or ("classification" if label else None))


def look_at_task(named: Sequence[str], host: Host, identifier: Identifier, language: str | None = None) -> TaskData:
    """How labelled files are read, and what task they are of.

    Args:
        language: its tag, where the user says it.

    Raises:
        DataError: a file cannot be read as a table, lines of JSON or words in columns.
    """
    files = {split: {name: detect(name, "data", host) for name in names} for split, names in by_split(named).items()}
    name, first = next(iter(files["train"].items()))
    column = str(first.config.get("text", "")) if len(first.texts) > 1 else ""
    texts = first.texts.get(str(first.config.get("text", "text"))) or next(iter(first.texts.values()), ())
    guess = Guess(language, "as you say", True) if language else guess_language(texts, name, identifier, column)
    kind: Kind | None = None if first.kind in ("text", "pairs", "dictionary") else first.kind
    label = str(first.config.get("label", "")).casefold()
    own = label if label and label not in _GENERAL and label.isascii() and label.isidentifier() else ""
    called = own or short_name(name, kind or "task")
    return TaskData(files, kind, guess, called)


def draft_task(
    data: TaskData,
    host: Host,
    tokens: BackboneTokens | None,
    *,
    kind: str,
    language: str | None,
    name: str,
    backbone: str,
    licences: Licences,
    output: Path,
    stack: str = "",
    test_share: float = 0.2,
) -> Draft:
    """The recipe for a task, and a file of rows held out for its report where none was given.

    Args:
        kind: of its head.
        stack: the language components that it is trained above.
        test_share: of the rows, what is held out; 0 for none.

    Raises:
        DataError: a file cannot be read as it was found to be, or its rows have no answers.
    """
    if kind not in TASKS:
        raise DataError(f'there is no task "{kind}"', where="--kind", fix=nearest(kind, TASKS))
    counted = {
        split: {each: count(_for(found, kind), host, tokens) for each, found in own.items()}
        for split, own in data.files.items()
    }
    train = counted["train"]
    _check_answers(train, kind, host)
    rows = sum(each.rows for each in train.values())
    examples = [row for each in train.values() for row in each.examples]
    held_out = [] if counted["test"] or rows < _FEWEST_TO_HOLD_OUT else held_out_of(examples, test_share)
    test_file = output.with_name(f"{output.stem}-test.jsonl")
    beside = rows_beside(examples, held_out)
    learned = rows - len(held_out) - beside
    uneven = kind == "classification" and is_uneven(examples)
    choice = choose_task(kind, learned, uneven=uneven)
    licence = licences.fitting
    section = _data_section(counted, held_out, test_file, licences, output, choice.validation_share)
    labels = Counter(row.label for row in examples if row.label is not None) if kind == "classification" else Counter()
    summary = f"{kind.capitalize() if not labels else f'{len(labels)} labels'}, from {number_of(learned, 'row')}."
    values: dict[str, Any] = {
        **({"stack": stack} if stack else {}),
        "component": {
            "name": name,
            "role": "task",
            "languages": [language] if language else [],
            "licence": licence,
            "summary": summary,
        },
        "backbone": {"name": backbone},
        **choice.tables,
        "data": section,
    }
    paragraph = f"{_given(kind, rows, labels)} {' '.join(choice.reasons)}"
    if held_out:
        paragraph += f" {number_of(len(held_out), 'row')} of them {_HELD_OUT}, and are never trained on."
    if beside:
        paragraph += (
            f" {number_of(beside, 'more row')} {'has' if beside == 1 else 'have'} a text of those in their own, and "
            f"{'is' if beside == 1 else 'are'} left out of the training, so that {number_of(learned, 'row')} remain."
        )
    file, tested = shlex.quote(str(output)), shlex.quote(str(test_file))
    following = [f"lect train {file}"]
    if held_out:
        following.append(f"lect eval -s task:{name} -d {tested} --reader examples --output report.html")
    elif counted["test"]:
        named, each = next(iter(counted["test"].items()))
        settings = [
            f"-o {key}={shlex.quote(str(value))}"
            for key, value in each.detected.config.items()
            if key not in _OF_RECIPES
        ]
        read = " ".join([f"-d {shlex.quote(named)} --reader {each.detected.reader}", *settings])
        following.append(f"lect eval -s task:{name} {read} --output report.html")
    following.append(f"lect push task:{name} --to FOLDER")
    return Draft(
        output,
        recipe_text(values, host, paragraph, following[:1]),
        [told(each, named) for own in counted.values() for named, each in own.items()],
        paragraph,
        _notes(counted, examples, licence),
        following,
        {test_file: "".join(f"{json.dumps(record_of(row), ensure_ascii=False)}\n" for row in held_out)}
        if held_out
        else {},
    )


_HELD_OUT = "are held out for the report"


def held_out_of(examples: Sequence[Example], share: float) -> list[Example]:
    """Rows for a report, drawn by label; rows that say the same, or are about one passage, together.

    Args:
        share: of the rows; of many no more than a thousand are taken.
    """
    by_label: dict[str, list[list[Example]]] = {}
    for group in _groups(examples):
        by_label.setdefault(group[0].label or "", []).append(group)
    wanted = min(share * len(examples), _MOST_HELD_OUT) / max(1, len(examples))
    found: list[Example] = []
    for label, own in sorted(by_label.items()):
        random.Random(f"test/{label}").shuffle(own)
        of_label = sum(map(len, own))
        taken = 0
        for group in own[:-1]:
            if taken + len(group) > round(wanted * of_label):
                continue
            found += group
            taken += len(group)
    return found


def rows_beside(examples: Sequence[Example], held_out: Sequence[Example]) -> int:
    """How many rows are not held out and yet have a text of one that is in theirs: training leaves them out."""
    guard = Guard()
    guard.add(held_out, "")
    apart = {id(row) for row in held_out}
    return sum(1 for row in examples if id(row) not in apart and guard.match(replace(row, key=None), ""))


def _groups(examples: Sequence[Example]) -> list[list[Example]]:
    """Rows with a text in common, such as questions on one passage, each group in the order of its first row."""
    first_with: dict[str, int] = {}
    leads = list(range(len(examples)))

    def leader(number: int) -> int:
        while leads[number] != number:
            leads[number] = number = leads[leads[number]]
        return number

    for number, row in enumerate(examples):
        second = fold(row.text_pair or "")
        for text in (fold(row.text), *([second] if len(second) >= SHORTEST_PART else [])):
            one, other = sorted((leader(number), leader(first_with.setdefault(text, number))))
            leads[other] = one
    groups: dict[int, list[Example]] = {}
    for number, row in enumerate(examples):
        groups.setdefault(leader(number), []).append(row)
    return list(groups.values())


def _for(found: Detected, kind: str) -> Detected:
    """The reading that a kind of task needs."""
    says_sides = tuple(found.texts) == SIDES
    if kind == "translation" and "translation" not in found.config and len(found.texts) > 1 and not says_sides:
        others = [column for column in found.texts if column != found.config.get("text", "text")]
        return found.named(translation=others[0], label=None)
    return found


def _check_answers(train: Mapping[str, Counted], kind: str, host: Host) -> None:
    """Raises `DataError` where rows lack what the head learns from."""
    from lect.specs import HeadSpec

    needs = host.spec(HeadSpec, kind).needs
    for named, counted in train.items():
        for need in needs:
            lacking = next((row for row in counted.examples if row.get(need) is None), None)
            if lacking is not None:
                columns = counted.detected.columns
                listed = f" (columns of texts: {', '.join(columns.texts)})" if columns else ""
                raise DataError(
                    f'rows have no {need}, and "{kind}" learns from it{listed}',
                    where=lacking.origin or named,
                    fix=f"name its column: -o {need}=COLUMN; or the task: --kind, one of {', '.join(TASKS)}",
                )


def _data_section(
    counted: Mapping[Split, Mapping[str, Counted]],
    held_out: Sequence[Example],
    test_file: Path,
    licences: Licences,
    output: Path,
    validation_share: float | None,
) -> dict[str, Any]:
    """The table `data`."""

    def tables(split: Split) -> Any:
        stated = licences.by_file if split == "train" else {}
        made = [source_table(each.detected, output, stated.get(name, "")) for name, each in counted[split].items()]
        return made[0] if len(made) == 1 else made

    section: dict[str, Any] = {}
    if validation_share is not None and not counted["validation"]:
        section["validation_share"] = validation_share
    section |= {"overlap": "drop"} if held_out or counted["test"] else {}
    section["train"] = tables("train")
    if counted["validation"]:
        section["validation"] = tables("validation")
    if counted["test"]:
        section["evaluation"] = tables("test")
    elif held_out:
        section["evaluation"] = {"reader": "examples", "path": test_file.name}
    return section


def _given(kind: str, rows: int, labels: Mapping[str, int]) -> str:
    said = f"{number_of(rows, 'row')} for {_NAMES.get(kind, kind)}"
    if not labels:
        return f"{said}."
    listed = ", ".join(f"{label} {count:,}" for label, count in list(labels.items())[:8])
    return f"{said}, with {len(labels)} labels: {listed}{', …' if len(labels) > 8 else ''}."


_NAMES = {
    "classification": "one label a text",
    "multi-label": "several labels a text",
    "regression": "a number for a text",
    "tagging": "entities in texts",
    "pos": "parts of speech",
    "parsing": "dependency trees",
    "qa": "answers that stand in a text",
    "multiple-choice": "the best of several choices",
    "retrieval": "texts that match",
}


def _notes(counted: Mapping[Split, Mapping[str, Counted]], examples: Sequence[Example], licence: str) -> list[str]:
    forms = LabelForms()
    for _ in forms.watch(examples):
        pass
    notes = [str(forms)] if forms.alike() else []
    for split in ("validation", "test"):
        notes += leakage_notes(counted["train"], counted[split], "and are left out of the training")
    for name, each in counted["train"].items():
        if each.doubled:
            verb = "says" if each.doubled == 1 else "say"
            notes.append(f"{name}: {number_of(each.doubled, 'row')} {verb} what an earlier one says")
    if not licence:
        notes.append(UNSTATED)
    return notes
