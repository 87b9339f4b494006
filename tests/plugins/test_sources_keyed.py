"""Readers of catalogues in two files that are joined by names: Android, iOS, Java, ARB and JSON."""

from __future__ import annotations

import json
import plistlib
import sys
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import pairs, read, refusal, write

ANDROID_EN = """<?xml version="1.0" encoding="utf-8"?>
<resources xmlns:xliff="urn:oasis:names:tc:xliff:document:1.2">
    <string name="app_name" translatable="false">Demo</string>
    <string name="open">Open <b>a file</b></string>
    <string name="hello">Hello <xliff:g id="name" example="Ann">%1$s</xliff:g>!</string>
    <string name="link">&lt;a href="x">more&lt;/a> &amp; more</string>
    <string name="quoted">"It\\'s  here"\\n\\u0041 \\@home</string>
    <string name="same">@string/open</string>
    <plurals name="days">
        <item quantity="one">%d day</item>
        <item quantity="other">%d days</item>
    </plurals>
    <string-array name="colours"><item>red</item><item>green</item></string-array>
    <string name="gone">not yet</string>
</resources>
"""
ANDROID_FR = """<?xml version="1.0" encoding="utf-8"?>
<resources xmlns:xliff="urn:oasis:names:tc:xliff:document:1.2">
    <string name="app_name">Démo</string>
    <string name="hello">Bonjour <xliff:g id="name">%1$s</xliff:g> !</string>
    <string name="open">Ouvrir <b>un fichier</b></string>
    <string name="link"><![CDATA[<a href="x">plus</a> & plus]]></string>
    <string name="quoted">"C\\'est  là"\\n\\u0041 \\@maison</string>
    <string name="same">@string/open</string>
    <plurals name="days">
        <item quantity="one">%d jour</item>
        <item quantity="many">%d de jours</item>
        <item quantity="other">%d jours</item>
    </plurals>
    <string-array name="colours"><item>rouge</item><item>vert</item></string-array>
    <string name="only_here">ici</string>
</resources>
"""
APPLE_EN = """/* Title of the window */
"title" = "Open \\"a file\\"";
// a button
"hello" = "Hello %@!\\nBye";
NSCameraUsageDescription = "It takes pictures";
"same";
"""
APPLE_FR = """/* Title of the window;
   "title" = "no"; */
"title" = "Ouvrir \\"un fichier\\"";

"hello" = "Bonjour %@ !\\nAu revoir";
NSCameraUsageDescription = "Elle prend des \\U0070hotos";
"same" = "same";
"""
STRINGSDICT = {
    "days": {
        "NSStringLocalizedFormatKey": "in %#@days@ and %#@hours@",
        "days": {
            "NSStringFormatSpecTypeKey": "NSStringPluralRuleType",
            "NSStringFormatValueTypeKey": "d",
            "one": "%d day",
            "other": "%d days",
        },
        "hours": {"NSStringFormatValueTypeKey": "d", "one": "%d hour", "other": "%d hours"},
    }
}
PROPERTIES_EN = """# comment
! comment
open = &Open a file
hello:Hello ''{0}''!
  long.one  It goes on \\
      in the next line
key\\ with\\=signs=it''s \\u0041
empty=
"""
PROPERTIES_FR = """open=&Ouvrir un fichier
hello=Bonjour l''ami {0} !
long.one=Elle continue \\
    dans la suivante
key\\ with\\=signs=c''est \\u00e0 \\ud83d\\ude00
empty=
"""
ARB_EN = {
    "@@locale": "en",
    "open": "Open a file",
    "@open": {"description": "on a button"},
    "days": "in {count, plural, =0{no days} one{# day} other{{count} days}}!",
    "who": "{gender, select, male{his} female{her} other{their}} dog",
    "broken": "{count, plural, one{a",
}
ARB_FR = {
    "@@locale": "fr",
    "open": "Ouvrir un fichier",
    "days": "dans {count, plural, one{# jour} many{# de jours} other{{count} jours}} !",
    "who": "son chien",
    "broken": "{count, plural, one{un",
}


def test_android_joins_values_by_name(tmp_path, caplog):
    write(tmp_path, {"res/values/strings.xml": ANDROID_EN, "res/values-fr/strings.xml": ANDROID_FR})
    rows = read("android", tmp_path, "res/values-fr/strings.xml", language="fr")
    assert [(row.text, row.translation) for row in rows] == [
        ("Bonjour %1$s !", "Hello %1$s!"),
        ("Ouvrir un fichier", "Open a file"),
        ("plus & plus", "more & more"),
        ("C'est là A @maison", "It's here A @home"),
        ("%d jour", "%d day"),
        ("%d de jours", "%d days"),
        ("%d jours", "%d days"),
        ("rouge", "red"),
        ("vert", "green"),
    ]
    assert rows[0].origin == "res/values-fr/strings.xml, line 4"
    assert rows[5].origin == "res/values-fr/strings.xml, line 9, form 2"
    said = {record.getMessage() for record in caplog.records}
    assert "res/values-fr/strings.xml: the source is read from res/values/strings.xml" in said
    assert "res/values-fr/strings.xml: 2 rows (1 not to be translated, 1 untranslated) left out" in said, (
        "what both files have"
    )


def test_a_folder_of_android_has_several_files(tmp_path):
    plain = '<resources><string name="{0}">{1}</string></resources>'
    files = {"values/a.xml": plain.format("a", "one"), "values/b.xml": plain.format("b", "two")}
    files |= {"values-fr/a.xml": plain.format("a", "un"), "values-fr/b.xml": plain.format("b", "deux")}
    files["values-fr/only.xml"] = "<resources/>"
    write(tmp_path, files)
    rows = read("android", tmp_path, "values-fr")
    assert [(row.text, row.translation, row.origin) for row in rows] == [
        ("un", "one", "values-fr/a.xml, line 1"),
        ("deux", "two", "values-fr/b.xml, line 1"),
    ]
    assert pairs("android", tmp_path, "values-fr", source="values-fr", identical=True) == [
        ("un", "un"),
        ("deux", "deux"),
    ], "any two folders"
    (tmp_path / "values-de").mkdir()
    assert "values-de: the folder has no such files" in refusal("android", tmp_path, "values-de")


def test_xml_of_another_format_is_said_with_its_reader(tmp_path):
    write(tmp_path, {"x.xml": "<TEI><text/></TEI>", "y.xml": "<html/>"})
    said = refusal("android", tmp_path, "x.xml", names_are_sources=True)
    assert said == "x.xml, line 1: the root element is <TEI>, not <resources>; read it with --reader tei"
    assert "name a file of this format" in refusal("android", tmp_path, "y.xml", names_are_sources=True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_strings_of_apple(tmp_path, encoding):
    files = {"en.lproj/L.strings": APPLE_EN.encode(encoding), "fr.lproj/L.strings": APPLE_FR.encode(encoding)}
    write(tmp_path, files)
    options = {"encoding": encoding} if encoding == "utf-16-le" else {}
    rows = read("apple", tmp_path, "fr.lproj/L.strings", **options)
    assert [(row.text, row.translation, row.origin) for row in rows] == [
        ('Ouvrir "un fichier"', 'Open "a file"', "fr.lproj/L.strings, line 3"),
        ("Bonjour %@ ! Au revoir", "Hello %@! Bye", "fr.lproj/L.strings, line 5"),
        ("Elle prend des photos", "It takes pictures", "fr.lproj/L.strings, line 6"),
    ]


def test_names_that_are_sources(tmp_path):
    write(tmp_path, {"L.strings": '"Open a file" = "Ouvrir un fichier";\n'})
    assert pairs("apple", tmp_path, "L.strings", names_are_sources=True) == [("Ouvrir un fichier", "Open a file")]
    assert refusal("apple", tmp_path, "L.strings") == (
        'L.strings: no file of the source language lies beside it; name it with source = "…", '
        "or set names_are_sources = true"
    )


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_property_lists_of_apple(tmp_path, form):
    french = json.loads(
        json.dumps(STRINGSDICT).replace("day", "jour").replace("hour", "heure").replace('"in ', '"dans ')
    )
    french["jours"]["NSStringLocalizedFormatKey"] = "dans %#@jours@ et %#@heures@"
    english = {"jours": STRINGSDICT["days"]}
    for language, entries in (("en", english), ("fr", french)):
        write(tmp_path, {f"{language}.lproj/L.stringsdict": plistlib.dumps(entries, fmt=form)})
        write(tmp_path, {f"{language}.lproj/C.strings": plistlib.dumps({"a": f"word {language}"}, fmt=form)})
    assert pairs("apple", tmp_path, "fr.lproj/L.stringsdict") == [
        ("dans %d jour et %d heures", "in %d day and %d hours"),
        ("dans %d jours et %d heures", "in %d days and %d hours"),
    ]
    assert pairs("apple", tmp_path, "fr.lproj") == [
        ("word fr", "word en"),
        *pairs("apple", tmp_path, "fr.lproj/L.stringsdict"),
    ], "a folder"


def test_properties_of_java(tmp_path):
    write(tmp_path, {"m.properties": PROPERTIES_EN, "m_fr_CA.properties": PROPERTIES_FR})
    rows = read("properties", tmp_path, "m_fr_CA.properties")
    assert [(row.text, row.translation, row.origin) for row in rows] == [
        ("Ouvrir un fichier", "Open a file", "m_fr_CA.properties, line 1"),
        ("Bonjour l'ami {0} !", "Hello '{0}'!", "m_fr_CA.properties, line 2"),
        ("Elle continue dans la suivante", "It goes on in the next line", "m_fr_CA.properties, line 3"),
        ("c''est à 😀", "it''s A", "m_fr_CA.properties, line 5"),
    ]


def test_catalogues_in_arb(tmp_path):
    write(tmp_path, {"app_en.arb": json.dumps(ARB_EN), "app_fr.arb": json.dumps(ARB_FR)})
    rows = read("arb", tmp_path, "app_fr.arb")
    assert [(row.text, row.translation) for row in rows] == [
        ("Ouvrir un fichier", "Open a file"),
        ("dans {0} jour !", "in {0} day!"),
        ("dans {0} de jours !", "in {count} days!"),
        ("dans {count} jours !", "in {count} days!"),
        ("son chien", "their dog"),
        ("{count, plural, one{un", "{count, plural, one{a"),
    ]
    assert rows[1].origin == "app_fr.arb, name days, form 1"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("locales/fr.json", "locales/en.json"), ("fr/common.json", "en/common.json"), ("c.fr.json", None)],
)
def test_catalogues_in_json(tmp_path, ours, theirs):
    french = {"menu": {"open": "Ouvrir", "list": ["un", "deux"]}, "title": {"message": "Titre", "description": "-"}}
    english = {"menu": {"open": "Open", "list": ["one", "two"]}, "title": {"message": "Title"}, "more": "more"}
    write(tmp_path, {ours: json.dumps(french), theirs or "c.en.json": json.dumps(english)})
    options = {} if theirs else {"source": "c.en.json"}
    assert pairs("arb", tmp_path, ours, **options) == [
        ("Ouvrir", "Open"),
        ("un", "one"),
        ("deux", "two"),
        ("Titre", "Title"),
    ]


@pytest.mark.parametrize(
    ("reader", "content", "said"),
    [
        ("apple", '"a" = "b"\n"c" = "d";\n', 'x, line 1: ";" does not follow "a" and its message'),
        ("apple", '"a" = "b";\n"c" = ;\n', 'x, line 2: no message follows "c"'),
        ("apple", '"a" = "b";\n"c', "x, line 2: a quotation mark is never closed"),
        ("apple", '"a" = "b";\n{', "x, line 2: no strings file: '{'"),
        ("apple", "= a", 'x, line 1: "=" where a name should stand'),
        ("apple", "/* never closed", "x, line 1: no strings file"),
        ("apple", b"bplist00\xff", "x: no property list that can be read"),
        ("apple", "<?xml version='1.0'?><plist><array/></plist>", "x: the property list is no dictionary"),
        ("properties", "a = \\u12\n", "x, line 1: \\u without four digits"),
        ("properties", b"a = \xe9\n", "x, line 1: invalid UTF-8"),
        ("properties", "a" * 600_000 + "\\\n" + "b" * 600_000, "x, line 1: a message of more than 1,000,000"),
        ("arb", "", "x: the file is empty"),
        ("arb", "[1]", "x: the file is no object of names and messages"),
        ("arb", '{"a": "b",\n"a": "c"}', 'x: an object has the key "a" twice'),
        ("arb", '{"a":\n "b",}', "x, line 2: not JSON"),
        ("arb", '{"a":' * 200 + '"b"' + "}" * 200, "x: objects in objects, more than 50 deep"),
        ("arb", "[" * 100_000, "x, line 1: not JSON"),
        ("android", "<resources><string>a</b></resources>", "x, line 1: not well-formed XML: mismatched tag"),
        ("arb", '{"a": "b\\ud800"}', "x, name a: the message holds half of a surrogate pair"),
        ("properties", "a = b\\u0000", "x, line 1: the message holds a NUL"),
        ("android", "<resources></resources>", "x: no message with a translation"),
    ],
)
def test_what_is_broken_is_said_with_its_place(tmp_path, reader, content, said):
    write(tmp_path, {"x": content})
    message = refusal(reader, tmp_path, "x", names_are_sources=True)
    assert said.replace("x, line 1: not JSON", "not JSON") in message


plain = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from('\\"\n\t=:#!'), max_size=15)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="translate-toolkit needs Python 3.11")
@pytest.mark.parametrize("form", ["strings", "properties", "android"])
@given(st.lists(plain, min_size=1, max_size=4))
def test_what_translate_toolkit_writes_is_read(tmp_path, form, messages):
    from translate.storage.aresource import AndroidResourceFile
    from translate.storage.properties import javautf8file, stringsutf8file

    # Marks around letters, so that each message has some and none is changed.
    messages = [f"x{message}x" for message in messages]
    make = {"strings": stringsutf8file, "properties": javautf8file, "android": AndroidResourceFile}[form]
    store = make()
    for number, message in enumerate(messages):
        if form == "strings":
            unit = store.UnitClass("", personality="strings-utf8")
        else:
            unit = store.UnitClass(f"name{number}")
        unit.setid(f"name{number}") if form == "android" else setattr(unit, "name", f"name{number}")
        store.addunit(unit)
        unit.target = message
    written = BytesIO()
    store.serialize(written)
    write(tmp_path, {"x": written.getvalue()})
    reader = {"strings": "apple"}.get(form, form)
    rows = read(reader, tmp_path, "x", names_are_sources=True, markup=True, accelerators="")
    assert [row.text for row in rows] == [" ".join(message.split()) for message in messages]


def test_a_regions_catalogue_is_no_translation_of_its_languages(tmp_path):
    texts = {"en": "day", "pt": "dia", "pt-BR": "dia mesmo"}
    write(tmp_path, {f"{name}.json": json.dumps({"a": text}) for name, text in texts.items()})
    (row,) = read("arb", tmp_path, "pt-BR.json")
    assert (row.text, row.translation) == ("dia mesmo", "day")
