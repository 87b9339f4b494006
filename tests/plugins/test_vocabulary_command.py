"""`lect vocabulary`: what a user sees of how texts are cut, of new pieces, and of initialisers side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from typer.testing import CliRunner

from lect.data.tokenization import report_on, script_of
from lect.testing.backbones import save_tiny_backbone

NKO = ["ߛߣߍ߬ ߞߎߘߊ", "ߛߣߍ߬ ߝߟߐ", "ߡߊ߲߬ߕߊ߬ ߞߎߘߊ", "ߡߊ߲߬ߕߊ߬ ߝߟߐ", "ߛߣߍ߬ the 12"] * 4
ENGLISH = ["new way", "first way", "new house", "first house", "way of the 12"] * 4


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbones")
    for family in ("xlm-roberta", "llama"):
        save_tiny_backbone(folder / family, family)
    return folder


@pytest.fixture
def lect(backbones, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for family in ("xlm-roberta", "llama"):
        (tmp_path / family).symlink_to(backbones / family)
    (tmp_path / "nko.txt").write_text("\n".join(NKO) + "\n\n", encoding="utf-8")
    (tmp_path / "english.txt").write_text("\n".join(ENGLISH), encoding="utf-8")
    numbered = [
        (f"{text} {index}", f"{other} {index}") for index, (text, other) in enumerate(zip(NKO, ENGLISH, strict=True))
    ]
    for name, rows in (("train.tsv", numbered[:14]), ("test.tsv", numbered[14:])):
        lines = "".join(f"{text}\t{other}\n" for text, other in rows)
        (tmp_path / name).write_text(f"text\tenglish\n{lines}", encoding="utf-8")

    def run(*arguments):
        from lect.commands.app import app

        return CliRunner().invoke(app, ["vocabulary", *arguments])

    return run


def test_the_report_stands_beside_a_language_that_is_covered_well(lect, tmp_path):
    done = lect("report", "nko.txt", "--backbone", "xlm-roberta")
    assert done.exit_code == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert [line.split()[0] for line in done.stdout.splitlines()[2:-1]] == [
        "nko.txt", "Nko", "Latin", "no", "English", "unknown,"
    ][: len(done.stdout.splitlines()) - 3]  # fmt: skip
    for folder, file in (("nqo", "nko.txt"), ("eng", "english.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "text.txt").write_bytes((tmp_path / file).read_bytes())
    done = lect("report", "nqo/text.txt", "--beside", "eng/text.txt", "--backbone", "xlm-roberta", "--json")
    found = json.loads(done.stdout)
    own, other = found["texts"]
    assert (own["name"], other["name"], own["lines"], own["words"]) == ("nqo/text.txt", "eng/text.txt", 20, 44)
    assert own["scripts"]["Nko"]["unknown_share"] > 0.4
    assert own["scripts"]["Latin"]["unknown_share"] == other["unknown_share"] == 0
    assert list(own["scripts"]) == ["Nko", "Latin", "no letters"]


def test_what_is_built_cuts_better_and_a_recipe_takes_it(lect, tmp_path):
    done = lect("build", "nko.txt", "--output", "new.json", "--whole", "all.json", "--pieces", "30",
                "--backbone", "xlm-roberta", "--json")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    before, after = facts["texts"]
    assert after["unknown_share"] == 0 < before["unknown_share"]
    assert after["pieces_per_word"] < 2
    listed = json.loads((tmp_path / "new.json").read_text(encoding="utf-8"))
    assert len(listed["pieces"]) == facts["pieces"] <= 30
    whole = Tokenizer.from_file(str(tmp_path / "all.json"))
    assert whole.token_to_id(listed["pieces"][0]) is not None
    done = lect("report", "nko.txt", "--with", "new.json", "--backbone", "xlm-roberta", "--json")
    assert json.loads(done.stdout)["texts"][1]["unknown_share"] == 0
    (tmp_path / "recipe.toml").write_text(
        '[component]\nname = "nqo"\nrole = "lang"\n[backbone]\nname = "xlm-roberta"\n'
        '[[parts]]\nmethod = "vocabulary"\nfile = "new.json"\ninitialise = {name = "focus", dimensions = 8}\n'
        '[objective]\nname = "alignment"\n'
        '[data.train]\nreader = "tsv"\npath = "train.tsv"\ntranslation = "english"\n[training]\nsteps = 2\n',
        encoding="utf-8",
    )
    from lect.commands.app import app

    trained = CliRunner().invoke(app, ["train", "recipe.toml", "--components", "components"])
    assert trained.exit_code == 0, trained.stderr
    kept = json.loads((tmp_path / "components/lang/nqo/tokenizer.json").read_text(encoding="utf-8"))
    assert kept["pieces"] == listed["pieces"]
    scored = CliRunner().invoke(
        app, ["eval", "-s", "lang:nqo", "-d", "test.tsv", "-o", "translation=english", "--components", "components"]
    )
    assert scored.exit_code == 0, scored.stderr


def test_python_gives_the_same_files_of_files_and_of_texts_in_memory(lect, tmp_path):
    from lect import DataError, PluginError, vocabulary

    asked = {"pieces": 30, "longest": 6, "backbone": "xlm-roberta"}
    done = lect("build", "nko.txt", "--output", "command.json", "--whole", "all.json", "--pieces", "30",
                "--longest", "6", "--held-out", "english.txt", "--backbone", "xlm-roberta", "--json")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    made = vocabulary.build(Path("nko.txt"), "python.json", held_out=[Path("english.txt")], **asked)
    assert (tmp_path / "python.json").read_bytes() == (tmp_path / "command.json").read_bytes()
    assert made.tokenizer_json == (tmp_path / "all.json").read_text(encoding="utf-8")
    assert [made.before.to_dict(), made.after.to_dict()] == json.loads(done.stdout)["texts"]
    for texts in (NKO, [{"text": text} for text in NKO], iter(NKO)):
        assert vocabulary.build(texts, **asked).listed == made.listed
    assert vocabulary.report(NKO, backbone="xlm-roberta").whole.unknown_share > 0.4
    assert repr(made).startswith(f"<{len(made.tokens)} new tokens for xlm-roberta: tokens a word ")
    for texts, said in (([], "no texts are given"), (Path("none.txt"), "none.txt: the file cannot be read")):
        with pytest.raises(DataError, match=said):
            vocabulary.build(texts, **asked)
    with pytest.raises(PluginError, match=r'no plugin provides learner "bpee".*did you mean "bpe"'):
        vocabulary.build(NKO, learner="bpee", **asked)


def test_initialisers_are_compared(lect):
    done = lect("compare", "-d", "train.tsv", "--test", "test.tsv", "-o", "translation=english", "--steps", "2",
                "-i", "random", "-i", "translations", "--pieces", "30", "--backbone", "xlm-roberta")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "random" in done.stdout and "after 2 steps" in done.stdout
    done = lect("compare", "-d", "train.tsv", "--test", "test.tsv", "-o", "translation=english", "--steps", "1",
                "--pieces", "30", "--backbone", "llama", "--json", "-i", "mean")  # fmt: skip
    (row,) = json.loads(done.stdout)
    assert row["name"] == "mean" and 0 <= row["before"] <= 1 and 0 <= row["after"] <= 1


def test_a_comparison_that_is_stopped_shows_what_it_has(lect, monkeypatch):
    from lect.errors import Interrupted
    from lect.training.run import execute_run

    ran = []

    def stop_in_the_second(run, **named):
        ran.append(named["name"])
        if len(ran) == 2:
            raise Interrupted(1, 2)
        return execute_run(run, **named)

    monkeypatch.setattr("lect_vocabulary.compare.execute_run", stop_in_the_second)
    done = lect("compare", "-d", "train.tsv", "--test", "test.tsv", "-o", "translation=english", "--steps", "2",
                "-i", "random", "-i", "translations", "-i", "mean", "--pieces", "30",
                "--backbone", "xlm-roberta")  # fmt: skip
    assert done.exit_code == 130
    assert ran == ["random", "translations"]
    assert "random" in done.stdout and "translations" not in done.stdout
    assert done.stderr.endswith("Stopped: 1 of 3 initialisers were tried.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "none.txt"], "none.txt: the file cannot be read (No such file"),
        (["report", "bytes.txt"], "bytes.txt, line 1: the file is in UTF-16"),
        (["report", "empty.txt"], "empty.txt: holds no text"),
        (["report", "nko.txt", "--with", "nko.txt", "--backbone", "xlm-roberta"], "nko.txt: is no list of new pieces"),
        (["report", "nko.txt", "--with", "new.json", "--backbone", "llama"], "new.json: its pieces are for another"),
        (["build", "letters.txt", "--output", "x.json", "--backbone", "xlm-roberta"], "has no piece that the"),
        (["compare", "-d", "train.tsv", "--test", "test.tsv", "-o", "translation=english", "-i", "fokus"],
         'there is no initialiser "fokus"; did you mean "focus"'),
        (["compare", "-d", "train.tsv", "--test", "train.tsv", "-o", "translation=english", "-i", "mean"],
         "14 of its texts are among those to learn from"),
    ],
)  # fmt: skip
def test_mistakes_are_said_in_one_line(lect, tmp_path, arguments, message):
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "letters.txt").write_text("a\nb\n")
    if "new.json" in arguments:
        lect("build", "nko.txt", "--output", "new.json", "--pieces", "20", "--backbone", "xlm-roberta")
    done = CliRunner().invoke(_main(), ["vocabulary", *arguments])
    assert done.exit_code == 1
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1


def _main():
    from lect.commands.app import app

    return app


def test_pieces_are_counted_with_the_words_they_lie_in():
    backend = Tokenizer(models.WordPiece({"[UNK]": 0, "ab": 1, "##c": 2, "d": 3, ",": 4}, unk_token="[UNK]"))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cut = report_on("x", ["abc d, ߞߊ", "ab  12"], backend, 0)
    assert (cut.whole.words, cut.whole.pieces, cut.whole.unknown, cut.whole.single) == (5, 7, 2, 3)
    assert cut.whole.size == 3 + 2 + 4 + 2 + 2
    assert {script: (part.words, part.pieces, part.unknown) for script, part in cut.scripts.items()} == {
        "Latin": (3, 5, 0),
        "Nko": (1, 1, 1),
        "no letters": (1, 1, 1),
    }
    assert [script_of(word) for word in ("ߞaߊ", "12", "中文")] == ["Nko", "no letters", "Cjk"]
