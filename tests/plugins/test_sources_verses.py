"""The reader of verse texts: USFM, USX, lines with vref.txt; alone and side by side."""

from __future__ import annotations

import pytest
from source_files import pairs, read, refusal, write

USFM = """\\id GEN Cipher translation
\\ide UTF-8
\\h Genesis
\\toc1 The Book of Genesis
\\mt1 GENESIS
\\ip Moses wrote it \\bk Genesis\\bk*.
\\c 1
\\s1 The beginning
\\r (John 1:1)
\\p
\\v 1 In the beginning\\f + \\fr 1.1 \\fqa Or \\ft When
God began \\+nd Lord\\+nd* \\f* God made \\add the\\add* heaven.
\\v 2-3 \\w And|lemma="waw" strong="H1"\\w* \\w the|x-of="1"\\w* earth\\x - \\xo 1.2 \\xt Jer 4\\x* was~void//and dark,
\\q1 and God said:
\\q2 \\wj “Let there \\+nd be\\+nd* light.”\\wj*
\\s2 A heading within
\\p
\\v 4a And God saw
\\m
\\v 4b the light\\fig |src="a.jpg" size="col"\\fig* \\qs Selah\\qs*
\\v 5 \\zaln-s |x-strong="H2"\\*\\w day|x="1"\\w*\\zaln-e\\* and \\vp 5b\\vp*night.
\\p
\\v 6
\\b
\\c 2
\\d A song.
\\q
\\v 1 \\tr \\tc1 one \\tcr2 two
"""
USX = """<?xml version="1.0" encoding="utf-8"?>
<usx version="3.0">
  <book code="GEN" style="id">Cipher</book>
  <para style="mt1">GENESIS</para>
  <chapter number="1" style="c" sid="GEN 1"/>
  <para style="s1">The beginning</para>
  <para style="p"><verse number="1" style="v" sid="GEN 1:1"/>In the <char style="nd">beginning</char><note caller="+"
    style="f"><char style="ft">Or when</char></note>.<verse eid="GEN 1:1"/>
    <verse number="2-3" style="v" sid="GEN 1:2-3"/>And the earth</para>
  <para style="q1">was void.<verse eid="GEN 1:2-3"/></para>
  <chapter eid="GEN 1"/>
</usx>
"""


def test_usfm_gives_verses_without_notes_and_headings(tmp_path):
    write(tmp_path, {"01GEN.usfm": USFM})
    rows = read("verses", tmp_path, "01GEN.usfm", language="fr")
    assert [(row.key, row.text, row.origin) for row in rows] == [
        ("GEN 1:1", "In the beginning God made the heaven.", "01GEN.usfm, line 11"),
        (
            "GEN 1:2",
            "And the earth was void and dark, and God said: “Let there be light.”",
            "01GEN.usfm, line 13",
        ),
        ("GEN 1:4", "And God saw the light Selah", "01GEN.usfm, line 18"),
        ("GEN 1:5", "day and night.", "01GEN.usfm, line 21"),
        ("GEN 2:1", "one two", "01GEN.usfm, line 28"),
    ]


def test_usx_gives_what_usfm_gives(tmp_path):
    write(tmp_path, {"GEN.usx": USX})
    rows = read("verses", tmp_path, "GEN.usx")
    assert [(row.key, row.text, row.origin) for row in rows] == [
        ("GEN 1:1", "In the beginning.", "GEN.usx, line 7"),
        ("GEN 1:2", "And the earth was void.", "GEN.usx, line 9"),
    ]


def test_bridges_join_the_verses_of_the_other_text(tmp_path):
    def book(*verses):
        return "\\id GEN\n\\c 1\n\\p\n" + "".join(f"\\v {number} {text}\n" for number, text in verses)

    ours = book(("1", "un"), ("2-3", "deux et trois"), ("4", "quatre"), ("5", "cinq"), ("6", "six"), ("9", "neuf"))
    theirs = book(("1", "one"), ("2", "two"), ("3", "three"), ("4-5", "four, five"), ("7", "seven"))
    write(tmp_path, {"fr/01.usfm": ours, "fr/02.SFM": ours.replace("GEN", "EXO"), "en/1.usfm": theirs})
    write(tmp_path, {"en/2.sfm": theirs.replace("GEN", "EXO").replace("\\v 3 three\n", "")})
    rows = read("verses", tmp_path, "fr", source="en")
    assert [(row.key, row.text, row.translation) for row in rows] == [
        ("GEN 1:1", "un", "one"),
        ("GEN 1:2", "deux et trois", "two three"),
        ("GEN 1:4", "quatre cinq", "four, five"),
        ("EXO 1:1", "un", "one"),
        ("EXO 1:4", "quatre cinq", "four, five"),
    ], "half a bridge is no translation of all of it"
    assert rows[2].origin == "fr/01.usfm, line 6"
    assert pairs("verses", tmp_path, "fr/01.usfm", source="en/1.usfm", reverse=True, limit=1) == [("one", "un")]
    write(tmp_path, {"PSA.usfm": ours.replace("GEN", "PSA")})
    assert "PSA.usfm: no verse of it is in en/1.usfm" in refusal("verses", tmp_path, "PSA.usfm", source="en/1.usfm")


def test_lines_with_vref(tmp_path, caplog):
    vref = "GEN 1:1\nGEN 1:2\nGEN 1:3\nGEN 1:4\nGEN 1:5\n"
    write(tmp_path, {"metadata/vref.txt": vref, "corpus/fra.txt": "un\ndeux et trois\n<range>\nquatre\n\n"})
    write(tmp_path, {"corpus/eng.txt": "one\ntwo\nthree\n\nfive\n"})
    rows = read("verses", tmp_path, "corpus/fra.txt", source="corpus/eng.txt")
    assert [(row.key, row.text, row.translation, row.origin) for row in rows] == [
        ("GEN 1:1", "un", "one", "corpus/fra.txt, line 1"),
        ("GEN 1:2", "deux et trois", "two three", "corpus/fra.txt, line 2"),
    ]
    assert "corpus/fra.txt: 1 row that the source lacks, or a part of them, left out" in caplog.text
    assert pairs("verses", tmp_path, "corpus/eng.txt", source="corpus/fra.txt") == [
        ("one", "un"),
        ("two three", "deux et trois"),
    ]
    write(tmp_path, {"x.usfm": USFM})
    assert pairs("verses", tmp_path, "corpus/eng.txt", source="x.usfm")[0] == (
        "one",
        "In the beginning God made the heaven.",
    ), "formats may differ"


def test_lines_that_begin_with_their_verse(tmp_path):
    write(
        tmp_path,
        {"vpl.txt": "GEN 1:1 one\n\nGEN 1:2 two\n1JN 1:1\n", "other.txt": "a\nb\n", "my.txt": "GEN 1:1\n1CO 2:3"},
    )
    assert [(row.key, row.text) for row in read("verses", tmp_path, "vpl.txt")] == [
        ("GEN 1:1", "one"),
        ("GEN 1:2", "two"),
    ]
    assert [row.key for row in read("verses", tmp_path, "other.txt", vref="my.txt")] == ["GEN 1:1", "1CO 2:3"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.usfm", "\\id GEN\n\\c 1\n\\v one\n", "x.usfm, line 3: a verse without a number; write \\v and its number"),
        ("x.usfm", "\\id GEN\n\\c\n", "x.usfm, line 2: a chapter without a number"),
        ("x.usfm", "\\c 1\n\\v 1 a\n", "x.usfm, line 2: a verse before any book"),
        ("x.usfm", "\\id GEN\n\\v 1 a\n", "x.usfm, line 2: a verse before any chapter"),
        ("x.usfm", "\\id GEN\n\\c 1\n\\v 1-9999 a\n", "x.usfm, line 3: verses 1 to 9999 in one"),
        ("x.usfm", "\\id FRT\nA preface\n", "x.usfm: the file has no verses"),
        ("x.usx", USX.replace("2-3", "x"), "x.usx, line 9: a verse without a number"),
        ("x.usx", "<a/>", "x.usx, line 1: the root element is <a>, not <usx>"),
        ("x.txt", "In the beginning\n", "x.txt, line 1: the line does not begin with a verse such as GEN 1:1"),
        ("x/y.txt", "a\nb\nc\n", "x/y.txt, line 3: more lines than x/vref.txt has"),
        ("x/y.txt", "a\n", "x/y.txt, line 2: fewer lines than x/vref.txt has"),
        ("x/y.txt", "<range>\nb\n", "x/y.txt, line 1: <range> follows no verse"),
        ("z/y.txt", "a\n", 'z/vref.txt, line 1: no reference of a verse: "verse one"'),
    ],
)
def test_what_is_no_verse_text(tmp_path, name, content, said):
    write(tmp_path, {name: content, "x/vref.txt": "GEN 1:1\nGEN 1:2\n", "z/vref.txt": "verse one\n"})
    assert said in refusal("verses", tmp_path, name)


def test_a_note_that_nobody_closed_ends_with_its_verse(tmp_path):
    text = "\\id GEN\n\\c 1\n\\p\n\\v 1 first\\f + \\ft a note\n\\v 2 second\n\\c 2\n\\p\n\\v 1 third\n"
    write(tmp_path, {"GEN.usfm": text})
    found = read("verses", tmp_path, "GEN.usfm")
    assert [(row.key, row.text) for row in found] == [("GEN 1:1", "first"), ("GEN 1:2", "second"), ("GEN 2:1", "third")]
