"""Exact results: the same bytes for a text whatever its neighbours, its place among them and their stacks."""

from __future__ import annotations

import zlib
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from profiles import DEAR

from lect import MethodSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.errors import UserError
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.specs import BuildContext, Corpus
from lect.storage.restore import build_head
from lect.testing.backbones import TINY_FAMILIES, tiny_backbone

CONFIGS = {
    "bottleneck": {"preset": "double_seq_bn_inv", "reduction_factor": 4},
    "lora": {"r": 4},
    "dora": {"r": 4},
    "pissa": {"r": 4},
    "ia3": {},
    "peft": {"type": "hra", "r": 4},
    "vocabulary": {"pieces": 12},
}
TEXTS = [f"the old house {'on the way ' * (row % 5)}{row}" for row in range(9)] + ["ߒߞߏ ߞߊ߲", "", "7"]


@cache
def loaded_host():
    """One for all tests: loading takes longer than most of them."""
    return Host.load(report=lambda line: None)


def engine_with(names, family="xlm-roberta"):
    """Two components of each method, and two heads."""
    host = loaded_host()
    model = RoutedModel(tiny_backbone(family))
    corpus = Corpus([Example(text=text, translation="the house") for text in ("ߒߞߏ ߞߊ߲", "ߞߏ ߟߎ߬", "ߞߊ߲")])
    for name in names:
        for copy in "ab":
            torch.manual_seed(zlib.crc32(f"{name}{copy}".encode()))
            spec = host.spec(MethodSpec, name)
            # Not every family has a place for an invertible block.
            config = CONFIGS[name] if family == "xlm-roberta" else {}
            part = spec.build(spec.config.model_validate(config), BuildContext(model.backbone, corpus))
            with torch.no_grad():
                for parameter in part.parameters():
                    if parameter.requires_grad:
                        parameter.add_(torch.randn_like(parameter) * 0.05)
            model.attach(Component(f"lang:{name}-{copy}", "lang", {name: part}))
    for kind, labels in (("classification", ("bad", "good")), ("tagging", ("O", "B-X", "I-X"))):
        head = build_head(host, kind, {}, model.backbone, labels, kind)
        model.attach(Component(f"task:{kind}", "task", {}, head))
    engine = Engine(model.eval(), RowEncoder(model))
    engine.exact = True
    return engine


def stacks_of(engine):
    """None, one or two parts; a vocabulary comes first."""
    keys = sorted(key for key in engine.model.components if key.startswith("lang:"))
    others = [key for key in keys if "vocabulary" not in key]
    first = st.sampled_from([(), *((key,) for key in keys if "vocabulary" in key)])
    return st.tuples(first, st.lists(st.sampled_from(others), max_size=2, unique=True).map(tuple)).map(
        lambda two: two[0] + two[1]
    )


@pytest.fixture(scope="module")
def engine():
    return engine_with(CONFIGS)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_text_gives_the_same_bytes_in_any_batch(engine, precision):
    engine.precision = precision

    @DEAR
    @given(rows=st.lists(st.tuples(st.sampled_from(TEXTS), stacks_of(engine)), min_size=2, max_size=8))
    def each(rows):
        together = list(engine.vectors(rows))
        # Alone, and beside others in another order.
        for (text, keys), vector in zip(rows[:2], together, strict=False):
            assert torch.equal(engine.embed([text], keys)[0], vector)
        for vector, other in zip(together[::-1], engine.vectors(rows[::-1]), strict=True):
            assert torch.equal(vector, other)

    each()


def test_bfloat16_is_refused(engine):
    engine.precision = "bfloat16"
    with pytest.raises(UserError, match="not exact in bfloat16"):
        engine.embed(["a text"])


def test_exact_vectors_are_those_that_are_not_but_for_rounding(engine):
    engine.precision = "float32"
    rows = [(text, (f"lang:lora-{'ab'[place % 2]}",)) for place, text in enumerate(TEXTS)]
    exact = torch.stack(list(engine.vectors(rows)))
    engine.exact = False
    plain = torch.stack(list(engine.vectors(rows)))
    engine.exact = True
    torch.testing.assert_close(exact, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "precision"), [("classification", "int8"), ("tagging", "float32")])
def test_predictions_are_the_same_bytes(engine, kind, precision):
    engine.precision = precision
    texts = [text for text in TEXTS if text]
    names = [*CONFIGS, *CONFIGS]
    rows = [(Example(text), (f"lang:{names[place]}-a", f"task:{kind}")) for place, text in enumerate(texts)]
    together = list(engine.predictions(rows))
    for row, found in zip(rows, together, strict=True):
        (alone,) = engine.predictions([row])
        assert alone.value == found.value and alone.scores == found.scores and alone.record == found.record
    assert list(engine.predictions(rows[::-1])) == together[::-1]


@pytest.mark.models
@pytest.mark.parametrize("family", TINY_FAMILIES)
def test_every_family_gives_the_same_bytes(family):
    # GPT-2's projections are of a kind that takes no LoRA.
    other = "bottleneck" if family == "gpt2" else "lora"
    engine = engine_with(sorted({"bottleneck", other}), family)
    stacks = [(), (f"lang:{other}-a",), ("lang:bottleneck-a", f"lang:{other}-b"), ("lang:bottleneck-b",)]
    rows = [(text, stacks[place % 4]) for place, text in enumerate(text for text in TEXTS if text)]
    together = list(engine.vectors(rows))
    for (text, keys), vector in zip(rows, together, strict=True):
        assert torch.equal(engine.embed([text], keys)[0], vector)


def test_a_text_as_long_as_the_backbone_reads_is_exact_too(engine):
    long = "the old house " * 200
    keys = ("lang:lora-a",)
    for cut in (engine.backbone.max_length, engine.backbone.max_length - 1, 64, 63):
        own = Engine(engine.model, RowEncoder(engine.model, cut))
        own.exact = True
        alone = own.embed([long], keys)[0]
        assert torch.equal(own.embed([long, "7", long, long + "x"], keys)[2], alone)


@pytest.mark.slow
def test_the_same_bytes_on_a_real_backbone():
    """On one that is wide enough for the kernels that a tiny one does not reach."""
    host = loaded_host()
    engine = Engine(RoutedModel(load_backbone("e5-small", host=host)).eval())
    engine.exact = True
    for copy in "ab":
        torch.manual_seed(ord(copy))
        for name in ("bottleneck", "lora"):
            spec = host.spec(MethodSpec, name)
            part = spec.build(spec.config.model_validate({}), BuildContext(engine.backbone))
            with torch.no_grad():
                for parameter in part.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.02)
            engine.model.attach(Component(f"lang:{name}-{copy}", "lang", {name: part}))
    stacks = [(), ("lang:lora-a",), ("lang:bottleneck-a",), ("lang:bottleneck-b", "lang:lora-b")]
    rows = [(f"{text} {place}", stacks[place % 4]) for place, text in enumerate(TEXTS)]
    for precision in ("float32", "int8"):
        engine.precision = precision
        together = list(engine.vectors(rows))
        for (text, keys), vector in zip(rows, together, strict=True):
            assert torch.equal(engine.embed([text], keys)[0], vector)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
        for place, vector in zip(order, engine.vectors([rows[place] for place in order]), strict=True):
            assert torch.equal(vector, together[place])
