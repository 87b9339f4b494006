"""Stacks in use: results in order, whatever the stretch, the batch, the neighbours and the thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import torch

from lect.composition.batching import batches_by_length, stretches
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.errors import StackError
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.storage.restore import build_head, build_part
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models

TEXTS = [f"the old house {'on the way ' * (row % 4)}{row}" for row in range(11)]
STACKS = [(), ("lang:a",), ("lang:b",), ("lang:a", "task:x"), ("lang:b", "task:y"), ("task:y",)]


@pytest.fixture(scope="module")
def engine():
    host = Host.load(report=lambda line: None)
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    torch.manual_seed(0)
    for key, labels in (("lang:a", ()), ("lang:b", ()), ("task:x", ("bad", "good")), ("task:y", ("a", "b", "c"))):
        part = build_part(host, "lora", {"r": 2}, BuildContext(model.backbone, Corpus(())), key)
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        head = build_head(host, "classification", {}, model.backbone, labels, key) if labels else None
        model.attach(Component(key, key.partition(":")[0], {"lora": part}, head))
    return Engine(model, RowEncoder(model), tokens_per_batch=64)


@pytest.mark.parametrize("most", [1, 4, 11, 100])
def test_stretches_hold_every_row_once_in_order_and_never_more(most):
    for rows in (TEXTS, iter(TEXTS)):
        found = [list(stretch) for stretch in stretches(rows, most)]
        assert [row for stretch in found for row in stretch] == TEXTS
        assert max(map(len, found)) <= most


def test_batches_are_of_like_length_and_no_larger_than_they_may_be():
    lengths = [5, 90, 7, 30, 6, 31]
    batches = batches_by_length(lengths, 64)
    assert batches == [[1], [5, 3], [2, 4, 0]]


def test_vectors_hidden_states_and_their_order_do_not_hang_on_batches(engine):
    for stack in STACKS[:3]:
        expected = torch.cat([engine.embed([text], stack) for text in TEXTS])
        torch.testing.assert_close(engine.embed(TEXTS, stack), expected, atol=1e-5, rtol=1e-5)
    ways = [(text, STACKS[row % 3]) for row, text in enumerate(TEXTS)]
    found = list(engine.hidden_states(ways))
    for (text, stack), (ids, states), vector in zip(ways, found, engine.vectors(ways), strict=True):
        assert ids == engine.encoder.tokens([text], stack)[0].ids and len(states) == len(ids)
        torch.testing.assert_close(vector, engine.embed([text], stack)[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(vector, engine.backbone.pool(states[None], torch.ones(1, len(ids)))[0])
    assert engine.embed([], ()).shape == (0, engine.backbone.hidden_size)


def rows_of_stacks():
    return [(Example(text, origin=text), STACKS[3 + row % 3]) for row, text in enumerate(TEXTS)]


def test_each_row_is_predicted_by_its_own_stack_as_alone(engine):
    rows = rows_of_stacks()
    for (example, stack), mixed in zip(rows, engine.predictions(iter(rows)), strict=True):
        (alone,) = engine.predict([example], stack)
        assert mixed.value == alone.value and mixed.scores == pytest.approx(alone.scores, abs=1e-5)
    with pytest.raises(StackError, match="has no head"):
        list(engine.predictions([*rows, (Example("a text"), ("lang:a",))]))


def test_rows_of_an_iterator_are_answered_before_the_last_is_read(engine):
    read = []

    def endless():
        for number in count():
            read.append(number)
            yield Example(f"text {number}"), STACKS[3 + number % 3]

    predictions = engine.predictions(endless())
    first = [next(predictions) for _ in range(200)]
    assert len(first) == 200 and len(read) < 1000


def test_threads_get_what_one_alone_gets(engine):
    rows = rows_of_stacks()
    alone = [engine.predict([example], stack)[0].scores for example, stack in rows]
    vectors = {stack: engine.embed(TEXTS, stack) for stack in STACKS[:3]}

    def work(number):
        stack = STACKS[number % 3]
        torch.testing.assert_close(engine.embed(TEXTS, stack), vectors[stack], atol=1e-5, rtol=1e-5)
        return [each.scores for each in engine.predictions(rows[number:] + rows[:number])]

    with ThreadPoolExecutor(8) as threads:
        for number, found in enumerate(threads.map(work, range(8))):
            for scores, expected in zip(found, alone[number:] + alone[:number], strict=True):
                assert scores == pytest.approx(expected, abs=1e-5)


def test_the_model_goes_back_to_training_and_gradients_stay_on(engine):
    engine.model.train()
    assert torch.is_grad_enabled()
    engine.embed(TEXTS)
    rows = engine.predictions(rows_of_stacks())
    next(rows)
    assert engine.model.training and torch.is_grad_enabled()
    engine.model.eval()


def test_lower_precision_gives_nearly_the_same_in_float32(engine):
    exact = engine.embed(TEXTS, STACKS[1])
    engine.precision = "bfloat16"
    try:
        lower = engine.embed(TEXTS, STACKS[1])
    finally:
        engine.precision = "float32"
    assert lower.dtype == torch.float32 and not torch.equal(lower, exact)
    torch.testing.assert_close(lower, exact, atol=0.1, rtol=0.1)
