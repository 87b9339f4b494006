"""`lect new`: recipes from data, and the first hour: from a folder of text to a component that somebody else uses."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from lect.recipes.recipe import Recipe
from lect.testing.backbones import save_tiny_backbone

WORDS = {
    "good": ["fine", "great", "happy", "bright", "warm"],
    "bad": ["awful", "sad", "dark", "cold", "grim"],
}
CIPHER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxyza")


def sentences(count, seed):
    generator = random.Random(seed)
    for _ in range(count):
        label = generator.choice(sorted(WORDS))
        words = generator.choices(WORDS[label], k=2) + generator.choices(["the", "a", "day", "and", "house"], k=3)
        generator.shuffle(words)
        yield " ".join(words), label


@pytest.fixture
def data(workspace):
    """Raw text in a folder, 300 pairs, and 200 labelled rows as a spreadsheet saves them."""
    folder = workspace.folder
    (folder / "corpus").mkdir()
    for part in range(3):
        lines = "".join(f"{text.translate(CIPHER)}\n" for text, _ in sentences(60, 10 + part))
        (folder / "corpus" / f"part{part}.txt").write_text(lines, encoding="utf-8")
    pairs = "".join(f"{text.translate(CIPHER)}\t{text}\n" for text, _ in sentences(300, 3))
    (folder / "pairs.tsv").write_text(f"javanese\tenglish\n{pairs}", encoding="utf-8")
    rows = "".join(f"{text};{label}\r\n" for text, label in sentences(200, 4))
    (folder / "reviews.csv").write_text(f"\ufeffteks;sentimen\r\n{rows}", encoding="utf-8", newline="")
    (folder / "LICENSE").write_text("Creative Commons Attribution-ShareAlike 4.0 International\n", encoding="utf-8")
    return workspace


def read(result):
    """What a user reads of a command that worked: every line fits 80 columns."""
    assert result.exit_code == 0, result.output
    lines = f"{result.stdout}{result.stderr}".splitlines()
    assert [line for line in lines if len(line) > 80 and not line.strip().startswith("/")] == []
    return result.stdout


def answers(result):
    """What a stack answers, with every score."""
    assert result.exit_code == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    return [(row["text"], row["answer"], row["scores"]) for row in rows]


def test_from_a_folder_of_text_to_a_component_that_a_second_home_uses(data, monkeypatch, tmp_path_factory):
    backbone = ["--backbone", "backbone"]
    told = read(data.lect("new", "language", "--text", "corpus", "--pairs", "pairs.tsv", *backbone, "--yes", "--train"))
    assert 'columns: text "javanese", translation "english"' in told and "script Latn" in told
    assert "Javanese (jv): 300 pairs of translations and 180 lines of raw text." in told
    assert "Written: jv.toml" in told and "lang:jv  components/lang/jv" in told

    told = read(data.lect("new", "task", "--data", "reviews.csv", *backbone, "--yes", "--train"))
    assert "read as csv; semicolons between fields; a byte order mark" in told
    assert "200 rows for one label a text, with 2 labels: " in told
    assert "40 rows of them are held out for the report, and are never trained on." in " ".join(told.split())
    following = told.partition("Next: ")[2]
    assert following.startswith("lect eval -s task:sentimen -d sentimen-test.jsonl --reader examples")

    stack = "lang:jv + task:sentimen"
    told = read(
        data.lect("eval", "-s", stack, "-d", "sentimen-test.jsonl", "--reader", "examples", "--output", "report.html")
    )
    assert "40 rows" in told and "macro F1" in told and told.endswith("\nWritten: report.html\n")
    assert "<html" in (data.folder / "report.html").read_text(encoding="utf-8")

    told = read(data.lect("push", "lang:jv", "task:sentimen", "--to", "shared"))
    assert "lang:jv@1.0.0  4 files" in told and "task:sentimen@1.0.0  4 files" in told
    assert told.endswith("Others fetch it with:\n  lect pull lang:jv task:sentimen --registry shared\n")
    texts = [text for text, _ in sentences(6, 5)]
    here = answers(data.lect("predict", "-s", stack, "--json", *texts))

    second = tmp_path_factory.mktemp("second")
    (second / "backbone").symlink_to((data.folder / "backbone").resolve())
    monkeypatch.chdir(second)
    monkeypatch.setenv("LECT_HOME", str(second / "home"))
    read(data.lect("pull", "lang:jv", "task:sentimen", "--registry", str(data.folder / "shared")))
    assert answers(data.lect("predict", "-s", stack, "--json", *texts)) == here
    manifest = next((second / "home").rglob("lang/*/component.toml")).read_text(encoding="utf-8")
    assert 'licence = "CC-BY-SA-4.0"' in manifest


def test_nothing_is_written_over_and_the_recipe_says_what_it_means(data):
    command = ("new", "task", "-d", "reviews.csv", "--backbone", "backbone", "--yes")
    read(data.lect(*command))
    text = (data.folder / "sentimen.toml").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("# 200 rows for one label a text, with 2 labels: ")
    assert '\ndelimiter = ";"\n' in text and "\n# patience = (whole number)\n" in text
    recipe = Recipe.from_toml(data.folder / "sentimen.toml")
    assert (recipe.component.licence, recipe.data.overlap) == ("CC-BY-SA-4.0", "drop")
    held_out = (data.folder / "sentimen-test.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(held_out) == 40 and {json.loads(line)["label"] for line in held_out} == {"good", "bad"}
    refused = data.lect(*command)
    assert refused.exit_code == 1
    assert refused.stderr.endswith(
        "error: sentimen.toml: is there already; choose another with --output, or write over it with --force\n"
    )
    read(data.lect(*command, "--force", "--test-share", "0", "--output", "other/sentimen.toml"))
    moved = Recipe.from_toml(data.folder / "other" / "sentimen.toml")
    assert moved.data.train[0].config["path"] == "../reviews.csv" and not moved.data.evaluation


@pytest.fixture
def at_a_terminal(monkeypatch):
    """Somebody sits there."""
    monkeypatch.setattr("lect.commands.new.person_is_there", lambda: True)


def test_whoever_sits_there_is_asked_and_may_say_otherwise(data, at_a_terminal, monkeypatch):
    from typer.testing import CliRunner

    from lect.commands.app import app

    answers = "\n".join(["", "text", "teks", "", "", "", "Javanes", "jv", "mood", "CC0", "CC0-1.0", "y", "n"])
    result = CliRunner().invoke(app, ["new", "task", "-d", "reviews.csv", "--backbone", "backbone"], input=answers)
    assert result.exit_code == 0, result.output
    asked = result.stdout
    assert 'there is no column "text"; known: sentimen, teks' in result.stderr
    assert "Column of the labels (empty for none) [sentimen]" in asked and "Delimiter [;]" in asked
    assert 'did you mean "jv"' in result.stderr and "Licence of the data (by LICENSE) [CC-BY-SA-4.0]" in asked
    recipe = Recipe.from_toml(data.folder / "mood.toml")
    assert (recipe.key, recipe.component.languages, recipe.component.licence) == ("task:mood", ("jv",), "CC0-1.0")


@pytest.mark.parametrize("answered", [0, 3, 8])
def test_ctrl_c_leaves_nothing_behind(data, at_a_terminal, answered):
    from typer.testing import CliRunner

    from lect.commands.app import app

    before = sorted(data.folder.iterdir())
    answers = "".join("\n" * answered)
    # The end of input is to a prompt what Ctrl-C is: both abort.
    result = CliRunner().invoke(app, ["new", "task", "-d", "reviews.csv", "--backbone", "backbone"], input=answers)
    assert result.exit_code == 1 and "aborted" in result.stderr
    assert sorted(data.folder.iterdir()) == before


def test_train_offers_a_recipe_for_data(data):
    for given, command in (
        (("corpus", "pairs.tsv"), "lect new language --text corpus --pairs pairs.tsv"),
        (("reviews.csv",), "lect new task --data reviews.csv"),
        ((), "lect new language --text FILE --pairs FILE, or lect new task --data FILE"),
    ):
        result = data.lect("train", *given)
        assert result.exit_code == 1 and result.stderr.endswith(f"have a recipe written: {command}\n")


def test_a_script_that_the_backbone_does_not_know_gets_tokens(data, tmp_path):
    save_tiny_backbone(data.folder / "bert", "bert", seed=0)
    letters = str.maketrans("abcdefghinorst", "ߊߋߌߍߎߏߐߓߔߕߖߗߘߙ")
    nko = "".join(f"{text.translate(letters)}\n" for text, _ in sentences(300, 7))
    data.write("nko.txt", nko)
    told = read(data.lect("new", "language", "--text", "nko.txt", "--backbone", "bert", "--yes"))
    recipe = Recipe.from_toml(data.folder / "nqo.toml")
    assert [part.method for part in recipe.parts] == ["vocabulary", "bottleneck"]
    assert "N'Ko (nqo): 300 lines of raw text." in told and "tokens of its own" in told
    assert recipe.objective.name == "masked-lm"


def test_python_and_the_command_line_choose_alike(data):
    import lect

    save_tiny_backbone(data.folder / "bert", "bert", seed=0)
    letters = str.maketrans("abcdefghinorst", "ߊߋߌߍߎߏߐߓߔߕߖߗߘߙ")
    pairs = [(text.translate(letters), text) for text, _ in sentences(240, 7)]
    data.write("nqo.tsv", "nqo\teng\n" + "".join(f"{text}\t{other}\n" for text, other in pairs))
    read(data.lect("new", "language", "--pairs", "nqo.tsv", "--backbone", "bert", "--yes"))
    recipe = Recipe.from_toml(data.folder / "nqo.toml")
    made = lect.teach_language(pairs, "nqo", backbone="bert", training={"epochs": 1, "precision": "float32"})
    assert [part.method for part in made.manifest.parts] == [part.method for part in recipe.parts]
    assert [part.method for part in recipe.parts] == ["vocabulary", "bottleneck"]
    assert recipe.data.train[0].config["text"] == "nqo" and recipe.objective.config["candidates"] == "all"


def test_leakage_and_unevenness_are_said(data):
    rows = "".join(f"{text}\t{label}\n" for text, label in sentences(60, 4))
    data.write("uji-test.tsv", f"teks\tsentimen\n{rows}")
    data.write("uji-train.tsv", f"teks\tsentimen\n{rows}" + "".join(f"cold day {n}\tbad\n" for n in range(500)))
    told = read(
        data.lect("new", "task", "-d", "uji-train.tsv", "-d", "uji-test.tsv", "--backbone", "backbone", "--yes")
    )
    assert "rows of uji-train.tsv are in uji-test.tsv" in told.replace("\n", " ")
    assert "lect eval -s task:sentimen -d uji-test.tsv --reader tsv -o text=teks" in told
    recipe = Recipe.from_toml(data.folder / "sentimen.toml")
    assert recipe.head.config["class_weights"] == "balanced"
    assert recipe.data.evaluation[0].config["path"] == "uji-test.tsv"


def test_rows_with_a_text_of_held_out_ones_are_in_the_count(data):
    texts = [(f"{text} number {number}", label) for number, (text, label) in enumerate(sentences(60, 5))]
    rows = "".join(f"{text}.\t{label}\n{text}. And one more.\t{label}\n" for text, label in texts)
    data.write("said.tsv", f"teks\tsentimen\n{rows}")
    told = " ".join(read(data.lect("new", "task", "-d", "said.tsv", "--backbone", "backbone", "--yes")).split())
    count = re.search(r"(\d+) more rows have a text of those in their own, and are left out of the training", told)
    assert count, told
    trained = data.lect("train", "sentimen.toml", "--set", "training.steps=1", "--set", "training.epochs=")
    assert f"{count[1]} by a part of it" in " ".join(trained.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("language",), "there is nothing to learn from; give --text FILE, --pairs FILE or --dictionary FILE"),
        (("language", "--pairs", "corpus/part0.txt"), "one text a line, and no translations beside it"),
        (
            ("language", "--text", "corpus", "-l", "jv", "--licence", "mine"),
            '--licence: "mine" should be an SPDX expression',
        ),
        (("task", "-d", "corpus"), "no labels are found (one text a row)"),
        (("task", "-d", "reviews.csv", "--kind", "tags"), '--kind: there is no task "tags"'),
        (("task", "-d", "reviews.csv", "--kind", "tagging"), 'rows have no words, and "tagging" learns from it'),
        (("fleet", "--pairs", "pairs.tsv"), "texts in 2 languages; a fleet needs two and their translations"),
        (("matrix", "-d", "reviews.csv", "-l", "id"), "there is no component to score"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line(data, arguments, message):
    backbone = () if arguments[0] == "matrix" else ("--backbone", "backbone")
    result = data.lect("new", *arguments, *backbone, "--yes")
    assert result.exit_code == 1
    assert message in result.stderr.splitlines()[-1]
    assert not list(data.folder.glob("*-test.jsonl"))


def test_a_fleet_of_the_columns_of_a_table(data):
    from lect.fleet.plan import plan_fleet

    shift = [str.maketrans("abcdefghijklmnopqrstuvwxyz", "cdefghijklmnopqrstuvwxyzab"), CIPHER]
    rows = "".join(f"{t}\t{t.translate(shift[0])}\t{t.translate(shift[1])}\n" for t, _ in sentences(40, 6))
    data.write("all.tsv", f"english\tjavanese\tsundanese\n{rows}")
    told = read(data.lect("new", "fleet", "--pairs", "all.tsv", "--backbone", "backbone", "--yes"))
    assert "Next: lect fleet fleet.toml" in told
    runs = plan_fleet(Path("fleet.toml"), ())
    assert [run.language for run in runs] == ["jv", "su"]
    assert [run.recipe.data.train[0].config["text"] for run in runs] == ["javanese", "sundanese"]
    assert all(run.recipe.data.train[0].config["translation"] == "english" for run in runs)


def test_a_fleet_of_files_whose_lines_translate_each_other(data):
    """As NLLB Seed has them: a folder a language. One that needs tokens of its own changes the recipe in its table."""
    from lect.fleet.plan import plan_fleet

    texts = [text for text, _ in sentences(300, 6)]
    unknown = str.maketrans("abcdefghijklmnopqrstuvwxyz", "".join(map(chr, range(0x7CA, 0x7E4))))
    written = {"eng_Latn": texts, "jav_Latn": [t.translate(CIPHER) for t in texts], "sun_Latn": texts[::-1]}
    written["nqo_Nkoo"] = [text.translate(unknown) for text in texts]
    for code, lines in written.items():
        (data.folder / "seed" / code).mkdir(parents=True)
        data.write(f"seed/{code}/train.txt", "".join(f"{line}\n" for line in lines))
    read(data.lect("new", "fleet", "--pairs", "seed", "--backbone", "backbone", "--yes"))
    runs = {run.language: run.recipe for run in plan_fleet(Path("fleet.toml"), ())}
    assert set(runs) == {"jv", "su", "nqo"}
    assert all(recipe.data.train[0].config["translation"] == "seed/eng_Latn/train.txt" for recipe in runs.values())
    assert runs["nqo"].data.train[0].config["text"] == "seed/nqo_Nkoo/train.txt"
    assert {tag: [part.method for part in recipe.parts] for tag, recipe in runs.items()} == {
        "jv": ["bottleneck"],
        "su": ["bottleneck"],
        "nqo": ["vocabulary", "bottleneck"],
    }
    assert runs["nqo"].training.learning_rates and not runs["jv"].training.learning_rates

    data.write("seed/sun_Latn/train.txt", "one\n")
    result = data.lect("new", "fleet", "--pairs", "seed", "--backbone", "backbone", "--yes", "--force")
    assert result.exit_code == 1
    assert "sun_Latn/train.txt: 1 line, and 300 in seed/eng_Latn/train.txt; give texts of" in result.stderr


def test_a_matrix_of_test_files(data, trained):
    rows = "".join(f"{text},{label}\n" for text, label in sentences(40, 8))
    for language in ("en", "jv"):
        (data.folder / language).mkdir()
        data.write(f"{language}/test.csv", f"text,label\n{rows}")
    files = ("-d", "en/test.csv", "-d", "jv/test.csv", "-l", "en", "-l", "jv")
    told = read(data.lect("new", "matrix", *files, "--components", str(trained), "--yes"))
    assert "Next: lect eval matrix.toml --output report.html" in told
    report = data.lect("eval", "matrix.toml", "--components", str(trained), "--json")
    assert report.exit_code == 0, report.stderr
    assert all(name in report.stdout for name in ("task:mood", "language + task:mood"))
