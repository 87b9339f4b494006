"""Reader of questions on contexts: SQuAD 1.1 and 2.0, its flat list, and JSON lines such as AfriQA's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lect import DataError, Example, Span, nearest
from lect.data.files import FilesConfig, parse_json, say
from lect_heads.readers.offsets import place_of


class SquadConfig(FilesConfig):
    """How questions are read.

    Args:
        question: the field of the question, such as AfriQA's ``question_lang`` or ``question_translated``.
        answers: the field of the answers, such as AfriQA's ``answer_pivot``; a question that lacks it can be asked, and
            neither learned from nor scored.
        key: the field of a question's key.
        offsets: what becomes of an answer that does not stand where it is said to: looked for, and where it cannot be
            found scored by its text and not learned from (``repair``); dropped; or refused. What was done is counted
            and said.
    """

    question: str = "question"
    answers: str = "answers"
    key: str = "id"
    offsets: Literal["repair", "drop", "refuse"] = "repair"


@dataclass(frozen=True)
class _Asked:
    """A question as it stands in a file."""

    context: str | None
    fields: Mapping[str, Any]
    where: str


def read_squad(config: SquadConfig, folder: Path) -> Generator[Example, None, list[str]]:
    """The questions, and at the end what was done with them. Raises `DataError`."""
    count = 0
    remarks = []
    for path, where in config.files(folder):
        done: Counter[str] = Counter()
        for asked in _questions(config, path, where):
            if config.limit is not None and count >= config.limit:
                break
            example = _example(config, asked, done)
            if example is not None:
                count += 1
                yield example
        if done:
            remarks.append(f"{where}: {_told(done)}")
            say(remarks[-1])
    return remarks


def _told(done: Counter[str]) -> str:
    said = []
    for what, noun, one, several in _DONE:
        if done[what]:
            said.append(f"{done[what]:,} {f'{noun} {one}' if done[what] == 1 else f'{noun}s {several}'}")
    return "; ".join(said)


_DONE = (
    ("moved", "answer", "stood elsewhere than said and was moved", "stood elsewhere than said and were moved"),
    ("placed", "answer", "had no usable offset and was found by its text",
     "had no usable offset and were found by their texts"),
    ("unplaced", "answer", "cannot be placed in its context: it is scored by its text, and not learned from",
     "cannot be placed in their contexts: they are scored by their texts, and not learned from"),
    ("dropped", "answer", "that does not stand where it is said to was dropped",
     "that do not stand where they are said to were dropped"),
    ("left out", "question", "without any other answer was left out", "without any other answer were left out"),
    ("without context", "question", "without a context was left out", "without a context were left out"),
)  # fmt: skip
"""What is counted, of what, and how one and several are told."""


def _questions(config: SquadConfig, path: Path, where: str) -> Iterator[_Asked]:
    content = config.whole(path, where)
    if _is_of_lines(content):
        yield from _of_lines(config, path, where)
        return
    whole = parse_json(content, where)
    articles = whole.get("data") if isinstance(whole, dict) else whole
    for number, article in enumerate(_listed(articles, "data", where), start=1):
        place = f"{where}, entry {number}"
        paragraphs = article.get("paragraphs", [article]) if isinstance(article, dict) else article
        # A single paragraph need not be in a list: one of AmQA's is not.
        for paragraph in _listed([paragraphs] if isinstance(paragraphs, dict) else paragraphs, "paragraphs", place):
            if not isinstance(paragraph, dict) or not isinstance(paragraph.get("context"), str):
                raise DataError("a paragraph without a context", where=place, fix="give it a context, a string")
            for index, asked in enumerate(_listed(paragraph.get("qas"), "qas", place), start=1):
                named = asked.get("id", index) if isinstance(asked, dict) else index
                if not isinstance(asked, dict):
                    raise DataError("a question is no object", where=f"{place}, question {named}")
                yield _Asked(paragraph["context"], asked, f"{place}, question {named}")


def _is_of_lines(content: str) -> bool:
    """Whether the first line that is not blank holds a question, and not the file's beginning."""
    first = content.lstrip().partition("\n")[0]
    try:
        fields = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and "data" not in fields


def _of_lines(config: SquadConfig, path: Path, where: str) -> Iterator[_Asked]:
    for number, line in config.lines(path, where):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        fields = parse_json(line, where, place, "write one object a line")
        if not isinstance(fields, dict) or not isinstance(fields.get("context", 0), str | None):
            raise DataError("a line without a context", where=place, fix="give it a context, a string")
        yield _Asked(fields["context"], fields, place)


def _example(config: SquadConfig, asked: _Asked, done: Counter[str]) -> Example | None:
    question = asked.fields.get(config.question)
    if not isinstance(question, str) or not question.strip():
        clause = nearest(config.question, map(str, asked.fields))
        raise DataError(f'no question in "{config.question}"', where=asked.where, fix=clause)
    if asked.context is None or not asked.context.strip():
        done["without context"] += 1
        return None
    key = asked.fields.get(config.key)
    example = Example(
        asked.context,
        language=config.language,
        key=None if key is None else str(key),
        origin=asked.where,
        question=question,
    )
    stated = _stated(config, asked)
    if stated is None:
        return example
    spans = [span for text, start in stated if (span := _span(config, asked, text, start, done)) is not None]
    if stated and not spans:
        done["left out"] += 1
        return None
    return replace(example, answers=tuple(spans))


def _span(config: SquadConfig, asked: _Asked, text: str, start: int | None, done: Counter[str]) -> Span | None:
    """The answer where it stands; without a place where it cannot be found, and None where it is to be dropped."""
    context = asked.context or ""
    if start is not None and context[start : start + len(text)] == text:
        return Span(text, start)
    if config.offsets == "refuse":
        where = "has no usable offset" if start is None else f"does not stand at {start}"
        raise DataError(f'the answer "{text}" {where}', where=asked.where, fix='set offsets = "repair"')
    if config.offsets == "drop":
        done["dropped"] += 1
        return None
    found = place_of(context, text, start)
    if found is None:
        done["unplaced"] += 1
        return Span(text, None)
    done["placed" if start is None else "moved"] += 1
    return Span(context[found[0] : found[1]], found[0])


def _stated(config: SquadConfig, asked: _Asked) -> list[tuple[str, int | None]] | None:
    """The answers as the file states them, without a place where it gives none; None where it states no answers."""
    if asked.fields.get("is_impossible") is True:
        return []
    if config.answers not in asked.fields:
        if "answers" in config.model_fields_set:
            clause = nearest(config.answers, map(str, asked.fields))
            raise DataError(f'no answers in "{config.answers}"', where=asked.where, fix=clause)
        return None
    answers = asked.fields[config.answers]
    if answers is None:
        return None
    if isinstance(answers, dict):
        texts, starts = _several(answers.get("text")), _several(answers.get("answer_start"))
        pairs = [(text, starts[index] if index < len(starts) else None) for index, text in enumerate(texts)]
    else:
        each_one = _listed(answers, config.answers, asked.where)
        pairs = [(each.get("text"), each.get("answer_start")) for each in each_one if isinstance(each, dict)]
    for text, _ in pairs:
        if not isinstance(text, str):
            raise DataError("an answer without a text", where=asked.where, fix="give it one, a string")
    return [(text, _offset(start)) for text, start in pairs if text.strip()]


def _offset(value: Any) -> int | None:
    """A number of a character; None for what is none, such as -1 or null. Numbers may be written as texts."""
    if isinstance(value, str):
        value = int(value) if value.strip().isdecimal() else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value < 0:
        return None
    return int(value) if value == int(value) else None


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _listed(value: Any, name: str, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f'"{name}" is no list', where=where, fix="lay the file out as SQuAD does")
    return value
