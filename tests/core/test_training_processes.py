"""Two processes over gloo: they learn what one alone would, and agree on everything."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from loops import fit
from torch import nn
from torch.distributed.tensor import DTensor
from waiting import PATIENCE

from lect import Example, Part
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import Interrupted, UserError
from lect.objectives import Batch, Loss, Objective
from lect.recipes.training import LearningTable, RunTable
from lect.testing.backbones import tiny_backbone
from lect.training.callbacks.base import Callback
from lect.training.checkpoint import load_checkpoint
from lect.training.distributed.processes import Processes, join_processes, leave_processes
from lect.training.optimisation import Precision
from lect.training.sampling import rows_of_process
from lect.training.setup import TrainedComponent, TrainingSetup

pytestmark = pytest.mark.models

WORDS = ("one", "of", "a", "kind", "the", "old", "house", "on", "way", "short", "bright", "and", "happy", "two", "dark")
RUNS = {
    # Seven rows in passes of four: the last has three, of which one process has one.
    "one learner": ([7], {"epochs": 3, "batch_size": 4}),
    "accumulation": ([13], {"epochs": 2, "batch_size": 3, "accumulation": 2}),
    # Passes of one row: each is of one process, and the other has none.
    "single rows": ([3], {"epochs": 2, "batch_size": 1}),
    "a mixture": ([9, 5, 2], {"epochs": 3, "batch_size": 4, "accumulation": 2}),
    "a mixture by tokens": ([9, 5, 2], {"epochs": 3, "batch_tokens": 40, "accumulation": 2}),
}


class Scaled(Part):
    """One scale a feature, after the last layer, and a penalty that is none of the module's forward."""

    def __init__(self, site, features, start):
        super().__init__()
        self.site = site
        self.scale = nn.Parameter(torch.full((1, features), start))

    def sites(self):
        return (self.site,)

    def at(self, site, inner, inputs, context):
        return inner(inputs) * self.scale

    def penalty(self):
        return 0.1 * self.scale.pow(2).sum()


class Aimed(Objective):
    """The mean squared distance of sentence vectors to a constant."""

    main_score = "nearness"

    def __init__(self, encoder, key, aim):
        self.encoder, self.key, self.aim = encoder, key, aim

    def lengths(self, examples):
        return [len(encoding.ids) for encoding in self.encoder.tokens([e.text for e in examples], (self.key,))]

    def batch(self, examples, device):
        return Batch(self.encoder.encode([e.text for e in examples], [(self.key,)] * len(examples)), None)

    def loss(self, model, hidden_states, batch):
        distance = (model.pool(hidden_states, batch.rows.attention_mask) - self.aim).pow(2).mean()
        return Loss(distance, {"distance": float(distance.detach())})

    def scores(self, model, examples):
        with torch.no_grad():
            batch = self.batch(examples, "cpu")
            hidden = model(batch.rows)
            return {"nearness": 1 / (1 + self.loss(model, hidden, batch).terms["distance"])}

    def scores_without(self, model, examples):
        return {}


SHARDED = ("one learner", "single rows")


def texts(count, seed):
    starts = [(seed + 3 * row, 1 + row % 6) for row in range(count)]
    return [" ".join(WORDS[(start + word) % len(WORDS)] for word in range(length)) for start, length in starts]


def setup_of(folder, sizes, run, processes):
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    encoder = RowEncoder(model)
    site = model.backbone.anatomy.layers[-1].feed_forward.output
    components = []
    for index, size in enumerate(sizes):
        # A process that made other parts than the main one gets the main one's.
        part = Scaled(site, model.backbone.hidden_size, start=1.0 + processes.index)
        component = Component(f"lang:{index}", "lang", {"toy": part})
        model.attach(component)
        rows = [Example(text) for text in texts(size, index)]
        objective = Aimed(encoder, component.key, 0.5 - index)
        components.append(
            TrainedComponent(
                component=component,
                objective=objective,
                train=rows,
                validation=rows[:2],
                settings=LearningTable(learning_rate=0.02),
            )
        )
    table = RunTable(**{"evaluate_every": 2, **run})
    precision = Precision("float32", "no", "a test")
    return TrainingSetup(
        model=model,
        encoder=encoder,
        components=tuple(components),
        settings=table,
        precision=precision,
        checkpoints=folder,
        legacy_hash="identity",
        processes=processes,
    )


class Curve(Callback):
    def __init__(self):
        self.steps, self.scores = [], []

    def step_finished(self, step, metrics):
        self.steps.append({name: value for name, value in metrics.items() if name not in {"seconds", "memory"}})

    def validation_finished(self, step, scores):
        self.scores.append(dict(scores))


def curves(folder, processes, names=tuple(RUNS)):
    found = {}
    for name in names:
        sizes, run = RUNS[name]
        setup, curve = setup_of(folder / name, sizes, run, processes), Curve()
        results = fit(setup, curve, None, lambda: False)
        ends = {key.key: key.component.tensors()["toy.scale"].flatten().tolist() for key in setup.components}
        found[name] = {
            "steps": curve.steps,
            "scores": curve.scores,
            "ends": ends,
            "rows": [result.rows for result in results],
            "cut": any(isinstance(weight, DTensor) for weight in setup.model.encoder.parameters()),
            "final": [dict(result.scores) for result in results],
        }
    return found


def stopped_and_resumed(folder, processes):
    """Only one process is asked to stop; both do, and go on from what the main one has written."""
    sizes, run = RUNS["a mixture"]
    answers = iter([False, processes.index == 1])
    with pytest.raises(Interrupted) as stopped:
        fit(setup_of(folder, sizes, run, processes), Curve(), None, lambda: next(answers))
    checkpoint = load_checkpoint(folder, "identity")
    setup = setup_of(folder, sizes, run, processes)
    fit(setup, Curve(), checkpoint, lambda: False)
    return {
        "step": stopped.value.step,
        "ends": {one.key: one.component.tensors()["toy.scale"].flatten().tolist() for one in setup.components},
    }


def work(folder):
    processes = join_processes()
    assert processes.count == 2
    found = {**curves(folder, processes), "resumed": stopped_and_resumed(folder / "resumed", processes)}
    # From here on each holds but a share of the frozen layers.
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    found["sharded"] = curves(folder / "sharded", processes, SHARDED)
    with pytest.raises(UserError, match="one component at a time"):
        curves(folder / "refused", processes, ["a mixture"])
    (folder / f"process-{processes.index}.json").write_text(json.dumps(found))
    leave_processes()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    # The processes run this module.
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    environment |= {"ACCELERATE_USE_CPU": "true", "LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=PATIENCE) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    return [json.loads((folder / f"process-{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return curves(tmp_path_factory.mktemp("one"), Processes())


@pytest.mark.processes
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_have_the_loss_curve_of_one(name, one, two):
    alone, (main, other) = one[name], (two[0][name], two[1][name])
    assert len(main["steps"]) == len(alone["steps"]) > 2
    for together, single in zip(main["steps"], alone["steps"], strict=True):
        assert together == pytest.approx(single, abs=1e-4)
    assert len(main["scores"]) == len(alone["scores"]) > 0
    for together, single in zip(main["scores"], alone["scores"], strict=True):
        assert together == pytest.approx(single, abs=1e-4)
    for key, values in alone["ends"].items():
        assert main["ends"][key] == pytest.approx(values, abs=1e-4)
    assert main["rows"] == alone["rows"]
    # To the bit, and told to nobody.
    assert main["ends"] == other["ends"]
    assert main["final"] == other["final"]
    assert other["steps"] == other["scores"] == []


@pytest.mark.processes
@pytest.mark.parametrize("name", SHARDED)
def test_a_backbone_that_is_cut_over_processes_teaches_the_same(name, one, two):
    for process in two:
        sharded, alone = process["sharded"][name], one[name]
        assert sharded["cut"] and not process[name]["cut"]
        for key, values in alone["ends"].items():
            assert sharded["ends"][key] == pytest.approx(values, abs=1e-4)
    for together, single in zip(two[0]["sharded"][name]["steps"], one[name]["steps"], strict=True):
        assert together == pytest.approx(single, abs=1e-4)


@pytest.mark.processes
def test_all_stop_where_one_is_asked_to_and_go_on_as_if_they_had_not(two):
    for process in two:
        assert process["resumed"]["step"] == 2
        assert process["resumed"]["ends"] == process["a mixture"]["ends"]


def test_every_row_is_dealt_once_and_single_rows_do_not_all_fall_to_the_first():
    passes = [[[7, 8, 9], [1], [2]], [[5], [], [6]]]
    shares = [rows_of_process(passes, process, 3) for process in range(3)]
    for number, learners in enumerate(passes):
        for learner, indices in enumerate(learners):
            places = sorted(place for share in shares for place in share[number][learner])
            assert places == list(range(len(indices)))
    assert [[list(places) for places in share[0]] for share in shares] == [
        [[0], [0], []],
        [[1], [], [0]],
        [[2], [], []],
    ]


if __name__ == "__main__":
    work(Path(sys.argv[1]))


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "RANK"])
def test_what_no_launcher_sets_is_one_line(variable, monkeypatch, capsys, tmp_path):
    from lect.commands.app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv(variable, "abc")
    with pytest.raises(UserError, match=f'{variable} is "abc", not a number'):
        join_processes()
    Path("recipe.toml").write_text("")
    with pytest.raises(SystemExit, match="1"):
        app(["train", "recipe.toml"], prog_name="lect")
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert all(line.startswith("error: recipe.toml") for line in error.splitlines())
