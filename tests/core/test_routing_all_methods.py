"""Random batches of stacks of every registered method, vocabularies and heads: each row what it is alone, under
autocast and compiled, too."""

from __future__ import annotations

import zlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from profiles import DEAR
from torch import nn

from lect import HeadSpec, MethodSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import tiny_backbone

CONFIGS = {
    "bottleneck": {"preset": "double_seq_bn_inv", "reduction_factor": 4},
    "lora": {"r": 4},
    "dora": {"r": 4},
    "pissa": {"r": 4},
    "vera": {"r": 4},
    "adalora": {"init_r": 4, "target_r": 2},
    "peft": {"type": "hra", "r": 4},
    "vocabulary": {"pieces": 12},
}
MEMBERS = ("lang:lora-a", "lang:lora-b")
SCRIPTS = {"a": ["ߒߞߏ ߞߊ߲", "ߞߏ ߟߎ߬", "ߞߊ߲"], "b": ["ᱥᱟᱱᱛᱟᱲ ᱠᱷᱚᱱ", "ᱠᱷᱚᱱ ᱥᱟᱱ", "ᱥᱟᱱ"]}
LABELS = {"a": ("good", "bad"), "b": ("one", "two", "three")}
WORDS = ["the", "old", "house", "ߒߞߏ", "ߞߊ߲", "ᱠᱷᱚᱱ", "ᱥᱟᱱ", "kata", "7", "..."]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=10).map(" ".join)


@pytest.fixture(scope="module")
def model():
    """Two components of every method, and two heads with labels of their own."""
    host = Host.load(report=lambda line: None)
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    # What others stand on comes first.
    for name in sorted(host.specs(MethodSpec), key="fusion".__eq__):
        for copy in "ab":
            torch.manual_seed(zlib.crc32(f"{name}{copy}".encode()))
            part = _part(host, model, name, copy)
            model.attach(Component(f"lang:{name}-{copy}", "lang", {name: part}))
    spec = host.spec(HeadSpec, "classification")
    for copy, labels in LABELS.items():
        torch.manual_seed(len(labels))
        head = spec.build(spec.config(), model.backbone, labels)
        model.attach(Component(f"task:{copy}", "task", {}, head))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.eval()


def _part(host, model, name, copy):
    spec = host.spec(MethodSpec, name)
    config = spec.config.model_validate({"over": list(MEMBERS)} if name == "fusion" else CONFIGS.get(name, {}))
    corpus = Corpus([Example(text=text, translation="the old house") for text in SCRIPTS[copy]])
    members = {key: model.components[key] for key in MEMBERS} if name == "fusion" else {}
    part = spec.build(config, BuildContext(model.backbone, corpus, members=members))
    with torch.no_grad():
        for parameter in part.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return part


def stacks(keys):
    """A vocabulary or none, up to two other methods, a head or none."""
    vocabularies = [key for key in keys if key.startswith("lang:vocabulary")]
    others = [key for key in keys if key.startswith("lang:") and key not in vocabularies]
    first = st.sampled_from([(), *((key,) for key in vocabularies)])
    middle = st.lists(st.sampled_from(others), max_size=2, unique=True).map(tuple)
    last = st.sampled_from([(), *((key,) for key in keys if key.startswith("task:"))])
    return st.tuples(first, middle, last).map(lambda parts: sum(parts, ()))


def batches(model):
    return st.lists(st.tuples(TEXTS, stacks(sorted(model.components))), min_size=2, max_size=6)


@torch.no_grad()
def run(model, batch, call=None):
    """Each row's own hidden states, and its head's logits or None."""
    rows = RowEncoder(model, 24).encode([text for text, _ in batch], [stack for _, stack in batch])
    forward = model if call is None else call
    hidden = forward(rows)
    logits = [None] * len(batch)
    for output in model.logits(hidden, rows):
        for row, own in zip(output.rows.tolist(), output.logits, strict=True):
            logits[row] = own
    states = [own[mask.bool()] for own, mask in zip(hidden, rows.attention_mask, strict=True)]
    return list(zip(states, logits, strict=True))


def check(mixed, alone, bound):
    for (states, logits), (own_states, own_logits) in zip(mixed, alone, strict=True):
        torch.testing.assert_close(states.float(), own_states.float(), rtol=0, atol=bound)
        assert (logits is None) == (own_logits is None)
        if logits is not None:
            torch.testing.assert_close(logits.float(), own_logits.float(), rtol=0, atol=bound)


def test_a_method_of_every_plugin_is_there(model):
    methods = {key.split(":")[1][:-2] for key in model.components if key.startswith("lang:")}
    assert methods == set(Host.load().specs(MethodSpec))


def test_each_row_is_what_it_is_alone(model):
    @DEAR
    @given(batch=batches(model))
    def each(batch):
        check(run(model, batch), [run(model, [row])[0] for row in batch], 1e-5)

    each()


def test_each_row_is_what_it_is_alone_under_autocast(model):
    """Products in bfloat16 differ by the order in which they are summed: by a share of what is summed, 2⁻⁸."""

    @DEAR
    @given(batch=batches(model))
    def each(batch):
        with torch.autocast("cpu", torch.bfloat16):
            check(run(model, batch), [run(model, [row])[0] for row in batch], 0.06)

    each()


@pytest.mark.slow
def test_compiled_it_gives_the_same():
    """Without a code generator, which a machine may lack: what is traced is what could go wrong."""
    host = Host.load(report=lambda line: None)
    model = RoutedModel(tiny_backbone("xlm-roberta", layers=1)).eval()
    for name, copy in (("lora", "a"), ("lora", "b"), ("vocabulary", "a")):
        torch.manual_seed(ord(copy))
        model.attach(Component(f"lang:{name}-{copy}", "lang", {name: _part(host, model, name, copy)}))
    batch = [("the old house", ("lang:lora-a",)), ("ߒߞߏ the", ("lang:vocabulary-a", "lang:lora-b")), ("7 ...", ())]
    expected = run(model, batch)
    check(run(model, batch, torch.compile(model, backend="eager")), expected, 1e-5)
    torch._dynamo.reset()


@pytest.mark.parametrize("rows", [("a",) * 3, ("a", "b", "a"), ("a", "", "b")])
def test_a_backbone_held_in_half_the_memory_takes_plain_loras(rows):
    """Without autocast, too: what learns computes in its own precision, and gives the backbone what it goes on with."""
    host = Host.load(report=lambda line: None)
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    for copy in "ab":
        torch.manual_seed(ord(copy))
        model.attach(Component(f"lang:{copy}", "lang", {"lora": _part(host, model, "lora", copy)}))
    encoder = RowEncoder(model, 64)
    stacks = [(f"lang:{row}",) if row else () for row in rows]
    encoded = encoder.encode(["the old house", "kata 7", "house"], stacks)

    def states():
        with torch.no_grad():
            return model.eval()(encoded)

    expected = states()
    model.encoder.bfloat16()
    for part in model.parts.values():
        part.float()
    found = states()
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)
