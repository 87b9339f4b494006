"""What TensorFlow Text makes of each character: where it splits, what it drops, what it folds.

The tables were read off tensorflow_text itself, since the Unicode versions of its two libraries, of Python and of the
`tokenizers` library are four.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files


def members(name: str) -> frozenset[str]:
    """The characters of a class: ``split by BertTokenizer``, ``control``, ``accents``, …"""
    return frozenset(chr(code) for run in _tables()[name] for code in _codes(run))


def folding() -> dict[str, str]:
    """What `case_fold_utf8` (NFKC_Casefold) puts in the place of single characters.

    Characters are left out whose canonical decomposition is that of their replacement: their NFC or NFD, which has to
    follow, does the same.
    """
    folded = dict.fromkeys(members("folded to nothing"), "")
    for entry in _tables()["folded to one"]:
        run, _, target = entry.partition(":")
        codes = list(_codes(run))
        folded.update({chr(code): chr(int(target, 16) + code - codes[0]) for code in codes})
    for entry in _tables()["folded to more"]:
        source, _, target = entry.partition(":")
        folded[chr(int(source, 16))] = "".join(chr(int(code, 16)) for code in target.split("+"))
    return folded


def _codes(run: str) -> Iterator[int]:
    """``41``, ``41-5a``, or ``100-12e/2``, every second one."""
    span, _, step = run.partition("/")
    first, _, last = span.partition("-")
    return iter(range(int(first, 16), int(last or first, 16) + 1, int(step or 1)))


@cache
def _tables() -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    name = ""
    for line in files(__package__).joinpath("characters.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            tables[name] = []
        elif not line.startswith("#"):
            tables[name] += line.split()
    return tables
