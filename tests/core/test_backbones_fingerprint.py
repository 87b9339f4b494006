import copy

import pytest
import torch

from lect.backbones.fingerprint import fingerprint_of
from lect.backbones.load import read_backbone
from lect.testing.backbones import TINY_FAMILIES, save_tiny_backbone, tiny_backbone

pytestmark = pytest.mark.models

# What both the oldest and the newest supported versions of transformers and tokenizers gave.
EXPECTED = {
    "bert": "e22cc3176c9c7c5d",
    "camembert": "8c0c7c21ffe3054a",
    "deberta": "97b987dc722aff3e",
    "deberta-v2": "e35bf55cf8c05fcb",
    "distilbert": "23c17c53c4348321",
    "electra": "1eea9330689f67f5",
    "ernie": "e22cc3176c9c7c5d",
    "gemma": "723a37fcb6ad0665",
    "gemma2": "33c4ad1a0d9370df",
    "gemma3_text": "578256d1a113d528",
    "gpt2": "60133018a1795f29",
    "llama": "a7b2b5cd9d9f6cd3",
    "m2m_100": "f13d36acabc7f7f9",
    "mbart": "9bfc64a746198d10",
    "mistral": "6dab8c6a089afb76",
    "modernbert": "4bf2b659be524576",
    "mt5": "839700621674928a",
    "qwen2": "513dd1cb7fe09adb",
    "qwen3": "ebf87d81baf4197b",
    "roberta": "8c0c7c21ffe3054a",
    "smollm3": "a7b2b5cd9d9f6cd3",
    "t5": "274c519207f2869a",
    "umt5": "ed3a6465901617b7",
    "xlm-roberta": "8c0c7c21ffe3054a",
    "xlm-roberta-xl": "3e52bcc997ba9da9",
}


def test_fingerprints_are_the_same_under_every_library_version():
    assert {family: tiny_backbone(family).fingerprint[:16] for family in TINY_FAMILIES} == EXPECTED


def test_a_fingerprint_is_64_hexadecimal_digits():
    fingerprint = tiny_backbone("bert").fingerprint
    assert len(fingerprint) == 64
    int(fingerprint, 16)


def test_every_single_weight_counts():
    backbone = tiny_backbone("xlm-roberta")
    seen = {backbone.fingerprint}
    for _, parameter in backbone.model.named_parameters():
        flat = parameter.detach().view(-1)
        before = flat[-1].clone()
        flat[-1] = torch.nextafter(before, torch.tensor(10.0))
        seen.add(fingerprint_of(backbone.model, backbone.tokenizer))
        flat[-1] = before
    assert len(seen) == 1 + len(list(backbone.model.parameters()))
    assert fingerprint_of(backbone.model, backbone.tokenizer) == backbone.fingerprint


def test_types_count():
    backbone = tiny_backbone("bert")
    half = copy.deepcopy(backbone.model).to(torch.bfloat16)
    assert fingerprint_of(half, backbone.tokenizer) != backbone.fingerprint


def test_the_tokenizer_counts():
    from tokenizers import normalizers

    backbone = tiny_backbone("bert")
    lowered = copy.deepcopy(backbone.tokenizer)
    lowered.backend_tokenizer.normalizer = normalizers.Lowercase()
    added = copy.deepcopy(backbone.tokenizer)
    added.add_tokens(["ߒߞߏ"])
    unmasked = copy.deepcopy(backbone.tokenizer)
    unmasked.mask_token = "<unk>"
    fingerprints = {fingerprint_of(backbone.model, tokenizer) for tokenizer in (lowered, added, unmasked)}
    assert len(fingerprints | {backbone.fingerprint}) == 4


def test_what_a_call_left_in_the_tokenizer_does_not_count():
    backbone = tiny_backbone("bert")
    tokenizer = backbone.tokenizer
    tokenizer(["a long day in the city"], truncation=True, max_length=4, padding="max_length")
    state = tokenizer.backend_tokenizer.truncation, tokenizer.backend_tokenizer.padding
    assert None not in state
    assert fingerprint_of(backbone.model, tokenizer) == backbone.fingerprint == tiny_backbone("bert").fingerprint
    assert (tokenizer.backend_tokenizer.truncation, tokenizer.backend_tokenizer.padding) == state


@pytest.mark.parametrize("change", [{"seed": 1}, {"hidden": 16}, {"layers": 1}])
def test_other_backbones_have_other_fingerprints(change):
    assert tiny_backbone("bert").fingerprint != tiny_backbone("bert", **change).fingerprint


def test_what_a_folder_gave_is_remembered_until_a_file_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("lect.remembered._YOUNG", -(10**12))
    computed = []

    def counted(*given):
        computed.append(given)
        return fingerprint_of(*given)

    monkeypatch.setattr("lect.backbones.backbone.fingerprint_of", counted)

    def read():
        return read_backbone(tmp_path / "it", name="it", identity="it", pooling="mean", prefix="", generates=True)

    save_tiny_backbone(tmp_path / "it", "m2m_100", generates=True)
    first = read()
    whole, half = first.fingerprint, first.reading.fingerprint
    assert whole != half
    again = read()
    assert (again.fingerprint, again.reading.fingerprint, len(computed)) == (whole, half, 2)

    save_tiny_backbone(tmp_path / "other", "m2m_100", seed=1, generates=True)
    (tmp_path / "other" / "model.safetensors").replace(tmp_path / "it" / "model.safetensors")
    other = tiny_backbone("m2m_100", seed=1, generates=True)
    assert read().fingerprint == fingerprint_of(other, other.tokenizer)
    assert len(computed) == 3
