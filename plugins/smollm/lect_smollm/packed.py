"""The GGUF file: its settings, its tokens, and its weights in float32 under the names that `transformers` uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect import BackboneError

if TYPE_CHECKING:
    import numpy as np

_OUTER = {"token_embd": "embed_tokens", "output_norm": "norm"}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_SPECIAL = 3  # how GGUF marks tokens such as <|im_start|>


@dataclass(frozen=True)
class Tokens:
    """The byte-level BPE: tokens in the order of their ids, merges in the order of their ranks, special ids."""

    texts: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    special: tuple[int, ...]
    begin: int
    end: int
    unknown: int
    padding: int


class PackedModel:
    """A Llama model in a GGUF file.

    Raises:
        BackboneError: it is not such a file.
    """

    def __init__(self, path: Path) -> None:
        from gguf import GGUFReader

        self.path = path
        try:
            self._reader = GGUFReader(path)
            self.settings = {name: field.contents() for name, field in self._reader.fields.items()}
        except (OSError, ValueError, KeyError, IndexError, OverflowError, UnicodeDecodeError) as error:
            raise BackboneError("it is no GGUF file, or cut short", where=str(path)) from error
        if self._setting("general.architecture") != "llama" or self._setting("tokenizer.ggml.pre") != "smollm":
            raise BackboneError("it is another model", where=str(path))

    @property
    def tokens(self) -> Tokens:
        """What the tokenizer is made of."""
        kinds = self._setting("tokenizer.ggml.token_type")
        merges = (merge.partition(" ") for merge in self._setting("tokenizer.ggml.merges"))
        return Tokens(
            texts=tuple(self._setting("tokenizer.ggml.tokens")),
            merges=tuple((left, right) for left, _, right in merges),
            special=tuple(index for index, kind in enumerate(kinds) if kind == _SPECIAL),
            begin=self._setting("tokenizer.ggml.bos_token_id"),
            end=self._setting("tokenizer.ggml.eos_token_id"),
            unknown=self._setting("tokenizer.ggml.unknown_token_id"),
            padding=self._setting("tokenizer.ggml.padding_token_id"),
        )

    @property
    def shape(self) -> Mapping[str, Any]:
        """The fields of a Llama configuration that say how large it is and how it computes."""
        width, heads = self._llama("embedding_length"), self._llama("attention.head_count")
        return {
            # The file holds it in float32; the shortest decimal that reads back as that number is the one meant.
            "rms_norm_eps": float(f"{self._llama('attention.layer_norm_rms_epsilon'):.7g}"),
            "head_dim": width // heads,
            "hidden_size": width,
            "intermediate_size": self._llama("feed_forward_length"),
            "max_position_embeddings": self._llama("context_length"),
            "num_attention_heads": heads,
            "num_hidden_layers": self._llama("block_count"),
            "num_key_value_heads": self._llama("attention.head_count_kv"),
            "rope_theta": self._llama("rope.freq_base"),
            "vocab_size": self._llama("vocab_size"),
        }

    @property
    def size(self) -> int:
        """The number of tensors."""
        return len(self._reader.tensors)

    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each name with its values in float32. Raises `BackboneError` for a tensor that no Llama model has."""
        from gguf import dequantize

        shape = self.shape
        for tensor in self._reader.tensors:
            try:
                values = dequantize(tensor.data, tensor.tensor_type)
            except (NotImplementedError, ValueError) as error:
                raise BackboneError(f"{tensor.name} cannot be unpacked", where=str(self.path)) from error
            yield self._name(tensor.name), _rows_in_halves(tensor.name, values, shape)

    def _name(self, name: str) -> str:
        stem = name.removesuffix(".weight")
        if stem in _OUTER:
            return f"{_OUTER[stem]}.weight"
        prefix, _, rest = stem.partition(".")
        number, _, inner = rest.partition(".")
        if prefix != "blk" or inner not in _IN_LAYER:
            raise BackboneError(f'it holds "{name}", which this model does not have', where=str(self.path))
        return f"layers.{number}.{_IN_LAYER[inner]}.weight"

    def _llama(self, name: str) -> Any:
        return self._setting(f"llama.{name}")

    def _setting(self, name: str) -> Any:
        if name not in self.settings:
            raise BackboneError(f"it lacks {name}", where=str(self.path))
        return self.settings[name]


def _rows_in_halves(name: str, values: np.ndarray, shape: Mapping[str, Any]) -> np.ndarray:
    """Queries' and keys' rows as `transformers` orders them.

    Rotary positions turn pairs of a head's rows: neighbours in llama.cpp, row *i* and row *i* plus half a head here.
    """
    heads = {"attn_q": shape["num_attention_heads"], "attn_k": shape["num_key_value_heads"]}
    count = heads.get(name.split(".")[-2])
    if count is None:
        return values
    pairs = values.reshape(count, -1, 2, values.shape[1])
    return pairs.swapaxes(1, 2).reshape(values.shape)
