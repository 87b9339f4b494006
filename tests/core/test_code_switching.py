"""Code-switching round an objective: what is drawn is torch's to repeat, and nothing but the texts changes."""

from types import MappingProxyType

import pytest
import torch

from lect import Example
from lect.data.dictionary import Dictionary
from lect.objectives import Objective, score_direction
from lect.training.code_switching import CodeSwitched, Switching


class Recorder(Objective):
    """An objective that keeps what it was asked."""

    main_score = "score"
    directions = MappingProxyType({"score": "lower"})

    def __init__(self):
        self.seen = []

    def lengths(self, examples):
        return [len(example.text) for example in examples]

    def batch(self, examples, device):
        self.seen.append([example.text for example in examples])
        return examples

    def scores(self, model, examples):
        return {"score": float(len(examples))}


ROWS = [Example(f"a b c d e {number}", label="x", translation="t", key=str(number)) for number in range(8)]


def switched(rows=1.0, share=0.5):
    pairs = [Example(letter, translation=letter.upper() * 2) for letter in "abcde"]
    recorder = Recorder()
    return CodeSwitched(recorder, Switching(Dictionary.of(pairs), share, rows, "")), recorder


def test_every_pass_draws_anew_and_torch_repeats_it():
    objective, recorder = switched()
    torch.manual_seed(3)
    objective.batch(ROWS, torch.device("cpu"))
    state = torch.get_rng_state()
    objective.batch(ROWS, torch.device("cpu"))
    torch.set_rng_state(state)
    objective.batch(ROWS, torch.device("cpu"))
    first, second, resumed = recorder.seen
    assert second == resumed
    assert first != second
    assert first != [row.text for row in ROWS]


def test_only_the_texts_of_some_rows_change():
    objective, _ = switched(rows=0.5, share=1.0)
    batch = objective.batch(ROWS * 50, torch.device("cpu"))
    changed = [row for row in batch if row.text != f"a b c d e {row.key}"]
    assert {row.text for row in changed} == {f"AA BB CC DD EE {number}" for number in range(8)}
    assert 150 < len(changed) < 250
    assert {(row.label, row.translation) for row in batch} == {("x", "t")}


@pytest.mark.parametrize(("rows", "share"), [(0.0, 1.0), (1.0, 0.0)])
def test_nothing_is_switched_at_a_share_of_none(rows, share):
    objective, recorder = switched(rows, share)
    objective.batch(ROWS, torch.device("cpu"))
    assert recorder.seen == [[row.text for row in ROWS]]


def test_the_rest_is_the_objective_s():
    objective, _ = switched()
    assert objective.main_score == "score"
    assert score_direction(objective, "score") == "lower"
    assert objective.lengths(ROWS[:2]) == [11, 11]
    assert objective.scores(None, ROWS) == {"score": 8.0}


def test_objectives_are_shown_every_word_that_may_be_put_in():
    pairs = [Example(f"w{number}", translation=f"v{number}") for number in range(100)]
    shown = Switching(Dictionary.of(pairs), 1.0, 1.0, "").shown(ROWS)
    assert shown[: len(ROWS)] == tuple(ROWS)
    assert {word for row in shown[len(ROWS) :] for word in row.text.split()} == {f"v{number}" for number in range(100)}
    assert {(row.label, row.translation) for row in shown} == {("x", "t")}
