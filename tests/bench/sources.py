"""Rows a second of the readers of `lect-sources`, on made files of 20,000 entries, beside the reader of TSV.

    python tests/bench/sources.py [ENTRIES]

CPU time of the one thread, the least of three readings, taken in turn; about a minute.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polib

from lect import ReaderSpec
from lect.testing.installed import installed_host

READINGS = 3


def main(entries: int) -> None:
    """Print a line for each reader."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = {reader: _made(folder, entries, make) for reader, make in MADE.items()}
        least = dict.fromkeys(cases, float("inf"))
        rows = dict.fromkeys(cases, 0)
        for _ in range(READINGS):
            for case, options in cases.items():
                spec = installed_host().spec(ReaderSpec, case.partition(" ")[0])
                start = time.process_time()
                rows[case] = sum(1 for _ in spec.read(spec.config(**options), folder))
                least[case] = min(least[case], time.process_time() - start)
        for case, seconds in least.items():
            print(f"{case:16}{rows[case]:>8,} rows {seconds:>7.2f} s {rows[case] / seconds:>10,.0f} rows/s")


Made = tuple[Mapping[str, str | bytes], Mapping[str, Any]]


def _made(folder: Path, entries: int, make: Callable[[list[tuple[str, str]]], Made]) -> Mapping[str, Any]:
    pairs = [
        (f"Open the file of day {number} and go on", f"Ouvrir le fichier {number} et ßé") for number in range(entries)
    ]
    files, options = make(pairs)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return options


def _of_two(ending: str, line: str, begin: str = "", end: str = "") -> Callable[[list[tuple[str, str]]], Made]:
    def make(pairs: list[tuple[str, str]]) -> Made:
        sides = ["\n".join(line.format(number, pair[side]) for number, pair in enumerate(pairs)) for side in (0, 1)]
        files = {f"{name}{ending}": begin + text + end for name, text in zip(("en", "fr"), sides, strict=True)}
        return files, {"path": f"fr{ending}", "source": f"en{ending}"}

    return make


def _of_one(name: str, line: str, begin: str = "", end: str = "", **options: Any) -> Callable[[Any], Made]:
    return lambda pairs: (
        {name: begin + "".join(line.format(*pair) for pair in pairs) + end},
        {"path": name, **options},
    )


def _compiled(pairs: list[tuple[str, str]]) -> Made:
    catalogue = polib.POFile()
    catalogue += [polib.POEntry(msgid=source, msgstr=text) for source, text in pairs]
    return {"fr.mo": catalogue.to_binary()}, {"path": "fr.mo"}


def _arb(pairs: list[tuple[str, str]]) -> Made:
    files = {
        f"{name}.arb": json.dumps({f"a{number}": pair[side] for number, pair in enumerate(pairs)})
        for side, name in enumerate(("en", "fr"))
    }
    return files, {"path": "fr.arb", "source": "en.arb"}


def _usfm(pairs: list[tuple[str, str]]) -> Made:
    def book(side: int) -> str:
        chapters = [
            f"\\c {number // 50 + 1}\n\\p\n" * (number % 50 == 0)
            + f"\\v {number % 50 + 1} \\add {pair[side]}\\add*\\f + \\ft a note\\f*\n"
            for number, pair in enumerate(pairs)
        ]
        return "\\id PSA\n" + "".join(chapters)

    return {"fr.usfm": book(1), "en.usfm": book(0)}, {"path": "fr.usfm", "source": "en.usfm"}


def _vref(pairs: list[tuple[str, str]]) -> Made:
    vref = "".join(f"PSA {number // 50 + 1}:{number % 50 + 1}\n" for number in range(len(pairs)))
    texts = {f"{name}.txt": "".join(f"{pair[side]}\n" for pair in pairs) for side, name in enumerate(("en", "fr"))}
    return {"vref.txt": vref, **texts}, {"path": "fr.txt", "source": "en.txt"}


def _elan(pairs: list[tuple[str, str]]) -> Made:
    def tier(name: str, annotations: list[str]) -> str:
        return f'<TIER TIER_ID="{name}" LINGUISTIC_TYPE_REF="{name}">{"".join(annotations)}</TIER>\n'

    times = [f'<TIME_SLOT TIME_SLOT_ID="ts{at}" TIME_VALUE="{at * 1000}"/>\n' for at in range(len(pairs) + 1)]
    texts, translations = [], []
    for number, (source, text) in enumerate(pairs):
        value = "<ANNOTATION_VALUE>{}</ANNOTATION_VALUE>"
        of_time = f'ANNOTATION_ID="a{number}" TIME_SLOT_REF1="ts{number}" TIME_SLOT_REF2="ts{number + 1}"'
        aligned = f"<ALIGNABLE_ANNOTATION {of_time}>{value.format(text)}</ALIGNABLE_ANNOTATION>"
        texts.append(f"<ANNOTATION>{aligned}</ANNOTATION>\n")
        of_text = f'ANNOTATION_ID="b{number}" ANNOTATION_REF="a{number}"'
        annotation = f"<REF_ANNOTATION {of_text}>{value.format(source)}</REF_ANNOTATION>"
        translations.append(f"<ANNOTATION>{annotation}</ANNOTATION>\n")
    content = f"<TIME_ORDER>{''.join(times)}</TIME_ORDER>{tier('tx', texts)}{tier('ft', translations)}"
    options = {"path": "a.eaf", "text": "tx", "translation": "ft"}
    return {"a.eaf": f"<ANNOTATION_DOCUMENT>{content}</ANNOTATION_DOCUMENT>"}, options


MADE: Mapping[str, Callable[[list[tuple[str, str]]], Made]] = {
    "tsv": _of_one("x.tsv", "{}\t{}\n", "en\tfr\n", text="fr", translation="en"),
    "gettext .po": _of_one("fr.po", '#: a.c:7\nmsgid "{}"\nmsgstr "{}"\n\n'),
    "gettext .mo": _compiled,
    "xliff": _of_one(
        "fr.xlf", "<trans-unit><source>{}</source><target>{}</target></trans-unit>\n", "<xliff>", "</xliff>"
    ),
    "qt": _of_one("fr.ts", "<message><source>{}</source><translation>{}</translation></message>\n", "<TS>", "</TS>"),
    "android": _of_two(".xml", '<string name="a{}">{}</string>', "<resources>", "</resources>"),
    "apple": _of_two(".strings", '/* a button */\n"a{}" = "{}";\n'),
    "properties": _of_two(".properties", "a{} = {}"),
    "arb": _arb,
    "verses .usfm": _usfm,
    "verses vref": _vref,
    "elan": _elan,
    "flextext": _of_one(
        "a.flextext",
        '<phrase><words><word><item type="txt" lang="fr">{1}</item></word><word><item type="punct" lang="fr">.</item>'
        '</word></words><item type="gls" lang="en">{0}</item></phrase>\n',
        "<document>",
        "</document>",
    ),
    "tei": _of_one(
        "fr.tei",
        '<entry><form><orth>{}</orth></form><sense><cit type="trans"><quote>{}</quote></cit></sense></entry>\n',
        "<TEI>",
        "</TEI>",
    ),
    "lift": _of_one(
        "fr.lift",
        "<entry><lexical-unit><form><text>{1}</text></form></lexical-unit><sense><gloss><text>{0}</text></gloss></sense>"
        "</entry>\n",
        "<lift>",
        "</lift>",
    ),
}

if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
