"""A backbone to measure speed with where no real one of that size is to be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_random(folder: Path, tokenizer: Any) -> Path:
    """A backbone of XLM-R-base's size (Conneau et al. 2020, table 6) with random weights and another's tokens.

    Returns:
        The folder; what lies there already is left as it is.
    """
    if not (folder / "config.json").exists():
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=250_002,
            hidden_size=768,
            num_hidden_layers=12,
            num_attention_heads=12,
            intermediate_size=3072,
            max_position_embeddings=514,
            pad_token_id=1,
        )
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder
