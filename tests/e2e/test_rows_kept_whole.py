"""What goes into a command by rows comes out by rows: with its key and place, and with all that it had."""

from __future__ import annotations

import json

from lect.data.dataset import Source
from lect.data.examples import Example
from lect.host import Host
from lect.host.reading import read_source


def run(workspace, *arguments):
    result = workspace.lect(*arguments)
    assert result.exit_code == 0, result.stderr
    return result


def test_every_answer_has_the_key_and_the_place_of_its_row(workspace, trained):
    rows = ['{"id": 7, "text": "a great day"}', '{"id": 8, "text": null}', '{"id": 9, "text": "the grim cold"}']
    workspace.write("rows.jsonl", "\n".join(rows) + "\n")
    stack = ("--components", str(trained), "-s", "task:mood", "-d", "rows.jsonl", "-o", "skip_empty=true")
    result = run(workspace, "predict", *stack, "-o", "key=id", "--json")
    assert "rows.jsonl: 1 row without a text left out" in result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(each["key"], each["origin"], each["answer"]) for each in records] == [
        ("7", "rows.jsonl, line 1", "good"),
        ("9", "rows.jsonl, line 3", "bad"),
    ]
    shown = run(workspace, "predict", *stack, "-o", "key=id").stdout.splitlines()
    assert shown[0].split() == ["key", "text", "answer", "score"]
    assert shown[2].split()[0] == "7"


def test_a_report_says_of_every_answer_which_row_it_is_of(workspace, trained):
    workspace.write("rows.csv", "id,text,label\nq1,a great day,good\n,the grim cold,bad\n")
    arguments = ("--components", str(trained), "-s", "task:mood", "-d", "rows.csv", "-o", "label=label", "-o", "key=id")
    report = json.loads(run(workspace, "eval", *arguments, "--json").stdout)
    assert report["keys"] == ["q1", "rows.csv, line 3"]
    assert report["variants"][0]["predictions"] == ["good", "bad"]


def test_a_file_that_is_not_there_is_said_before_its_ending(workspace):
    workspace.write("text.words", "a O\n")
    for arguments in (
        ("predict", "-s", "task:mood", "-d"),
        ("data", "inspect"),
        ("data", "clean", "--output", "x.txt"),
    ):
        result = workspace.lect(*arguments, "tekst.words")
        assert result.exit_code == 1
        assert "no such file in" in result.stderr and 'did you mean "text.words"?' in " ".join(result.stderr.split())
        result = workspace.lect(*arguments, "text.words")
        assert 'no reader is known for the ending ".words"' in result.stderr


def test_files_of_words_are_known_by_their_endings(workspace):
    workspace.write("text.conll", "the O\ncity B-LOC\n")
    workspace.write("tree.conllu", "1\tday\t_\tNOUN\t_\t_\t0\troot\t_\t_\n")
    for name, text in (("text.conll", "the city"), ("tree.conllu", "day")):
        result = workspace.lect("data", "clean", name, "--output", f"{name}.jsonl")
        assert result.exit_code == 0, result.stderr
        assert json.loads((workspace.folder / f"{name}.jsonl").read_text("utf-8"))["text"] == text


def test_the_line_of_a_wrong_tag_is_named_in_training(workspace):
    recipe = (workspace.folder / "task.toml").read_text(encoding="utf-8").replace('"classification"', '"tagging"')
    recipe = recipe.replace('reader = "csv"', 'reader = "conll"').replace('label = "label"\n', "")
    workspace.write("tags.toml", recipe.replace("train.csv", "train.conll").replace("valid.csv", "train.conll"))
    for wrong, meant in {
        "0": 'that is a zero: did you mean "O", the letter?',
        "b_PER": 'did you mean "B-PER"?',
    }.items():
        workspace.write("train.conll", f"Anna B-PER\nsleeps {wrong}\n\n")
        result = workspace.lect("train", "tags.toml")
        assert result.exit_code == 1
        assert f'train.conll, line 2: "{wrong}" is no tag of an entity; {meant}' in " ".join(result.stderr.split())


def test_cleaned_rows_keep_tags_spans_trees_and_columns_that_nobody_named(workspace):
    host = Host.load()
    tree = "# text = a b\n1\ta\t_\tX\t_\t_\t2\tdep\t_\t_\n2\tb\t_\tX\t_\t_\t0\troot\t_\t_\n"
    asked = '{"context": "x y", "question": "q", "answers": [{"text": "y", "answer_start": 2}]}\n'
    for reader, content in {
        "conll": "Jane B-PER\nspoke O\n",
        "conllu": tree,
        "squad": asked,
        "choices": '{"premise": "p", "choice1": "a", "choice2": "b", "label": 1, "question": "cause"}\n',
        "triples": '{"anchor": "a", "positive": "b", "negative": "c"}\n',
    }.items():
        workspace.write("data.jsonl", content)
        run(workspace, "data", "clean", "data.jsonl", "--reader", reader, "--output", "out.jsonl")
        (given,) = read_source(host, Source(reader, {"path": "data.jsonl"}), workspace.folder, "x").examples
        (kept,) = read_source(host, Source("examples", {"path": "out.jsonl"}), workspace.folder, "x").examples
        same = [name for name in Example.__slots__ if name not in ("origin", "lines")]
        assert [getattr(kept, name) for name in same] == [getattr(given, name) for name in same]

    workspace.write("spans.jsonl", '{"text": " cafe\u0301 au lait ", "id": 3, "label": [[1, 6, "X"]]}\n')
    run(workspace, "data", "clean", "spans.jsonl", "--output", "out.jsonl")
    # What may hold offsets is never changed.
    assert json.loads((workspace.folder / "out.jsonl").read_text(encoding="utf-8")) == {
        "text": " cafe\u0301 au lait ",
        "id": 3,
        "label": [[1, 6, "X"]],
    }


def test_cleaned_tables_have_every_column_whichever_row_has_it_first(workspace):
    workspace.write("rows.csv", "id,text,label,note\n,one day,x,\n7,two days,y,n\n")
    run(workspace, "data", "clean", "rows.csv", "-o", "label=label", "-o", "key=id", "--output", "out.tsv")
    written = (workspace.folder / "out.tsv").read_text(encoding="utf-8")
    assert written == "text\tlabel\tkey\tnote\none day\tx\t\t\ntwo days\ty\t7\tn\n"
    result = run(workspace, "data", "clean", "rows.csv", "-o", "label=label", "--output", "out.txt")
    assert "holds the texts alone, without label, id, note" in " ".join(result.stderr.split())
    workspace.write("rows.conll", "Jane B-PER\n")
    result = workspace.lect("data", "clean", "rows.conll", "--reader", "conll", "--output", "out2.tsv")
    assert result.exit_code == 1
    assert "the row has words, places, tags, which a table does not hold" in " ".join(result.stderr.split())
    assert not (workspace.folder / "out2.tsv").exists()
