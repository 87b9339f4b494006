"""Several components in one run, as a user trains them: two languages and a task."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import sys

import pytest

from lect.storage.manifest import read_manifest

KEYS = ("lang:cipher", "lang:mirror", "task:mood")
MIX = """
[backbone]
name = "backbone"

[train]
temperature = 2.0

[[train.mix]]
recipe = "language.toml"

[[train.mix]]
recipe = "language.toml"
set = ["component.name=mirror", "data.train.path=mirror.tsv", "training.learning_rate=2e-3"]

[[train.mix]]
recipe = "task.toml"
set = ["backbone.pooling="]

[training]
epochs = 10
batch_size = 48
precision = "float32"
"""


@pytest.fixture
def mixed(workspace):
    pairs = [line.split("\t")[1] for line in (workspace.folder / "pairs.tsv").read_text("utf-8").splitlines()[1:]]
    rows = "\n".join(f"{text[::-1]}\t{text}" for text in pairs)
    workspace.write("mirror.tsv", f"cipher\tenglish\n{rows}\n")
    workspace.write("mix.toml", MIX)
    return workspace


def folder_of(workspace, key):
    return workspace.folder / "components" / key.replace(":", "/")


def weights(workspace):
    return {key: (folder_of(workspace, key) / "weights.safetensors").read_bytes() for key in KEYS}


def test_two_languages_and_a_task_learn_in_one_run(mixed):
    result = mixed.lect("train", "mix.toml", "--json")
    assert result.exit_code == 0, result.stderr
    summaries = json.loads(result.stdout)
    assert [summary["component"] for summary in summaries] == list(KEYS)
    by_key = {summary["component"]: summary for summary in summaries}
    assert by_key["task:mood"]["validation"]["macro_f1"] > 0.9
    manifests = {key: read_manifest(folder_of(mixed, key) / "component.toml") for key in KEYS}
    for key in KEYS[:2]:
        recall = next(entry for entry in manifests[key].results if entry.metric == "recall@1")
        assert recall.value == pytest.approx(by_key[key]["validation"]["recall@1"])
        assert recall.value > max(0.25, recall.without)

    steps = by_key["task:mood"]["steps"]
    trained = {key: manifest.training for key, manifest in manifests.items()}
    assert {training.steps for training in trained.values()} == {steps}
    assert sum(training.mixed.rows for training in trained.values()) == 48 * steps
    # At temperature 2 the task, with more than twice the rows, is drawn less than twice as often.
    assert trained["task:mood"].examples > 2 * trained["lang:cipher"].examples
    assert 1.2 < trained["task:mood"].mixed.rows / trained["lang:cipher"].mixed.rows < 1.8
    assert {data.source for data in trained["lang:mirror"].data} == {"tsv: mirror.tsv"}
    assert trained["lang:mirror"].mixed.beside == ("lang:cipher", "task:mood")
    assert "learning_rate = 0.002" in trained["lang:mirror"].recipe
    assert "learning_rate = 0.003" in trained["lang:cipher"].recipe
    assert "batch_size = 48" in trained["lang:cipher"].mixed.recipe
    stored = (folder_of(mixed, "lang:mirror") / "component.toml").read_text("utf-8")
    assert str(mixed.folder) not in stored
    card = (folder_of(mixed, "lang:mirror") / "README.md").read_text("utf-8")
    assert "| in one run with | `lang:cipher`, `task:mood` |" in card
    assert "temperature = 2.0" in card

    log = [json.loads(line) for line in (mixed.folder / "runs/mix-mix/metrics.jsonl").read_text().splitlines()]
    assert {f"{key}/loss" for key in KEYS} <= log[0].keys()
    # What was trained together composes as ever.
    predicted = mixed.lect("predict", "-s", "lang:cipher + task:mood", "--json", "hsfbu ebz")
    assert predicted.exit_code == 0, predicted.stderr


def test_a_mix_of_one_is_its_run_alone(mixed):
    assert mixed.lect("train", "task.toml").exit_code == 0
    alone = (folder_of(mixed, "task:mood") / "weights.safetensors").read_bytes()
    shutil.rmtree(mixed.folder / "components")
    settings = "[training]\nepochs = 6\nbatch_size = 16\nprecision = 'float32'\n"
    mixed.write("one.toml", f"[[train.mix]]\nrecipe = 'task.toml'\n{settings}")
    result = mixed.lect("train", "one.toml", "--json")
    assert result.exit_code == 0, result.stderr
    assert [summary["component"] for summary in json.loads(result.stdout)] == ["task:mood"]
    assert (folder_of(mixed, "task:mood") / "weights.safetensors").read_bytes() == alone


def test_what_is_printed_fits_a_terminal(mixed):
    result = mixed.lect("train", "mix.toml", "--set", "training.steps=2", "--set", "training.epochs=")
    assert result.exit_code == 0, result.stderr
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    for key in KEYS:
        assert f"components/{key.replace(':', '/')}" in result.stdout
    assert "rows seen" in result.stdout


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(mixed):
    contents = []
    for seed in (0, 0, 1):
        changes = ("training.steps=4", "training.epochs=", f"training.seed={seed}")
        result = mixed.lect("train", "mix.toml", *(word for change in changes for word in ("--set", change)))
        assert result.exit_code == 0, result.stderr
        contents.append(weights(mixed))
    assert contents[0] == contents[1]
    assert all(contents[0][key] != contents[2][key] for key in KEYS)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_leaves_a_checkpoint_of_all_and_resume_ends_with_the_same_bytes(mixed, monkeypatch):
    from lect.training.callbacks.recording import MetricsFile

    settings = ("--set", "training.epochs=2")
    assert mixed.lect("train", "mix.toml", *settings).exit_code == 0
    unbroken = weights(mixed)
    shutil.rmtree(mixed.folder / "components")

    stepped = MetricsFile.step_finished

    def interrupted(self, step, metrics):
        stepped(self, step, metrics)
        if step == 5:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "step_finished", interrupted)
        stopped = mixed.lect("train", "mix.toml", *settings)
    assert stopped.exit_code == 130, stopped.stderr
    said = " ".join(stopped.stderr.split())
    assert "Stopped at step 5 of 12. Go on with: lect train mix.toml --set training.epochs=2 --resume" in said
    assert not (mixed.folder / "components").exists()

    # Whatever any of the recipes says otherwise makes another run of it.
    path = mixed.folder / "language.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("contrast = 1.0", "contrast = 2.0"), encoding="utf-8")
    refused = mixed.lect("train", "mix.toml", *settings, "--resume")
    assert refused.exit_code == 1
    assert "objective.contrast was 1.0 and is 2.0" in " ".join(refused.stderr.split())
    path.write_text(text, encoding="utf-8")

    resumed = mixed.lect("train", "mix.toml", *settings, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert weights(mixed) == unbroken
    assert read_manifest(folder_of(mixed, "task:mood") / "component.toml").training.mixed.rows > 0


def test_a_component_that_cannot_be_written_leaves_the_others_whole(mixed, monkeypatch):
    import safetensors.torch

    from lect.storage import store

    save = safetensors.torch.save_file

    def full(tensors, file, metadata=None):
        if "components/lang" in str(file) and "mirror" in file.parent.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(tensors, file, metadata)

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    result = mixed.lect("train", "mix.toml", "--set", "training.steps=2", "--set", "training.epochs=")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "components/lang/mirror: the disk is full" in line
    assert [path.name for path in (mixed.folder / "components/lang").iterdir()] == ["cipher"]
    for key in ("lang:cipher", "task:mood"):
        store.read_component(folder_of(mixed, key))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"backbone.pooling="', '"backbone.pooling=", "data.train.path=trian.csv"', ['did you mean "train.csv"']),
        ('set = ["backbone.pooling="]', "", ["mix.toml, train.mix[2]: is for the backbone", "'mean'"]),
        ('"backbone.pooling="', '"backbone.pooling=", "parts.0.method=ful"', ['no plugin provides method "ful"']),
        (
            '"backbone.pooling="',
            '"backbone.pooling=", "parts.0={method=\'affine\', last_layer=1}"',
            ["mix.toml, train.mix[2]: task.toml, parts[0]", 'did you mean "last_layers"'],
        ),
        ('"float32"', '"float16"', ["training.precision: float16 cannot be trained on a CPU"]),
    ],
)
def test_a_mistake_is_one_line_that_says_where(mixed, old, new, expected):
    assert old in MIX
    mixed.write("mix.toml", MIX.replace(old, new, 1))
    result = mixed.lect("train", "mix.toml")
    assert result.exit_code == 1, result.stdout + result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    for part in expected:
        assert part in line
    assert not (mixed.folder / "components").exists()
