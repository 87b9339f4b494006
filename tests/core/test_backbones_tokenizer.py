"""A tokenizer that is read by its file alone is the one that transformers reads."""

import json

import pytest
from transformers import AutoTokenizer

from lect.backbones.tokenizer import copy_backend, highest_id, load_tokenizer
from lect.testing.backbones import TINY_FAMILIES, tiny_backbone

pytestmark = pytest.mark.models

TEXTS = ["a long day in the city", "Über 1,234 ½ ߒߞߏ <mask> </s> x", "", "  two  spaces\n", "saya akan pergi 👩‍👩‍👧"]
SAID = ("all_special_ids", "special_tokens_map", "model_max_length", "model_input_names", "padding_side", "is_fast")


def told(tokenizer):
    """All that is asked of a tokenizer."""
    backend = tokenizer.backend_tokenizer
    rows = [backend.encode(text) for text in TEXTS] + [backend.encode(*TEXTS[:2])]
    cut = [(row.ids, row.tokens, row.offsets, row.type_ids, row.special_tokens_mask) for row in rows]
    return {name: getattr(tokenizer, name) for name in SAID} | {
        "rows": cut,
        "length": len(tokenizer),
        "text": [backend.decode(row.ids) for row in rows],
        "json": backend.to_str(),
        "special": [getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad", "unk", "mask")],
    }


def without_what_newer_versions_write(folder):
    """As older versions, and conversions, lay a folder out."""
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    del config["added_tokens_decoder"]
    special = {name: {"content": text} for name, text in config.items() if name.endswith("_token")}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special), "utf-8")


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("family", TINY_FAMILIES)
def test_it_is_what_transformers_reads(tmp_path, family, older):
    tiny_backbone(family).tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family, "transformers_version": "4.57.0"}))
    if older and "added_tokens_decoder" in json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8")):
        without_what_newer_versions_write(tmp_path)
    read, expected = load_tokenizer(tmp_path, family), AutoTokenizer.from_pretrained(tmp_path)
    assert type(read) is type(expected)
    assert told(read) == told(expected)
    assert highest_id(read.backend_tokenizer) == max(read.get_vocab().values())


@pytest.mark.parametrize("family", TINY_FAMILIES)
def test_a_copy_cuts_alike_and_is_truncated_by_itself(family):
    backend = tiny_backbone(family).tokenizer.backend_tokenizer
    copied = copy_backend(backend)
    assert copied.to_str() == backend.to_str()
    whole = backend.encode(TEXTS[0]).ids
    copied.enable_truncation(3)
    assert backend.encode(TEXTS[0]).ids == whole
    assert len(copied.encode(TEXTS[0]).ids) == 3
