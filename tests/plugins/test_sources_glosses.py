"""Readers of annotated recordings, interlinear texts and lexicons: ELAN, FLEx, TEI, LIFT."""

from __future__ import annotations

import pympi
import pytest
from source_files import pairs, read, refusal, write

FLEXTEXT = """<?xml version="1.0" encoding="utf-8"?>
<document version="2">
  <interlinear-text guid="a"><item type="title" lang="en">A story</item>
    <paragraphs><paragraph><phrases>
      <phrase guid="p1"><item type="segnum" lang="en">1</item>
        <words>
          <word><item type="punct" lang="seh">«</item></word>
          <word><item type="txt" lang="seh">Nyumba</item><morphemes><morph><item type="txt" lang="seh">nyumba</item>
            <item type="gls" lang="en">house</item></morph></morphemes><item type="gls" lang="en">house</item></word>
          <word><item type="txt" lang="seh">ine</item></word>
          <word><item type="punct" lang="seh">!</item></word>
          <word><item type="punct" lang="seh">»</item></word>
        </words>
        <item type="gls" lang="en">My house!</item><item type="lit" lang="en">House I!</item>
        <item type="gls" lang="pt">Minha casa!</item>
      </phrase>
      <phrase guid="p2"><item type="txt" lang="seh">Ndine munthu.</item>
        <words><word><item type="txt" lang="seh">Ndine</item></word></words>
        <item type="gls" lang="en">I am a person.</item><item type="gls" lang="pt"></item></phrase>
      <phrase guid="p3"><words><word><item type="txt" lang="seh">Inde</item></word></words></phrase>
    </phrases></paragraph></paragraphs>
  </interlinear-text>
</document>
"""
TEI = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE TEI SYSTEM "freedict-P5.dtd">
<TEI xmlns="http://www.tei-c.org/ns/1.0" version="5.0"><teiHeader xml:lang="en"><fileDesc/></teiHeader>
<text><body xml:lang="en">
<entry xml:id="house"><form><orth>house</orth><orth>home</orth><pron>haʊs</pron></form>
  <gramGrp><pos>n</pos></gramGrp>
  <sense n="1"><cit type="trans" xml:lang="fr"><quote>maison</quote><gramGrp><gen>f</gen></gramGrp></cit>
    <cit type="example"><quote>my house</quote>
    <cit type="trans" xml:lang="de"><quote>mein Haus</quote></cit></cit></sense>
  <sense n="2"><cit type="trans" xml:lang="de"><quote>Haus <note>(building)</note></quote></cit></sense></entry>
<entry><form><orth>old</orth></form><trans><tr>vieux</tr><tr>ancien</tr></trans></entry>
<entry><form><orth>nothing</orth></form></entry>
<entry><form xml:lang="en"><orth>day</orth><form type="infl"><orth type="plur">days</orth></form></form>
  <sense><def xml:lang="de">Tag, Frist</def></sense></entry>
</body></text></TEI>
"""
LIFT = """<?xml version="1.0" encoding="utf-8"?>
<lift producer="SIL.FLEx 9.1" version="0.13">
<header/>
<entry id="nyumba_1"><lexical-unit><form lang="seh"><text>nyumba</text></form></lexical-unit>
  <sense id="s1"><grammatical-info value="Noun"/><gloss lang="en"><text>house</text></gloss>
    <gloss lang="pt"><text>casa</text></gloss>
    <example><form lang="seh"><text>Nyumba ine</text></form></example></sense>
  <sense id="s2"><gloss lang="en"><text>home</text></gloss></sense></entry>
<entry id="inde_2"><lexical-unit><form lang="seh"><text>inde</text></form></lexical-unit>
  <sense id="s3"><definition><form lang="en"><text>yes <span lang="seh">indeed</span></text></form></definition></sense>
</entry>
</lift>
"""


@pytest.fixture
def recording(tmp_path):
    """As linguists make them: words below sentences, translations beside them, one speaker's in tiers of their own."""
    eaf = pympi.Elan.Eaf(author="test")
    eaf.add_linguistic_type("ref", timealignable=True)
    eaf.add_linguistic_type("words", "Symbolic_Subdivision", timealignable=False)
    eaf.add_linguistic_type("ft", "Symbolic_Association", timealignable=False)
    eaf.add_linguistic_type("notes", timealignable=True)
    for speaker in ("A", "B"):
        eaf.add_tier(f"ref@{speaker}", "ref")
        eaf.add_tier(f"words@{speaker}", "words", parent=f"ref@{speaker}")
        eaf.add_tier(f"ft@{speaker}", "ft", parent=f"ref@{speaker}")
    eaf.add_tier("time", "notes")
    eaf.add_tier("empty", "notes")
    for speaker, begin, text, words, free in (
        ("A", 0, "Nyumba ine", ("nyumba", "ine"), "My house"),
        ("B", 1500, "Inde", ("inde",), "Yes & no"),
        ("A", 3000, "Ndine munthu", (), ""),
    ):
        eaf.add_annotation(f"ref@{speaker}", begin, begin + 1000, text)
        previous = None
        for word in words:
            eaf.add_ref_annotation(f"words@{speaker}", f"ref@{speaker}", begin + 500, word, previous)
            previous = max(eaf.tiers[f"words@{speaker}"][1])
        if free:
            eaf.add_ref_annotation(f"ft@{speaker}", f"ref@{speaker}", begin + 500, free)
    eaf.add_annotation("time", 100, 950, "at first")
    eaf.add_annotation("time", 1400, 4100, "later")
    eaf.to_file(str(tmp_path / "a.eaf"))
    return tmp_path


def test_tiers_are_joined_by_what_they_annotate(recording, caplog):
    rows = read("elan", recording, "a.eaf", text="ref@A", translation="ft@A")
    assert [(row.text, row.translation) for row in rows] == [("Nyumba ine", "My house")]
    lines = (recording / "a.eaf").read_text("utf-8").splitlines()
    number = int(rows[0].origin.removeprefix("a.eaf, line "))
    assert "ALIGNABLE_ANNOTATION" in lines[number - 1]
    assert "a.eaf: 1 row without a translation left out" in caplog.text
    assert pairs("elan", recording, "a.eaf", text="words@A", translation="ft@A") == [("nyumba ine", "My house")]
    assert pairs("elan", recording, "a.eaf", text="ft@A", translation="words@A", reverse=True) == [
        ("nyumba ine", "My house")
    ]


def test_tiers_of_all_speakers_by_their_type(recording):
    assert pairs("elan", recording, "a.eaf", text="ref", translation="ft") == [
        ("Nyumba ine", "My house"),
        ("Inde", "Yes & no"),
    ]
    assert [row.text for row in read("elan", recording, ".", text="ref")] == ["Nyumba ine", "Ndine munthu", "Inde"]


def test_tiers_that_share_nothing_but_time(recording):
    assert pairs("elan", recording, "a.eaf", text="ref@A", translation="time") == [
        ("Nyumba ine", "at first"),
        ("Ndine munthu", "later"),
    ]
    # One annotation lasts longer than the two texts in it.
    assert pairs("elan", recording, "a.eaf", text="time", translation="ref")[1] == ("later", "Inde Ndine munthu")
    assert pairs("elan", recording, "a.eaf", text="ref", translation="time")[-1] == ("Inde Ndine munthu", "later")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "a.eaf: nothing says which tier is the text; it has "),
        ({"text": "tx"}, 'a.eaf: no tier or type "tx"; it has '),
        (
            {"text": "ref", "translation": "gl"},
            ", ref@A (type ref, 2 annotations), words@A (type words, 2 annotations)",
        ),
        ({"text": "empty"}, 'a.eaf: the tier "empty" has no text; it has '),
        ({"text": "ref@A", "translation": "ft@B"}, 'a.eaf: no annotation of "ref@A" has one of "ft@B"; it has '),
    ],
)
def test_tiers_that_are_not_there(recording, options, said):
    message = refusal("elan", recording, "a.eaf", **options)
    assert all(part in message for part in said.split(", ", 1 if said.startswith(", ") else 0) if part)


def test_flextext(tmp_path, caplog):
    write(tmp_path, {"a.flextext": FLEXTEXT})
    rows = read("flextext", tmp_path, "a.flextext", translation="en")
    assert [(row.text, row.translation, row.origin) for row in rows] == [
        ("«Nyumba ine!»", "My house!", "a.flextext, line 5"),
        ("Ndine munthu.", "I am a person.", "a.flextext, line 17"),
    ]
    assert "a.flextext: 1 row without a text or translation left out" in caplog.text
    assert pairs("flextext", tmp_path, "a.flextext", translation="pt") == [("«Nyumba ine!»", "Minha casa!")]
    assert pairs("flextext", tmp_path, "a.flextext", kind="literal") == [("«Nyumba ine!»", "House I!")]
    assert pairs("flextext", tmp_path, ".", translation="en", untranslated=True)[2:] == [("Inde", None)]
    said = refusal("flextext", tmp_path, "a.flextext")
    assert said == "a.flextext, line 5: translation in en, pt; set translation to one of them"
    said = refusal("flextext", tmp_path, "a.flextext", translation="fr")
    assert "a.flextext: no phrase has a text and a translation (translations: en (2), pt (2))" in said


def test_dictionaries_in_tei(tmp_path, caplog):
    write(tmp_path, {"eng-fra.tei": TEI})
    rows = read("tei", tmp_path, "eng-fra.tei", translation="de")
    assert [(row.text, row.translation, row.origin) for row in rows] == [
        ("house", "Haus", "eng-fra.tei, line 5, translation 1"),
        ("home", "Haus", "eng-fra.tei, line 5, translation 2"),
        ("old", "vieux", "eng-fra.tei, line 11, translation 1"),
        ("old", "ancien", "eng-fra.tei, line 11, translation 2"),
        ("day", "Tag, Frist", "eng-fra.tei, line 13"),
    ]
    assert "eng-fra.tei: 1 row without a headword or translation left out" in caplog.text
    assert pairs("tei", tmp_path, "eng-fra.tei", translation="fr", reverse=True, limit=2) == [
        ("maison", "house"),
        ("maison", "home"),
    ]
    assert refusal("tei", tmp_path, "eng-fra.tei") == (
        "eng-fra.tei, line 5: translations in fr, de; set translation to one of them"
    )


def test_lexicons_in_lift(tmp_path):
    write(tmp_path, {"a.lift": LIFT})
    assert pairs("lift", tmp_path, "a.lift", text="seh", translation="en") == [
        ("nyumba", "house"),
        ("nyumba", "home"),
        ("inde", "yes indeed"),
    ]
    assert "translations: en (3), pt (1)" in refusal("lift", tmp_path, "a.lift", translation="fr")
