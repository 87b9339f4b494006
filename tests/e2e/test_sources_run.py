"""What small languages have, as users meet it: found by its ending, and a language part is trained on it."""

from __future__ import annotations

import json

import polib
import pytest
from source_files import write

from lect.errors import DataError
from lect.toml import read_toml

FILES = {
    "fr.po": 'msgid "day"\nmsgstr "jour"\n',
    "fr.xlf": "<xliff><trans-unit><source>day</source><target>jour</target></trans-unit></xliff>",
    "fr.ts": "<!DOCTYPE TS><TS><message><source>day</source><translation>jour</translation></message></TS>",
    "res/values-fr/strings.xml": '<resources><string name="a">jour</string></resources>',
    "fr.lproj/L.strings": '"a" = "jour";',
    "m_fr.properties": "a = jour",
    "app_fr.arb": '{"a": "jour"}',
    "GEN.usfm": "\\id GEN\n\\c 1\n\\p\n\\v 1 jour\n",
    "a.flextext": '<document><phrase><item type="txt">jour</item><item type="gls">day</item></phrase></document>',
    "fr.tei": '<TEI><entry><form><orth>jour</orth></form><cit type="trans"><quote>day</quote></cit></entry></TEI>',
}
SOURCES = {
    "res/values/strings.xml": '<resources><string name="a">day</string></resources>',
    "en.lproj/L.strings": '"a" = "day";',
    "m.properties": "a = day",
    "app_en.arb": '{"a": "day"}',
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_found_by_its_ending(workspace, name):
    for each in (name, *SOURCES):
        (workspace.folder / each).parent.mkdir(parents=True, exist_ok=True)
        workspace.write(each, {**FILES, **SOURCES}[each])
    done = workspace.lect("data", "inspect", name, "--json")
    assert done.exit_code == 0, done.stderr
    (found,) = json.loads(done.stdout)
    translation = None if name == "GEN.usfm" else "day"
    assert found["examples"] == [{"text": "jour", "translation": translation, "label": None}]


def test_a_language_is_trained_on_a_catalogue_and_switched_by_a_lexicon(workspace):
    rows = [line.split("\t") for line in (workspace.folder / "pairs.tsv").read_text("utf-8").splitlines()[1:]]
    catalogue = polib.POFile()
    catalogue += [polib.POEntry(msgid=source, msgstr=text) for text, source in dict(rows).items()]
    catalogue.append(polib.POEntry(msgid="not yet", msgstr=""))
    catalogue.save(str(workspace.folder / "cipher.po"))
    workspace.write("lexicon.tei", FILES["fr.tei"].replace("jour", rows[0][0].split()[0]))
    recipe = (workspace.folder / "language.toml").read_text("utf-8")
    head, _, tail = recipe.replace("validation_share = 0.2\n", "").partition("[data.train]")
    training = tail[tail.index("[training]") :].replace("epochs = 10", "steps = 1")
    switching = '[data.code_switching]\n[[data.code_switching.dictionary]]\nreader = "tei"\npath = "lexicon.tei"\n'
    workspace.write("po.toml", f'{head}[data.train]\nreader = "gettext"\npath = "cipher.po"\n{switching}{training}')
    done = workspace.lect("train", "po.toml")
    assert done.exit_code == 0, done.stderr
    assert "cipher.po: 1 row (1 untranslated) left out" in done.stderr
    manifest = read_toml(workspace.folder / "components/lang/cipher/component.toml", DataError)
    assert manifest["training"]["data"][0]["rows"] == len(dict(rows))


def test_lect_new_takes_the_files_of_other_tools_for_pairs(workspace):
    """By their ending; the side that is learned is turned to the front where it is the other one."""
    entries = "".join(
        f'msgid "Open the file {number}"\nmsgstr "Bukaen berkas {number} iki"\n\n' for number in range(12)
    )
    workspace.write("jv.po", f'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n{entries}')
    for language, is_turned in (("jv", False), ("en", True)):
        recipe = f"{language}.toml"
        made = workspace.lect(
            *("new", "language", "--pairs", "jv.po", "--language", language, "--output", recipe, "--yes")
        )
        assert made.exit_code == 0, made.stderr
        train = read_toml(workspace.folder / recipe, DataError)["data"]["train"]
        assert (train["reader"], train["path"], train.get("reverse", False)) == ("gettext", "jv.po", is_turned)


def test_every_kind_of_recipe_takes_the_files_of_other_tools(workspace):
    """By their ending, a folder of them, and by what is in a file whose ending says little."""
    entries = "".join(f'msgid "Open the file {n}"\nmsgstr "Bukak berkas {n} iki"\n\n' for n in range(12))
    verses = "".join(f"\\v {n} Ing wiwitan ana {n} tembung\n" for n in range(1, 13))
    words = "".join(
        f"<entry><form><orth>omah {n}</orth></form>"
        f'<sense><cit type="trans"><quote>house {n}</quote></cit></sense></entry>'
        for n in range(12)
    )
    memory = "".join(
        f'<tu><tuv xml:lang="jv"><seg>omah {n}</seg></tuv><tuv xml:lang="en"><seg>house {n}</seg></tuv></tu>'
        for n in range(12)
    )
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    files = {
        "po/jv.po": head + entries,
        "po/su.po": head + entries.replace("Bukak", "Buka"),
        "jv/GEN.usfm": f"\\id GEN\n\\c 1\n\\p\n{verses}",
        "jv-en.xml": f"<TEI><text><body>{words}</body></text></TEI>",
        "memory.tmx": f'<?xml version="1.0"?><tmx version="1.4"><body>{memory}</body></tmx>',
    }
    write(workspace.folder, files)

    def written(*arguments):
        made = workspace.lect("new", *arguments, "--output", "new.toml", "--force", "--yes")
        assert made.exit_code == 0, made.stderr
        return read_toml(workspace.folder / "new.toml", DataError)

    fleet = written("fleet", "--pairs", "po/jv.po", "--pairs", "po/su.po")
    assert fleet["data"]["train"]["reader"] == "gettext" and fleet["fleet"]["su"] == {"path": "po/su.po"}
    raw = written("language", "--text", "jv", "--language", "jv")["data"]["train"]
    assert (raw["reader"], raw["path"]) == ("verses", "jv")
    entries = written("language", "--dictionary", "jv-en.xml", "--language", "jv")["data"]["train"]
    assert (entries["reader"], entries["path"]) == ("tei", "jv-en.xml")
    task = written("task", "--data", "memory.tmx", "--kind", "translation", "--language", "jv", "--test-share", "0")
    assert task["data"]["train"]["reader"] == "tmx"
    task = written("task", "--data", "po/jv.po", "--kind", "translation", "--language", "jv", "--test-share", "0")
    assert task["data"]["train"]["reader"] == "gettext"
    matrix = written("matrix", "--data", "po/jv.po", "--stack", "lang:jv", "--language", "jv")
    assert matrix["dataset"][0]["reader"] == "gettext"
    offered = workspace.lect("train", "po/jv.po")
    assert "lect new language --pairs po/jv.po" in offered.stderr
