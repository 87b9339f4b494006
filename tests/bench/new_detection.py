"""Whether `lect new` finds the reader, the columns and the language of the data sets in ../shared/data.

    python tests/bench/new_detection.py [--all] [--nameless] [--data FOLDER]

Half a minute. A line a data set; --all takes every language of each, not one. What is right was written down by hand
from the data sets' own README.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from langcodes import Language

from lect.api.components import library_of
from lect.authoring.languages import guess_language
from lect.authoring.source import detect
from lect.host import Host
from lect.languages.tags import normalise
from lect.selection.automatic import identifier_of

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
EXPECTED = [
    # data set, files, what it is given for, reader, what of the settings has to be right, folder (and language, where
    # that is another than the folder's), all folders
    ("nusax-senti", "nusax-senti/{}/train.csv", "data", "csv", {"text": "text", "label": "label", "key": "id"}, "ace",
     "ace eng ind jav min sun"),
    ("nusax-mt", "nusax-mt/parallel/train.csv", "pairs", "csv", {"text": "english"}, "en", None),
    ("nusax-lexicon", "nusax-lexicon/{}/lexicon.csv", "dictionary", "dictionary",
     {"layout": "csv", "text": "indonesian"}, "ace=id", "ace eng jav min sun"),
    ("afrisenti", "afrisenti/swa/train.tsv", "data", "tsv", {"text": "tweet", "label": "label"}, "sw", None),
    # Its fields with marks in them are quoted, as spreadsheets do, which the reader `tsv` would leave in the texts.
    ("sib200", "sib200/{}/train.tsv", "data", "csv",
     {"delimiter": "\t", "text": "text", "label": "category", "key": "index_id"}, "bam_Latn", "*"),
    ("flores200", "flores200/{}/devtest.txt", "text", "text", {}, "hau_Latn", "*"),
    ("nllb-seed", "nllb-seed/{}/train.txt", "text", "text", {}, "nqo_Nkoo", "*"),
    ("nicolingua", "nicolingua/nafadji_sory_conde_parallel_002.nqo_Nkoo", "text", "text", {}, "nqo", None),
    ("bayelemabaga", "bayelemabaga/train.bam", "text", "text", {}, "bm", None),
    ("nusaparagraph-raw", "nusaparagraph-raw/{}/train.txt", "text", "text", {}, "min", "jav min sun"),
    ("lacuna-raw", "lacuna-raw/hau/train.txt", "text", "text", {}, "ha", None),
    ("wikigold", "wikigold/eng/train.conll", "data", "conll", {"words": None, "tags": None}, "en", None),
    ("broad-twitter", "broad-twitter/eng/dev.conll", "data", "conll", {"words": None, "tags": None}, "en", None),
    ("uner", "uner/{}/en_ewt-ud-dev.iob2", "data", "conll", {"words": 1, "tags": 2}, "eng", None),
    ("masakhaner2", "masakhaner2/{}/test.txt", "data", "conll", {"words": None, "tags": None}, "bam", "bam swa hau"),
    ("ud", "ud/{}/*.conllu", "data", "conllu", {}, "jav", "eng ind jav bam"),
    ("tydiqa-id", "tydiqa-id/ind/train.json", "data", "squad", {"question": None, "answers": None}, "id", None),
    ("afriqa", "afriqa/{0}/gold_span_passages.afriqa.{0}.en.test.json", "data", "squad",
     {"question": "question_lang", "answers": "answer_pivot"}, "hau", "hau swa zul"),
    ("amqa", "amqa/amh/dev_data.json", "data", "squad", {}, "am", None),
    ("xcopa", "xcopa/{0}/val.{0}.jsonl", "data", "choices", {}, "id", "id sw"),
    ("tatoeba", "tatoeba/{0}/tatoeba.{0}-eng.{0}", "text", "text", {}, "jav", "ind jav swh"),
]  # fmt: skip


def same(tag: str, wanted: str) -> bool:
    """Whether two tags are of one language in one script."""
    both = [Language.get(normalise(each)).maximize() for each in (tag, wanted)]
    return (both[0].language, both[0].script) == (both[1].language, both[1].script)


def main() -> None:
    """Print the table; the exit code says whether 18 are right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--nameless", action="store_true", help="Find languages without names of files and folders.")
    parser.add_argument("--data", type=Path, default=SHARED)
    options = parser.parse_args()
    host = Host.load()
    identifier = identifier_of(library_of(None), host)
    right, wrong = 0, 0
    sets: dict[str, bool] = {}
    print(f"{'data set':18} {'reader':12} {'columns':8} language")
    for name, pattern, purpose, reader, wanted, language, every in EXPECTED:
        folder, _, stated = language.partition("=")
        folders = [folder]
        if options.all and every:
            folders = sorted(path.name for path in (options.data / name).iterdir() if path.is_dir())
            folders = folders if every == "*" else every.split()
        for folder in folders:
            (path, *_) = sorted(options.data.glob(pattern.format(folder)))
            found = detect(str(path), purpose, host)
            column = found.config.get("text", "") if isinstance(found.config.get("text"), str) else ""
            texts = found.texts.get(column) or next(iter(found.texts.values()))
            several = column if len(found.texts) > 1 else ""
            named = "texts" if options.nameless else str(path.relative_to(options.data))
            guess = guess_language(texts, named, identifier, several)
            tag = stated or folder.replace("_", "-")
            right_reader, right_config = reader, dict(wanted)
            if name == "sib200" and '"' not in path.read_text("utf-8"):
                right_reader, right_config = "tsv", {**wanted, "delimiter": None}
            is_reader = found.reader == right_reader
            got = {key: found.config.get(key, "text" if key == "text" else None) for key in wanted}
            is_columns = got == right_config
            is_language = guess.tag is not None and same(guess.tag, tag)
            good = is_reader and is_columns and is_language
            sets[name] = sets.get(name, True) and good
            right, wrong = right + good, wrong + (not good)
            marks = ["yes" if each else "NO" for each in (is_reader, is_columns, is_language)]
            told = f"{marks[2]:4}{guess.tag or '?':9} {guess.why}"
            label = f"{name}/{folder}" if options.all and every else name
            print(f"{label:18} {marks[0] + ' ' + found.reader:12} {marks[1]:8} {told}")
            if not is_columns:
                print(f"  columns: {got}, and should be {right_config}")
    print(f"{sum(sets.values())} of {len(sets)} data sets right; {right} of {right + wrong} files")
    sys.exit(sum(sets.values()) < 18 and not options.nameless)


if __name__ == "__main__":
    main()
