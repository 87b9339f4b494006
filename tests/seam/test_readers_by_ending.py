"""Which reader reads a file where none is named: the one whose spec says that it does, of whatever plugin."""

from __future__ import annotations

import pytest

from lect import DataError, Host
from lect.host.reading import reader_of

READER = """
class Empty(Config): pass
@hookimpl
def lect_register_readers():
    return [ReaderSpec("{name}", "s", Empty, lambda config, folder: (), endings=(".words", ".csvw"))]
"""


@pytest.mark.parametrize("file", ["a.words", "folder.csv/A.WORDS", "a.words.gz", "a.b.words.zst", "*.csvw"])
def test_a_plugins_reader_reads_the_files_that_it_says_it_does(site, file):
    site.install("one", READER.format(name="mine"))
    assert reader_of(site.load(), file) == "mine"


def test_of_two_readers_neither_is_guessed(site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.words").touch()
    for name in ("one", "two"):
        site.install(name, READER.format(name=name))
    with pytest.raises(DataError, match=r'several readers .* end in "\.words"; name one with --reader: one or two'):
        reader_of(site.load(), "a.words")
    assert reader_of(site.load(block=["one"]), "a.words") == "two"


@pytest.mark.parametrize(
    ("file", "said"),
    [("a.conllu", "try: pip install lect-heads"), ("a.csw", r'name one with --reader; did you mean "\.csv"')],
)
def test_what_no_reader_knows_is_said_with_what_to_do(tmp_path, monkeypatch, file, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).touch()
    with pytest.raises(DataError, match=f"no reader is known for the ending .*; {said}"):
        reader_of(Host.load(only=()), file)
