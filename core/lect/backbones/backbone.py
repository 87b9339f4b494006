"""A frozen multilingual model with its tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lect.backbones.anatomy import DECODER, Anatomy, kind_of, read_anatomy
from lect.backbones.families import Kind
from lect.backbones.fingerprint import fingerprint_of
from lect.backbones.int8 import Int8Weight, quantised_projections
from lect.backbones.trimmed import ParentEntry, Trimmed
from lect.errors import BackboneError
from lect.literals import Pooling
from lect.remembered import FilesState


@dataclass(frozen=True)
class Backbone:
    """A multilingual model and its tokenizer, frozen.

    Args:
        name: what the user calls it.
        identity: hub id, folder or package it came from.
        revision: the hub's commit, where there is one.
        model: a `transformers` encoder, or decoder without its language model head, every parameter frozen, in
            evaluation mode. Of an encoder-decoder it is the encoder alone: sentence vectors and classification need no
            more, and what is trained on it fits the same encoder inside the whole model.
        tokenizer: its fast tokenizer.
        pooling: how a sentence vector is made of the hidden states: their mean, the first one (of an encoder), or the
            last one.
        prefix: a text put before every input.
        folder: where it was read from; what its checkpoint holds beside the model can be read there.
        trimmed: what it was cut from, where it was.
        decoder: of an encoder-decoder the decoder, where it was loaded to generate. The paths of its modules begin with
            ``writer.``; the encoder's, and so what was trained on the encoder alone, are as they are without it.
        files: those it was read from as they were then; by them its fingerprint is remembered.

    Raises:
        BackboneError: a decoder's first hidden state is asked for, which has seen one token only.
    """

    name: str
    identity: str
    model: Any
    tokenizer: Any
    pooling: Pooling = "mean"
    prefix: str = ""
    revision: str | None = None
    licence: str = ""
    folder: Path | None = None
    trimmed: Trimmed | None = None
    decoder: Any = None
    files: FilesState | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.pooling == "first" and self.kind == "decoder":
            raise BackboneError(
                f'"{self.name}" reads from left to right: its first hidden state has seen the first token only',
                fix='use pooling = "mean" or "last"',
            )

    def __repr__(self) -> str:
        return f"<Backbone {self.name}: {self.kind} of {self.hidden_size} hidden units, pooling by {self.pooling}>"

    @property
    def kind(self) -> Kind:
        """How the model's family reads: as an encoder, a decoder or an encoder-decoder."""
        return kind_of(self.model)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the parameters and the tokenizer, as 64 hexadecimal digits."""
        if self.files is None:
            return fingerprint_of(self, self.tokenizer)
        import tokenizers
        import transformers

        half = "alone" if self.decoder is None else "with its decoder"
        # What a version of theirs reads otherwise is to be seen as that.
        read_by = f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"
        what = f"fingerprint {half}, {read_by}"
        return self.files.recall(what, lambda: fingerprint_of(self, self.tokenizer))

    @cached_property
    def anatomy(self) -> Anatomy:
        """Where the model's parts lie."""
        return read_anatomy(self.model, self.decoder)

    @cached_property
    def int8_weights(self) -> dict[int, Int8Weight]:
        """Its projections in integers of 8 bits, by the identity of their weights."""
        return quantised_projections(self.named_modules())

    @cached_property
    def reading(self) -> Backbone:
        """The same without the half that writes, where it has one."""
        return self if self.decoder is None else replace(self, decoder=None)

    @property
    def generates(self) -> bool:
        """Whether it can write as it was loaded: a decoder, or both halves of an encoder-decoder."""
        return self.kind == "decoder" or self.decoder is not None

    @property
    def hidden_size(self) -> int:
        """The width of a hidden state."""
        return int(self.model.config.hidden_size)

    @property
    def max_length(self) -> int:
        """The most tokens an input may have, special ones included."""
        return max_length_of(self.model, self.tokenizer)

    @property
    def padding_id(self) -> int:
        """The token that rows are filled up with: the tokenizer's own, else its end of a text; it is masked."""
        tokenizer = self.tokenizer
        found = (tokenizer.pad_token_id, tokenizer.eos_token_id)
        return int(next((index for index in found if index is not None), 0))

    @property
    def blank_id(self) -> int:
        """The token that stands for a text without any, so that its row has a hidden state."""
        tokenizer = self.tokenizer
        found = (tokenizer.bos_token_id, tokenizer.eos_token_id)
        return int(next((index for index in found if index is not None), 0))

    @property
    def start_id(self) -> int:
        """The token that an encoder-decoder's answer begins with."""
        config = self.model.config
        stated = getattr(config, "decoder_start_token_id", None)
        if stated is not None:
            return int(stated)
        # As the families' papers have it: T5 begins with its padding, mBART and M2M100 with the end of a text.
        return self.padding_id if "t5" in config.model_type else int(self.tokenizer.eos_token_id)

    def parent(self, fingerprint: str) -> ParentEntry | None:
        """What it was trimmed from that has this fingerprint.

        None where it has no such parent, and where it was changed after it was trimmed: then nobody knows what it
        carries.
        """
        if self.trimmed is None or self.trimmed.table.fingerprint != self.fingerprint:
            return None
        return next((parent for parent in self.trimmed.table.parents if parent.fingerprint == fingerprint), None)

    @property
    def vocabulary_size(self) -> int:
        """The rows of its embedding."""
        table: Any = self.module(self.anatomy.word_embedding)
        return int(table.weight.shape[0])

    def module(self, path: str) -> nn.Module:
        """The model's module at a path such as ``encoder.layer.0.output.dense``."""
        half, path = (self.decoder, path[len(DECODER) :]) if path.startswith(DECODER) else (self.model, path)
        found: nn.Module = half.get_submodule(path)
        return found

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Every module by its path."""
        yield from self.model.named_modules()
        if self.decoder is not None:
            yield from ((f"{DECODER}{path}", module) for path, module in self.decoder.named_modules() if path)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, nn.Parameter]]:
        """Every parameter by its path; the halves' common table of tokens in both."""
        yield from self.model.named_parameters(remove_duplicate=remove_duplicate)
        if self.decoder is not None:
            named = self.decoder.named_parameters(remove_duplicate=remove_duplicate)
            yield from ((f"{DECODER}{path}", parameter) for path, parameter in named)

    def pool(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Sentence vectors.

        Args:
            hidden_states: *Shape:* ``(rows, length, hidden)``.
            attention_mask: *Shape:* ``(rows, length)``.

        Returns:
            *Shape:* ``(rows, hidden)``.
        """
        if self.pooling == "first":
            return hidden_states[:, 0]
        if self.pooling == "last":
            # The place of the last token, on whichever side the padding is.
            places = torch.arange(1, attention_mask.shape[1] + 1, device=attention_mask.device)
            last = (attention_mask.long() * places).argmax(1)
            return hidden_states[torch.arange(len(last), device=last.device), last]
        mask = attention_mask.unsqueeze(-1).to(hidden_states.dtype)
        return (hidden_states * mask).sum(1) / mask.sum(1).clamp_min(1)


def max_length_of(model: Any, tokenizer: Any) -> int:
    """The most tokens an input may have: the positions the model holds, bounded by what its tokenizer says.

    512 where the configuration names no bound, as T5's does not: so long were the texts it was trained on.
    """
    positions = int(getattr(model.config, "max_position_embeddings", 512))
    # RoBERTa and its kin count positions from the padding id on, so that many rows of the table are never used.
    if model.config.model_type in {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"}:
        positions -= int(model.config.pad_token_id) + 1
    stated = int(getattr(tokenizer, "model_max_length", positions))
    return min(positions, stated)
