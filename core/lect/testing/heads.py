"""The contract that every head keeps, as tests that any plugin can run on its own with one line.

In a plugin's tests::

    from lect.testing import head_contract

    test_contract = head_contract("myhead", [Example("a good day", label="good"), Example("a bad one", label="bad")])

gives one test for each property:

==============================  =====================================================================================
``predicts_each_example``       one prediction an example, in their order, with what programs get of it in JSON
``rows_stand_alone``            an example's prediction is the same beside others, longer and shorter, as alone
``survives_saving``             written, read into a head built anew, and used, it predicts the same
``learns_by_its_loss``          the loss is one finite number, reaches every own parameter and falls in a few steps
``shares_a_batch``              a process that has all of a batch has the batch's loss
``keeps_its_rows_order``        the true answers of examples in another order are the answers in that order
``is_scored_by_its_metrics``    every metric it names takes its answers, and gives the scores that it declares
``refuses_what_it_cannot``      a row without what it needs, or with what it does not know, is an error with its origin
``configuration_round_trips``   through TOML and JSON
==============================  =====================================================================================

A head that generates texts has no parameters and no loss of its own; it is not asked about them.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lect.composition.component import Component
from lect.composition.encode import StackTokenizer
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.errors import DataError
from lect.heads import GenerationHead, Head, Prediction
from lect.specs import HeadSpec, MetricSpec
from lect.testing.backbones import tiny_backbone
from lect.testing.installed import installed_host

_KEYS = ("task:first",)
_PLACE = "rows.csv, line 7"
_STEPS = 20


def head_contract(
    head: str | HeadSpec,
    examples: Sequence[Example],
    config: Mapping[str, Any] | None = None,
    *,
    labels: Sequence[str] | None = None,
    refused: Sequence[Example] = (),
    family: str | None = None,
    without_gradient: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Callable[..., None]:
    """A test function for pytest, parametrised over the properties above.

    Args:
        head: a registered head's name, or a spec.
        examples: rows that it can learn from, at least two, of different lengths and answers.
        config: the fields of its configuration.
        labels: in the order of its outputs; by default those that the rows give a new head.
        refused: rows that it must refuse, beside those of `examples` without a field that it needs.
        family: the backbone, of `lect.testing.TINY_FAMILIES`; by default an encoder, or a decoder for a head that
            generates texts.
        without_gradient: patterns (``*.bias``) of own parameters that these rows give no gradient.
        without: properties that it does not have.
    """
    spec = head if isinstance(head, HeadSpec) else installed_host().spec(HeadSpec, head)
    contract = HeadContract(
        spec,
        tuple(examples),
        dict(config or {}),
        None if labels is None else tuple(labels),
        tuple(refused),
        family or ("llama" if spec.generates else "xlm-roberta"),
        tuple(without_gradient),
    )
    left_out = {*without, *(_OF_LEARNING if spec.generates else ())}

    @pytest.mark.parametrize("holds", [name for name in PROPERTIES if name not in left_out])
    def test(holds: str) -> None:
        getattr(contract, holds)()

    return test


PROPERTIES = (
    "predicts_each_example",
    "rows_stand_alone",
    "survives_saving",
    "learns_by_its_loss",
    "shares_a_batch",
    "keeps_its_rows_order",
    "is_scored_by_its_metrics",
    "refuses_what_it_cannot",
    "configuration_round_trips",
)
_OF_LEARNING = {"survives_saving", "learns_by_its_loss", "shares_a_batch"}


@dataclass(frozen=True)
class HeadContract:
    """The properties of one head; each method below raises `AssertionError`.

    Args:
        spec, examples, config, labels, refused, family, without_gradient: as `head_contract` takes them.
    """

    spec: HeadSpec
    examples: tuple[Example, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    refused: tuple[Example, ...] = ()
    family: str = "xlm-roberta"
    without_gradient: tuple[str, ...] = ()

    def predicts_each_example(self) -> None:
        """As many predictions as examples, of the class that programs and people are shown."""
        found = self._engine().predict(self.examples, _KEYS)
        assert len(found) == len(self.examples), f"{len(found)} predictions for {len(self.examples)} examples"
        for each in found:
            assert isinstance(each, Prediction), f"a {type(each).__name__} where a lect.Prediction is due"
            json.dumps([each.record, dict(each.scores)])
            probabilities = [*each.scores.values(), *(() if each.score is None else (each.score,))]
            assert all(-1e-6 <= value <= 1 + 1e-6 for value in probabilities), f"{probabilities} are no probabilities"
            assert str(each) or self.spec.generates, "a prediction that is shown to people as nothing"

    def rows_stand_alone(self) -> None:
        """Whatever else is in a batch, and however long it is, changes no prediction."""
        engine = self._engine()
        together = engine.predict(self.examples, _KEYS)
        for example, beside in zip(self.examples, together, strict=True):
            (alone,) = engine.predict([example], _KEYS)
            assert _same(alone.value, beside.value), f'"{example.text}" gives {beside} beside others, alone {alone}'
            assert _same(alone.score, beside.score) and _same(alone.scores, beside.scores)

    def survives_saving(self) -> None:
        """What is saved of a head, and its labels, are all that it is."""
        from safetensors.torch import load_file, save_file

        engine, other = self._engine(seed=1), self._engine(seed=2)
        _fit(engine, self.examples, steps=2)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "head.safetensors")
            save_file(engine.model.components[_KEYS[0]].tensors(), file)
            other.model.components[_KEYS[0]].load_tensors(load_file(file))
        for now, then in zip(other.predict(self.examples, _KEYS), engine.predict(self.examples, _KEYS), strict=True):
            assert _same(now.value, then.value) and _same(now.scores, then.scores), "it predicts something else"

    def learns_by_its_loss(self) -> None:
        """A gradient for each parameter, or where it has none for the hidden states, and steps down it help."""
        engine = self._engine()
        own = dict(_head(engine).named_parameters())
        losses = _fit(engine, self.examples, _STEPS)
        assert all(math.isfinite(loss) for loss in losses), f"the loss is {losses}"
        if own:
            assert losses[-1] < losses[0], f"{_STEPS} steps took the loss from {losses[0]:.4f} to {losses[-1]:.4f}"
        missed = [
            name
            for name, each in own.items()
            if each.grad is None and not any(fnmatch(name, pattern) for pattern in self.without_gradient)
        ]
        assert not missed, f"own parameters got no gradient: {missed[:3]}; see `without_gradient`"

    def shares_a_batch(self) -> None:
        """`share` of all examples gives what `layout` and `targets` give of them."""
        engine = self._engine()
        head, tokenizer = _head(engine), StackTokenizer(engine.encoder, _KEYS)
        layout = head.layout(self.examples, tokenizer)
        whole = _loss(engine, layout.rows, head.targets(self.examples, layout))
        rows, targets = head.share(self.examples, range(len(self.examples)), tokenizer)
        shared = _loss(engine, rows.rows, targets)
        assert _same(shared.item(), whole.item()), "a process that has all rows has another loss"

    def keeps_its_rows_order(self) -> None:
        """True answers are of their own rows alone."""
        head = _head(self._engine())
        answers = head.references(self.examples)
        assert len(answers) == len(self.examples)
        assert head.references(self.examples[::-1]) == answers[::-1]

    def is_scored_by_its_metrics(self) -> None:
        """Of predictions and truth each metric makes numbers, its main one among them."""
        engine = self._engine()
        head = _head(engine)
        found = head.compared(engine.predict(self.examples, _KEYS), self.examples)
        truth, answers = head.references(self.examples), [prediction.value for prediction in found]
        assert self.spec.metrics, "a head without a metric cannot be evaluated"
        for name in self.spec.metrics:
            metric = installed_host().spec(MetricSpec, name)
            scores = metric.compute(truth, answers)
            assert metric.main in scores, f'the metric "{name}" gives no "{metric.main}" of this head\'s answers'
            assert all(isinstance(value, float | int) for value in scores.values())

    def refuses_what_it_cannot(self) -> None:
        """With a `lect.DataError` that says where the row stands."""
        engine = self._engine()
        lacking: list[Example] = []
        for name in self.spec.needs:
            absent: dict[str, Any] = {"extra": None} if name.startswith("extra.") else {name: None}
            lacking.append(replace(self.examples[0], **absent))
        for example in (*lacking, *self.refused):
            located = replace(example, origin=_PLACE)
            try:
                _learned_from(engine, located)
            except DataError as error:
                assert _PLACE in str(error), f'the error does not say where the row stands: "{error}"'
            except Exception as error:
                raise AssertionError(f"{example} is a {type(error).__name__}, not a lect.DataError") from error
            else:
                raise AssertionError(f"{example} is learned from as if nothing were wrong")

    def configuration_round_trips(self) -> None:
        """A configuration written as TOML or JSON reads back equal."""
        from lect.errors import ComponentError
        from lect.toml import parse_toml, toml_text

        kind, config = self.spec.config, self._config
        values = config.model_dump(mode="json", exclude_none=True)
        assert kind.model_validate(parse_toml(toml_text(values), ComponentError, where="TOML")) == config
        assert kind.model_validate(json.loads(json.dumps(values))) == config

    @cached_property
    def _config(self) -> Any:
        return self.spec.config.model_validate(dict(self.config))

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        if self.labels is not None:
            return self.labels
        if self.spec.labels is not None:
            return tuple(self.spec.labels(self._config, self.examples))
        return tuple(sorted({example.label for example in self.examples if example.label is not None}))

    def _engine(self, seed: int = 0) -> Engine:
        """A backbone with the head, ready to be used."""
        backbone = tiny_backbone(self.family, generates=self.spec.generates)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = self.spec.build(self._config, backbone, self._labels)
        assert isinstance(head, Head), f"build gave a {type(head).__name__} where a lect.Head is due"
        assert isinstance(head, GenerationHead) == self.spec.generates, (
            "`generates` says whether it is a lect.GenerationHead"
        )
        model = RoutedModel(backbone)
        model.attach(Component(_KEYS[0], "task", {}, head))
        return Engine(model.eval())


def _head(engine: Engine) -> Head:
    head = engine.head_of(_KEYS)
    assert head is not None
    return head


def _learned_from(engine: Engine, example: Example) -> None:
    """All that a head does with a row before the first step."""
    head = _head(engine)
    head.references([example])
    if not isinstance(head, GenerationHead):
        head.prepare([example])
        head.targets([example], head.layout([example], StackTokenizer(engine.encoder, _KEYS)))


def _loss(engine: Engine, rows: Sequence[Any], targets: Any) -> Tensor:
    batch = engine.encoder.assemble(rows, Routes.uniform(_KEYS, len(rows)))
    # What stands below a head learns from the gradient of these.
    hidden = engine.model(batch).detach().requires_grad_()
    (output,) = engine.model.logits(hidden, batch)
    loss = _head(engine).loss(output.logits.float(), targets.to(engine.device))
    assert loss.shape == (), f"the loss has the shape {tuple(loss.shape)}, and one number is due"
    (gradient,) = torch.autograd.grad(loss, hidden, retain_graph=True)
    assert gradient.isfinite().all() and gradient.any(), "the loss says nothing of the hidden states"
    return loss


def _fit(engine: Engine, examples: Sequence[Example], steps: int) -> list[float]:
    """The losses of some steps over all examples; dropout is off, so that they can be compared."""
    head, tokenizer = _head(engine), StackTokenizer(engine.encoder, _KEYS)
    head.prepare(examples)
    # A head may have no parameters: what stands below it learns.
    optimiser = torch.optim.Adam([*head.parameters(), torch.zeros(1)], lr=1e-3)
    losses = []
    for step in range(steps):
        some = list(examples)
        random.Random(step).shuffle(some)
        layout = head.layout(some, tokenizer)
        optimiser.zero_grad()
        loss = _loss(engine, layout.rows, head.targets(some, layout))
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def _same(one: Any, other: Any) -> bool:
    """Whether two answers are the same, numbers to what rounding in another batch changes."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-4)
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.allclose(one, other, rtol=1e-4, atol=1e-4)
    return bool(one == other)
