"""What is frozen below the trained layers is computed once, and the run is the same to the last digits."""

from __future__ import annotations

import pytest
import torch

import lect
from lect.composition.kept import StateKey
from lect.composition.model import RoutedModel
from lect.parts import Part
from lect.storage.states import StoredStates
from lect.testing.backbones import save_tiny_backbone

ROWS = [
    {"text": f"a {word} day number {number}", "mood": mood}
    for number in range(6)
    for mood, word in (("good", "great"), ("bad", "awful"))
]
RECIPE = {
    "component": {"name": "upper", "role": "task", "languages": ["en"]},
    "backbone": {"name": "deep"},
    "parts": [{"method": "lora", "r": 2, "layers_to_transform": [3]}],
    "head": {"kind": "classification"},
    "objective": {"name": "supervised"},
    "training": {"epochs": 4, "batch_size": 4, "precision": "float32"},
}


class Losses(lect.Callback):
    """Every step's loss and every validation's scores."""

    def __init__(self):
        self.losses, self.scores = [], []

    def step_finished(self, step, metrics):
        self.losses.append(metrics["loss"])

    def validation_finished(self, step, scores):
        self.scores.append(dict(scores))


@pytest.fixture
def counted(monkeypatch):
    """The rows that went through the lowest layer of any model, batch by batch."""
    seen, forward = [], RoutedModel.forward

    def counting(self, rows, span=None):
        if span is None or not span.start:
            seen.append(rows.size)
        return forward(self, rows, span)

    monkeypatch.setattr(RoutedModel, "forward", counting)
    return seen


def train(workspace, **training):
    losses = Losses()
    recipe = {**RECIPE, "training": {**RECIPE["training"], **training}}
    component = lect.train(recipe, ROWS, validation=ROWS[:4], label="mood", callbacks=[losses])
    return losses, component


def test_a_run_that_keeps_lower_states_learns_the_same_as_one_that_does_not(workspace, monkeypatch, tmp_path, counted):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    save_tiny_backbone("deep", layers=4)
    plain, _ = train(workspace, cache_gb=0)
    without = sum(counted)
    assert not (tmp_path / "cache" / "states").exists()
    counted.clear()
    kept, component = train(workspace)
    # Every text once; validation rows are among them.
    assert without >= 4 * 12 and sum(counted) == 12
    assert kept.losses == pytest.approx(plain.losses, rel=1e-6, abs=1e-6)
    assert kept.scores == [pytest.approx(scores, abs=1e-6) for scores in plain.scores]
    counted.clear()
    # Another run on the same texts begins where this one was.
    again, _ = train(workspace, epochs=2)
    assert sum(counted) == 0 and len(again.losses) == 6
    with lect.load(str(component), backbone="deep") as model:
        assert model.predict(ROWS[0]["text"]).label in {"good", "bad"}


def test_nothing_is_kept_below_parts_that_begin_with_the_first_layer(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    recipe = {**RECIPE, "backbone": {"name": "backbone"}, "parts": [{"method": "lora", "r": 2}]}
    lect.train(recipe, ROWS, label="mood")
    assert not (tmp_path / "cache" / "states").exists()


# ------------------------------------------------------------------------------------------------------- the files


@pytest.fixture
def opened(tmp_path):
    part = Part()

    def open_states(**named):
        settings = {"depth": 2, "width": 4, "dtype": torch.bfloat16, "most": 10**6, "rows": 100, **named}
        return StoredStates(tmp_path / "states", settings.pop("kind", "a"), {part: "part"}, **settings)

    def key(number):
        return StateKey(f"text {number}".encode(), (part,))

    return open_states, key


def test_states_are_there_again_in_another_process_and_damage_is_seen(opened, tmp_path):
    open_states, key = opened
    states = open_states()
    given = {number: torch.randn(number + 1, 4).bfloat16() for number in range(5)}
    for number, own in given.items():
        states.put(key(number), own)
        assert torch.equal(states.get(key(number)), own)
    states.put(StateKey(b"text", (Part(),)), given[0])
    assert states.get(StateKey(b"text", (Part(),))) is None and len(states) == 5
    states.close()
    again = open_states()
    assert all(torch.equal(again.get(key(number)), own) for number, own in given.items())
    again.close()
    (data,) = (tmp_path / "states").glob("*/*.states")
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(content[:-3])
    (index,) = (tmp_path / "states").glob("*/*.index")
    with index.open("ab") as file:
        file.write(b"cut off")
    damaged = open_states()
    assert damaged.get(key(0)) is None and damaged.get(key(4)) is None
    assert torch.equal(damaged.get(key(2)), given[2])
    damaged.put(key(0), given[0])
    assert torch.equal(damaged.get(key(0)), given[0])
    damaged.close()


def test_no_more_is_kept_than_there_is_room_for_and_what_was_used_last_stays(opened, tmp_path):
    open_states, key = opened
    for kind in "abc":
        states = open_states(kind=kind, most=1000)
        for number in range(10):
            states.put(key(number), torch.ones(10, 4))
        assert len(states) <= 10
        states.close()
    sizes = [file.stat().st_size for file in (tmp_path / "states").rglob("*.states")]
    assert sum(sizes) <= 1000
    last = open_states(kind="c", most=1000)
    assert len(last) > 0
    last.close()
    few = open_states(kind="d", rows=3)
    for number in range(10):
        few.put(key(number), torch.ones(1, 4))
    assert len(few) == 3
    few.close()
