"""What of fairseq cannot be used, or would be silently wrong: one line each, which names it."""

from __future__ import annotations

import os
import pickle
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from fairseq_folders import gpt2_folder, m2m_folder, mbart_folder, xlmr_folder

from lect.errors import BackboneError
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.selection.conversion import convert_backbone


@pytest.fixture(scope="module")
def host():
    return Host.load(only=("fairseq",))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))


def refusal(folder: Path, host: Host) -> str:
    with pytest.raises(BackboneError) as caught:
        load_backbone(str(folder), host=host, generates=True)
    said = str(caught.value)
    assert "\n" not in said and said.startswith(str(folder))
    return said.removeprefix(str(folder)).lstrip("/")


@pytest.fixture
def xlmr(tmp_path):
    return xlmr_folder(tmp_path / "xlmr")[0]


class Runs:
    """A pickle that would make a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_of_any_other_type_is_named_and_not_run(archive, xlmr, host, tmp_path):
    checkpoint = torch.load(xlmr / "model.pt", weights_only=False)
    checkpoint["extra_state"] = Runs(tmp_path / "ran")
    torch.save(checkpoint, xlmr / "model.pt", _use_new_zipfile_serialization=archive)
    said = refusal(xlmr, host)
    assert said == "model.pt: it is a pickle with a posix.mkdir in it, which lect never runs; save it without"
    assert not (tmp_path / "ran").exists()


def test_what_is_cut_short_is_said(xlmr, host):
    whole = (xlmr / "model.pt").read_bytes()
    (xlmr / "model.pt").write_bytes(whole[: len(whole) // 2])
    assert refusal(xlmr, host).startswith("model.pt: it is cut short or damaged (")
    (xlmr / "model.pt").write_bytes(pickle.dumps({"model": {}}))
    assert "model.pt: it" in refusal(xlmr, host)


def test_a_model_of_sentencepiece_that_is_cut_short_is_said(xlmr, host):
    whole = (xlmr / "sentencepiece.bpe.model").read_bytes()
    (xlmr / "sentencepiece.bpe.model").write_bytes(whole[: len(whole) // 2])
    assert refusal(xlmr, host) == "sentencepiece.bpe.model: it is no model of SentencePiece, or cut short"


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("dict.txt", "it lacks dict.txt, which says which token each embedding is of; put it there"),
        ("sentencepiece.bpe.model", "it has nothing that cuts texts into tokens; put sentencepiece.bpe.model there"),
    ],
)
def test_a_missing_file_is_named(missing, said, xlmr, host):
    (xlmr / missing).unlink()
    assert refusal(xlmr, host).lstrip(": ").startswith(said)


def test_a_missing_file_of_gpt2_is_named(host, tmp_path):
    folder, *_ = gpt2_folder(tmp_path / "mine")
    (folder / "vocab.bpe").unlink()
    assert refusal(folder, host) == ": it lacks vocab.bpe; put it there"


def test_a_dictionary_of_another_size_is_refused(xlmr, host):
    symbols = (xlmr / "dict.txt").read_text("utf-8").splitlines()
    (xlmr / "dict.txt").write_text("\n".join(symbols[:-3]) + "\n", encoding="utf-8")
    tokens = len(symbols) + 1
    assert refusal(xlmr, host).startswith(
        f"dict.txt: it has {tokens:,} tokens with the four special ones, and the model {tokens + 4:,} embeddings"
    )
    (xlmr / "dict.txt").write_text("\n".join([*symbols[:3], "no count", *symbols[4:]]), encoding="utf-8")
    assert refusal(xlmr, host) == "dict.txt, line 4: a line is a symbol and its count"
    (xlmr / "dict.txt").write_text("\n".join([*symbols, symbols[0]]), encoding="utf-8")
    assert " is there twice" in refusal(xlmr, host)


def change(folder: Path, name: str = "model.pt", **tensors: torch.Tensor | None) -> None:
    checkpoint = torch.load(folder / name, weights_only=False)
    for key, value in tensors.items():
        if value is None:
            del checkpoint["model"][key]
        else:
            checkpoint["model"][key] = value
    torch.save(checkpoint, folder / name)


SENTENCES = "encoder.sentence_encoder"


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (
            {f"{SENTENCES}.layers.1.fc1.bias": None},
            f"it lacks {SENTENCES}.layers.1.fc1.bias, without which it is no xlm-roberta",
        ),
        (
            {f"{SENTENCES}.layers.0.adapter_modules.en.fc1.weight": torch.zeros(2, 2)},
            f"it holds {SENTENCES}.layers.0.adapter_modules.en.fc1.weight, which no xlm-roberta of transformers has",
        ),
        (
            {f"{SENTENCES}.layers.0.fc2.bias": torch.zeros(3)},
            f"{SENTENCES}.layers.0.fc2.bias has the shape (3,), and (16,) is due",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(tensors, said, xlmr, host):
    change(xlmr, **tensors)
    assert refusal(xlmr, host) == f"model.pt: {said}"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("encoder_attention_heads", None, "its settings lack encoder_attention_heads"),
        ("encoder_attention_heads", 3, "encoder_attention_heads is 3, by which its width of 16 cannot be divided"),
        ("activation_fn", "swish", 'its activation_fn is "swish"; known are gelu, gelu_accurate, gelu_fast, relu'),
        ("no_scale_embedding", False, "it multiplies its embeddings (no_scale_embedding is false)"),
    ],
)
def test_settings_that_change_what_is_computed_are_read(setting, value, said, xlmr, host):
    checkpoint = torch.load(xlmr / "model.pt", weights_only=False)
    setattr(checkpoint["cfg"]["model"], setting, value)
    torch.save(checkpoint, xlmr / "model.pt")
    assert refusal(xlmr, host).startswith(f"model.pt: {said}")


def test_a_checkpoint_without_settings_is_refused(xlmr, host):
    checkpoint = torch.load(xlmr / "model.pt", weights_only=False)
    torch.save({"model": checkpoint["model"], "args": None, "cfg": None}, xlmr / "model.pt")
    assert refusal(xlmr, host).startswith("model.pt: it has no settings (cfg or args)")


def test_halves_with_norms_behind_the_blocks_are_no_family_here(host, tmp_path):
    folder, _ = m2m_folder(tmp_path / "mine")
    change(folder, **{"encoder.layer_norm.weight": None, "encoder.layer_norm.bias": None})
    assert refusal(folder, host).startswith("model.pt: the norms of its encoder stand behind the blocks")


def test_adapters_in_use_are_refused_and_others_left_out(host, tmp_path):
    folder, _ = m2m_folder(tmp_path / "mine")
    fingerprint = load_backbone(str(folder), host=host).fingerprint
    block = "encoder.layers.0.adapter_block"
    own = {f"{block}.adapters.id.0.weight": torch.zeros(8, 16), f"{block}.layer_norm.weight": torch.ones(16)}
    change(folder, **own)
    done = convert_backbone(folder, tmp_path / "written", host)
    assert done.notices == ("left out adapters that its settings do not use: id",)
    assert load_backbone(str(folder), host=host).fingerprint == fingerprint
    checkpoint = torch.load(folder / "model.pt", weights_only=False)
    checkpoint["args"].encoder_finetune_adapter = "id"
    torch.save(checkpoint, folder / "model.pt")
    assert refusal(folder, host).startswith(
        'model.pt: its encoder computes with its adapter "id" (of id), which has no'
    )


def test_two_tables_of_tokens_are_refused(host, tmp_path):
    folder, reference = mbart_folder(tmp_path / "mine")
    other = torch.zeros_like(reference.encoder.embed_tokens.weight)
    change(folder, "checkpoint_best.pt", **{"decoder.output_projection.weight": other})
    assert refusal(folder, host).startswith(
        "checkpoint_best.pt: decoder.output_projection.weight is another table of tokens"
    )


def test_another_kind_of_model_is_refused(host, tmp_path):
    folder, _ = xlmr_folder(tmp_path / "mine")
    other = {"model": {"w2v_encoder.proj.weight": torch.zeros(2)}, "args": Namespace(arch="wav2vec2"), "cfg": None}
    torch.save(other, folder / "model.pt")
    assert "it is no RoBERTa, XLM-R, mBART, M2M-100 or NLLB (it holds w2v_encoder.proj.weight)" in refusal(folder, host)


def test_a_shard_that_is_missing_is_named(host, tmp_path):
    folder, _ = xlmr_folder(tmp_path / "mine")
    (folder / "model.pt").rename(folder / "model-shard1.pt")
    (folder / "model-shard3.pt").write_bytes((folder / "model-shard1.pt").read_bytes())
    assert "model-shard1.pt: shard 0 is missing before it" in refusal(folder, host)
