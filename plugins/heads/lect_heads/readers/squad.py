"""Reader of questions on contexts: SQuAD 1.1 and 2.0, its flat list, and JSON lines such as AfriQA's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lect import Example, Span
from lect.errors import DataError, nearest
from lect_heads.readers.files import FilesConfig, files_of, lines

_NEAR = 20
"""How many characters an offset may be wrong by and still be taken for a slip."""


class SquadConfig(FilesConfig):
    """How questions are read.

    Args:
        question: the field of the question, such as AfriQA's ``question_lang`` or ``question_translated``.
        answers: the field of the answers, such as AfriQA's ``answer_pivot``.
        offsets: what becomes of an answer that does not stand where it is said to: moved to where it does nearby and
            else dropped, dropped at once, or refused. What was done is counted and said.
    """

    question: str = "question"
    answers: str = "answers"
    offsets: Literal["repair", "drop", "refuse"] = "repair"


@dataclass(frozen=True)
class _Asked:
    """A question as it stands in a file."""

    context: str | None
    fields: Mapping[str, Any]
    where: str


def read_squad(config: SquadConfig, folder: Path) -> Iterator[Example]:
    """The questions; those none of whose answers can be found in the context are left out. Raises `DataError`."""
    from lect.commands.console import warn

    count = 0
    for path, where in files_of(config, folder):
        done: Counter[str] = Counter()
        for asked in _questions(path, where):
            if config.limit is not None and count >= config.limit:
                break
            example = _example(config, asked, done)
            if example is not None:
                count += 1
                yield example
        if done:
            warn(f"{where}: {_told(done)}")


def _told(done: Counter[str]) -> str:
    said = []
    if done["moved"]:
        said.append(f"{done['moved']} answers stood elsewhere than said and were moved")
    if done["dropped"]:
        said.append(f"{done['dropped']} answers that the context does not have were dropped")
    if done["left out"]:
        said.append(f"{done['left out']} questions without any other answer were left out")
    if done["without context"]:
        said.append(f"{done['without context']} questions without a context were left out")
    return "; ".join(said)


def _questions(path: Path, where: str) -> Iterator[_Asked]:
    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError("invalid UTF-8", where=where, fix="save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise DataError(f"not JSON: {error.msg}", where=f"{where}, line {error.lineno}") from None
        yield from _of_lines(path, where)
        return
    if isinstance(whole, dict) and "data" not in whole:
        yield from _of_lines(path, where)
        return
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


def _of_lines(path: Path, where: str) -> Iterator[_Asked]:
    for number, line in lines(path, where):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"not JSON: {error.msg}", where=place, fix="write one object a line") from None
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
    stated = list(_stated(config, asked))
    spans = []
    for text, start in stated:
        found = _checked(asked.context, text, start)
        if found == start:
            spans.append(Span(text, start))
        elif config.offsets == "refuse":
            raise DataError(
                f'the answer "{text}" does not stand at {start}', where=asked.where, fix='set offsets = "repair"'
            )
        elif found is not None and config.offsets == "repair":
            done["moved"] += 1
            spans.append(Span(text, found))
        else:
            done["dropped"] += 1
    if stated and not spans:
        done["left out"] += 1
        return None
    return Example(asked.context, language=config.language, origin=asked.where, question=question, answers=tuple(spans))


def _stated(config: SquadConfig, asked: _Asked) -> Iterator[tuple[str, int]]:
    """The answers as the file states them; -1 where it gives no place."""
    if asked.fields.get("is_impossible") is True:
        return
    answers = asked.fields.get(config.answers)
    if answers is None:
        clause = nearest(config.answers, map(str, asked.fields))
        raise DataError(f'no answers in "{config.answers}"', where=asked.where, fix=clause)
    if isinstance(answers, dict):
        texts, starts = _several(answers.get("text")), _several(answers.get("answer_start"))
        pairs = [(text, starts[index] if index < len(starts) else -1) for index, text in enumerate(texts)]
    else:
        each_one = _listed(answers, config.answers, asked.where)
        pairs = [(each.get("text"), each.get("answer_start")) for each in each_one if isinstance(each, dict)]
    for text, start in pairs:
        if not isinstance(text, str):
            raise DataError("an answer without a text", where=asked.where, fix="give it one, a string")
        if text.strip():
            yield text, start if isinstance(start, int) else -1


def _checked(context: str, text: str, start: int) -> int | None:
    """Where the answer stands: where it is said to, or else nearest to there; None where it is nowhere near."""
    if start < 0 or context[start : start + len(text)] == text:
        return start if start >= 0 else None
    first = max(0, start - _NEAR)
    window = context[first : start + len(text) + _NEAR]
    places = [first + at for at in range(len(window)) if window.startswith(text, at)]
    return min(places, key=lambda place: abs(place - start), default=None)


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _listed(value: Any, name: str, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f'"{name}" is no list', where=where, fix="lay the file out as SQuAD does")
    return value
