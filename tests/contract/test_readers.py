"""Every reader that comes with `lect` keeps the contract."""

from __future__ import annotations

import pytest

from lect import Config, Example, Host, ReaderSpec
from lect.testing import ReaderContract, reader_contract

TMX = """<?xml version="1.0" encoding="utf-8"?>
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en"><seg>one day</seg></tuv><tuv xml:lang="fr"><seg>un jour</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>two</seg></tuv><tuv xml:lang="fr"><seg>deux</seg></tuv></tu>
</body></tmx>
"""
SQUAD = """{"data": [{"paragraphs": [{"context": "one day in May", "qas": [
{"id": "a", "question": "when?", "answers": [{"text": "May", "answer_start": 11}]},
{"id": "b", "question": "how long?", "answers": [{"text": "one day", "answer_start": 0}]}]}]}]}
"""
ONE_TOKEN = ("is_lazy",)
XML = ("is_lazy",)
"""A file of many roots, as the property makes one, is no XML."""
HELD = ("is_lazy",)
"""Messages are joined by their names, so that one side is held, and a name that comes again is the same message."""
PO = 'msgid "one day"\nmsgstr "un jour"\n\nmsgid "two"\nmsgstr "deux"\n\n'
XLIFF = """<xliff version="1.2"><file><body>
<trans-unit id="a"><source>one day</source><target>un jour</target></trans-unit>
<trans-unit id="b"><source>two</source><target>deux</target></trans-unit></body></file></xliff>
"""
QT = """<!DOCTYPE TS>
<TS version="2.1"><context><message><source>one day</source><translation>un jour</translation></message>
<message><source>two</source><translation>deux</translation></message></context></TS>
"""
ANDROID = """<resources><string name="a">one day</string>
<string name="b">two</string></resources>
"""
ELAN = """<ANNOTATION_DOCUMENT><TIER LINGUISTIC_TYPE_REF="ref" TIER_ID="ref">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a"><ANNOTATION_VALUE>one day</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="b"><ANNOTATION_VALUE>two</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
</TIER></ANNOTATION_DOCUMENT>
"""
FLEXTEXT = """<document><interlinear-text><paragraphs><paragraph><phrases>
<phrase><item type="txt" lang="fr">un jour</item><item type="gls" lang="en">one day</item></phrase>
<phrase><item type="txt" lang="fr">deux</item><item type="gls" lang="en">two</item></phrase>
</phrases></paragraph></paragraphs></interlinear-text></document>
"""
TEI = """<TEI><text><body>
<entry><form><orth>day</orth></form><sense><cit type="trans"><quote>jour</quote></cit></sense></entry>
<entry><form><orth>two</orth></form><sense><cit type="trans"><quote>deux</quote></cit></sense></entry>
</body></text></TEI>
"""
LIFT = """<lift version="0.13">
<entry><lexical-unit><form lang="fr"><text>jour</text></form></lexical-unit>
<sense><gloss lang="en"><text>day</text></gloss></sense></entry>
<entry><lexical-unit><form lang="fr"><text>deux</text></form></lexical-unit>
<sense><gloss lang="en"><text>two</text></gloss></sense></entry></lift>
"""


def of_two(reader, ending, ours, theirs):
    files = {f"fr{ending}": ours, f"en{ending}": theirs}
    return reader_contract(reader, files, {"path": f"fr{ending}", "source": f"en{ending}"}, without=HELD)


test_csv = reader_contract("csv", "text,label\none day,x\ntwo days,y\n", {"label": "label"})
test_tsv = reader_contract("tsv", "text\tlabel\none day\tx\ntwo days\ty\n", {"label": "label"})
test_jsonl = reader_contract("jsonl", '{"text": "one day"}\n{"text": "two days"}\n')
test_examples = reader_contract("examples", '{"text": "one day", "extra": {"a": [1]}}\n{"text": "two days"}\n')
test_text = reader_contract("text", "one day\n\ntwo days\n")
test_parallel = reader_contract(
    "parallel", {"a.en": "one\ntwo\n", "a.fr": "un\ndeux\n"}, {"text": "a.en", "translation": "a.fr"}
)
test_dictionary = reader_contract("dictionary", "one un\ntwo deux\n")
test_tmx = reader_contract("tmx", TMX, {"text": "en", "translation": "fr"}, without=ONE_TOKEN)
test_conll = reader_contract("conll", "the O\ncity B-LOC\n\na O\nday O\n\n")
test_conllu = reader_contract(
    "conllu", "".join(f"1\t{word}\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n" for word in ("day", "night"))
)
test_spans = reader_contract("spans", '{"text": "in May", "label": [[3, 6, "T"]]}\n{"text": "now", "label": []}\n')
test_squad = reader_contract("squad", SQUAD, without=ONE_TOKEN)
test_choices = reader_contract(
    "choices", '{"premise": "p", "choice1": "a", "choice2": "b", "label": 1, "question": "cause"}\n' * 2
)
test_triples = reader_contract(
    "triples", {"rows.jsonl": '{"anchor": "a", "positive": "b", "negative": "c"}\n' * 2}, {"path": "rows.jsonl"}
)
test_gettext = reader_contract("gettext", PO)
test_xliff = reader_contract("xliff", XLIFF, without=XML)
test_qt = reader_contract("qt", QT, without=XML)
test_android = of_two("android", ".xml", ANDROID.replace("one day", "un jour").replace("two", "deux"), ANDROID)
test_apple = of_two("apple", ".strings", '"a" = "un jour";\n"b" = "deux";\n', '"a" = "one day";\n"b" = "two";\n')
test_properties = of_two("properties", ".properties", "a = un jour\nb = deux\n", "a = one day\nb = two\n")
test_arb = of_two("arb", ".arb", '{"a": "un jour",\n"b": "deux"}\n', '{"a": "one day",\n"b": "two"}\n')
test_verses = reader_contract("verses", "\\id GEN\n\\c 1\n\\p\n\\v 1 one day\n\\v 2 two\n")
test_elan = reader_contract("elan", ELAN, {"text": "ref"}, without=XML)
test_flextext = reader_contract("flextext", FLEXTEXT, without=XML)
test_tei = reader_contract("tei", TEI, without=XML)
test_lift = reader_contract("lift", LIFT, without=XML)
test_cldr = reader_contract("cldr", config={"locale": "id"})


def test_every_reader_of_text_files_is_here():
    ours = {
        name
        for name, provided in Host.load(report=lambda line: None).specs(ReaderSpec).items()
        if provided.plugin.distribution in ("lect", "lect-heads", "lect-cldr", "lect-sources")
    }
    # The two are of binary files, which these properties are not about.
    assert {f"test_{name}" for name in ours - {"excel", "datasets"}} <= globals().keys()


class OpenConfig(Config):
    path: str


def _careless(config, folder):
    lines = (folder / config.path).read_text("latin-1").splitlines()
    return [Example(line, origin=config.path) for line in lines]


@pytest.mark.parametrize(
    ("holds", "said"),
    [
        ("says_where_rows_stand", r'the origin "rows.txt" is not like "rows.txt, line 2"'),
        ("knows_byte_order_marks", None),
        ("reads_compressed_files", None),
        ("refuses_wrong_bytes", "a file with bytes that are no UTF-8 is read as if nothing were wrong"),
        ("refuses_empty_files", "an empty file is read as if"),
        ("refuses_missing_files", "a file that is not there is a FileNotFoundError, not a lect.DataError"),
    ],
)
def test_a_reader_that_opens_files_by_itself_does_not_keep_it(holds, said):
    spec = ReaderSpec("careless", "s", OpenConfig, _careless)
    contract = ReaderContract(spec, {"rows.txt": "one\ntwo\n"}, {"path": "rows.txt"})
    with pytest.raises(AssertionError, match=said):
        getattr(contract, holds)()
