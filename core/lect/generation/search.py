"""Greedy and beam search through `transformers`, every row and all of its beams through the row's own stack."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel
from transformers.generation.utils import GenerationMixin
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithPast, Seq2SeqLMOutput

from lect.backbones import Backbone
from lect.backbones.quiet import quiet_transformers
from lect.composition.finite import NotFiniteError
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.composition.sites import RowsMismatchError
from lect.generation.logits import RoutedLogits
from lect.generation.rows import Source, padded
from lect.heads import Decoding
from lect.language_model.head import LanguageModelHead

_KEPT = next(each.name for each in fields(CausalLMOutputWithPast) if each.name in ("past_key_values", "cache"))
"""What this version of transformers calls the keys and values that are kept from token to token."""


@dataclass(frozen=True)
class Search:
    """How rows are searched.

    Args:
        ends: the tokens after which nothing is written.
        longest: the most tokens of an answer.
    """

    decoding: Decoding
    ends: tuple[int, ...]
    longest: int


@torch.no_grad()
def search_rows(
    model: RoutedModel, head: LanguageModelHead, sources: Sequence[Source], routes: Routes, search: Search
) -> list[list[int]]:
    """What is written behind each source, row by row, the forced beginning left out.

    A beam is reordered among the beams of its own row alone, and what its layers remember (keys and values) goes with
    it; so row ``r`` of ``b`` beams is rows ``r*b`` to ``r*b + b - 1`` of the search, which take the route of ``r``.

    Args:
        sources: all with equally long forced beginnings.
    """
    try:
        return _search(model, head, sources, routes, search)
    except RowsMismatchError:
        if len(routes.groups) == 1:
            raise
    # Some module of this backbone is called once for all rows: each group goes on its own.
    found: list[list[int]] = [[] for _ in sources]
    for group in routes.groups:
        rows = group.rows.tolist()
        own = Routes.uniform(group.components, len(rows)).to(group.rows.device)
        for row, written in zip(rows, _search(model, head, [sources[r] for r in rows], own, search), strict=True):
            found[row] = written
    return found


def _search(
    model: RoutedModel, head: LanguageModelHead, sources: Sequence[Source], routes: Routes, search: Search
) -> list[list[int]]:
    backbone, beams = model.backbone, search.decoding.beams
    device = next(model.encoder.parameters()).device
    routes = routes.to(device)
    spread = routes.repeated(beams)
    tokens = RoutedLogits(model, head, spread)
    is_decoder = backbone.kind == "decoder"
    ids, mask = (each.to(device) for each in padded([s.ids for s in sources], backbone.padding_id, left=is_decoder))
    named: dict[str, Any] = {"attention_mask": mask}
    if is_decoder:
        named["input_ids"] = ids
        begun = ids.shape[1]
    else:
        named["decoder_input_ids"] = torch.tensor([source.forced for source in sources], device=device)
        named["encoder_outputs"] = BaseModelOutput(last_hidden_state=model(EncodedRows(ids, mask, None, routes)))
        begun = named["decoder_input_ids"].shape[1]
    with quiet_transformers(), model.routed(spread):
        writer = _Writer(backbone, tokens, tokens.width)
        settings = _settings(search, backbone.padding_id)
        if not is_decoder:
            # With any row's own start, nothing is put in front of what rows are made to begin with.
            settings.decoder_start_token_id = sources[0].forced[0]
        rows: Any = writer.generate(**named, generation_config=settings)
    return [row[begun:].tolist() for row in rows]


def _settings(search: Search, padding: int) -> Any:
    beams = search.decoding.beams
    named: dict[str, Any] = {"length_penalty": search.decoding.length_penalty} if beams > 1 else {}
    return GenerationConfig(
        max_new_tokens=search.longest,
        num_beams=beams,
        do_sample=False,
        eos_token_id=list(search.ends),
        pad_token_id=padding,
        use_cache=True,
        **named,
    )


class _Writer(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """A backbone as `transformers` searches with it; it holds no weights of its own, and lives for one search."""

    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, backbone: Backbone, tokens: Callable[[Tensor], Tensor], width: int) -> None:
        writing = backbone.model if backbone.decoder is None else backbone.decoder
        config = copy.deepcopy(writing.config)
        # The backbone's own stays as it is. Beams are numbered by the count of tokens.
        config.vocab_size, config.use_cache = width, True
        config.is_encoder_decoder, config.is_decoder = backbone.decoder is not None, False
        super().__init__(config)
        # What a checkpoint says of searching is not what was asked for.
        self.generation_config = GenerationConfig()
        self._tokens = tokens
        # The list hides the modules from `torch`: nothing that is done to this one is done to them.
        self._modules_of_backbone = [backbone.model, writing]

    @property
    def device(self) -> torch.device:
        """Where the backbone is."""
        found: torch.device = next(self._modules_of_backbone[0].parameters()).device
        return found

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in."""
        return torch.float32

    def get_encoder(self, modality: str | None = None) -> Any:
        """The half that reads."""
        return self._modules_of_backbone[0]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        cache: Any = None,
        encoder_outputs: Any = None,
        decoder_input_ids: Tensor | None = None,
        **_: Any,
    ) -> Any:
        """The logits of the token behind the last one of each row."""
        kept = {_KEPT: past_key_values if cache is None else cache, "use_cache": True}
        if decoder_input_ids is None:
            named = {"input_ids": input_ids, "attention_mask": attention_mask, "position_ids": position_ids}
        else:
            named = {
                "input_ids": decoder_input_ids,
                "encoder_hidden_states": encoder_outputs[0],
                "encoder_attention_mask": attention_mask,
            }
        output = self._modules_of_backbone[1](**named, **kept)
        logits = self._tokens(output.last_hidden_state[:, -1:])
        # Tokens of other stacks have no probability at all; nothing may have one that is not a number.
        if bool(logits.isnan().any()):
            raise NotFiniteError("what is written is NaN, which is no answer", fix="run the backbone in float32")
        kind = CausalLMOutputWithPast if decoder_input_ids is None else Seq2SeqLMOutput
        return kind(logits=logits, **{_KEPT: output[_KEPT]})
