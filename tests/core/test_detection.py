"""How files are found to be read: what people's spreadsheets, corpora and tools write, each read back as examples."""

from __future__ import annotations

import json

import pytest

from lect.authoring.facts import count
from lect.authoring.language import look_at_language
from lect.authoring.languages import guess_language
from lect.authoring.licence import licences_of
from lect.authoring.source import detect
from lect.authoring.task import held_out_of, look_at_task, rows_beside
from lect.data.examples import Example
from lect.errors import DataError
from lect.host import Host
from lect.languages.identify import Identifier
from lect.languages.installed import InstalledIdentifier
from lect.languages.profiles import profile_of

ROWS = [("the food is good", "yes"), ("it, is; bad", "no"), ('she said "well"', "yes"), ("warm bread", "no")] * 5
TABLE = "\n".join(
    f"{number},{text.replace(',', '').replace(';', '')},{label}" for number, (text, label) in enumerate(ROWS)
)
JSON = "\n".join(json.dumps({"tweet": text, "emotion": label}) for text, label in ROWS)
CONLL = "John B-PER\nsees O\nParis B-LOC\n. O\n\nMary B-PER\nsleeps O\n. O\n\n"
NUMBERED = "# sent_id = 1\n1\tJohn\tB-PER\t-\tx\n2\tsees\tO\t-\tx\n\n1\tMary\tB-PER\t-\tx\n2\tsleeps\tO\t-\tx\n\n"
TREE = "# sent_id = 1\n1\tJohn\tJohn\tPROPN\t_\t_\t2\tnsubj\t_\t_\n2\tsleeps\tsleep\tVERB\t_\t_\t0\troot\t_\t_\n\n" * 2
SQUAD = json.dumps(
    {"data": [{"paragraphs": [{"context": "I am Budi.", "qas": [{"id": "1", "question": "Who?",
     "answers": [{"text": "Budi", "answer_start": 5}]}]}]}]}
)  # fmt: skip
CHOICES = json.dumps({"premise": "It rained.", "choice1": "wet", "choice2": "dry", "question": "effect", "label": 0})
QUOTED = (
    'id\ttext\tcategory\n1\t"she said ""well"" to us"\tnews\n2\tplain text here\tsport\n'
    "3\tmore text\tnews\n4\tx y\tsport\n"
)
TMX = (
    '<?xml version="1.0"?><tmx version="1.4"><header/><body>'
    '<tu><tuv xml:lang="jv"><seg>omah</seg></tuv><tuv xml:lang="en"><seg>house</seg></tuv></tu></body></tmx>'
)


@pytest.mark.parametrize(
    ("name", "content", "purpose", "kind", "config"),
    [
        ("a.csv", f"id,text,label\n{TABLE}\n", "data", "classification", {"key": "id", "label": "label"}),
        ("a.csv", f"\ufeffid;Satz;Stimmung\n{TABLE.replace(',', ';')}\n", "data", "classification",
         {"text": "Satz", "label": "Stimmung", "delimiter": ";"}),
        ("a.csv", f"sep=;\nid;text;label\n{TABLE.replace(',', ';')}\n", "data", "classification", {"label": "label"}),
        ("a.txt", f"text|class\n{TABLE.replace(',', '|').replace('|', '', 0)}\n".replace("text|", "n|text|"), "data",
         "classification", {"label": "class", "delimiter": "|"}),
        ("a.tsv", QUOTED, "data", "classification", {"label": "category", "delimiter": "\t"}),
        ("a.jsonl", JSON, "data", "classification", {"text": "tweet", "label": "emotion"}),
        ("a.json", f"[{JSON.replace(chr(10), ',')}]", "data", "classification", {"text": "tweet", "label": "emotion"}),
        ("a.csv", "text,stars\n" + "".join(f"text {n},{n / 4}\n" for n in range(20)), "data", "regression",
         {"label": "stars"}),
        ("a.csv", "text,labels\n" + "".join(f"text {n},{'a|b' if n % 2 else 'c'}\n" for n in range(20)), "data",
         "multi-label", {"label": "labels"}),
        ("a.csv", "premise,hypothesis,label\n" + "".join(f"it is {n},so {n} it is,{'ab'[n % 2]}\n" for n in range(20)),
         "data", "classification", {"text": "premise", "text_pair": "hypothesis"}),
        ("a.txt", CONLL, "data", "tagging", {}),
        ("a.conll", CONLL.replace("B-PER", "NOUN").replace("B-LOC", "NOUN").replace(" O", " X"), "data", "pos", {}),
        ("a.conll", CONLL.replace(" ", "\t") * 20 + "so\tO\n: (\tO\n\n", "data", "tagging", {}),
        ("a.iob2", NUMBERED, "data", "tagging", {"words": 1, "tags": 2}),
        ("a.conllu", TREE, "data", "pos", {}),
        ("a.jsonl", "\n".join(json.dumps({"data": {"text": t}, "mood": label}) for t, label in ROWS), "data",
         "classification", {"text": "data.text", "label": "mood"}),
        ("a.json", SQUAD, "data", "qa", {}),
        ("a.jsonl", CHOICES, "data", "multiple-choice", {}),
        ("a.jsonl", json.dumps({"query": "who?", "positive": "me"}), "data", "retrieval", {"text": "query"}),
        ("a.jsonl", json.dumps({"text": "John sees", "spans": [{"start": 0, "end": 4, "label": "PER"}]}), "data",
         "tagging", {}),
        ("a.jsonl", json.dumps({"tokens": ["John", "sees"], "ner_tags": ["B-PER", "O"]}), "data", "tagging",
         {"words": "tokens", "tags": "ner_tags"}),
        ("a.tsv", "".join(f"omah {n} gedhe\thouse {n} big one\n" for n in range(9)), "pairs", "pairs",
         {"layout": "pairs"}),
        ("a.tmx", TMX, "pairs", "pairs", {"text": "jv", "translation": "en"}),
        ("a.txt", "omah house\nbanyu water\n", "dictionary", "dictionary", {"layout": "pairs"}),
        ("a.csv", ",indonesian,javanese\n0,rumah,omah\n1,air,banyu\n2,ikan,iwak\n", "dictionary", "dictionary",
         {"layout": "csv", "text": "indonesian", "translation": "javanese"}),
        ("a.txt", "One line, with a comma.\nAnother, too.\nA third one, here.\n", "text", "text", {}),
    ],
)  # fmt: skip
def test_a_file_is_read_as_what_it_is(tmp_path, monkeypatch, name, content, purpose, kind, config):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = detect(name, purpose, Host.load())
    assert found.kind == kind
    assert {key: found.config.get(key) for key in config} == config
    read = count(found, Host.load())
    assert read.rows > 0 and all(row.text for row in read.examples)
    if "label" in config and kind != "multi-label":
        assert len({row.label for row in read.examples}) > 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_encoding_is_found(tmp_path, monkeypatch, encoding):
    monkeypatch.chdir(tmp_path)
    text = "text;label\n" + "".join(
        f"Größe {n}: schön, süß und über alle Maßen groß;{'ja' if n % 2 else 'nein'}\n" for n in range(20)
    )
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    read = count(detect("a.csv", "data", Host.load()), Host.load())
    assert read.examples[0].text == "Größe 0: schön, süß und über alle Maßen groß"
    assert ("encoding" in read.detected.config) is not encoding.startswith("utf-8")


def test_few_words_in_a_western_encoding_are_no_other_one(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text;label\r\n" + b"caf\xe9 chaud;a\r\nth\xe9 froid;b\r\n" * 9)
    assert detect(str(tmp_path / "a.csv"), "data", Host.load()).config["encoding"] == "cp1252"
    cyrillic = "text;label\r\n" + "Это очень хорошая книга о языке и людях;a\r\nОчень плохо;b\r\n" * 20
    (tmp_path / "b.csv").write_bytes(cyrillic.encode("cp1251"))
    read = count(detect(str(tmp_path / "b.csv"), "data", Host.load()), Host.load())
    assert read.examples[0].text == "Это очень хорошая книга о языке и людях"


def test_rows_without_a_text_are_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("text,label\ngood food,yes\n,no\nbad food,no\nmore food,yes\n", encoding="utf-8")
    read = count(detect("a.csv", "data", Host.load()), Host.load())
    assert read.rows == 3 and read.detected.config["skip_empty"] and "left out" in read.detected.seen[-1]


def test_a_faulty_table_is_refused_where_its_fault_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("text;label\na;b\nc;d\none; two;b\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.csv, line 4: 3 fields, more than the header's 2"):
        count(detect("a.csv", "data", Host.load()), Host.load())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "1,good food,yes\n2,bad food,no\n3,more food,yes\n",
            "the table has no header: it begins with '1, good food, yes'",
        ),
        ("", "the file is empty"),
        ("%PDF-1.4", "the file is a PDF"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        detect(str(tmp_path / "a.csv"), "data", Host.load())
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("path", "column", "text", "tag"),
    [
        ("corpus/nqo_Nkoo/train.txt", "", "ߒߞߏ", "nqo"),
        ("a.txt", "", "ߒߞߏ ߦߋ߫", "nqo"),
        ("data/jav/train.csv", "", "omah gedhe", "jv"),
        ("train.bam", "", "so ye", "bm"),
        ("pairs.csv", "Sundanese", "imah", "su"),
        ("kas_Deva/train.txt", "", "कॉशुर", "ks-Deva"),
        ("test/data/new/train.txt", "", "zzz", None),
        ("raw/dev.txt", "", "zzz", None),
    ],
)
def test_languages_by_names_and_scripts(path, column, text, tag):
    assert guess_language([text], path, Identifier([]), column).tag == tag


def test_the_licence_beside_the_data_and_one_that_fits_all(tmp_path):
    for name, text in {
        "a": "Attribution 4.0 International (CC BY 4.0)",
        "b": "CC BY-SA 4.0",
        "c": "CC BY-NC 4.0",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "LICENSE").write_text(text, encoding="utf-8")
    files = {name: str(tmp_path / name / "x.txt") for name in "abc"}
    found = licences_of([files["a"], files["b"]])
    assert (sorted(found.by_file.values()), found.fitting) == (["CC-BY-4.0", "CC-BY-SA-4.0"], "CC-BY-SA-4.0")
    assert licences_of([files["b"], files["c"]]).fitting == ""
    assert licences_of([files["a"]], "MIT").fitting == "MIT"


def test_rows_to_judge_by_are_turned_as_those_to_learn_from(tmp_path, monkeypatch):
    """Whatever the order of their columns, so that none of them is trained on."""
    monkeypatch.chdir(tmp_path)
    rows = [("Regane larang.", "Harganya mahal."), ("Kopine pait.", "Kopinya pahit."), ("Wonge grapyak.", "Dia ramah.")]
    train, test = ("\n".join(";".join(row[::step]) for row in [("javanese", "indonesian"), *rows]) for step in (1, -1))
    (tmp_path / "train.csv").write_text(train, "utf-8")
    (tmp_path / "test.csv").write_text(test, "utf-8")
    host = Host.load(report=print)
    found = look_at_language((), ("train.csv",), (), host, Identifier(()), "jv", ("test.csv",))
    sides = {key: found.tests["test.csv"].config[key] for key in ("text", "translation")}
    assert sides == {"text": "javanese", "translation": "indonesian"}


@pytest.mark.parametrize("header", ["jv,id,en", "jv,id"])
def test_a_column_that_is_called_by_a_language_is_no_key(tmp_path, header):
    names = header.split(",")
    lines = [",".join(f"{name} word{number}" for name in names) for number in range(8)]
    (tmp_path / "words.csv").write_text("\n".join([header, *lines]), "utf-8")
    found = detect(str(tmp_path / "words.csv"), "pairs", Host.load())
    assert "key" not in found.config and set(found.texts) == set(names)


def test_a_first_pair_of_short_words_is_no_header(tmp_path):
    (tmp_path / "words.tsv").write_text("ji\tsu\nsanjiba\tthunderstorm\nIya\tYa\ndumuni\tmeal\n" * 2, "utf-8")
    assert detect(str(tmp_path / "words.tsv"), "dictionary", Host.load()).seen == ("two columns without a header",)


def test_a_table_with_a_blank_line_is_no_file_of_tagged_words(tmp_path):
    rows = "".join(f"the food number {number} is fine\t{'good' if number % 2 else 'bad'}\n" for number in range(10))
    (tmp_path / "rows.tsv").write_text(f"text\tlabel\n{rows}\n{rows}", "utf-8")
    assert detect(str(tmp_path / "rows.tsv"), "data", Host.load()).kind == "classification"


def test_a_list_of_labels_beside_the_data_is_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, name in (("one", "rows.tsv"), ("parts", "train.tsv"), ("parts", "test.tsv")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text("text\tlabel\n" + "the food is good\tyes\nit is bad\tno\n" * 9, "utf-8")
        (tmp_path / folder / "labels.txt").write_text("yes\nno\n", "utf-8")
    host = Host.load()
    for folder, files in (("one", 1), ("parts", 2)):
        found = look_at_task([folder], host, Identifier([]), "en")
        assert len(found.names) == files and found.kind == "classification"
        assert {each.config["label"] for own in found.files.values() for each in own.values()} == {"label"}


def test_rows_on_one_passage_are_held_out_together():
    passages = [f"A passage number {number} that is long enough to be known." for number in range(20)]
    rows = [Example(f"claim {n} {m}", text_pair=passage) for n, passage in enumerate(passages) for m in range(5)]
    held_out = held_out_of(rows, 0.2)
    assert len(held_out) == 20 and len({row.text_pair for row in held_out}) == 4
    assert rows_beside(rows, held_out) == 0
    whole = [Example(f"{passages[0]} And more {n}.") for n in range(3)]
    assert rows_beside([*rows, *whole], [*held_out, rows[0]]) >= 3


def test_of_all_languages_components_know_but_their_own():
    """Where no identifier is installed, one component is no reason to take every text for its language."""
    texts = [f"the food was good on day {number}, and the bread was warm" for number in range(60)]
    alone = Identifier([profile_of("ace", texts)])
    assert guess_language(texts, "rows.csv", alone).tag is None
    asked = Identifier(
        [profile_of("ace", texts)], lambda: InstalledIdentifier("x", frozenset(["en"]), lambda _: ("en", 0.4))
    )
    assert guess_language(texts, "rows.csv", asked).tag == "ace"
