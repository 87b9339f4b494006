"""The guard against leakage: it knows evaluation rows again, and catches what the data sets' README warns of."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect import Example
from lect.builtins.plugin import lect_register_readers
from lect.data.guard import Guard, Overlap, check_files, corpus_of, fold
from lect.errors import DataError

SPECS = {spec.name: spec for spec in lect_register_readers()}
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data in {SHARED}")
LONG = "A sentence that is long enough to be known again"


def overlap(train, evaluated, corpora=("one", "one"), *, drop=False):
    guard, found = Guard(), Overlap()
    guard.add(evaluated, corpora[1])
    rows = list(guard.watch(train, corpora[0], found, drop=drop))
    return found, rows


def test_a_text_is_known_again_however_it_is_set():
    evaluated = [Example("“Ça va?”, she asked — twice.", origin="test, line 1")]
    train = [
        Example("ça va ? , she asked -- TWICE", origin="train, line 1"),
        Example("Ca va, she asked twice.", origin="train, line 2"),
        Example("something else", origin="train, line 3"),
    ]
    found, rows = overlap(train, evaluated, drop=True)
    assert found.as_dict() == {"rows": 3, "text": 1, "part": 0, "key": 0}
    assert [row.origin for row in rows] == ["train, line 2", "train, line 3"]
    assert str(found) == ("1 of 3 rows are in the evaluation data (1 by text; first: train, line 1 is test, line 1)")


def test_a_sentence_inside_a_paragraph_and_a_translation_are_known_again():
    evaluated = [Example(LONG), Example("x", translation="Another sentence of a fair length")]
    train = [
        Example(f"Before it. {LONG.upper()}! And after it."),
        Example("y", translation=LONG),
        Example("y", text_pair="another sentence, of a fair length"),
        Example(f"no end of a sentence {LONG}"),
    ]
    assert overlap(train, evaluated)[0].as_dict() == {"rows": 4, "text": 0, "part": 3, "key": 0}


def test_short_second_texts_are_in_many_sets():
    assert overlap([Example("a", translation="yes")], [Example("b", translation="yes")])[0].count == 0


def test_a_key_is_known_again_in_another_language_of_the_same_corpus():
    train, evaluated = [Example("satu", key="7")], [Example("one", key="7")]
    assert overlap(train, evaluated)[0].key == 1
    assert overlap(train, evaluated, ("one", "other"))[0].count == 0
    assert corpus_of("csv", {"key": "id"}, "") == corpus_of("csv", {"key": "id", "path": "x"}, "")
    assert corpus_of("csv", {"key": "id"}, "") != corpus_of("tsv", {"key": "index_id"}, "")
    assert corpus_of("csv", {"key": "id"}, "sib") == corpus_of("tsv", {"key": "index_id"}, "sib") == "sib"


@given(st.text(), st.text(alphabet=" \t.,!?-—«»…", max_size=3))
def test_folding_forgets_marks_and_case_and_nothing_else(text, marks):
    assert fold(text + marks) == fold(text)
    assert fold(fold(text)) == fold(text)
    assert fold(f"a{text}") != fold(text)


def test_guarded_files_are_refused_by_whatever_name(tmp_path):
    (tmp_path / "set").mkdir()
    for name in ("test.txt", "train.txt", "moses.en"):
        (tmp_path / "set" / name).write_text("x\n")

    def check(config, *patterns):
        check_files(patterns or ["set/test*"], [("recipe, data.train[0]", config)], tmp_path, "recipe, data")

    check({"path": "set/train.txt", "text": "text"})
    for path in ("set/test.txt", "set/../set/test.txt", "set", "set/*.txt", str(tmp_path / "set/test.txt")):
        with pytest.raises(DataError, match=r"recipe, data.train\[0\]: .* is guarded by \"set/test\*\""):
            check({"path": path})
    with pytest.raises(DataError, match="is guarded"):
        check({"path": "set/moses", "text": "en", "translation": "de"}, "set/moses.*")
    with pytest.raises(DataError, match=r'recipe, data\.guard: no file fits "set/tset'):
        check({"path": "set/train.txt"}, "set/tset*")


# ------------------------------------------------------------------------------------------------------- real data


def read(reader, **options):
    spec = SPECS[reader]
    return list(spec.read(spec.config(**options), SHARED))


def nusax(language, split):
    return read("csv", path=f"nusax-senti/{language}/{split}.csv", label="label", key="id")


def nusax_pairs(split, text, translation):
    return read("csv", path=f"nusax-mt/parallel/{split}.csv", text=text, translation=translation)


def sib(language, split):
    return read("tsv", path=f"sib200/{language}/{split}.tsv", label="category", key="index_id")


def flores(language):
    return read("text", path=f"flores200/{language}/devtest.txt", keys="devtest")


@needs_data
def test_nusax_test_sentences_are_caught_in_any_language():
    assert overlap(nusax("ind", "test"), nusax("ace", "test"))[0].as_dict() == {
        "rows": 400,
        "text": 0,
        "part": 0,
        "key": 400,
    }
    assert overlap(nusax("ind", "train"), nusax("ace", "test"))[0].count == 0


@needs_data
def test_nusax_pairs_are_the_sentiment_sentences():
    pairs = nusax_pairs("test", "indonesian", "acehnese")
    assert overlap(pairs, nusax("ace", "test"), ("mt", "senti"))[0].part == 400
    assert overlap(nusax_pairs("test", "javanese", "indonesian"), pairs)[0].count == 400
    assert overlap(nusax_pairs("train", "indonesian", "acehnese"), nusax("ace", "test"))[0].count == 0


@needs_data
@pytest.mark.parametrize("language", ["eng_Latn", "nqo_Nkoo", "bam_Latn"])
def test_sib200_is_flores(language):
    rows = [row for split in ("train", "dev", "test") for row in sib(language, split)]
    # The README counts 471 that are equal to the letter; as many again but for marks and spaces make it more.
    assert overlap(rows, flores(language), ("sib", "flores"))[0].text == 494
    assert overlap(sib(language, "train"), flores(language), ("sib", "flores"))[0].text == 328
    assert overlap(sib(language, "train"), sib("ace_Latn", "test"))[0].count == 0
    assert overlap(sib(language, "test"), sib("ace_Latn", "test"))[0].count == 204


@needs_data
def test_flores_is_caught_by_line_in_another_language():
    assert overlap(flores("eng_Latn"), flores("nqo_Nkoo"))[0].key == 1012


@needs_data
@pytest.mark.parametrize("language", ["eng_Latn", "ace_Latn", "bam_Latn", "nqo_Nkoo"])
def test_the_seed_corpus_is_free_of_what_it_is_judged_by(language):
    train = read("text", path=f"nllb-seed/{language}/train.txt")
    assert overlap(train, [*flores(language), *sib(language, "test")], ("seed", "flores"))[0].count == 0


@needs_data
def test_news_that_hold_a_sentence_of_the_entities_test_are_caught():
    found, rows = overlap(read("text", path="lacuna-raw"), [*entities("test"), *entities("dev")], drop=True)
    # Whole lines were taken out when the data was made; these four hold a sentence of the test among others.
    assert (found.rows, found.text, found.part) == (5485, 0, 4)
    assert len(rows) == 5481
    leaked = [Example(row.text.replace(" ,", ",").replace(" .", "."), origin="leaked") for row in entities("test")]
    assert overlap(leaked, entities("test"))[0].text == len(leaked) == 1633


def entities(split):
    """Sentences of MasakhaNER, as its words with a space between."""
    text = (SHARED / "masakhaner2" / "hau" / f"{split}.txt").read_text(encoding="utf-8")
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [Example(" ".join(line.split(" ")[0] for line in block if line)) for block in blocks if any(block)]
