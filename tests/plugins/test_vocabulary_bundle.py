"""The language bundle: adapter, new pieces and their embeddings are one component, in any stack and any batch."""

from __future__ import annotations

import json

import pytest
import torch

from lect import MethodSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.storage.manifest import BackboneEntry, Manifest, PartEntry
from lect.storage.restore import restore
from lect.storage.store import read_component, size_of, write_component
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models

TEXTS = {
    "nqo": ["ߛߣߍ߬ ߞߎߘߊ", "ߡߊ߲߬ߕߊ߬ ߝߟߐ house"],
    "am": ["ሰላም ልጅ", "ልጅ ሰላም city"],
    "bm": ["sugukɔnɔ taara", "taara sugukɔnɔ the"],
}


@pytest.fixture(scope="module")
def host():
    return Host.load(report=lambda line: None)


@pytest.fixture(params=["xlm-roberta", "llama", "gemma2"])
def backbone(request):
    return tiny_backbone(request.param)


def bundle(host, backbone, name, method="lora"):
    """A component with new pieces and an adapter, as if trained."""
    examples = tuple(Example(text, translation="new house") for text in TEXTS[name] * 3)
    context = BuildContext(backbone, Corpus(examples))
    configs = {"vocabulary": {"pieces": 25, "initialise": "random"}, method: {"r": 4} if method == "lora" else {}}
    parts = {}
    torch.manual_seed(len(name) + ord(name[0]))
    for which, values in configs.items():
        config = host.configured(MethodSpec, which, values, "test").config
        parts[which] = host.spec(MethodSpec, which).build(config, context)
        for parameter in parts[which].parameters():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    entry = BackboneEntry(
        name=backbone.name,
        identity=backbone.identity,
        fingerprint=backbone.fingerprint,
        hidden_size=backbone.hidden_size,
    )
    manifest = Manifest(
        name=name,
        role="lang",
        backbone=entry,
        parts=tuple(PartEntry(method=which, config=values) for which, values in configs.items()),
    )
    return Component(f"lang:{name}", "lang", parts), manifest


@torch.no_grad()
def hidden(model, texts, stacks):
    encoder = RowEncoder(model)
    rows = encoder.encode(texts, stacks)
    states = model(rows)
    return [state[mask.bool()] for state, mask in zip(states, rows.attention_mask, strict=True)]


def test_three_languages_with_pieces_of_their_own_and_plain_rows_in_one_batch(host, backbone):
    model = RoutedModel(backbone).eval()
    for name in TEXTS:
        model.attach(bundle(host, backbone, name)[0])
    texts = [text for pair in zip(*TEXTS.values(), strict=True) for text in (*pair, "the new house")]
    stacks = [stack for _ in range(2) for stack in (*((f"lang:{name}",) for name in TEXTS), ())]
    together = hidden(model, texts, stacks)
    for text, stack, row in zip(texts, stacks, together, strict=True):
        (alone,) = hidden(model, [text], [stack])
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-4)
    plain = RoutedModel(tiny_backbone(backbone.name.removeprefix("tiny-"))).eval()
    torch.testing.assert_close(together[3], hidden(plain, ["the new house"], [()])[0], rtol=1e-4, atol=1e-4)


def test_another_language_of_the_same_script_is_cut_otherwise_in_this_languages_stack_alone(host, backbone):
    """Pieces that Bambara brings may occur in English; rows without its stack do not notice."""
    model = RoutedModel(backbone).eval()
    model.attach(bundle(host, backbone, "bm")[0])
    encoder, text = RowEncoder(model), "the taara house"
    (own,), (plain,) = encoder.tokens([text], ("lang:bm",)), encoder.tokens([text], ())
    assert len(own.ids) < len(plain.ids)
    assert plain.ids == backbone.tokenizer.backend_tokenizer.encode(text).ids


def test_a_bundle_is_saved_small_and_read_back_the_same(host, backbone, tmp_path):
    component, manifest = bundle(host, backbone, "nqo")
    folder = write_component(tmp_path / "nqo", manifest, component.tensors(), component.saved_tokenizer, "")
    kept = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert kept["lect_pieces"] == 1
    assert set(kept["pieces"]).isdisjoint(backbone.tokenizer.get_vocab())
    assert len((folder / "tokenizer.json").read_bytes()) < len(component.tokenizer_json) / 4
    assert size_of(folder) > len((folder / "tokenizer.json").read_bytes())
    model = RoutedModel(backbone).eval()
    model.attach(component)
    before = hidden(model, TEXTS["nqo"], [("lang:nqo",)] * 2)
    model.detach_all()
    model.attach(restore("lang:nqo", read_component(folder), backbone, host))
    for now, then in zip(hidden(model, TEXTS["nqo"], [("lang:nqo",)] * 2), before, strict=True):
        assert torch.equal(now, then)


def test_a_component_that_holds_a_whole_tokenizer_loads_for_ever(host, backbone, tmp_path):
    """So did those of version 0.1."""
    component, manifest = bundle(host, backbone, "nqo")
    folder = write_component(tmp_path / "old", manifest, component.tensors(), component.tokenizer_json, "")
    again = restore("lang:nqo", read_component(folder), backbone, host)
    assert again.tokenizer_json == component.tokenizer_json
    assert again.saved_tokenizer == component.tokenizer_json
    assert all(torch.equal(again.tensors()[name], tensor) for name, tensor in component.tensors().items())


def test_only_the_new_rows_learn(host, backbone):
    component, _ = bundle(host, backbone, "nqo")
    model = RoutedModel(backbone).eval()
    model.attach(component)
    encoder = RowEncoder(model)
    rows = encoder.encode(TEXTS["nqo"], [("lang:nqo",)] * 2)
    model(rows).square().sum().backward()
    assert not [name for name, parameter in backbone.model.named_parameters() if parameter.grad is not None]
    gradient = component.parts["vocabulary"].embeddings.weight.grad
    first = component.parts["vocabulary"]._first
    used = {int(index) - first for index in rows.input_ids.flatten() if index >= first}
    assert {row for row in range(len(gradient)) if bool(gradient[row].any())} == used
