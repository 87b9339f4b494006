"""XML that means harm or is broken: nothing outside a file is read, no bomb goes off, and no element is endless."""

from __future__ import annotations

import gzip
import json
import plistlib
import tracemalloc

import pytest
from source_files import pairs, read, refusal, write

ROOTS = {
    "xliff": ("xliff", "trans-unit", {}),
    "qt": ("TS", "message", {}),
    "android": ("resources", "string", {"names_are_sources": True}),
    "elan": ("ANNOTATION_DOCUMENT", "TIER", {"text": "a"}),
    "flextext": ("document", "phrase", {}),
    "tei": ("TEI", "entry", {}),
    "lift": ("lift", "entry", {}),
    "verses": ("usx", "para", {}),
}


def said_of(reader, folder, content):
    name = "x.usx" if reader == "verses" else "x"
    write(folder, {name: content})
    return refusal(reader, folder, name, **ROOTS[reader][2]).removeprefix(name)


@pytest.mark.parametrize("reader", ROOTS)
def test_xml_that_means_harm(tmp_path, reader):
    root, wanted, _ = ROOTS[reader]
    (tmp_path / "secret").write_text("secret")
    bomb = f'<!DOCTYPE {root} [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><{root}><{wanted}>&b;</{wanted}></{root}>'
    assert said_of(reader, tmp_path, bomb) == (
        ', line 1: the file defines an entity ("a"), which can hide a bomb; export it without a DTD'
    )
    outside = f'<!DOCTYPE {root} [<!ENTITY a SYSTEM "secret">]>\n<{root}><{wanted}>&a;</{wanted}></{root}>'
    assert 'line 1: the file defines an entity ("a")' in said_of(reader, tmp_path, outside)
    parameter = f'<!DOCTYPE {root} [<!ENTITY % a SYSTEM "secret"> %a;]><{root}/>'
    assert 'the file defines an entity ("a")' in said_of(reader, tmp_path, parameter)
    elsewhere = f'<!DOCTYPE {root} SYSTEM "secret">\n<{root}><{wanted}>&a;</{wanted}></{root}>'
    assert said_of(reader, tmp_path, elsewhere) == (
        ', line 2: "&a;" is defined elsewhere, and nothing else is read; write the character itself'
    )
    deep = f"<{root}><{wanted}>" + "<a>" * 100_000
    assert ", line 1: elements in elements, more than 200 deep; " in said_of(reader, tmp_path, deep)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ", line 1: the file is empty"),
        ("<xliff>\n<trans-unit>", ", line 2: not well-formed XML: no element found; export it anew"),
        ("<xliff/>\n<xliff/>", ", line 2: not well-formed XML: junk after document element"),
        ("<?xml version='1.0' encoding='shift_jis'?><xliff/>", ", line 1: the encoding cannot be read"),
        ("<?xml version='1.0' encoding='nosuch'?><xliff/>", ", line 1: "),
        (b"<xliff>\n\xff</xliff>", ", line 2: not well-formed XML: not well-formed (invalid token)"),
        (b"PK\x03\x04", ", line 1: the file is a ZIP archive"),
        (gzip.compress(b"<xliff>" * 9000, mtime=0)[:-40], "the compressed file is cut off"),
    ],
)
def test_xml_that_is_broken(tmp_path, content, said):
    assert said in said_of("xliff", tmp_path, content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252", "koi8-r"])
def test_xml_says_its_encoding(tmp_path, encoding):
    word = "день" if encoding == "koi8-r" else "été"
    unit = f"<trans-unit><source>day</source><target>{word}</target></trans-unit>"
    content = f'<?xml version="1.0" encoding="{encoding}"?><xliff>{unit}</xliff>'
    write(tmp_path, {"x.xlf": content.encode(encoding)})
    assert pairs("xliff", tmp_path, "x.xlf") == [(word, "day")]


@pytest.mark.parametrize("hostile", ["text", "attribute", "elements"])
def test_an_endless_element_takes_little_memory(tmp_path, hostile):
    filler = {"text": b"x" * 1_000_000, "attribute": b"x" * 1_000_000, "elements": b"<a/>" * 250_000}[hostile]
    with gzip.open(tmp_path / "x.gz", "wb", compresslevel=1) as file:
        file.write(b"<xliff><trans-unit>" if hostile != "attribute" else b"<xliff><trans-unit a='")
        for _ in range(40):
            file.write(filler)
    tracemalloc.start()
    said = refusal("xliff", tmp_path, "x.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "<trans-unit> of more than 1,000,000 characters" in said or "a tag of more than 4,000,000 bytes" in said
    assert peak < 40_000_000


PIECES = ("%0", "a", "&", "_a", "a & b", "(", "( ", "<a ", "<", "{", "{a", "$", "%(", "&#", "&&a", "%@", "\\\\")


@pytest.mark.parametrize("piece", PIECES)
def test_messages_that_take_patterns_long_take_no_time(tmp_path, piece):
    # Minutes, where the time of a pattern grows by the square of a message's length.
    message = "_&" + piece * (300_000 // len(piece)) + "\u00e9"
    write(tmp_path, {"x.po": f'msgid "word {message}"\nmsgstr "{message} mot"\n', "x.properties": f"word = {message}"})
    assert len(read("gettext", tmp_path, "x.po")) == 1
    assert len(read("properties", tmp_path, "x.properties", names_are_sources=True)) == 1


def test_plurals_in_plurals_do_not_multiply(tmp_path):
    message = "{a, plural, " + "".join(f"b{number} {{c}} " for number in range(20)) + "}"
    message = "x" + message * 2000
    many = "{a, plural, " + "".join(f"b{number} {{c}} " for number in range(30_000)) + "}" + "x" * 300_000
    write(tmp_path, {"x.arb": json.dumps({"a": message, "b": many})})
    assert len(read("arb", tmp_path, "x.arb", names_are_sources=True)) < 100
    form = "day " + "%#@a@" * 1999
    entry = {"NSStringLocalizedFormatKey": form, "a": {"other": form}, "b": {"other": "x" * 100_000}}
    write(tmp_path, {"x.stringsdict": plistlib.dumps({"a": entry})})
    assert len(read("apple", tmp_path, "x.stringsdict", names_are_sources=True)) == 1


def test_units_are_streamed(tmp_path):
    unit = "<trans-unit><source>day</source><target>jour</target></trans-unit>\n"
    with gzip.open(tmp_path / "x.xlf.gz", "wt", compresslevel=1) as file:
        file.write("<xliff>" + unit * 100_000 + "<broken")
    tracemalloc.start()
    rows = read("xliff", tmp_path, "x.xlf.gz", limit=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(rows), rows[-1].origin) == (1000, "x.xlf.gz, line 1000")
    assert peak < 8_000_000
