"""Judgements of relevance: which text of a corpus answers which query, and how well."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lect.data.lines import read_lines
from lect.errors import DataError

_FIX = "write query, text and grade with tabs between them, or the four columns of TREC"


@dataclass(frozen=True)
class Judgement:
    """How well a text answers a query.

    Args:
        query, text: their keys.
        grade: above 0 where it does at all.
    """

    query: str
    text: str
    grade: float
    origin: str


def read_judgements(path: Path, where: str) -> list[Judgement]:
    """The judgements of a file, in TREC's four columns (query, iteration, text, grade) or the three of BEIR.

    Columns are separated by tabs or spaces; a first line whose grade is no number is a header.

    Raises:
        DataError: with the line, where one is no judgement or judges what was judged before; where there are none.
    """
    found: dict[tuple[str, str], Judgement] = {}
    is_first = True
    for number, line in read_lines(path, where):
        fields = line.split("\t") if "\t" in line else re.split(" +", line.strip())
        fields = [field.strip() for field in fields]
        if not any(fields):
            continue
        place = f"{where}, line {number}"
        if len(fields) not in (3, 4) or not all(fields):
            raise DataError(f"{len(fields)} columns where there should be 3 or 4", where=place, fix=_FIX)
        query, text, stated = fields[0], fields[-2], fields[-1]
        grade = _number(stated)
        if grade is None and not is_first:
            raise DataError(f'"{stated}" is no grade', where=place, fix=_FIX)
        is_first = False
        if grade is None:
            continue
        if (query, text) in found:
            before = found[query, text].origin
            raise DataError(f'"{text}" is judged twice for "{query}" ({before})', where=place, fix="keep one of them")
        found[query, text] = Judgement(query, text, grade, place)
    if not found:
        raise DataError("there are no judgements", where=where, fix=_FIX)
    return list(found.values())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value - value == 0 else None
