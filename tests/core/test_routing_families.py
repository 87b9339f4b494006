"""Mixed batches of random stacks on a tiny backbone of every family: each row what it is alone, gradients summed."""

from __future__ import annotations

import zlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from profiles import DEAR
from torch import nn

from lect import MethodSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import TINY_FAMILIES, tiny_backbone

pytestmark = pytest.mark.models

METHODS = {
    "lora": {"r": 4},
    "ia3": {},
    "full": {},
    "bottleneck": {"preset": "double_seq_bn_inv", "reduction_factor": 4},
    "parallel": {"preset": "par_bn", "reduction_factor": 4},
}
LIKE_OTHERS = {
    "camembert",
    "ernie",
    "roberta",
    "xlm-roberta-xl",
    "electra",
    "deberta",
    "umt5",
    "t5",
    "qwen2",
    "mistral",
}
"""Families whose places and calls another family has, too."""
PADDED_LEFT = (
    "gemma",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "llama",
    "mistral",
    "mt5",
    "m2m_100",
    "qwen2",
    "qwen3",
    "smollm3",
)
"""Families that do not count positions from the left of the batch."""
WORDS = "the old house on way home two of kind bright and happy day kata itu dan года 7 ... 日本"
TEXTS = st.lists(st.sampled_from(WORDS.split(" ")), max_size=24).map(" ".join)


def built(family):
    """A backbone with two components of every method that it takes."""
    host = Host.load()
    model = RoutedModel(tiny_backbone(family))
    for name, config in METHODS.items():
        method = "bottleneck" if name == "parallel" else name
        if method in ("lora", "ia3") and not model.backbone.anatomy.linears:
            continue
        if model.backbone.anatomy.embeddings is None and "preset" in config:
            config = {**config, "inv_adapter": "none"}
        spec = host.spec(MethodSpec, method)
        for copy in "ab":
            torch.manual_seed(zlib.crc32(f"{name}{copy}".encode()))
            part = spec.build(spec.config.model_validate(config), BuildContext(model.backbone, Corpus()))
            with torch.no_grad():
                for parameter in part.parameters():
                    if parameter.requires_grad:
                        parameter.add_(torch.randn_like(parameter) * 0.05)
            model.attach(Component(f"lang:{name}-{copy}", "lang", {method: part}))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.train()


FAMILIES = [
    pytest.param(family, marks=pytest.mark.slow) if family in LIKE_OTHERS else family for family in TINY_FAMILIES
]


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    return built(request.param)


def run(model, texts, stacks):
    """Each row's own hidden states."""
    rows = RowEncoder(model, 24).encode(texts, stacks)
    hidden = model(rows)
    return [states[mask.bool()] for states, mask in zip(hidden, rows.attention_mask, strict=True)]


def gradients(model, states, first=0):
    weighted = []
    for row, own in enumerate(states, first):
        generator = torch.Generator().manual_seed(row)
        weighted.append((own * torch.randn(own.shape, generator=generator)).sum())
    total = torch.stack(weighted).sum()
    if not total.requires_grad:
        return {}
    named = {name: value for name, value in model.parts.named_parameters() if value.requires_grad}
    found = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return {name: value for name, value in zip(named, found, strict=True) if value is not None}


def mixed_batches(keys):
    stacks = st.lists(st.sampled_from(keys), max_size=3, unique=True).map(tuple)
    return st.lists(st.tuples(TEXTS, stacks), min_size=2, max_size=5)


def test_rows_of_a_mixed_batch_and_their_gradients_are_what_they_are_alone(model):
    @DEAR
    @given(batch=mixed_batches(sorted(model.components)))
    def check(batch):
        texts, stacks = [text for text, _ in batch], [stack for _, stack in batch]
        together = run(model, texts, stacks)
        mixed, summed = gradients(model, together), {}
        for row, (text, stack) in enumerate(batch):
            (alone,) = run(model, [text], [stack])
            assert alone.isfinite().all()
            torch.testing.assert_close(together[row], alone, rtol=0, atol=1e-5)
            for name, gradient in gradients(model, [alone], row).items():
                assert not gradient.any() or any(name.startswith(f"{key}.") for key in stack)
                summed[name] = summed.get(name, 0) + gradient
        for name, gradient in mixed.items():
            expected = summed.get(name, torch.zeros_like(gradient))
            bound = 1e-5 * max(1.0, float(expected.abs().max())) if gradient.numel() else 0.0
            torch.testing.assert_close(gradient, expected, rtol=0, atol=bound)

    check()


@pytest.mark.parametrize("model", PADDED_LEFT, indirect=True)
def test_padding_on_either_side_is_the_same(model):
    backbone = model.backbone
    stacks = [(), tuple(sorted(model.components)[:1])]
    encoder = RowEncoder(model, 24)
    rows = encoder.encode(["two of a kind", "the old house on the way home again and again"], stacks)
    short = int(rows.attention_mask[0].sum())
    left_ids, left_mask = rows.input_ids.roll(-short, 1), rows.attention_mask.roll(-short, 1)
    ids = torch.stack([left_ids[0], rows.input_ids[1]])
    mask = torch.stack([left_mask[0], rows.attention_mask[1]])
    assert not mask[0, 0]
    assert mask[0, -1]
    with torch.no_grad():
        right = model(rows)
        left = model(EncodedRows(ids, mask, None, Routes.of(stacks)))
    assert left.isfinite().all()
    torch.testing.assert_close(left[0, -short:], right[0, :short], rtol=0, atol=1e-5)
    torch.testing.assert_close(left[1], right[1], rtol=0, atol=1e-5)
    for pooling in ("mean", "last"):
        object.__setattr__(backbone, "pooling", pooling)
        torch.testing.assert_close(backbone.pool(left, mask), backbone.pool(right, rows.attention_mask))
    object.__setattr__(backbone, "pooling", "mean")


@pytest.mark.parametrize("model", ["mt5", "umt5"], indirect=True)
def test_as_many_rows_as_tokens_are_not_taken_for_each_other(model):
    """T5's table of relative positions is indexed by tokens in both dimensions."""
    text = "the old house on"
    rows = len(RowEncoder(model).tokens([text], ())[0].ids)
    stacks = [("lang:full-a",), (), ("lang:full-b", "lang:lora-a"), *[()] * (rows - 3)]
    with torch.no_grad():
        together = run(model, [text] * rows, stacks)
        for row, stack in enumerate(stacks):
            (alone,) = run(model, [text], [stack])
            torch.testing.assert_close(together[row], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("model", ["llama"], indirect=True)
def test_an_empty_text_is_the_token_that_begins_or_ends_texts(model):
    backbone = model.backbone
    rows = RowEncoder(model).encode(["", "two of a kind"], [(), ()])
    assert rows.input_ids[0, 0] == backbone.tokenizer.bos_token_id
    assert rows.attention_mask[0].tolist() == [1, *[0] * (rows.input_ids.shape[1] - 1)]
    # Without a token for padding, the end of a text fills rows up, and is masked.
    assert rows.input_ids[0, -1] == backbone.padding_id == backbone.tokenizer.eos_token_id
