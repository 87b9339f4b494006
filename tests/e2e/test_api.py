"""Everything from Python: what users type gives what the command line gives, in the same words where it is refused."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import datasets
import numpy as np
import pandas
import pyarrow
import pytest

import lect
from lect.device import default_device
from lect.errors import DataError, StackError

TEXTS = ["a great and happy day", "the grim cold", "warm and bright", "sad, dark day the awful"]


@pytest.fixture
def model(workspace, trained):
    with lect.load("lang:cipher + task:mood", backbone="backbone", library=trained) as model:
        yield model


def test_two_lines_to_predictions_of_whatever_holds_texts(model):
    found = model.predict(TEXTS)
    assert len(found) == 4 and set(found.values) <= {"good", "bad"}
    assert found[0].label == found.values[0] and sum(found[0].probabilities.values()) == pytest.approx(1, abs=1e-5)
    frame = pandas.DataFrame({"id": range(4), "text": TEXTS})
    for rows in (
        tuple(TEXTS),
        [{"text": text, "unknown": 3} for text in TEXTS],
        [lect.Example(text) for text in TEXTS],
        frame,
        datasets.Dataset.from_pandas(frame),
        pyarrow.Table.from_pandas(frame),
        frame["text"],
        np.array(TEXTS),
    ):
        assert model.predict(rows).values == found.values
    assert model.predict(frame.rename(columns={"text": "tweet"}), text="tweet").values == found.values
    assert [each.value for each in model.predict(iter(TEXTS))] == found.values
    assert model.predict(TEXTS[0]).label == found.values[0]
    table = found.to_pandas()
    assert list(table["text"]) == TEXTS and list(table["answer"]) == found.values
    assert "4 predictions" in repr(found) and "<table>" in found._repr_html_()


def test_the_command_prints_the_same_records(model, workspace, trained):
    printed = workspace.lect(
        *("predict", "--json", "--stack", "lang:cipher + task:mood", "--backbone", "backbone"),
        *("--components", str(trained), *TEXTS),
    )
    assert printed.exit_code == 0, printed.stderr
    assert [json.loads(line) for line in printed.stdout.splitlines()] == model.predict(TEXTS).records()


def test_each_row_its_own_stack_and_what_is_missing_is_loaded(model, workspace, trained):
    stacks = ["lang:cipher + task:mood", lect.task("mood"), "0.5*lang:cipher + task:mood", "task:mood"]
    mixed = model.predict(TEXTS, stacks=stacks)
    for text, stack, prediction in zip(TEXTS, stacks, mixed, strict=True):
        assert model.predict(text, stacks=stack).scores == pytest.approx(prediction.scores, abs=1e-5)
    assert len(model.stacks) == 3
    for wrong, said in ((stacks[:3], "fewer stacks than rows"), ([*stacks, "task:mood"], "more stacks than rows")):
        with pytest.raises(DataError, match=said):
            model.predict(TEXTS, stacks=wrong)


def test_vectors(model):
    vectors = model.embed(TEXTS)
    assert vectors.dtype == np.float32 and vectors.shape == (4, 32)
    assert np.linalg.norm(model.embed(TEXTS, normalize=True), axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert model.embed(TEXTS[1]) == pytest.approx(vectors[1], abs=1e-5)
    assert np.stack(list(model.embed(iter(TEXTS)))) == pytest.approx(vectors, abs=1e-5)
    bare = model.embed(TEXTS, stacks="")
    assert not np.allclose(bare, vectors)


def test_ten_thousand_rows_of_an_iterator_in_order_and_without_waiting(model):
    read = []

    def rows():
        for number in range(10_000):
            read.append(number)
            yield f"{TEXTS[number % 4]} {number % 7}"

    predictions = model.predict(rows())
    next(predictions)
    assert len(read) < 1000
    stacks = ("task:mood" if number % 2 else "lang:cipher + task:mood" for number in count())
    few = [f"{text} {number}" for number in range(50) for text in TEXTS]
    mixed = list(zip(model.predict((text for text in few), stacks=stacks), range(len(few)), strict=False))
    assert len(mixed) == len(few)


def test_evaluation_and_explanation(model, workspace):
    report = model.evaluate(pandas.read_csv("test.csv"), label="label")
    assert report.rows == 60 and len(report.variants) >= 2
    assert "macro_f1" in report.to_json()
    explanation = model.explain(TEXTS[0])
    assert explanation.variants[0].answer == model.predict(TEXTS[0]).label


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no rows are given"),
        ([3], "row 1: the text is 3 of type int, and a text is due"),
        (["a text", float("nan")], "row 2: the text is missing, and a text is due"),
        (pandas.DataFrame({"tweet": TEXTS}), 'there is no column "text"; name it: text="…"'),
        (pandas.DataFrame({"text": ["a", None]}), "row 2: the text is missing"),
        ([{"txt": "a"}], "row 1: the row has no text (txt)"),
        (["  "], "row 1: the text is empty"),
        (5, "rows are due, not 5 of type int"),
    ],
)
def test_what_is_no_row_is_said_with_its_place(model, rows, said):
    with pytest.raises(DataError) as caught:
        model.predict(rows)
    assert said in str(caught.value)


def test_what_is_refused_is_refused_in_the_words_of_the_command(workspace, trained):
    for stack in ("task:nowhere", "lang:cipher", "task:mood + lang:cipher"):
        command = workspace.lect(
            "predict", "--stack", stack, "--backbone", "backbone", "--components", str(trained), "text"
        )
        assert command.exit_code == 1
        with pytest.raises(lect.UserError) as caught:
            lect.load(stack, backbone="backbone", library=trained).predict(["text"])
        assert (
            str(caught.value) in command.stderr.replace(f'stack "{stack}": ', "") or str(caught.value) in command.stderr
        )


def test_stacks_are_written_with_operators():
    assert str(0.7 * lect.lang("jav") + lect.task("sentiment")) == "0.7*lang:jav + task:sentiment"
    assert lect.lang("jav") + lect.task("s") == lect.stack("lang:jav+task:s")
    assert str(lect.avg(lect.lang("a"), lect.lang("b")) + lect.task("x")) == "avg(lang:a, lang:b) + task:x"
    assert str(0.5 * (2 * lect.lang("a"))) == "1*lang:a"  # all of it, whatever its gate says
    assert 0.5 * (2 * lect.task("a")) == lect.task("a")
    with pytest.raises(StackError, match="a weight is for one"):
        0.5 * (lect.lang("a") + lect.lang("b"))


def test_a_model_says_what_it_is_and_leaves_the_backbone_as_it_was(workspace, trained):
    bare = lect.load(backbone="backbone").embed(TEXTS)
    model = lect.load("lang:cipher + task:mood", backbone="backbone", library=trained)
    assert "lang:cipher + task:mood on backbone" in repr(model) and len(repr(model)) < 200
    assert "lang:cipher" in model._repr_html_()
    model.close()
    with pytest.raises(StackError, match="the model is closed"):
        model.predict(TEXTS)
    assert np.array_equal(lect.load(backbone="backbone").embed(TEXTS), bare)


PAIRS = [(f"xbsn boe csjhiu {number % 5}", f"warm and bright {number % 5}") for number in range(40)]
ROWS = [
    {"text": f"{text} {number}", "mood": "good" if number % 2 == 0 else "bad"}
    for number in range(20)
    for text in TEXTS[:1]
]


def test_from_memory_to_a_component_to_a_prediction(workspace, capsys):
    spoken = lect.teach_language(
        PAIRS, "jv", name="spoken", backbone="backbone", training={"epochs": 1, "precision": "float32"}
    )
    mood = lect.teach_task(
        ROWS, "own-mood", label="mood", backbone="backbone", training={"epochs": 2, "precision": "float32"}
    )
    with lect.load(f"{spoken} + {mood}", backbone="backbone") as model:
        assert model.predict("a great and happy day").label in {"good", "bad"}
        assert sorted(model.labels) == ["bad", "good"]
    assert spoken.manifest.languages == ("jv",) and "own-mood" in repr(mood)
    assert "task:own-mood" in mood._repr_html_()
    assert {"lang:spoken", "task:own-mood"} <= {component.key for component in lect.components()}
    assert "lang:spoken  " in capsys.readouterr().err


def test_held_out_pairs_of_a_language_are_translations_too(workspace):
    training = {"epochs": 2, "precision": "float32"}
    held_out = [(text[::-1], other) for text, other in PAIRS[:6]]
    found = [
        lect.teach_language(
            PAIRS, "jv", name=name, backbone="backbone", training=training, validation=rows, library="components"
        )
        for name, rows in (
            ("pairs", held_out),
            ("rows", [{"text": text, "translation": other} for text, other in held_out]),
        )
    ]
    kept = [Path(f"runs/lang-{name}/data/validation.jsonl").read_text(encoding="utf-8") for name in ("pairs", "rows")]
    assert kept[0] == kept[1] and json.loads(kept[0].splitlines()[0])["translation"] == held_out[0][1]
    assert found[0].manifest.training.steps == found[1].manifest.training.steps


def test_a_recipe_as_a_dictionary_with_rows_a_callback_that_stops_and_going_on(workspace):
    class StopAt(lect.Callback):
        def __init__(self, step):
            self.step, self.seen = step, []

        def step_finished(self, step, metrics):
            self.seen.append(step)
            if step == self.step:
                self.ask_to_stop("enough")

    recipe = {
        "component": {"name": "short", "role": "task", "languages": ["en"]},
        "backbone": {"name": "backbone"},
        "parts": [{"method": "full"}],
        "head": {"kind": "classification"},
        "objective": {"name": "supervised"},
        "training": {"epochs": 5, "batch_size": 4, "precision": "float32"},
    }
    stop = StopAt(7)
    component = lect.train(recipe, pandas.DataFrame(ROWS), validation=ROWS[:6], label="mood", callbacks=[stop])
    assert stop.seen == list(range(1, 8)) and component.manifest.training.steps == 7
    wrong = {**recipe, "training": {"epoch": 5}}
    with pytest.raises(lect.UserError, match=r'training\.epoch: unknown field "epoch"; did you mean "epochs"'):
        lect.train(wrong, ROWS, label="mood")
    with pytest.raises(DataError, match="no rows are given"):
        lect.teach_task([], "none", backbone="backbone")
    with pytest.raises(lect.UserError, match="the row has no label"):
        lect.teach_task(TEXTS, "none", backbone="backbone")


def test_a_run_and_its_model_show_themselves_in_a_line(workspace):
    recipe = {
        "component": {"name": "language-0", "role": "lang", "languages": ["jv"]},
        "backbone": {"name": "backbone"},
        "parts": [{"method": "bottleneck"}],
        "objective": {"name": "alignment"},
        "data": {"train": {"reader": "tsv", "path": "pairs.tsv", "translation": "translation"}},
    }
    lines = "".join(f"{text}\t{other}\n" for text, other in PAIRS)
    Path("pairs.tsv").write_text(f"text\ttranslation\n{lines}", encoding="utf-8")
    run = lect.prepare_run(lect.recipe_of(recipe), lect.Host.load(), lect.Library.default())
    assert repr(run) == "<TrainingRun of lang:language-0 on backbone: 40 rows, in runs/lang-language-0>"
    assert repr(run.setup).startswith("<TrainingSetup of lang:language-0 on backbone: 40 rows, in ")
    assert repr(run.setup.model) == "<RoutedModel on backbone: lang:language-0>"


def test_components_go_to_a_registry_and_come_back(workspace, trained, tmp_path, monkeypatch):
    component = lect.SavedComponent.read(trained / "task" / "mood")
    (tmp_path / "registry").mkdir()
    pushed = component.push(tmp_path / "registry")
    assert pushed.entry.reference.startswith("task:mood")
    (found,) = lect.search("mood", registry=str(tmp_path / "registry"))
    assert found["name"] == "mood"
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "another home"))
    pulled = lect.pull("task:mood", registry=str(tmp_path / "registry"))
    assert pulled.manifest == component.manifest
    assert str(tmp_path / "another home") in str(pulled.folder)


def test_a_model_in_memory_is_used_and_given_back_to_the_bit(workspace, trained):
    from transformers import AutoModel, AutoTokenizer

    given, tokenizer = AutoModel.from_pretrained("backbone"), AutoTokenizer.from_pretrained("backbone")
    given.train()
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    stack = "lang:cipher + task:mood"
    with lect.load(stack, backbone="backbone", library=trained) as named:
        expected, explained = named.predict(TEXTS), named.explain(TEXTS[0])
    with lect.load(stack, model=given, tokenizer=tokenizer, library=trained) as model:
        # Before anything else has put the model into evaluation mode: no dropout acts.
        assert model.explain(TEXTS[0]).variants[0].words == pytest.approx(explained.variants[0].words, abs=1e-5)
        assert model.predict(TEXTS).records() == expected.records()
        assert not any(parameter.requires_grad for parameter in given.parameters())
        with pytest.raises(StackError, match="another model has components on this backbone"):
            lect.load(stack, model=given, tokenizer=tokenizer, library=trained)
    with lect.load(stack, model=given, tokenizer=tokenizer, library=trained, device=default_device()) as model:
        assert given.device.type == default_device().type
        assert model.predict(TEXTS).records() == expected.records()
    for wrong in ("cud", "meta"):
        with pytest.raises(lect.UserError, match=f'the device "{wrong}" .*; use '):
            lect.load(stack, model=given, tokenizer=tokenizer, library=trained, device=wrong)
    assert given.device.type == "cpu" and given.training
    assert all(parameter.requires_grad for parameter in given.parameters())
    assert given.state_dict().keys() == before.keys()
    assert all(before[name].equal(tensor) for name, tensor in given.state_dict().items())
