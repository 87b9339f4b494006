"""Recorded layers: batches of any parts of the kinds that were recorded give what they give without recordings.

No GPU is needed: the recorder calls the computation again, where a CUDA graph would start its kernels, and refuses what
these could not hold.
"""

from __future__ import annotations

import pytest
import torch
import transformers

import lect
from lect import MethodSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.graphs.buckets import bucket
from lect.composition.graphs.kinds import common_order
from lect.composition.graphs.recording import (
    CallingRecorder,
    CudaRecorder,
    NotRecordableError,
    only_what_can_be_recorded,
)
from lect.composition.model import RoutedModel
from lect.composition.sharing import hidden_states
from lect.engine.engine import Engine
from lect.errors import BackboneError, UserError
from lect.host import Host
from lect.specs import BuildContext
from lect.testing.backbones import TINY_FAMILIES, tiny_backbone

pytestmark = pytest.mark.models

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good", "a dark one"]
BOTTLENECK, DOUBLE, INVERTIBLE = {}, {"preset": "double_seq_bn"}, {"preset": "seq_bn_inv"}
NOT_GRAPHED = {
    # A layer gives the next one its positions' part in attention.
    "t5", "mt5", "umt5",
    # Its layers look at values, for which the GPU would be waited for.
    "deberta",
}  # fmt: skip
LIKE_OTHERS = {"camembert", "ernie", "roberta", "electra", "qwen2", "mistral", "gemma", "mbart"}
"""Families whose layers another family has, too."""
FAMILIES = [
    pytest.param(family, marks=pytest.mark.slow) if family in LIKE_OTHERS else family
    for family in sorted(set(TINY_FAMILIES) - NOT_GRAPHED)
]


@pytest.fixture(scope="module")
def host():
    return Host.load(report=lambda line: None)


@pytest.fixture
def model(host):
    made = RoutedModel(tiny_backbone("xlm-roberta", layers=3)).eval()
    made.use_graphs(CallingRecorder())
    return made


def part_of(model, host, method, config, seed):
    config = {"reduction_factor": 4, **config} if method == "bottleneck" else config
    spec = host.spec(MethodSpec, method)
    torch.manual_seed(seed)
    part = spec.build(spec.config.model_validate(config), BuildContext(model.backbone))
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return part


def attach(model, host, key, method="bottleneck", config=BOTTLENECK, seed=0):
    part = part_of(model, host, method, config, seed)
    model.attach(Component(key, key.partition(":")[0], {method: part}, None))


def states(model, texts, stacks, passes=RoutedModel.__call__):
    """Each row's own hidden states."""
    rows = RowEncoder(model).encode(texts, stacks).to(next(model.parameters()).device)
    with torch.no_grad():
        hidden = passes(model, rows)
    assert hidden.shape[:2] == rows.input_ids.shape
    return [own[mask.bool()] for own, mask in zip(hidden, rows.attention_mask, strict=True)]


def check(model, texts, stacks, passes=RoutedModel.__call__, bound=1e-5):
    """A batch gives with graphs what it gives without; returns how many recordings there are."""
    graphs = model.graphs
    refused, replayed = graphs.refused.copy(), graphs.replayed
    found = states(model, texts, stacks, passes)
    assert (graphs.refused, graphs.replayed > replayed) == (refused, True)
    model.graphs = None
    expected = states(model, texts, stacks, passes)
    model.graphs = graphs
    for own, others in zip(found, expected, strict=True):
        torch.testing.assert_close(own, others, atol=bound, rtol=bound)
    return graphs.recorded


def check_goes_without(model, stacks):
    """A batch that cannot be recorded gives what it gives without graphs, and why is counted; returns why."""
    graphs, model.graphs = model.graphs, None
    expected = states(model, TEXTS, stacks)
    model.graphs = graphs
    for _ in range(2):
        for own, others in zip(states(model, TEXTS, stacks), expected, strict=True):
            torch.testing.assert_close(own, others, atol=0, rtol=0)
    [(reason, times)] = graphs.refused.items()
    assert (graphs.recorded, times) == (0, 2)
    return reason


def test_sizes_are_powers_of_two_and_three_halves_of_them():
    assert [bucket(number) for number in range(1, 14)] == [1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 12, 12, 16]
    assert [bucket(number) for number in (17, 24, 25, 33, 48, 49, 400)] == [24, 24, 32, 48, 48, 64, 512]


def test_stacks_are_applied_in_one_order_of_kinds_where_there_is_one():
    assert common_order([[0, 1], [1], [0]]) == ((0, 0), (1, 0))
    assert common_order([[1], [0]]) == common_order([[0], [1]]) == ((0, 0), (1, 0))
    # Two of a kind in one stack take two places; one alone takes the lower one.
    assert common_order([[5, 5], [5]]) == ((5, 0), (5, 1))
    assert common_order([[2, 0, 1], [1], [0, 1]]) == ((2, 0), (0, 0), (1, 0))
    assert common_order([[]]) == ()
    assert common_order([[0, 1], [1, 0]]) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_every_family_are_what_they_are_without_recordings(host, family):
    model = RoutedModel(tiny_backbone(family, layers=2)).eval()
    for seed, name in enumerate("ab"):
        attach(model, host, f"lang:{name}", config=BOTTLENECK, seed=seed)
        attach(model, host, f"task:{name}", config=DOUBLE, seed=seed + 2)
    model.use_graphs(CallingRecorder())
    stacks = [("lang:a", "task:a"), ("lang:b", "task:a"), ("lang:a",), (), ("task:b",)]
    if family == "deberta-v2" and transformers.__version__ >= "5":
        # Its layers make tensors of numbers that Python has.
        check_goes_without(model, stacks)
        return
    assert check(model, TEXTS, stacks) == 1
    # Others of these kinds, in other rows.
    assert check(model, TEXTS, [*stacks[1:], stacks[0]]) == 1


def test_a_backbone_whose_layers_pass_more_than_hidden_states_is_refused(host):
    with pytest.raises(BackboneError, match="cannot be recorded"):
        RoutedModel(tiny_backbone("t5")).use_graphs(CallingRecorder())


def test_a_backbone_whose_layers_look_at_values_goes_without(host):
    model = RoutedModel(tiny_backbone("deberta")).eval()
    model.use_graphs(CallingRecorder())
    reason = check_goes_without(model, [()] * 5)
    if transformers.__version__ < "5":
        assert reason == "_local_scalar_dense hangs on the values of tensors"


@pytest.mark.parametrize("method", ["bottleneck", "lora"])
def test_parts_that_come_and_go_make_no_new_recording(model, host, method):
    configs = {"bottleneck": INVERTIBLE, "lora": {"r": 4, "lora_alpha": 12}}
    for seed, name in enumerate("abcdefg"):
        attach(model, host, f"lang:{name}", method, configs[method], seed)
    assert check(model, TEXTS, [("lang:a",), ("lang:b",), ("lang:c",), ("lang:d",), ()]) == 1
    assert check(model, TEXTS, [("lang:e",), ("lang:e",), (), ("lang:f",), ("lang:g",)]) == 1
    # Replaced under its key, and others in the places of those that left.
    for key in ("lang:b", "lang:e"):
        model.detach(key)
    attach(model, host, "lang:b", method, configs[method], 20)
    attach(model, host, "lang:new", method, configs[method], 21)
    assert check(model, TEXTS, [("lang:b",), ("lang:new",), ("lang:a",), ("lang:b",), ()]) == 1
    # What is trained on in the meantime.
    with torch.no_grad():
        for parameter in model.components["lang:a"].parts[method].parameters():
            parameter.add_(0.1)
    assert check(model, TEXTS, [("lang:a",), ("lang:new",), ("lang:a",), ("lang:b",), ()]) == 1


def test_a_recording_serves_what_differs_in_weights_alone(model, host):
    attach(model, host, "lang:a", "lora", {"r": 4})
    attach(model, host, "lang:b", "lora", {"r": 4}, 1)
    attach(model, host, "lang:scaled", "lora", {"r": 4, "lora_alpha": 2}, 2)
    attach(model, host, "lang:wide", "lora", {"r": 6}, 3)
    attach(model, host, "task:upper", "lora", {"r": 4, "layers_to_transform": [2]}, 4)
    rows = TEXTS[:3]
    assert check(model, rows, [("lang:a",), ("lang:b",), ()]) == 1
    assert check(model, rows, [("lang:a",), ("lang:scaled",), ()]) == 2
    assert check(model, rows, [("lang:a",), ("lang:wide",), ()]) == 3
    assert check(model, rows, [("lang:a", "task:upper"), ("lang:b",), ("task:upper",)]) == 4
    # One stack for all rows, whichever it is, is a recording of its own: no row has weights of its own.
    assert check(model, rows, [("lang:a",)] * 3) == 5
    assert check(model, rows, [("lang:b",)] * 3) == 5
    assert check(model, rows, [("lang:b", "task:upper")] * 3) == 6
    # Two of a kind, one upon the other.
    assert check(model, rows, [("lang:a", "lang:b"), ("lang:b", "lang:a"), ("lang:b",)]) == 7
    assert check(model, rows, [("lang:b",), ("lang:b", "lang:a"), ("lang:a", "lang:b")]) == 7


def test_sizes_in_between_share_a_recording(model, host):
    attach(model, host, "lang:a")
    attach(model, host, "lang:b", seed=1)
    words = ["house"] * 12

    def batch(rows, length):
        # Of the last row all tokens are seen; the first one is shorter.
        texts = [words[0], *[" ".join(words[:length])] * (rows - 1)]
        return texts, [(f"lang:{'ab'[row % 2]}",) for row in range(rows)]

    lengths = {RowEncoder(model).encode(*batch(2, length)).length for length in (8, 9)}
    assert {bucket(length) for length in lengths} == {max(map(bucket, lengths))}
    assert check(model, *batch(5, 8)) == 1
    assert check(model, *batch(6, 9)) == 1
    # Fewer rows use the room of more.
    assert check(model, *batch(4, 9)) == 2
    assert check(model, *batch(5, 9)) == 2
    assert check(model, *batch(12, 9)) == 3


def test_no_text_is_made_longer_than_the_backbone_reads(host):
    model = RoutedModel(tiny_backbone("bert", layers=1)).eval()
    model.use_graphs(CallingRecorder())
    most = model.backbone.max_length
    assert bucket(most - 1) >= most
    text = " ".join(["house"] * (2 * most))
    assert check(model, [text, "two"], [()] * 2) == 1


def test_layers_that_texts_share_and_those_above_are_recorded_each(model, host):
    attach(model, host, "lang:a")
    for seed, name in enumerate("xyz"):
        attach(model, host, f"task:{name}", "lora", {"r": 2, "layers_to_transform": [2]}, seed)
    stacks = [("lang:a", f"task:{name}") for name in "xyz"]
    assert check(model, [TEXTS[0]] * 3, stacks, hidden_states) == 2
    assert check(model, [TEXTS[1]] * 3, stacks, hidden_states) == 4
    assert check(model, [TEXTS[0]] * 3, stacks[::-1], hidden_states) == 4


def test_computing_in_bfloat16_is_recorded_beside_float32(model, host):
    attach(model, host, "lang:a")
    attach(model, host, "lang:b", "bottleneck", {"preset": "par_bn"}, 1)
    attach(model, host, "lang:c", "lora", {"r": 4}, 2)
    stacks = [("lang:a",), ("lang:b",), ("lang:c",), ("lang:a", "lang:b"), ()]
    assert check(model, TEXTS, stacks) == 1
    with torch.autocast("cpu", torch.bfloat16):
        assert check(model, TEXTS, stacks, bound=0.05) == 2
    assert check(model, TEXTS, stacks) == 2


def test_stacks_that_fit_no_one_order_go_without(model, host):
    attach(model, host, "lang:a")
    attach(model, host, "task:a", config=DOUBLE)
    states(model, TEXTS[:2], [("lang:a", "task:a"), ("task:a", "lang:a")])
    assert model.graphs.recorded == 0
    assert model.graphs.refused == {"the stacks of the batch apply kinds of parts in different orders": 1}


def test_parts_that_cannot_act_together_are_recorded_for_one_stack_alone(model, host):
    for seed, name in enumerate("ab"):
        attach(model, host, f"lang:{name}", config={"non_linearity": "prelu"}, seed=seed)
    mixed = [("lang:a",), ("lang:b",)]
    model.graphs, graphs = None, model.graphs
    expected = states(model, TEXTS[:2], mixed)
    model.graphs = graphs
    for own, others in zip(states(model, TEXTS[:2], mixed), expected, strict=True):
        torch.testing.assert_close(own, others, atol=1e-5, rtol=1e-5)
    assert (graphs.recorded, sum(graphs.refused.values())) == (0, 1)
    assert check(model, TEXTS[:2], [("lang:a",)] * 2) == 1
    assert check(model, TEXTS[:2], [("lang:b",)] * 2) == 1


def test_methods_that_do_not_say_what_they_have_in_common_go_without(model, host):
    attach(model, host, "lang:a", "ia3", {})
    states(model, TEXTS[:2], [("lang:a",)] * 2)
    assert model.graphs.recorded == 0
    (reason,) = model.graphs.refused
    assert "does not say which others differ from it in their weights alone" in reason


def test_what_was_used_longest_ago_is_dropped(host):
    model = RoutedModel(tiny_backbone("bert", layers=1)).eval()
    model.use_graphs(CallingRecorder())
    model.graphs.most_recordings = 2
    assert [check(model, TEXTS[:rows], [()] * rows) for rows in (1, 2, 1, 3, 1, 2)] == [1, 2, 2, 3, 3, 4]
    model.graphs.most_bytes = 1
    assert [check(model, TEXTS[:rows], [()] * rows) for rows in (3, 3, 1, 3)] == [5, 5, 6, 7]


def test_all_is_recorded_anew_when_the_backbone_moves(model, host):
    attach(model, host, "lang:a")
    stacks = [("lang:a",), ()]
    assert check(model, TEXTS[:2], stacks) == 1
    for parameter in model.backbone.model.parameters():
        parameter.data = parameter.data.clone()
    assert check(model, TEXTS[:2], stacks) == 2


def test_training_goes_without(model, host):
    attach(model, host, "lang:a")
    rows = RowEncoder(model).encode(TEXTS[:2], [("lang:a",)] * 2)
    model(rows).sum().backward()
    model.train()
    with torch.no_grad():
        model(rows)
    assert (model.graphs.recorded, model.graphs.refused) == (0, {})
    assert any(parameter.grad is not None for parameter in model.components["lang:a"].parts["bottleneck"].parameters())


@pytest.mark.parametrize(
    "compute",
    [
        lambda values: values[0].item(),
        lambda values: values.tolist(),
        lambda values: bool(values.any()),
        lambda values: values.nonzero(),
        lambda values: values[values > 0],
        lambda values: values * torch.tensor([1.0, 2.0]),
        lambda values: torch.masked_select(values, values > 0),
        lambda values: values.unique(),
        lambda values: values.numpy(),
    ],
)
def test_what_no_graph_can_hold_is_refused(compute):
    with pytest.raises(NotRecordableError), only_what_can_be_recorded():
        compute(torch.ones(2))


def test_what_a_graph_can_hold_is_computed():
    values = torch.ones(2, 3)
    with only_what_can_be_recorded():
        index = torch.arange(2)
        found = torch.where(values > 0, values[index], 0.0).masked_fill(index[:, None] < 1, 5.0) @ values.T
    assert found.tolist() == [[15.0, 15.0], [3.0, 3.0]]


def test_the_engine_answers_as_without(model, host):
    for seed, name in enumerate("ab"):
        attach(model, host, f"lang:{name}", config=INVERTIBLE, seed=seed)
    engine = Engine(model)
    rows = [(text, (f"lang:{name}",)) for text in TEXTS for name in "ab"]
    found = torch.stack(list(engine.vectors(rows)))
    assert model.graphs.replayed
    model.use_graphs(None)
    torch.testing.assert_close(found, torch.stack(list(engine.vectors(rows))), atol=1e-5, rtol=1e-5)


def test_without_a_gpu_graphs_are_refused(host):
    engine = Engine(RoutedModel(tiny_backbone("bert")))
    with pytest.raises(UserError, match="CUDA graphs need a CUDA device, and the model is on cpu"):
        engine.graphs = True
    engine.graphs = False


def test_elsewhere_than_on_a_cpu_numbers_stay_on_the_device(model, host, monkeypatch):
    # Tensors on the device "meta" have shapes and no numbers: what looks at them, or takes some from the CPU, fails.
    from transformers import masking_utils
    from transformers.models.xlm_roberta import modeling_xlm_roberta as modeling

    for seed, name in enumerate("ab"):
        attach(model, host, f"lang:{name}", seed=seed)
        attach(model, host, f"task:{name}", "lora", {"r": 4}, seed)
    model.span()  # which passes a token through
    enabled = torch.is_autocast_enabled
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: kind != "meta" and enabled(kind))
    # Outside of the layers transformers looks whether there is any padding.
    mask = lambda given, dtype, tgt_len: given[:, None, None, :].expand(-1, 1, tgt_len, -1).to(dtype)  # noqa: E731
    monkeypatch.setattr(modeling, "_prepare_4d_attention_mask_for_sdpa", mask, raising=False)
    monkeypatch.setattr(masking_utils, "_ignore_bidirectional_mask_sdpa", lambda *_: False, raising=False)
    stacks = [("lang:a", "task:a"), ("lang:a", "task:b"), ("lang:a",)]
    rows = RowEncoder(model).encode(TEXTS[:3], stacks).to("meta")
    with torch.no_grad():
        assert model.to("meta")(rows).device.type == "meta"
    assert (model.graphs.recorded, model.graphs.refused) == (1, {})


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA graphs are refused where there is no GPU")
def test_a_model_in_memory_that_is_refused_them_is_left_as_it_was():
    backbone = tiny_backbone("bert")
    backbone.model.requires_grad_(True)
    with pytest.raises(UserError, match="CUDA graphs need a CUDA device"):
        lect.load(model=backbone.model, tokenizer=backbone.tokenizer, graphs=True)
    assert all(parameter.requires_grad for parameter in backbone.model.parameters())


def test_recordings_made_in_inference_mode_serve_outside_of_it(model, host):
    for seed, name in enumerate("ab"):
        attach(model, host, f"lang:{name}", config=INVERTIBLE, seed=seed)
    stacks = [("lang:a",), ("lang:b",), ()]
    with torch.inference_mode():
        assert check(model, TEXTS[:3], stacks) == 1
    assert check(model, TEXTS[:3], stacks[::-1]) == 1
    with torch.inference_mode():
        assert check(model, TEXTS[:3], stacks) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA device, and there is none")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_cuda_graphs_give_what_the_gpu_gives_without_them(host, precision):
    model = RoutedModel(tiny_backbone("xlm-roberta", hidden=64, layers=3)).cuda().eval()
    for seed, name in enumerate("abcd"):
        attach(model, host, f"lang:{name}", config=INVERTIBLE, seed=seed)
        attach(model, host, f"task:{name}", "lora", {"r": 4}, seed + 4)
    model.cuda()
    model.use_graphs(CudaRecorder())
    stacks = [("lang:a", "task:a"), ("lang:b", "task:a"), ("lang:a",), (), ("task:b",)]
    with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
        bound = 1e-4 if precision == "float32" else 0.05
        assert check(model, TEXTS, stacks, bound=bound) == 1
        assert check(model, TEXTS, [("lang:c", "task:d"), (), *stacks[:3]], bound=bound) == 1
        assert check(model, TEXTS, [("lang:d", "task:c")] * 5, bound=bound) == 2
        assert check(model, TEXTS[:2], stacks[:2], bound=bound) == 3
        assert check(model, TEXTS, stacks, bound=bound) == 3
