"""Each head from the command line: trained on a file of its own format, scored, and asked."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from lect.storage.store import read_folder_manifest

pytestmark = pytest.mark.models

RECIPE = """
[component]
name = "{name}"
role = "task"
languages = ["en"]

[backbone]
name = "backbone"

[[parts]]
method = "full"

[head]
kind = "{kind}"
{head}

[objective]
name = "supervised"

[data.train]
{data}
[data.validation]
{data}
[training]
epochs = {epochs}
batch_size = 16
learning_rate = 3e-3
precision = "float32"
"""
NAMES = ["Great", "Happy", "Bright"]
PLACES = ["House", "City", "Day"]


def tagged(count=64):
    draw = random.Random(0)
    rows = []
    for _ in range(count):
        name, place = draw.choice(NAMES), draw.choice(PLACES)
        words = [("the", "O"), (name, "B-PER"), ("Long", "I-PER"), ("was", "O"), ("in", "O"), (place, "B-LOC")]
        rows.append("\n".join(f"{word} {tag}" for word, tag in words))
    return "\n\n".join(rows) + "\n"


def trees(count=48):
    draw = random.Random(1)
    rows = []
    for _ in range(count):
        lines = [
            ("the", "DET", 2, "det"),
            (draw.choice(PLACES).lower(), "NOUN", 3, "nsubj"),
            (draw.choice(["was", "said", "made"]), "VERB", 0, "root"),
            (draw.choice(["long", "good"]), "ADJ", 3, "xcomp"),
        ]
        rows.append(
            "\n".join(
                f"{number}\t{form}\t_\t{tag}\t_\t_\t{head}\t{relation}\t_\t_"
                for number, (form, tag, head, relation) in enumerate(lines, start=1)
            )
        )
    return "\n\n".join(rows) + "\n"


def questions(count=48):
    draw = random.Random(2)
    rows = []
    for index in range(count):
        place = draw.choice(PLACES).lower()
        filling = " ".join(draw.choices(["the", "and", "of", "you", "they"], k=draw.choice([3, 8, 70])))
        context = f"{filling} in {place} {filling}"
        row = {"context": context, "question": "where", "id": index}
        answers = {"text": [place], "answer_start": [context.index(place)]}
        rows.append(json.dumps({**row, "answers": answers}))
    return "\n".join(rows) + "\n"


def choices(count=48):
    draw = random.Random(3)
    rows = []
    for _ in range(count):
        label = draw.randrange(2)
        good, bad = draw.choice(NAMES).lower(), draw.choice(["down", "other", "could"])
        first, second = (good, bad) if label == 0 else (bad, good)
        row = {"premise": "it was", "choice1": first, "choice2": second, "question": "effect", "label": label}
        rows.append(json.dumps(row))
    return "\n".join(rows) + "\n"


def numbers(count=64):
    draw = random.Random(4)
    rows = ["text,label"]
    for _ in range(count):
        words = draw.choices(["good", "down"], k=4)
        rows.append(f"{' '.join(words)},{words.count('good') / 4}")
    return "\n".join(rows) + "\n"


def label_sets(count=64):
    draw = random.Random(5)
    rows = ["text,label"]
    for _ in range(count):
        words = draw.sample(["good", "house", "you"], k=draw.randrange(1, 4))
        rows.append(f"the {' '.join(words)},{'|'.join(sorted(words))}")
    return "\n".join(rows) + "\n"


def train(workspace, kind, content, data, *, head="", epochs=12, name="job"):
    workspace.write("data.txt", content)
    text = RECIPE.format(name=name, kind=kind, head=head, data=data, epochs=epochs)
    workspace.write("job.toml", text)
    result = workspace.lect("train", "job.toml")
    assert result.exit_code == 0, result.stderr
    return result


def scores(workspace, reader, *options):
    result = workspace.lect("eval", "-s", "task:job", "-d", "data.txt", "--reader", reader, "--json", *options)
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    shown = workspace.lect("eval", "-s", "task:job", "-d", "data.txt", "--reader", reader, *options)
    assert shown.exit_code == 0 and max(map(len, shown.stdout.splitlines())) <= 80
    return report, {score["name"]: score["value"] for score in report["variants"][0]["scores"]}


def logged(workspace):
    log = (workspace.folder / "runs/task-job/metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in log.splitlines()]


def asked(workspace, *arguments):
    shown = workspace.lect("predict", "-s", "task:job", *arguments)
    assert shown.exit_code == 0, shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80
    told = workspace.lect("predict", "-s", "task:job", "--json", *arguments)
    return " ".join(shown.stdout.split()), json.loads(told.stdout)


def test_entities(workspace):
    train(workspace, "tagging", tagged(), 'reader = "conll"\npath = "data.txt"')
    report, found = scores(workspace, "conll")
    assert report["main"] == "f1" and found["f1"] > 0.9 and found["token_accuracy"] > 0.9
    assert {"f1[PER]", "f1[LOC]", "token_f1[B-PER]"} <= found.keys()
    # The mean over kinds of entities, which is not that over tags; in what the run wrote, too.
    workspace.write("noisy.txt", tagged().replace("B-PER\nLong I-PER", "B-LOC\nLong O", 40))
    noisy = workspace.lect("eval", "-s", "task:job", "-d", "noisy.txt", "--reader", "conll", "--json")
    own = {each["name"]: each["value"] for each in json.loads(noisy.stdout)["variants"][0]["scores"]}
    assert own["macro_f1"] == pytest.approx((own["f1[PER]"] + own["f1[LOC]"]) / 2)
    tags = [value for name, value in own.items() if name.startswith("token_f1[")]
    assert own["token_macro_f1"] == pytest.approx(sum(tags) / len(tags)) != pytest.approx(own["macro_f1"])
    stated = [each.metric for each in read_folder_manifest(workspace.folder / "components/task/job").results]
    assert len({*stated}) == len(stated) and {"macro_f1", "token_macro_f1"} <= {*stated}
    log = (workspace.folder / "runs/task-job/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    (*_, last) = (record["validation"] for record in map(json.loads, log) if "validation" in record)
    assert {"macro_f1", "token_macro_f1", "token_accuracy"} <= last.keys() and "accuracy" not in last
    assert report["variants"][0]["predictions"][0].startswith("the [")
    assert report["support"] == {}
    shown, told = asked(workspace, "the Happy Long was in City")
    assert "the [Happy Long PER] was in [City LOC]" in shown
    assert told["words"] == ["the", "Happy", "Long", "was", "in", "City"]
    assert told["answer"] == told["tags"] == ["O", "B-PER", "I-PER", "O", "O", "B-LOC"]
    (person, place) = told["entities"]
    assert (person["text"], person["type"], person["start"], person["end"]) == ("Happy Long", "PER", 4, 14)
    assert place["score"] > 0.5
    # A sentence of more tokens than the backbone reads has a tag for every word, and nothing is said to be cut.
    long = " ".join(["the Happy Long was in City"] * 40)
    shown = workspace.lect("predict", "-s", "task:job", "--json", long)
    assert "cut" not in shown.stderr
    assert len(json.loads(shown.stdout)["tags"]) == 240
    workspace.write("other.txt", "Xx B-DATE\n")
    refused = workspace.lect("eval", "-s", "task:job", "-d", "other.txt", "--reader", "conll")
    assert refused.exit_code == 1
    assert 'other.txt, line 1: unknown type of entity "DATE"' in refused.stderr
    assert "leave it out with the reader's types" in " ".join(refused.stderr.split())
    # A file of words alone, as shared tasks give them out, is answered word by word.
    (workspace.folder / "blind.txt").write_text("the\nGreat\nLong\n\nCity\n")
    result = workspace.lect("predict", "-s", "task:job", "-d", "blind.txt", "--reader", "conll", "--json")
    assert result.exit_code == 0, result.stderr
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["words"], first["origin"]) == (["the", "Great", "Long"], "blind.txt, line 1")
    assert (len(first["tags"]), second["words"], second["origin"]) == (3, ["City"], "blind.txt, line 5")


def test_parts_of_speech(workspace):
    train(workspace, "pos", trees(), 'reader = "conllu"\npath = "data.txt"')
    report, found = scores(workspace, "conllu")
    assert report["main"] == "accuracy" and found["accuracy"] > 0.9
    shown, told = asked(workspace, "the house was long")
    assert "the/DET house/NOUN was/VERB long/ADJ" in shown
    assert told["tags"] == ["DET", "NOUN", "VERB", "ADJ"] and len(told["word_scores"]) == 4


def test_trees(workspace):
    train(workspace, "parsing", trees(), 'reader = "conllu"\npath = "data.txt"', head="arc = 24\nrelation = 12")
    report, found = scores(workspace, "conllu")
    assert report["main"] == "las" and found["las"] > 0.9 and found["uas"] >= found["las"] and found["upos"] > 0.9
    shown, told = asked(workspace, "the house was long")
    assert "the(det→house) house(nsubj→was) was(root)" in shown and "long(xcomp→was)" in shown
    assert told["heads"] == [2, 3, 0, 3] and told["relations"] == ["det", "nsubj", "root", "xcomp"]
    assert told["tags"] == ["DET", "NOUN", "VERB", "ADJ"]


@pytest.mark.slow
def test_questions(workspace):
    data = 'reader = "squad"\npath = "data.txt"\nlanguage = "en"'
    train(workspace, "qa", questions(), data, head="overlap = 4", epochs=20)
    report, found = scores(workspace, "squad", "-o", "language=en")
    assert report["main"] == "f1" and found["exact"] > 0.9
    assert report["signatures"]["f1"].startswith("and exact match by the rules of SQuAD 2.0's script (English;")
    # An answer of little use does not take the question out, and what was done stands in the head.
    lost = json.loads(questions(1).splitlines()[0])
    rows = [
        {**lost, "answers": {"text": [text], "answer_start": [None]}} for text in (lost["answers"]["text"][0], "no")
    ]
    workspace.write("odd.txt", "".join(json.dumps(row) + "\n" for row in [*rows, {**lost, "context": None}]))
    page = workspace.folder / "odd.html"
    odd = workspace.lect("eval", "-s", "task:job", "-d", "odd.txt", "--reader", "squad", "--output", str(page))
    assert odd.exit_code == 0, odd.stderr
    for said in ("1 answer had no usable offset", "1 answer cannot be placed", "1 question without a context"):
        assert said in " ".join(odd.stdout.split()) and said in page.read_text(encoding="utf-8")
    assert "2 rows" in odd.stdout
    shown, told = asked(workspace, "the and you in city they and", "--question", "where")
    assert "city" in shown and told["answer"] == "city"
    assert (told["question"], told["start"], told["end"]) == ("where", 15, 19)
    assert told["n_best"][0]["text"] == "city" and len(told["n_best"]) == 5
    # It is looked for in the whole of a context that takes five rows; of those learned from, none took more than three.
    filling = " ".join(random.Random(9).choices(["the", "and", "of", "you", "they"], k=150))
    long = f"{filling} in house {filling}"
    (shown, told) = asked(workspace, long, "--question", "where")
    (house,) = [each for each in told["n_best"][:2] if each["text"] == "house"]
    assert house["start"] == long.index("house") and house["end"] == house["start"] + 5
    nothing = workspace.lect("predict", "-s", "task:job", "the text")
    assert (nothing.exit_code, "nothing is asked" in nothing.stderr) == (1, True)


def test_choices(workspace):
    train(workspace, "multiple-choice", choices(), 'reader = "choices"\npath = "data.txt"')
    report, found = scores(workspace, "choices")
    assert report["main"] == "accuracy" and found["accuracy"] > 0.9
    more = ["--question", "effect", "--choice", "down", "--choice", "happy", "--choice", "other"]
    shown, told = asked(workspace, "it was", *more)
    assert "happy" in shown and told["answer"] == "1" and told["choice"] == "happy"
    assert sum(told["scores"].values()) == pytest.approx(1, abs=1e-4) and list(told["scores"]) == ["0", "1", "2"]


def test_the_smallest_error_is_the_best(workspace):
    workspace.write("data.txt", numbers())
    text = RECIPE.format(name="job", kind="regression", head="", epochs=1,
                         data='reader = "csv"\npath = "data.txt"\nlabel = "label"')  # fmt: skip
    workspace.write("job.toml", text.replace("epochs = 1", 'steps = 24\nevaluate_every = 4\nmetric = "mae"'))
    result = workspace.lect("train", "job.toml", "--json")
    assert result.exit_code == 0, result.stderr
    errors = [record["validation"]["mae"] for record in logged(workspace) if "validation" in record]
    assert len(errors) == 6 and min(errors) < errors[0]
    assert json.loads(result.stdout)["validation"]["mae"] == min(errors)


def test_a_run_that_goes_astray_is_an_error_and_the_best_before_is_kept(workspace, monkeypatch):
    workspace.write("data.txt", numbers())
    text = RECIPE.format(name="job", kind="regression", head="", epochs=1,
                         data='reader = "csv"\npath = "data.txt"\nlabel = "label"')  # fmt: skip
    workspace.write("job.toml", text.replace("epochs = 1", "steps = 40\nevaluate_every = 4\nclip = 0"))
    # Right after the first validation, a step that no weight survives.
    monkeypatch.setattr("lect.training.loop.learning_rate_factor", lambda step, *plan: 1.0 if step < 4 else 1e30)
    result = workspace.lect("train", "job.toml")
    assert result.exit_code == 1 and "Traceback" not in result.stderr
    said = " ".join(result.stderr.split())
    assert "training: " in said and "lower training.learning_rate" in said
    assert f"is kept in {Path('runs/task-job/best/task/job')}" in said
    assert not (workspace.folder / "components/task/job").exists()
    (record,) = [record for record in logged(workspace) if "validation" in record]
    assert record["step"] == 4
    kept = workspace.folder / "runs/task-job/best"
    results = {each.metric: each.value for each in read_folder_manifest(kept / "task/job").results}
    assert results == pytest.approx(record["validation"], rel=1e-4)
    shown = workspace.lect("predict", "-s", "task:job", "--components", str(kept), "--json", "good good")
    assert shown.exit_code == 0 and isinstance(json.loads(shown.stdout)["answer"], float)


def test_numbers(workspace):
    train(workspace, "regression", numbers(), 'reader = "csv"\npath = "data.txt"\nlabel = "label"')
    report, found = scores(workspace, "csv", "-o", "label=label")
    assert report["main"] == "pearson" and found["pearson"] > 0.9 and found["mae"] < 0.15
    directions = {each["name"]: each["direction"] for each in report["variants"][0]["scores"]}
    assert directions == {"pearson": "higher", "spearman": "higher", "mae": "lower"}
    card = (workspace.folder / "components/task/job/README.md").read_text(encoding="utf-8")
    assert "| `mae` (the lower, the better) |" in card
    errors = [each for each in read_folder_manifest(workspace.folder / "components/task/job").results
              if each.direction == "lower"]  # fmt: skip
    assert [each.metric for each in errors] == ["mae"]
    _, told = asked(workspace, "good good good good")
    assert told["answer"] > 0.7 and told["score"] is None
    workspace.write("data.txt", "text,label\nx,much\n")
    refused = workspace.lect("train", "job.toml")
    assert (refused.exit_code, refused.stderr) == (
        1,
        'error: data.txt, line 2: "much" is no number; name the column of numbers with label = "…"\n',
    )


def test_several_labels(workspace):
    train(workspace, "multi-label", label_sets(), 'reader = "csv"\npath = "data.txt"\nlabel = "label"')
    report, found = scores(workspace, "csv", "-o", "label=label")
    assert report["main"] == "micro_f1" and found["micro_f1"] > 0.9
    shown, told = asked(workspace, "the you house")
    assert (
        "house, you" in shown
        and told["answer"] == ["house", "you"]
        and set(told["scores"])
        == {
            "good",
            "house",
            "you",
        }
    )


def test_rows_that_lack_what_the_head_needs_are_refused_before_anything_is_loaded(workspace):
    workspace.write("data.txt", "text,label\nx,y\n")
    text = RECIPE.format(
        name="job", kind="tagging", head="", data='reader = "csv"\npath = "data.txt"\nlabel = "label"', epochs=1
    )
    workspace.write("job.toml", text)
    result = workspace.lect("train", "job.toml")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: data.txt, line 2: the row has no words; name a reader that gives words in job.toml, data.train\n",
    )


def test_uneven_labels_are_said_and_evened_out_and_so_is_a_missing_score(workspace):
    rows = [f"the good day {number},good" for number in range(44)] + ["the sad day,bad", "a dark day,bad"]
    workspace.write("data.txt", "\n".join(["text,label", *rows]))
    text = RECIPE.format(name="job", kind="classification", head="", epochs=1,
                         data='reader = "csv"\npath = "data.txt"\nlabel = "label"')  # fmt: skip
    before, _, after = text.partition("[data.validation]")
    workspace.write("job.toml", before + after[after.index("[training]") :])
    result = workspace.lect("train", "job.toml")
    assert result.exit_code == 0, result.stderr
    assert (
        'warning: "good" has 44 rows and "bad" 2 rows: macro F1 says more of such data than accuracy' in result.stderr
    )
    assert "No score yet: the run had no rows for validation" in result.stdout and "\n46 rows, 3 steps" in result.stdout
    result = workspace.lect("train", "job.toml", "--set", "data.sampling=balanced")
    assert result.exit_code == 0 and "macro F1 says more" not in result.stderr
    assert "\n88 rows, 6 steps" in result.stdout
    result = workspace.lect(
        "train", "job.toml", "--set", "head.class_weights=balanced", "--set", "data.validation_share=0.3"
    )
    assert result.exit_code == 0 and "macro F1 says more" not in result.stderr
    assert "No score" not in result.stdout and "\nvalidation accuracy" in result.stdout
