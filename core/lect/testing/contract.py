"""The contract that every method keeps, as tests that any plugin can run on its own with one line.

In a plugin's tests::

    from lect.testing import method_contract

    test_contract = method_contract("mymethod", {"size": 8})

gives one test for each property and each family of backbones, such as ``test_contract[bert-rows_stand_alone]``:

==============================  =====================================================================================
``starts_as_said``              a new part leaves the outputs as they are, or, where that is said, changes them
``trains_only_itself``          every own parameter gets a gradient, and no parameter of the backbone does
``survives_saving``             written, read into a part built anew, and used, it is the same to the bit
``leaves_no_trace``             built, attached, trained and detached, the backbone is what it was, to the bit
``configuration_round_trips``   through TOML and JSON
``rows_stand_alone``            in a mixed batch each row gives what it gives alone, and gradients stay with their rows;
                                parts of one `signature` can be put in each other's place; a `scaled` part adds so
                                many times the change
``owns_no_backbone``            no module, parameter or memory of the backbone is the part's own
``keeps_to_its_layers``         where a recipe can choose layers for it, it acts in these alone, or refuses them
==============================  =====================================================================================
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from torch import Tensor

from lect.backbones.backbone import Backbone
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.graphs.recording import CallingRecorder
from lect.composition.mixed import MixedPart
from lect.composition.model import RoutedModel
from lect.composition.rows import EncodedRows
from lect.data.examples import Example
from lect.specs import BuildContext, Corpus, MethodSpec
from lect.testing.backbones import tiny_backbone
from lect.testing.installed import installed_host
from lect.testing.tensors import (
    distance,
    gradients,
    hidden_states,
    part_of,
    perturb,
    switch_dropout_off,
    train_once,
    unpadded,
)
from lect.testing.traces import memory_of, traces_of

TEXTS = (
    "the old house on the way home",
    "two of a kind",
    "one more bright and happy day with words that go on and on",
    "a dark one",
    "short",
    "that is great, and this is not",
)
FAMILIES = ("bert", "xlm-roberta", "distilbert", "deberta-v2", "modernbert")
"""Backbones that differ in where their parts lie and how they are called; others are built like one of these."""

Stack = tuple[str, ...]


def method_contract(
    method: str | MethodSpec,
    config: Mapping[str, Any] | None = None,
    *,
    families: Sequence[str] = FAMILIES,
    identity_at_start: bool = True,
    examples: Sequence[Example] = (),
    without_gradient: Sequence[str] = (),
    properties: Sequence[str] | None = None,
) -> Callable[..., None]:
    """A test function for pytest, parametrised over families of backbones and the properties above.

    Args:
        method: a registered method's name, or a spec.
        config: the fields of its configuration.
        families: the backbones it supports, of `lect.testing.backbones.TINY_FAMILIES`.
        identity_at_start: whether a new part changes nothing (to a millionth of the largest output).
            Where not, it must change something.
        examples: training examples, for methods that look at them when they are built; their texts are used, too.
        without_gradient: patterns (``*.position``) of own parameters that these texts give no gradient.
        properties: the properties to test; by default all of `PROPERTIES`.
    """
    contract = MethodContract(method, dict(config or {}), identity_at_start, tuple(examples), tuple(without_gradient))
    chosen = PROPERTIES if properties is None else properties
    # What has nothing to do with a backbone is tested on the first alone.
    cases = [
        (family, holds)
        for number, family in enumerate(families)
        for holds in chosen
        if number == 0 or holds not in _OF_NO_BACKBONE
    ]

    @pytest.mark.parametrize(("family", "holds"), cases)
    def test(family: str, holds: str) -> None:
        getattr(replace(contract, family=family), holds)()

    return test


PROPERTIES = (
    "starts_as_said",
    "trains_only_itself",
    "survives_saving",
    "leaves_no_trace",
    "configuration_round_trips",
    "rows_stand_alone",
    "owns_no_backbone",
    "keeps_to_its_layers",
)
_OF_NO_BACKBONE = {"configuration_round_trips"}


@dataclass(frozen=True)
class MethodContract:
    """The properties of one method on one family of backbones; each method below raises `AssertionError`.

    Args:
        method, config, identity_at_start, examples, without_gradient: as `method_contract` takes them.
    """

    method: str | MethodSpec
    config: Mapping[str, Any] = field(default_factory=dict)
    identity_at_start: bool = True
    examples: tuple[Example, ...] = ()
    without_gradient: tuple[str, ...] = ()
    family: str = "xlm-roberta"

    def starts_as_said(self) -> None:
        """A new part leaves the outputs as they are, or is said to change them."""
        model, key = self._attached()
        bare, own = torch.cat(self._outputs(model, ())), torch.cat(self._outputs(model, (key,)))
        # New tokens change how many there are.
        change = distance(own, bare) / max(1.0, float(bare.abs().max())) if own.shape == bare.shape else math.inf
        if self.identity_at_start:
            assert change <= 1e-6, f"a new part changes the outputs by {change:.2g}; see `identity_at_start`"
        else:
            assert change > 1e-6, "a new part changes nothing, though identity_at_start = False says that it does"

    def trains_only_itself(self) -> None:
        """The loss of the rows that use a part reaches all of its parameters, and none of the backbone's."""
        model, key = self._attached(perturbed=True)
        rows = self._encoded(model, [(key,)] * len(self._texts))
        train_once(model, rows)
        reached = [name for name, parameter in model.backbone.model.named_parameters() if parameter.grad is not None]
        assert not reached, f"parameters of the backbone got gradients: {reached[:3]}"
        trainable = {
            name: parameter
            for name, parameter in part_of(model, key).named_parameters()
            if parameter.requires_grad and not any(fnmatch(name, pattern) for pattern in self.without_gradient)
        }
        assert trainable, "the part has no parameter that is trained"
        missed = [name for name, parameter in trainable.items() if parameter.grad is None]
        assert not missed, f"own parameters got no gradient: {missed[:3]}; see `without_gradient`"

    def survives_saving(self) -> None:
        """A component that is written and read gives the same tensors and outputs, bit for bit."""
        from lect.storage.store import read_component, write_component

        model, key = self._attached(perturbed=True)
        component = model.components[key]
        before = self._outputs(model, (key,))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "component"
            write_component(place, self._manifest(model.backbone), component.tensors(), component.saved_tokenizer, "")
            stored = read_component(place)
        torch.manual_seed(4)
        context = BuildContext(model.backbone, tokenizer_json=stored.tokenizer_json)
        again = Component(key, component.role, {self.spec.name: self.spec.build(self._config, context)})
        again.load_tensors(stored.tensors)
        for name, tensor in component.tensors().items():
            assert torch.equal(again.tensors()[name], tensor), f'"{name}" is not what was saved'
        model.detach(key)
        model.attach(again)
        model.eval()
        for now, then in zip(self._outputs(model, (key,)), before, strict=True):
            assert torch.equal(now, then), "outputs differ after saving and loading"

    def leaves_no_trace(self) -> None:
        """After detaching, the backbone has the fingerprint, the modules, the hooks and the outputs that it had."""
        backbone = tiny_backbone(self.family)
        model = RoutedModel(backbone).eval()
        before, outputs = traces_of(backbone), self._outputs(model, ())
        key = self._attach(model, perturbed=True)
        train_once(model, self._encoded(model, [(key,), ()]))
        model.detach(key)
        model.eval()
        for what, now in traces_of(backbone).items():
            assert now == before[what], f"the backbone's {what} is not what it was"
        for now, then in zip(self._outputs(model, ()), outputs, strict=True):
            assert torch.equal(now, then), "the backbone's outputs are not what they were"

    def configuration_round_trips(self) -> None:
        """A configuration written as TOML or JSON reads back equal."""
        from lect.errors import ComponentError
        from lect.toml import parse_toml, toml_text

        kind = self.spec.config
        values = self._config.model_dump(mode="json", exclude_none=True)
        assert kind.model_validate(parse_toml(toml_text(values), ComponentError, where="TOML")) == self._config
        assert kind.model_validate(json.loads(json.dumps(values))) == self._config

    def rows_stand_alone(self) -> None:
        """Rows of two parts of this method, of their stack and of none, mixed, give what each gives alone."""
        model, first = self._attached(perturbed=True)
        second = self._attach(model, "second", perturbed=True)
        stacks: list[Stack] = [(first,), (), (second,), (first,)]
        if part_of(model, first).tokenizer_json is None:
            stacks.append((first, second))
        texts = self._texts[: len(stacks)]
        self._outputs_equal(model, texts, stacks)
        if model.depths.layers and part_of(model, first).signature() is not None:
            self._recorded_equal(model, texts, [stacks, [(first,)] * len(texts), [(second,)] * len(texts)])
        self._scaled_equal(model, first)
        self._gradients_equal(model, texts, stacks)

    def owns_no_backbone(self) -> None:
        """What the part would save or train is its own."""
        model, key = self._attached()
        part, encoder = part_of(model, key), model.backbone.model
        assert not {id(module) for module in part.modules()} & {id(module) for module in encoder.modules()}
        theirs = {memory_of(tensor) for tensor in (*encoder.parameters(), *encoder.buffers())}
        for name, tensor in (*part.named_parameters(), *part.named_buffers()):
            assert tensor.numel() == 0 or memory_of(tensor) not in theirs, f'"{name}" is memory of the backbone'

    def keeps_to_its_layers(self) -> None:
        """With the layers that a recipe chooses, no site lies outside of them; and no field hides the recipe's own."""
        from lect.errors import RecipeError
        from lect.recipes.schema import PartTable

        hidden = self.spec.config.model_fields.keys() & PartTable.model_fields.keys()
        assert not hidden, f"recipes have fields {sorted(hidden)} of their own: call the configuration's otherwise"
        if self.spec.in_layers is None:
            return
        backbone = tiny_backbone(self.family)
        paths = backbone.anatomy.layer_paths
        for chosen in ([0], [len(paths) - 1], list(range(len(paths)))):
            try:
                fields = self.spec.in_layers(self._config, chosen, backbone)
            except RecipeError:
                continue
            config = self.spec.config.model_validate({**self._config.model_dump(exclude_unset=True), **fields})
            sites = list(self.spec.build(config, BuildContext(backbone, Corpus(self.examples))).sites())
            assert sites, f"in layers {chosen} of {len(paths)} it acts nowhere"
            outside = [site for site in sites if not site.startswith(tuple(f"{paths[number]}." for number in chosen))]
            assert not outside, f"kept to layers {chosen} of {len(paths)}, it acts at {outside[0]}"

    @cached_property
    def spec(self) -> MethodSpec:
        """The method's spec. Raises `PluginError` where no plugin registers it."""
        if isinstance(self.method, MethodSpec):
            return self.method
        return installed_host().spec(MethodSpec, self.method)

    @cached_property
    def _config(self) -> BaseModel:
        return self.spec.config.model_validate(dict(self.config))

    @property
    def _texts(self) -> list[str]:
        return [*TEXTS, *(example.text for example in self.examples)][-len(TEXTS) :]

    def _attached(self, *, perturbed: bool = False) -> tuple[RoutedModel, str]:
        model = RoutedModel(tiny_backbone(self.family))
        return model, self._attach(model, perturbed=perturbed)

    def _attach(self, model: RoutedModel, name: str = "first", *, perturbed: bool = False) -> str:
        role = self.spec.roles[0]
        torch.manual_seed(len(model.components) + 1)
        part = self.spec.build(self._config, BuildContext(model.backbone, Corpus(self.examples)))
        component = Component(f"{role}:{name}", role, {self.spec.name: part})
        model.attach(component)
        model.eval()
        if perturbed:
            perturb(part)
        return component.key

    def _encoded(self, model: RoutedModel, stacks: Sequence[Stack], texts: Sequence[str] | None = None) -> EncodedRows:
        return RowEncoder(model, 32).encode(texts or self._texts[: len(stacks)], stacks)

    @torch.no_grad()
    def _outputs(self, model: RoutedModel, stack: Stack) -> list[Tensor]:
        """Each text's hidden states without padding, *Shape:* ``(length, hidden)``."""
        rows = self._encoded(model, [stack] * len(self._texts))
        return unpadded(hidden_states(model, rows), rows)

    @torch.no_grad()
    def _outputs_equal(self, model: RoutedModel, texts: Sequence[str], stacks: Sequence[Stack]) -> None:
        mixed = self._encoded(model, stacks, texts)
        for row, together in enumerate(unpadded(hidden_states(model, mixed), mixed)):
            alone = self._encoded(model, [stacks[row]], [texts[row]])
            change = distance(unpadded(hidden_states(model, alone), alone)[0], together)
            assert change <= 1e-5, f"row {row}, of stack {stacks[row]}, is {change:.2g} off what it gives alone"

    @torch.no_grad()
    def _scaled_equal(self, model: RoutedModel, key: str) -> None:
        """A part that says how it acts at half its strength gives what half of its change is."""
        component = model.components[key]
        scaled = part_of(model, key).scaled(0.5)
        if scaled is None:
            return
        found = []
        for name, part in (("scaled", scaled), ("mixed", MixedPart([component], [0.5]))):
            model.attach(Component(f"{component.role}:{name}", component.role, {self.spec.name: part}))
            model.eval()
            found.append(self._outputs(model, (f"{component.role}:{name}",)))
            model.detach(f"{component.role}:{name}")
        for own, other in zip(*found, strict=True):
            change = distance(own, other)
            assert change <= 1e-5, f"`scaled` parts are {change:.2g} off what so much of the change is"

    @torch.no_grad()
    def _recorded_equal(self, model: RoutedModel, texts: Sequence[str], batches: Sequence[Sequence[Stack]]) -> None:
        """Parts of one signature give the same with another one's tensors in their place, as in CUDA graphs."""
        encoded = [self._encoded(model, stacks, texts) for stacks in batches]
        expected = [unpadded(hidden_states(model, rows), rows) for rows in encoded]
        model.use_graphs(CallingRecorder())
        for rows, others in zip(encoded, expected, strict=True):
            for own, other in zip(unpadded(hidden_states(model, rows), rows), others, strict=True):
                change = distance(own, other)
                assert change <= 1e-5, f"of equal `signature`, parts in each other's place are {change:.2g} off"
        model.use_graphs(None)

    def _gradients_equal(self, model: RoutedModel, texts: Sequence[str], stacks: Sequence[Stack]) -> None:
        model.train()
        switch_dropout_off(model)
        parts = {key: part_of(model, key) for key in model.components}
        mixed = self._encoded(model, stacks, texts)
        together = gradients(parts, unpadded(hidden_states(model, mixed), mixed))
        summed = {name: torch.zeros_like(gradient) for name, gradient in together.items()}
        for row, (text, stack) in enumerate(zip(texts, stacks, strict=True)):
            alone = self._encoded(model, [stack], [text])
            for name, gradient in gradients(parts, unpadded(hidden_states(model, alone), alone), row).items():
                assert name.split(" ")[0] in stack or not gradient.any(), f"row {row}, of stack {stack}, trains {name}"
                summed[name] += gradient
        for name, gradient in together.items():
            change = distance(gradient, summed[name])
            bound = 1e-4 * max(1.0, float(gradient.abs().max()) if gradient.numel() else 0.0)
            assert change <= bound, f"the gradient of {name} is {change:.2g} off the sum over its rows"

    def _manifest(self, backbone: Backbone) -> Any:
        from lect.storage.manifest import BackboneEntry, Manifest, PartEntry

        config = self._config.model_dump(mode="json", exclude_none=True)
        part = PartEntry(method=self.spec.name, config=config)
        return Manifest(name="first", role=self.spec.roles[0], backbone=BackboneEntry.of(backbone), parts=(part,))
