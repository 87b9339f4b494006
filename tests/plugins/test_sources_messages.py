"""Readers of catalogues that hold both languages: gettext, XLIFF, Qt; against the libraries that write them."""

from __future__ import annotations

import sys
from io import BytesIO

import polib
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from source_files import pairs, read, refusal, write

PO = """# Cipher translation of demo.
# This file is distributed under the same licence as the demo package.
#, fuzzy
msgid ""
msgstr ""
"Project-Id-Version: demo 3.2\\n"
"Language: fr\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\\n"

#. on a button
#: src/menu.c:7 src/menu.c:19
msgctxt "menu"
msgid "_Open a file"
msgstr ""
"_Ouvrir "
"un fichier"

#: src/days.c:3
#, c-format
msgid "%d day\\n"
msgid_plural "%d days\\n"
msgstr[0] "%d jour\\n"
msgstr[1] "%d jours\\n"

#, fuzzy
#| msgid "a day"
msgid "one day"
msgstr "un jour"

msgid "not yet"
msgstr ""
msgid "%1$s: %2$d%%"
msgstr "%1$s : %2$d%%"

msgid "OK"
msgstr "OK"

#~ msgid "old"
#~ msgstr "vieux"
"""

XLIFF_1 = """<?xml version="1.0" encoding="UTF-8"?>
<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2" version="1.2">
  <file original="app.html" source-language="en" target-language="fr" datatype="html"><body>
    <trans-unit id="a"><source>Open <g id="1">a file</g></source><target state="translated">Ouvrir <g id="1">un
      fichier</g></target>
      <alt-trans><source>Open</source><target>Ouvre</target></alt-trans></trans-unit>
    <trans-unit id="b"><source>Hello <x id="INTERPOLATION" equiv-text="{{name}}"/>!</source>
      <target>Bonjour <x id="INTERPOLATION" equiv-text="{{name}}"/> !</target></trans-unit>
    <trans-unit id="c"><source>one<bpt id="1">&lt;b&gt;</bpt> day<ept id="1">&lt;/b&gt;</ept></source>
      <target state="needs-review-translation">un jour</target></trans-unit>
    <trans-unit id="d"><source>not yet</source></trans-unit>
    <trans-unit id="e" translate="no"><source>never</source><target>jamais</target></trans-unit>
  </body></file>
</xliff>
"""
XLIFF_2 = """<?xml version="1.0" encoding="UTF-8"?>
<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en" trgLang="fr">
  <file id="f1"><group id="g"><unit id="u1"><notes><note>on a button</note></notes>
    <segment state="final"><source>Open <pc id="1">a file</pc>.</source>
      <target>Ouvrir <pc id="1">un fichier</pc>.</target></segment>
    <ignorable><source> </source></ignorable>
    <segment><source>Hello <ph id="2" equiv="NAME" disp="{name}"/>!</source>
      <target>Bonjour <ph id="2" equiv="NAME" disp="{name}"/> !</target></segment>
    <segment state="initial"><source>one day</source><target>un jour</target></segment>
  </unit></group></file>
</xliff>
"""
QT = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr_FR">
<context>
    <name>MainWindow</name>
    <message>
        <location filename="main.cpp" line="7"/>
        <source>&amp;Open a file</source>
        <comment>on a button</comment>
        <translation>&amp;Ouvrir un fichier</translation>
    </message>
    <message numerus="yes">
        <source>%n day(s) &amp;&amp; more</source>
        <translation><numerusform>%n jour &amp;&amp; plus</numerusform><numerusform>%n jours</numerusform></translation>
    </message>
    <message><source>one day</source><translation type="unfinished">un jour</translation></message>
    <message><source>not yet</source><translation type="unfinished"></translation></message>
    <message><source>old</source><translation type="vanished">vieux</translation></message>
</context>
</TS>
"""


def test_gettext_gives_each_form_that_is_translated(tmp_path, caplog):
    write(tmp_path, {"fr.po": PO})
    rows = read("gettext", tmp_path, "fr.po", language="fr")
    assert [(row.text, row.translation, row.origin) for row in rows] == [
        ("Ouvrir un fichier", "Open a file", "fr.po, line 11"),
        ("%d jour", "%d day", "fr.po, line 19, form 1"),
        ("%d jours", "%d days", "fr.po, line 19, form 2"),
    ]
    assert {row.language for row in rows} == {"fr"}
    assert rows[1].key == rows[2].key != rows[0].key, "forms of one message do not fall into two splits"
    (said,) = {record.getMessage() for record in caplog.records}
    assert said == (
        "fr.po: 5 rows (1 fuzzy, 1 untranslated, 1 without words, 1 translated by themselves, 1 obsolete) left out"
    )


def test_what_is_left_out_can_be_had(tmp_path):
    write(tmp_path, {"fr.po": PO})
    more = pairs("gettext", tmp_path, "fr.po", fuzzy=True, obsolete=True, identical=True)
    assert more[-3:] == [("un jour", "one day"), ("OK", "OK"), ("vieux", "old")]
    sources = pairs("gettext", tmp_path, "fr.po", reverse=True, untranslated=True)
    assert sources[0] == ("Open a file", "Ouvrir un fichier")
    assert sources[-1] == ("not yet", None)
    assert pairs("gettext", tmp_path, "fr.po", accelerators="", limit=1) == [("_Ouvrir un fichier", "_Open a file")]


@pytest.mark.parametrize(("count", "expected"), [(1, ["days"]), (3, ["day", "days", "days"])])
def test_plural_forms_go_with_the_source_in_their_number(tmp_path, count, expected):
    forms = "".join(f'msgstr[{number}] "forme {"abc"[number]}"\n' for number in range(count))
    write(tmp_path, {"x.po": f'msgid "day"\nmsgid_plural "days"\n{forms}'})
    assert [translation for _, translation in pairs("gettext", tmp_path, "x.po")] == expected


@pytest.mark.parametrize("charset", ["UTF-8", "ISO-8859-1", "KOI8-R"])
def test_catalogues_say_their_encoding(tmp_path, charset):
    word = {"KOI8-R": "день"}.get(charset, "journée")
    content = PO.replace("UTF-8", charset).replace("un fichier", word).encode(charset)
    write(tmp_path, {"x.po": content})
    assert read("gettext", tmp_path, "x.po")[0].text == f"Ouvrir {word}"
    catalogue = polib.pofile(str(tmp_path / "x.po"))
    catalogue.save_as_mofile(str(tmp_path / "x.mo"))
    assert f"Ouvrir {word}" in [text for text, _ in pairs("gettext", tmp_path, "x.mo")]


def test_a_compiled_catalogue_says_what_its_source_says(tmp_path):
    write(tmp_path, {"fr.po": PO})
    polib.pofile(str(tmp_path / "fr.po")).save_as_mofile(str(tmp_path / "fr.mo"))
    assert sorted(pairs("gettext", tmp_path, "fr.mo")) == sorted(pairs("gettext", tmp_path, "fr.po"))
    rows = read("gettext", tmp_path, "fr.mo")
    assert all(row.origin.startswith("fr.mo, message ") for row in rows)
    raw = (tmp_path / "fr.mo").read_bytes()
    # Every message over the whole file, 30 thousand times: a bomb.
    bomb = b"\xde\x12\x04\x95" + b"".join(value.to_bytes(4, "little") for value in (0, 30_000, 28, 28, 0, 28))
    bomb += (500_000).to_bytes(4, "little") * 60_000
    for broken in (raw[:-20], raw[:10], raw[:8] + b"\xff" * 4 + raw[12:], raw[:12] + b"\xff" * 8 + raw[20:], bomb):
        write(tmp_path, {"broken.mo": broken})
        assert "broken.mo: the compiled catalogue is cut off or broken" in refusal("gettext", tmp_path, "broken.mo")


def test_a_long_catalogue_is_read_piece_by_piece(tmp_path):
    entries = "".join(f'#: a.c:{number}\nmsgid "word {number}"\nmsgstr "mot {number}"\n\n' for number in range(3000))
    write(tmp_path, {"x.po": entries + 'msgid "broken"\nmsgstr "cassé" and\n'})
    rows = read("gettext", tmp_path, "x.po", limit=2500)
    assert [row.origin for row in rows] == [f"x.po, line {4 * number + 1}" for number in range(2500)]
    assert "x.po, line 12002: the quotation marks of a message are not closed" in refusal("gettext", tmp_path, "x.po")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('msgid "a"\nmsgstr "b\n', "x.po, line 2: the quotation marks of a message are not closed; write msgid"),
        ('msgid "a"\nmsgstr "b" c"\n', "x.po, line 2: no line of a catalogue (unescaped double quote found)"),
        ("Halo dunia\n", "x.po, line 1: no line of a catalogue; correct the entry"),
        ('msgid "a"\n\n\n"b"\nmsgstr\n', "x.po, line 5: "),
        ("", "x.po: no message with a translation; name a translated file"),
        (
            'msgid "a"\nmsgstr ""\n',
            "(1 untranslated); name a translated file or set reverse = true and untranslated = true",
        ),
        (b'msgid "a"\nmsgstr "\xff"\n', "x.po, line 2: invalid UTF-8"),
        (b'msgid "a"\nmsgstr "\0"\n', "x.po, line 2: a NUL byte"),
    ],
)
def test_what_is_no_catalogue(tmp_path, content, said):
    write(tmp_path, {"x.po": content})
    assert said in refusal("gettext", tmp_path, "x.po")


def test_content_that_is_a_path_opens_no_file(tmp_path, monkeypatch):
    write(tmp_path, {"secret.po": 'msgid "a"\nmsgstr "secret"\n', "x.po": "secret.po"})
    monkeypatch.chdir(tmp_path)
    assert "x.po, line 1: no line of a catalogue" in refusal("gettext", tmp_path, "x.po")


@pytest.mark.parametrize(
    ("source", "translation", "expected"),
    [
        ("S_ave &as…", "Enr_egistrer &sous…", ("Enregistrer sous…", "Save as…")),
        ("_File", "文件(_F)", ("文件", "File")),
        ("&File", "ファイル (&F)", ("ファイル", "File")),
        ("E&xit", "&Quitter", ("Quitter", "Exit")),
        ("Run file_name", "Lancer file_name", ("Lancer file_name", "Run file_name")),
        ("AT&T and R&D", "AT&T et R&D", ("AT&T et R&D", "AT&T and R&D")),
        ("KP_Home key", "touche KP_Début", ("touche KP_Début", "KP_Home key")),
        ("see a?b=c&d=e", "voir a?b=c&d=e", ("voir a?b=c&d=e", "see a?b=c&d=e")),
        ("Terms &amp; more", "Termes &amp; plus", ("Termes & plus", "Terms & more")),
        ("&lt;none&gt; &#233;", "&lt;rien&gt; &#xe9;", ("<rien> é", "<none> é")),
        ("a<br/>b <a href='x'>c</a>", "d<br>e <a href='x'>f</a>", ("d e f", "a b c")),
        ("cp <file> here", "cp <file> ici", ("cp <file> ici", "cp <file> here")),
        ("<0>a</0> {count}", "<0>b</0> {count}", ("b {count}", "a {count}")),
        ("a  b\tc", "d\te", ("d e", "a b c")),
        ("50% of it", "50% de", ("50% de", "50% of it")),
    ],
)
def test_marks_are_taken_out_and_placeholders_stay(tmp_path, source, translation, expected):
    catalogue = polib.POFile()
    catalogue.append(polib.POEntry(msgid=source, msgstr=translation))
    catalogue.save(str(tmp_path / "x.po"))
    assert pairs("gettext", tmp_path, "x.po") == [expected]


@pytest.mark.parametrize(
    "message",
    ["%s", "%1$s – %2$d%%", "{0}: {name}", "${a} %{b} {{c}}", "%(name)s (%(count)d)", "%@", "%1 %n %L2", "1/2"],
)
def test_placeholders_alone_are_no_message(tmp_path, message):
    catalogue = polib.POFile()
    catalogue.append(polib.POEntry(msgid=message, msgstr=f"{message}."))
    catalogue.append(polib.POEntry(msgid="day", msgstr="jour"))
    catalogue.save(str(tmp_path / "x.po"))
    assert pairs("gettext", tmp_path, "x.po") == [("jour", "day")]


plain = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('\\"\n\t'), max_size=15)


@given(st.lists(st.tuples(plain, plain), min_size=1, max_size=5, unique_by=lambda pair: pair[0]), st.booleans())
def test_what_polib_writes_is_read(tmp_path, messages, compiled):
    # Marks around letters, so that each message has some and none is changed.
    messages = [(f"x{source}x", f"y{translation}y") for source, translation in messages]
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    catalogue += [polib.POEntry(msgid=source, msgstr=translation) for source, translation in messages]
    name = "x.mo" if compiled else "x.po"
    (catalogue.save_as_mofile if compiled else catalogue.save)(str(tmp_path / name))
    found = pairs("gettext", tmp_path, name, accelerators="", markup=True)
    expected = [(" ".join(translation.split()), " ".join(source.split())) for source, translation in messages]
    # A compiled catalogue is sorted.
    assert (sorted(found), compiled) == (sorted(expected), True) or found == expected


def test_xliff_1(tmp_path):
    write(tmp_path, {"x.xlf": XLIFF_1})
    rows = read("xliff", tmp_path, "x.xlf")
    assert [(row.text, row.translation, row.origin) for row in rows] == [
        ("Ouvrir un fichier", "Open a file", "x.xlf, line 4"),
        ("Bonjour {{name}} !", "Hello {{name}}!", "x.xlf, line 7"),
    ]
    assert pairs("xliff", tmp_path, "x.xlf", fuzzy=True)[2:] == [("un jour", "one day")]


def test_xliff_2(tmp_path):
    write(tmp_path, {"x.xliff": XLIFF_2})
    assert pairs("xliff", tmp_path, "x.xliff") == [
        ("Ouvrir un fichier.", "Open a file."),
        ("Bonjour {name} !", "Hello {name}!"),
    ]
    assert len(read("xliff", tmp_path, "x.xliff", fuzzy=True)) == 3


def test_qt(tmp_path):
    write(tmp_path, {"fr.ts": QT})
    rows = read("qt", tmp_path, "fr.ts")
    assert [(row.text, row.translation, row.origin) for row in rows] == [
        ("Ouvrir un fichier", "Open a file", "fr.ts, line 6"),
        ("%n jour & plus", "%n day(s) & more", "fr.ts, line 12, form 1"),
        ("%n jours", "%n day(s) & more", "fr.ts, line 12, form 2"),
    ]
    assert pairs("qt", tmp_path, "fr.ts", fuzzy=True, obsolete=True)[3:] == [("un jour", "one day"), ("vieux", "old")]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="translate-toolkit needs Python 3.11")
@pytest.mark.parametrize("form", ["xlf", "ts"])
@given(st.lists(st.tuples(plain, plain), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
def test_what_translate_toolkit_writes_is_read(tmp_path, form, messages):
    from translate.storage.ts2 import tsfile
    from translate.storage.xliff import xlifffile

    messages = [(f"x{source}x", f"y{translation}y") for source, translation in messages]
    assume(not any(ord(letter) in (0xFFFE, 0xFFFF) for pair in messages for letter in "".join(pair)))
    store = (tsfile if form == "ts" else xlifffile)()
    for source, translation in messages:
        store.addsourceunit(source).target = translation
    written = BytesIO()
    store.serialize(written)
    write(tmp_path, {f"x.{form}": written.getvalue()})
    found = pairs("qt" if form == "ts" else "xliff", tmp_path, f"x.{form}", accelerators="", markup=True, fuzzy=True)
    assert found == [(" ".join(one.split()), " ".join(other.split())) for other, one in messages]
