"""Gates: a language acts as strongly as it was measured to help what a stack is used for, unless told otherwise."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections import Counter

import numpy as np
import pytest

import lect
from lect.errors import StackError
from lect.storage.manifest import read_manifest

CIPHER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxyza")
WORDS = ["fine", "great", "happy", "bright", "warm", "awful", "sad", "dark", "cold", "grim", "the", "a", "day", "and"]


def sentences(count, seed):
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=4)) for _ in range(count)]


TEXTS = [text.translate(CIPHER) for text in sentences(8, 11)]


@pytest.fixture
def library(trained, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(trained, folder)
    return folder


def put_gate(library, use, strength, name="cipher"):
    manifest = library / "lang" / name / "component.toml"
    text = re.sub(r'\n\[\[gate\]\]\nuse = "' + use + r'"\n(?:.+\n)+', "\n", manifest.read_text("utf-8"))
    manifest.write_text(
        f'{text}\n[[gate]]\nuse = "{use}"\nstrength = {strength}\nmeasure = "agreement"\nscore = 71.5\n'
        "without = 70.0\nwhole = 60.25\nrows = 100\n",
        "utf-8",
    )


def scores(library, stack):
    with lect.load(stack, backbone="backbone", library=library) as model:
        return np.array([list(each.scores.values()) for each in model.predict(TEXTS)])


def test_a_stack_takes_the_strength_of_the_gate_for_its_use(library, workspace):
    whole, half = scores(library, "lang:cipher + task:mood"), scores(library, "0.5*lang:cipher + task:mood")
    bare = scores(library, "task:mood")
    assert not np.allclose(whole, half, atol=1e-3) and not np.allclose(half, bare, atol=1e-3)
    with lect.load("lang:cipher", backbone="backbone", library=library) as model:
        vectors = model.embed(TEXTS)
    put_gate(library, "classification", 0.5)
    assert scores(library, "lang:cipher + task:mood") == pytest.approx(half, abs=1e-6)
    assert scores(library, "1*lang:cipher + task:mood") == pytest.approx(whole, abs=1e-6)
    put_gate(library, "classification", 0.0)
    assert scores(library, "lang:cipher + task:mood") == pytest.approx(bare, abs=1e-6)
    with lect.load("lang:cipher", backbone="backbone", library=library) as model:
        assert model.embed(TEXTS) == pytest.approx(vectors, abs=1e-6)
        # Both in one batch, each as it is alone.
        stacks = ["lang:cipher + task:mood", "1*lang:cipher + task:mood"] * 4
        mixed = np.array([list(each.scores.values()) for each in model.predict(TEXTS, stacks=stacks)])
    assert mixed == pytest.approx(np.where(np.arange(8)[:, None] % 2 == 0, bare, whole), abs=1e-5)


def test_commands_say_what_a_gate_does(library, workspace):
    put_gate(library, "classification", 0.0)
    common = ("--backbone", "backbone", "--components", str(library))
    said = workspace.lect("predict", "-s", "lang:cipher + task:mood", *common, TEXTS[0])
    assert said.exit_code == 0
    assert (
        '"lang:cipher" is left out for classification, as its gate says (agreement 71.5, 60.2 at its full strength, '
        "70.0 without); 1*lang:cipher takes all of it"
    ) in said.stderr
    said = workspace.lect("predict", "-s", "1*lang:cipher + task:mood", *common, TEXTS[0])
    assert said.exit_code == 0 and "gate" not in said.stderr


def test_a_task_is_trained_on_what_it_will_stand_on(library, workspace):
    put_gate(library, "classification", 0.0)
    text = (workspace.folder / "task.toml").read_text("utf-8").replace('name = "mood"', 'name = "over"')
    (workspace.folder / "over.toml").write_text(f'stack = "lang:cipher"\n{text}'.replace("epochs = 6", "epochs = 1"))
    made = workspace.lect("train", "over.toml", "--components", str(library))
    assert made.exit_code == 0, made.stderr
    (workspace.folder / "alone.toml").write_text(
        text.replace('"over"', '"alone"').replace("epochs = 6", "epochs = 1"), "utf-8"
    )
    made = workspace.lect("train", "alone.toml", "--components", str(library))
    assert made.exit_code == 0, made.stderr
    assert scores(library, "lang:cipher + task:over") == pytest.approx(scores(library, "task:alone"), abs=1e-5)


def test_training_measures_what_was_held_out(workspace):
    pairs = [(text.translate(CIPHER), text) for text in sentences(300, 5)]
    recipe = (workspace.folder / "language.toml").read_text("utf-8")
    (workspace.folder / "pairs.tsv").write_text("cipher\tenglish\n" + "".join(f"{a}\t{b}\n" for a, b in pairs), "utf-8")
    (workspace.folder / "language.toml").write_text(recipe.replace("epochs = 10", "epochs = 4"), "utf-8")
    made = workspace.lect("train", "language.toml", "--components", "made")
    assert made.exit_code == 0, made.stderr
    gates = {each.use: each for each in read_manifest(workspace.folder / "made/lang/cipher/component.toml").gate}
    assert gates.keys() == {"retrieval", "classification"}
    for gate in gates.values():
        assert 40 <= gate.rows <= 90 and gate.strength in (0, 0.25, 0.5, 0.75, 1)
        # What is taken is no worse than the whole and than nothing, by more than chance.
        assert gate.score >= max(gate.without, gate.whole) - 100 * 0.5 / gate.rows**0.5
        assert (gate.strength == 0) == (gate.score == gate.without) or gate.score == gate.whole
    # What was learned is found again, better than without.
    assert gates["retrieval"].whole > gates["retrieval"].without
    card = (workspace.folder / "made/lang/cipher/README.md").read_text("utf-8")
    assert "classification" in card


def test_a_weight_leaves_the_tokens_of_a_vocabulary_whole(workspace):
    corpus = "\n".join(text.translate(CIPHER) for text in sentences(60, 7))
    (workspace.folder / "cipher.txt").write_text(corpus, "utf-8")
    with lect.load("", backbone="backbone") as model:
        bare = model.embed(TEXTS)
    recipe = {
        "component": {"name": "new", "role": "lang", "languages": ["en"]},
        "backbone": {"name": "backbone"},
        "parts": [{"method": "vocabulary", "pieces": 20}, {"method": "bottleneck"}],
        "objective": {"name": "alignment"},
        "training": {"steps": 4, "precision": "float32", "learning_rate": 3e-3},
    }
    lect.train(recipe, [{"text": a, "translation": a} for a in corpus.splitlines()], library="made")
    with lect.load("0*lang:new", backbone="backbone", library="made") as model:
        tokens_alone = model.embed(TEXTS)
        nearly = model.embed(TEXTS, stacks="0.0001*lang:new")
        whole = model.embed(TEXTS, stacks="lang:new")
        with pytest.raises(StackError, match="which no weight divides"):
            lect.train(
                {
                    **recipe,
                    "component": {"name": "both", "role": "lang"},
                    "parts": [recipe["parts"][0], {"method": "full"}],
                },
                [{"text": a, "translation": a} for a in corpus.splitlines()],
                library="made",
            )
            model.embed(TEXTS, stacks="0.5*lang:both")
    assert nearly == pytest.approx(tokens_alone, abs=1e-3)
    assert not np.allclose(tokens_alone, bare, atol=1e-3) and not np.allclose(tokens_alone, whole, atol=1e-3)


def test_a_language_taught_from_many_pairs_is_measured(workspace):
    pairs = [(text.translate(CIPHER), text) for text in sentences(900, 9)]
    made = lect.teach_language(pairs, "en", backbone="backbone", library="made", training={"epochs": 1})
    assert {each.use for each in made.manifest.gate} == {"retrieval", "classification"}
    assert sum(source.rows for source in made.manifest.training.data) < 900


def test_a_gate_is_measured_anew_on_translations_and_by_a_tasks_own_answers(library, workspace):
    pairs = [(text.translate(CIPHER), text) for text in sentences(60, 23)]
    table = "text\ttranslation\n" + "".join(f"{one}\t{other}\n" for one, other in pairs)
    (workspace.folder / "other.tsv").write_text(table, "utf-8")
    common = ("-d", "other.tsv", "--task", "task:mood", "--components", str(library))
    manifest = library / "lang/cipher/component.toml"
    before = manifest.read_bytes()
    measured = workspace.lect("components", "gate", "lang:cipher", *common, "--dry-run", "--json")
    assert measured.exit_code == 0, measured.stderr
    assert manifest.read_bytes() == before
    own = {each["task"] or each["use"]: each for each in json.loads(measured.stdout)}
    assert own.keys() == {"retrieval", "classification", "task:mood"}

    # What the table says of the task is what lect itself answers.
    def answers(stack, texts):
        with lect.load(stack, backbone="backbone", library=library) as model:
            return [each.value for each in model.predict(texts)]

    wanted = answers("task:mood", [other for _, other in pairs])
    for stack, column in (("1*lang:cipher + task:mood", "whole"), ("task:mood", "without")):
        same = np.mean([a == b for a, b in zip(answers(stack, [one for one, _ in pairs]), wanted, strict=True)])
        assert own["task:mood"][column] == pytest.approx(100 * same, abs=0.01)

    written = workspace.lect("components", "gate", "lang:cipher", *common)
    assert written.exit_code == 0, written.stderr
    assert "task:mood" in written.stdout and max(map(len, written.stdout.splitlines())) <= 80
    gate = {each.task or each.use: each for each in read_manifest(manifest).gate}
    assert gate["task:mood"].strength == own["task:mood"]["strength"]
    assert "agreement of task:mood with translations in" in (library / "lang/cipher/README.md").read_text("utf-8")


def test_a_gate_looks_at_five_hundred_pairs_at_most_for_tasks_too(library, workspace):
    rows = "".join(f"{text.translate(CIPHER)}\t{text}\n" for text in sentences(505, 29))
    (workspace.folder / "many.tsv").write_text(f"text\ttranslation\n{rows}", "utf-8")
    common = ("-d", "many.tsv", "--task", "task:mood", "--components", str(library), "--dry-run", "--json")
    measured = workspace.lect("components", "gate", "lang:cipher", *common)
    assert measured.exit_code == 0, measured.stderr
    assert {each["task"] or each["use"]: each["rows"] for each in json.loads(measured.stdout)} == {
        "retrieval": 500,
        "classification": 500,
        "task:mood": 500,
    }


def test_a_gate_is_measured_by_the_tags_that_a_sentence_has_at_all(library, workspace):
    """Which words stand for each other is not known, so the two bags of tags are compared."""
    kinds = {word: "DET" if word in ("the", "a", "and") else "ADJ" if word != "day" else "NOUN" for word in WORDS}
    tagged = ("".join(f"{word}\t{kinds[word]}\n" for word in text.split()) + "\n" for text in sentences(40, 3))
    (workspace.folder / "tags.conll").write_text("".join(tagged), "utf-8")
    recipe = (
        (workspace.folder / "task.toml").read_text("utf-8").replace("mood", "tags").replace("epochs = 6", "epochs = 3")
    )
    recipe = recipe.replace('kind = "classification"', 'kind = "pos"').replace('label = "label"\n', "")
    head, validation = recipe.split("[data.validation]")
    recipe = head + "[training]" + validation.split("[training]")[1]
    recipe = recipe.replace('reader = "csv"\npath = "train.csv"', 'reader = "conll"\npath = "tags.conll"')
    (workspace.folder / "tags.toml").write_text(recipe, "utf-8")
    trained = workspace.lect("train", "tags.toml", "--components", str(library))
    assert trained.exit_code == 0, trained.stderr

    pairs = [(text.translate(CIPHER), text) for text in sentences(60, 23)]
    table = "".join(f"{one}\t{other}\n" for one, other in pairs)
    (workspace.folder / "other.tsv").write_text(f"text\ttranslation\n{table}", "utf-8")
    common = ("-d", "other.tsv", "--task", "task:tags", "--components", str(library))
    measured = workspace.lect("components", "gate", "lang:cipher", *common, "--json")
    assert measured.exit_code == 0, measured.stderr
    [own] = [each for each in json.loads(measured.stdout) if each["use"] == "tagging"]
    assert own["task"] == "task:tags"

    def bags(stack, texts):
        with lect.load(stack, backbone="backbone", library=library) as model:
            return [Counter(each.value) for each in model.predict(texts)]

    wanted = bags("task:tags", [other for _, other in pairs])
    for stack, column in (("1*lang:cipher + task:tags", "whole"), ("task:tags", "without")):
        found = bags(stack, [one for one, _ in pairs])
        dice = [2 * (a & b).total() / (a.total() + b.total()) for a, b in zip(found, wanted, strict=True)]
        assert own[column] == pytest.approx(100 * np.mean(dice), abs=0.01)
    acting = f"{own['strength']}*lang:cipher + task:tags" if own["strength"] else "task:tags"
    assert bags("lang:cipher + task:tags", TEXTS) == bags(acting, TEXTS)


def test_what_a_tasks_own_answers_said_holds_for_that_task_alone(library, workspace):
    shutil.copytree(library / "task/mood", library / "task/other")
    other = library / "task/other/component.toml"
    other.write_text(other.read_text("utf-8").replace('name = "mood"', 'name = "other"', 1), "utf-8")
    manifest = library / "lang/cipher/component.toml"
    manifest.write_text(re.sub(r"\n\[\[gate\]\]\n(?:.+\n)+", "\n", manifest.read_text("utf-8")), "utf-8")
    put_gate(library, "classification", 0.5)
    manifest.write_text(
        manifest.read_text("utf-8")
        + '\n[[gate]]\nuse = "classification"\ntask = "task:mood"\nstrength = 0.0\nmeasure = "agreement"\n'
        "score = 70.0\nwithout = 70.0\nwhole = 60.0\nrows = 100\n",
        "utf-8",
    )
    assert scores(library, "lang:cipher + task:mood") == pytest.approx(scores(library, "task:mood"), abs=1e-6)
    half = scores(library, "0.5*lang:cipher + task:other")
    assert scores(library, "lang:cipher + task:other") == pytest.approx(half, abs=1e-6)


@pytest.mark.parametrize(
    ("reference", "arguments", "message"),
    [
        ("task:mood", (), "task:mood: is no language, and has no gate; name one, such as lang:jav"),
        ("lang:cipher", ("-o", "limit=30"), "30 translated sentences, and 40 are the fewest to measure on; give more"),
        ("lang:cipher", ("--task", "lang:cipher"), "gives texts and words no labels that a translation's could"),
        ("lang:absent", (), 'there is no component "lang:absent"'),
    ],
    ids=["task", "few", "no labels", "absent"],
)
def test_what_cannot_be_measured_is_one_line(library, workspace, reference, arguments, message):
    rows = "".join(f"{text.translate(CIPHER)}\t{text}\n" for text in sentences(60, 23))
    (workspace.folder / "other.tsv").write_text(f"text\ttranslation\n{rows}", "utf-8")
    said = workspace.lect("components", "gate", reference, "-d", "other.tsv", *arguments, "--components", str(library))
    assert said.exit_code == 1
    assert message in said.stderr.splitlines()[-1]
