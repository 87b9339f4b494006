"""Checkpoints of fairseq give the hidden states that its own modules give, in `transformers` and in `lect`."""

from __future__ import annotations

import pytest
import torch
from fairseq_folders import (
    SPECIAL,
    gpt2_folder,
    m2m_folder,
    mbart_folder,
    pieces_of,
    subwords,
    write_folder,
    xlmr_folder,
)
from fairseq_models import XL, Roberta, checkpoint_of, filled, settings, state_of

from lect.host import Host
from lect.host.backbones import load_backbone
from lect.selection.conversion import convert_backbone

pytestmark = pytest.mark.models

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def host():
    return Host.load(only=("fairseq",))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))


def rows(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of three rows, two of them padded, and what is no padding."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(4, count, (3, 11), generator=generator)
    tokens[:, 0] = 0
    tokens[1, 7:] = tokens[2, 4:] = 1
    return tokens, tokens.ne(1)


def loaded(folder, host, tmp_path):
    """The whole model, as `transformers` loads what was written."""
    import transformers

    done = convert_backbone(folder, tmp_path / "written", host)
    config = transformers.AutoConfig.from_pretrained(tmp_path / "written")
    kind = getattr(transformers, config.architectures[0])
    model, report = kind.from_pretrained(tmp_path / "written", output_loading_info=True, attn_implementation="eager")
    assert not report["unexpected_keys"] and not report["mismatched_keys"]
    assert [name for name in report["missing_keys"] if "pooler" not in name] == []
    return model.eval(), done


def off(one: torch.Tensor, other: torch.Tensor, there: torch.Tensor) -> float:
    return float((one - other)[there].abs().max())


@pytest.mark.parametrize(
    ("changes", "family"),
    [
        ({}, "xlm-roberta"),
        ({"untie_weights_roberta": True}, "xlm-roberta"),
        (XL, "xlm-roberta-xl"),
    ],
)
@torch.no_grad()
def test_encoders_give_the_hidden_states_of_fairseq(changes, family, host, tmp_path):
    folder, reference = xlmr_folder(tmp_path / "mine", changes=changes)
    model, done = loaded(folder, host, tmp_path)
    assert (done.family, done.notices) == (family, ())
    tokens, there = rows(reference.encoder.lm_head.weight.shape[0])
    answer = model(tokens, attention_mask=there.long(), output_hidden_states=True)
    expected = reference(tokens)
    assert len(answer.hidden_states) == len(expected) == 3
    for ours, theirs in zip(answer.hidden_states, expected, strict=True):
        assert off(ours, theirs, there) < TOLERANCE
    assert off(answer.logits, reference.logits(tokens), there) < TOLERANCE
    # The same from the folder's path alone.
    backbone = load_backbone(str(folder), host=host)
    assert backbone.fingerprint == done.fingerprint
    states = backbone.model(tokens, attention_mask=there.long()).last_hidden_state
    assert off(states, expected[-1], there) < TOLERANCE


@pytest.mark.parametrize("build", [mbart_folder, m2m_folder])
@torch.no_grad()
def test_both_halves_give_the_hidden_states_of_fairseq(build, host, tmp_path):
    folder, reference = build(tmp_path / "mine")
    model, done = loaded(folder, host, tmp_path)
    assert done.family == {mbart_folder: "mbart", m2m_folder: "m2m_100"}[build]
    count = reference.encoder.embed_tokens.weight.shape[0]
    (source, read), (target, written) = rows(count), rows(count, seed=1)
    expected_read, expected_written = reference(source, target)
    answer = model(
        input_ids=source, attention_mask=read.long(), decoder_input_ids=target,
        decoder_attention_mask=written.long(), output_hidden_states=True,
    )  # fmt: skip
    for ours, theirs in zip(answer.encoder_hidden_states, expected_read, strict=True):
        # What is padding is zero in fairseq before the first layer, and nothing reads it.
        assert off(ours, theirs, read) < TOLERANCE
    for ours, theirs in zip(answer.decoder_hidden_states, expected_written, strict=True):
        assert off(ours, theirs, written) < TOLERANCE
    logits = reference.decoder.output_projection(expected_written[-1])
    assert off(answer.logits, logits, written) < TOLERANCE * 10
    backbone = load_backbone(str(folder), host=host, generates=True)
    states = backbone.model(source, attention_mask=read.long()).last_hidden_state
    assert off(states, expected_read[-1], read) < TOLERANCE
    states = backbone.decoder(
        target, attention_mask=written.long(), encoder_hidden_states=states, encoder_attention_mask=read.long()
    ).last_hidden_state
    assert off(states, expected_written[-1], written) < TOLERANCE


@torch.no_grad()
def test_names_of_older_versions_are_the_same_model(host, tmp_path):
    _, reference = xlmr_folder(tmp_path / "new")
    state = {}
    for name, tensor in state_of(reference).items():
        name = name.replace("encoder.", "decoder.", 1).replace(".layernorm_embedding.", ".emb_layer_norm.")
        if ".q_proj." in name:
            parts = [state_of(reference)[n] for n in _three(name)]
            state[name.replace("q_proj.", "in_proj_")] = torch.cat(parts)
        elif ".k_proj." not in name and ".v_proj." not in name and not name.endswith("version"):
            state[name] = tensor
    old = {**checkpoint_of(reference, as_config=False), "model": state}
    model = subwords()
    write_folder(tmp_path / "old", old, pieces_of(model), model)
    fingerprints = {load_backbone(str(tmp_path / name), host=host).fingerprint for name in ("new", "old")}
    assert len(fingerprints) == 1


def _three(name: str) -> list[str]:
    own = name.replace("decoder.", "encoder.", 1).replace(".emb_layer_norm.", ".layernorm_embedding.")
    return [own.replace("q_proj", f"{kind}_proj") for kind in "qkv"]


def test_a_legacy_pickle_is_read_as_an_archive_is(host, tmp_path):
    folder, reference = xlmr_folder(tmp_path / "new")
    fingerprint = load_backbone(str(folder), host=host).fingerprint
    checkpoint = checkpoint_of(reference)
    torch.save(checkpoint, folder / "model.pt", _use_new_zipfile_serialization=False)
    assert load_backbone(str(folder), host=host).fingerprint == fingerprint


def test_gpt2s_files_make_a_roberta(host, tmp_path):
    folder, reference, _ = gpt2_folder(tmp_path / "mine")
    model, done = loaded(folder, host, tmp_path)
    assert done.family == "roberta"
    tokens, there = rows(reference.encoder.lm_head.weight.shape[0])
    with torch.no_grad():
        assert off(model(tokens, attention_mask=there.long()).logits, reference.logits(tokens), there) < TOLERANCE


@torch.no_grad()
def test_a_head_that_transformers_computes_otherwise_is_left_out(host, tmp_path):
    folder, reference = xlmr_folder(tmp_path / "mine", changes={"activation_fn": "gelu_accurate"})
    model, done = loaded(folder, host, tmp_path)
    assert done.notices == ("left out the head for masked tokens: in transformers it has gelu, and here gelu_new",)
    tokens, there = rows(reference.encoder.lm_head.weight.shape[0])
    assert off(model(tokens, attention_mask=there.long()).last_hidden_state, reference(tokens)[-1], there) < TOLERANCE


def test_heads_are_left_out_by_name_and_a_model_without_one_is_read(host, tmp_path):
    model = subwords()
    reference = filled(Roberta(settings(), len(SPECIAL) + len(pieces_of(model)) + 1))
    checkpoint = checkpoint_of(reference)
    state = {name: tensor for name, tensor in checkpoint["model"].items() if ".lm_head." not in name}
    state |= {"classification_heads.mood.dense.weight": torch.zeros(16, 16)}
    folder = write_folder(tmp_path / "mine", {**checkpoint, "model": state}, pieces_of(model), model)
    written, done = loaded(folder, host, tmp_path)
    assert done.notices == ('left out the classification head "mood"', "it has no head for masked tokens")
    assert type(written).__name__ == "XLMRobertaModel"


def test_shards_are_one_model(host, tmp_path):
    folder, reference = xlmr_folder(tmp_path / "whole")
    fingerprint = load_backbone(str(folder), host=host).fingerprint
    checkpoint = checkpoint_of(reference)
    model = subwords()
    for index, shard in enumerate(sharded(checkpoint["model"], 3)):
        write_folder(tmp_path / "cut", {**checkpoint, **shard}, pieces_of(model), model, f"model-shard{index}.pt")
    assert load_backbone(str(tmp_path / "cut"), host=host).fingerprint == fingerprint


def sharded(state: dict[str, torch.Tensor], count: int) -> list[dict]:
    """A state as fully sharded data parallelism cuts it: all of a module in one vector, in equal slices."""
    buffers = {name: value for name, value in state.items() if name.endswith("version")}
    own = {name: value for name, value in state.items() if name not in buffers and name != "encoder.lm_head.weight"}
    groups = {"": [], "encoder.sentence_encoder.layers.0": []}
    for name in own:
        groups["encoder.sentence_encoder.layers.0" if ".layers.0." in name else ""].append(name)
    shards = [{"model": dict(buffers), "shard_metadata": {"param_metadata": [], "buffer_names": list(buffers)}}
              for _ in range(count)]  # fmt: skip
    for path, names in groups.items():
        flat = torch.cat([own[name].reshape(-1) for name in names])
        padding = -len(flat) % count
        slices = torch.cat([flat, flat.new_zeros(padding)]).chunk(count)
        key = f"{path}.flat_param_0" if path else "flat_param_0"
        for index, shard in enumerate(shards):
            shard["model"][key] = slices[index].clone()
            short = [name.removeprefix(f"{path}.") if path else name for name in names]
            entry = {
                "names": short,
                "shapes": [own[name].shape for name in names],
                "numels": [own[name].numel() for name in names],
                "padding": padding if index == count - 1 else 0,
            }
            shared = [] if path else [("", "", "", "", "", "encoder.sentence_encoder.embed_tokens.weight",
                                       "encoder.lm_head.weight")]  # fmt: skip
            shard["shard_metadata"]["param_metadata"].append(
                {"fsdp_path": path, "params": {"flat_param_0": entry}, "no_broadcast_optim_state": False,
                 "shared_param_info": shared}
            )  # fmt: skip
    return shards
