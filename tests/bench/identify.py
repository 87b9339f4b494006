"""Whether each text of FLORES devtest is known for what it is, and how long that takes; beside other identifiers.

    python tests/bench/identify.py [--data /work/shared/data] [--every 1] [--lingua] [--json FILE]

Profiles are made of training text alone, as components have them: nllb-seed, the Indonesian languages' raw paragraphs
and NusaX-MT train, Hausa's raw text, Swahili tweets. Every text of FLORES-200 devtest of these 32 languages is
identified:

- `all`: there is a profile of every language;
- `sources`: of English and Indonesian, which need no component, there is none, and py3langid knows them;
- `py3langid` and, with `--lingua` (``pip install lingua-language-detector``: 96 MB, 1.3 GB in memory), `lingua` alone,
  on the languages that they know.

Time is the processor's, on one core, of the whole call for a text; a share is over texts, each language with as many.
Takes about 90 s of one core; with `--lingua` three minutes more, with `--every 4` a quarter.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from figures import machine

from lect.data.examples import Example
from lect.languages.identify import Identifier, plain
from lect.languages.installed import load_py3langid
from lect.languages.profiles import LanguageProfile
from lect.languages.tags import normalise
from lect.training.language_profiles import profiles_of

COLUMNS = {
    "english": "eng_Latn",
    "indonesian": "ind_Latn",
    "acehnese": "ace_Latn",
    "javanese": "jav_Latn",
    "minangkabau": "min_Latn",
    "sundanese": "sun_Latn",
}
SOURCES = ("eng_Latn", "ind_Latn")
Answer = Callable[[str], "str | None"]


def main() -> None:
    """Print a table of shares and times, and the pairs of languages that are taken for each other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("/work/shared/data"))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--lingua", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    trained = training_texts(options.data)
    profiles = {code: _profile(code, texts) for code, texts in trained.items()}
    tests = {
        code: (options.data / "flores200" / code / "devtest.txt").read_text("utf-8").splitlines()[:: options.every]
        for code in profiles
    }
    installed = load_py3langid()
    found = {
        "all": measure(_by(Identifier(profiles.values(), lambda: installed)), tests),
        "sources": measure(
            _by(Identifier([profiles[code] for code in profiles if code not in SOURCES], lambda: installed)), tests
        ),
        "all, profiles alone": measure(_by(Identifier(profiles.values())), tests),
    }
    common = {code: texts for code, texts in tests.items() if plain(_tag(code)) in map(plain, installed.languages)}
    found["all, where py3langid knows the language"] = measure(
        _by(Identifier(profiles.values(), lambda: installed)), common
    )
    found["py3langid"] = measure(lambda text: installed.identify(text)[0], common)
    if options.lingua:
        answer, known = lingua()
        common = {code: texts for code, texts in tests.items() if plain(_tag(code)) in known}
        found["all, where lingua knows the language"] = measure(
            _by(Identifier(profiles.values(), lambda: installed)), common
        )
        found["lingua"] = measure(answer, common)
    for name, figures in found.items():
        print(
            f"{name}: {figures['languages']} languages, {figures['texts']:,} texts: right {figures['right']:.4f}, "
            f"{figures['microseconds']:.0f} μs a text (median {figures['median']:.0f})"
        )
        print("  least right:", ", ".join(f"{code} {share:.3f}" for code, share in figures["least"]))
        print("  taken for another:", ", ".join(f"{a} for {b} {n}" for a, b, n in figures["confused"]))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), **found}, ensure_ascii=False, indent=1), "utf-8")


def training_texts(data: Path) -> dict[str, list[str]]:
    """Training text by language, as FLORES calls it."""
    found = {file.parent.name: _lines(file) for file in sorted(data.glob("nllb-seed/*/train.txt"))}
    with (data / "nusax-mt/parallel/train.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for column, code in COLUMNS.items():
        found.setdefault(code, []).extend(row[column] for row in rows)
    for code in ("jav", "min", "sun"):
        found[f"{code}_Latn"] += _lines(data / "nusaparagraph-raw" / code / "train.txt")
    found["hau_Latn"] = _lines(data / "lacuna-raw/hau/train.txt")
    (tweets,) = data.glob("afrisenti/swa/train*")
    found["swh_Latn"] = [line.split("\t")[0] for line in _lines(tweets)[1:]]
    return found


def measure(answer: Answer, tests: dict[str, list[str]]) -> dict[str, object]:
    """How many texts are known for what they are, which are not, and the processor's time for a text."""
    shares, confused, seconds = {}, Counter[tuple[str, str]](), []
    for code, texts in tests.items():
        right = 0
        for text in texts:
            start = time.process_time_ns()
            language = answer(text)
            seconds.append((time.process_time_ns() - start) / 1000)
            if language is not None and plain(language) == plain(_tag(code)):
                right += 1
            else:
                confused[_tag(code), language or "none"] += 1
        shares[code] = right / len(texts)
    return {
        "languages": len(tests),
        "texts": len(seconds),
        "right": statistics.mean(shares.values()),
        "microseconds": statistics.mean(seconds),
        "median": statistics.median(seconds),
        "shares": shares,
        "least": sorted(shares.items(), key=lambda each: each[1])[:8],
        "confused": [(a, b, count) for (a, b), count in confused.most_common(12)],
    }


def lingua() -> tuple[Answer, set[str]]:
    """The detector of lingua at its most exact, and the languages that it knows."""
    from lingua import LanguageDetectorBuilder

    detector = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()
    known = {plain(normalise(each.iso_code_639_1.name.lower())) for each in _all_of_lingua()}

    def answer(text: str) -> str | None:
        language = detector.detect_language_of(text)
        return None if language is None else normalise(language.iso_code_639_1.name.lower())

    return answer, known


def _all_of_lingua() -> Iterator[object]:
    from lingua import Language

    return iter(Language.all())


def _by(identifier: Identifier) -> Answer:
    return lambda text: identifier(text).language


def _profile(code: str, texts: list[str]) -> LanguageProfile:
    tag = _tag(code)
    (profile,) = profiles_of([Example(text) for text in texts], (tag,))
    return replace(profile, language=tag)


def _tag(code: str) -> str:
    return normalise(code.replace("_", "-"))


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main()
