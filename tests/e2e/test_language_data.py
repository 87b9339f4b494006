"""Data as users meet it: what is inspected and cleaned, what a recipe refuses, and training on switched words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lect.errors import DataError
from lect.toml import read_toml

DATA = "[data]\nvalidation_share = 0.2\n"


def edit(workspace, name, before, after):
    path = workspace.folder / name
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def run(workspace, *arguments, code=0):
    result = workspace.lect(*arguments)
    assert result.exit_code == code, result.stdout + result.stderr
    return result


def refused(workspace, *arguments):
    result = run(workspace, *arguments, code=1)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert not list(workspace.folder.glob("components/*/*"))
    return line


def manifest(workspace, key):
    path = workspace.folder / "components" / key / "component.toml"
    return read_toml(path, DataError)


def test_what_there_is_fits_80_columns(workspace):
    pytest.importorskip("matplotlib")
    workspace.write("mixed.txt", "One line.\n\nOne line.\nߒߞߏ ߞߊ߲\nwith a bell\x07\n")
    options = ["--backbone", "backbone", "--plots", "plots", "-o", "language=en"]
    result = run(workspace, "data", "inspect", "mixed.txt", *options)
    assert max(map(len, result.stdout.splitlines())) <= 80
    lines = [line.strip() for line in result.stdout.splitlines()]
    facts = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in lines}
    assert (facts["rows"], facts["words"], facts["kept by cleaning"]) == ("4", "9", "2")
    assert "wrong script" in result.stdout
    assert sorted(path.name for path in (workspace.folder / "plots").iterdir()) == [
        "lengths.png",
        "scripts.png",
        "tokens-per-word.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (workspace.folder / "plots").iterdir())


def test_what_there_is_as_json(workspace):
    workspace.write("words.txt", "kucing\tcat\nanjing\tdog\nkucing\tcat\nkucing\tcats\n")
    result = run(workspace, "data", "inspect", "words.txt", "--reader", "dictionary", "--json", "--clean", "ratio=2")
    (found,) = json.loads(result.stdout)
    assert (found["rows"], found["words"], found["lengths"]["longest"]) == (4, 4, 6)
    assert found["scripts"] == {"Latn": 1.0}
    assert found["cleaning"] == {"rows": 4, "kept": 3, "duplicate": 1}
    assert found["dictionary"] == "4 rows, 2 entries (1 with several translations, 1 duplicate rows)"
    assert found["examples"][0] == {"text": "kucing", "translation": "cat", "label": None}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["inspect", "broken.txt"], "broken.txt, line 2: invalid UTF-8"),
        (["inspect", "train.csv", "-o", "text=body"], 'no column "body"'),
        (["inspect", "train.csv", "--clean", "rato=2"], 'unknown field "rato"; did you mean "ratio"?'),
        (["inspect", "train.csv", "--clean", "ratio"], '"ratio" is no KEY=VALUE'),
        (["clean", "broken.txt", "--output", "out.txt"], "broken.txt, line 2: invalid UTF-8"),
        (["clean", "train.csv", "--output", "out.xml"], 'nothing is written as ".xml"'),
        (["clean", "train.csv"], "nothing says where it goes"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(workspace, arguments, expected):
    (workspace.folder / "broken.txt").write_bytes(b"fine\nb\xff\n")
    before = sorted(path.name for path in workspace.folder.iterdir())
    assert expected in refused(workspace, "data", *arguments)
    assert sorted(path.name for path in workspace.folder.iterdir()) == before


def test_cleaned_text_is_written_in_each_form(workspace):
    workspace.write("pairs.csv", "a,b\none\tmore,eins\none\tmore,eins\nx,much too long a translation\n")
    options = ["-o", "text=a", "-o", "translation=b", "--clean", "ratio=4"]
    for ending, content in {
        "jsonl": '{"text": "one more", "translation": "eins"}\n',
        "tsv": "text\ttranslation\none more\teins\n",
        "txt": "one more\n",
    }.items():
        result = run(workspace, "data", "clean", "pairs.csv", *options, "--output", f"out.{ending}")
        assert "1 of 3 rows kept; left out: 1 ratio of lengths, 1 duplicate" in " ".join(result.stdout.split())
        assert (workspace.folder / f"out.{ending}").read_text(encoding="utf-8") == content


def test_training_says_what_cleaning_left_out(workspace):
    edit(workspace, "language.toml", DATA, f"{DATA}[data.cleaning]\nlongest = 40\n")
    edit(workspace, "language.toml", "epochs = 10", "steps = 1")
    pairs = (workspace.folder / "pairs.tsv").read_text(encoding="utf-8")
    workspace.write("pairs.tsv", f"{pairs}{pairs.splitlines()[1]}\n{'x' * 50}\t{'y' * 50}\n")
    result = run(workspace, "train", "language.toml")
    assert "left out: 1 too long" in result.stderr
    (data,) = manifest(workspace, "lang/cipher")["training"]["data"]
    counts = data["cleaning"]
    assert counts["rows"] == 82
    assert counts["too long"] == 1
    assert counts["rows"] - counts["kept"] == 1 + counts["duplicate"]
    assert "overlap" not in data


def test_rows_of_the_evaluation_data_refuse_the_run_unless_told_otherwise(workspace):
    test = '\nevaluation = [{ reader = "csv", path = "test.csv", label = "label", key = "id", corpus = "test" }]\n'
    edit(workspace, "task.toml", "[data.train]\n", f"[data]{test}[data.train]\n")
    edit(workspace, "task.toml", "epochs = 6", "steps = 1")
    rows = (workspace.folder / "test.csv").read_text(encoding="utf-8").splitlines()
    train = (workspace.folder / "train.csv").read_text(encoding="utf-8")
    leaked = [rows[3].upper().replace(",BAD", ",bad").replace(",GOOD", ",good"), rows[7]]
    workspace.write("leaky.csv", train + "\n".join(leaked) + "\n")
    edit(workspace, "task.toml", '"train.csv"', '"leaky.csv"')
    line = refused(workspace, "train", "task.toml")
    assert "task.toml, data.train: " in line
    assert "of 162 rows are in the evaluation data" in line
    assert "by text; first: leaky.csv, line " in line
    assert 'data.overlap = "drop"' in line
    run(workspace, "train", "task.toml", "--set", "data.overlap=drop")
    (data,) = manifest(workspace, "task/mood")["training"]["data"]
    assert data["overlap"]["text"] >= 2
    assert data["rows"] == 162 - data["overlap"]["text"]
    result = run(workspace, "train", "task.toml", "--set", "data.overlap=allow")
    assert "rows are in the evaluation data" in result.stderr


def test_a_guarded_file_is_never_trained_on(workspace):
    edit(workspace, "task.toml", "[data.train]\n", '[data]\nguard = ["t*t.csv"]\n[data.train]\n')
    edit(workspace, "task.toml", '"train.csv"', '"test.csv"')
    assert 'task.toml, data.train[0]: "test.csv" is guarded by "t*t.csv"' in refused(workspace, "train", "task.toml")


SWITCHED = """
[data.code_switching]
share = 1.0
rows = 1.0

[[data.code_switching.dictionary]]
reader = "dictionary"
path = "words"
"""


@pytest.mark.parametrize("recipe", ["task.toml", "language.toml"])
def test_any_objective_learns_from_switched_words(workspace, recipe):
    workspace.write("words", "fine\tbon\ngreat\tgrand\nbon\tfine\nfine\tbon\nthe\tle\ngjof\tbon\n")
    edit(workspace, recipe, "[training]", f"{SWITCHED}[training]")
    edit(workspace, recipe, "epochs", "steps")
    result = run(workspace, "train", recipe, "--json")
    assert "code-switching: 6 rows, 5 entries (1 duplicate rows, 2 in cycles)" in result.stderr
    weights = Path(json.loads(result.stdout)["folder"]) / "weights.safetensors"
    first = weights.read_bytes()
    run(workspace, "train", recipe)
    assert weights.read_bytes() == first
    run(workspace, "train", recipe, "--set", "data.code_switching=")
    assert weights.read_bytes() != first


def test_a_dictionary_without_words_is_refused(workspace):
    workspace.write("words", "...\t!!!\n")
    edit(workspace, "task.toml", "[training]", f"{SWITCHED}[training]")
    assert "data.code_switching.dictionary: the dictionary has no entry" in refused(workspace, "train", "task.toml")


def test_raw_text_and_pairs_are_read_by_a_recipe(workspace):
    workspace.write("c.xx", "\n".join(f"text {number}" for number in range(20)))
    workspace.write("c.en", "\n".join(f"words {number}" for number in range(19)))
    edit(workspace, "language.toml", 'reader = "tsv"\npath = "pairs.tsv"', 'reader = "parallel"\npath = "c"')
    edit(workspace, "language.toml", 'text = "cipher"\ntranslation = "english"', 'text = "xx"\ntranslation = "en"')
    assert "c.xx: 20 lines, and c.en has 19: they are not aligned" in refused(workspace, "train", "language.toml")
    workspace.write("c.en", "\n".join(f"words {number}" for number in range(20)))
    run(workspace, "train", "language.toml", "--set", "training.epochs=1")
    (data,) = manifest(workspace, "lang/cipher")["training"]["data"]
    assert data["source"] == "parallel: c"
