"""fairseq's modules in plain torch, written from its documentation: their state dictionaries and their hidden states.

Tensors have the names that fairseq gives them. What is here shares nothing with the plugin that converts them.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PAD = 1


def positions_of(tokens: Tensor) -> Tensor:
    """Counted from the one behind padding's, over what is no padding."""
    there = tokens.ne(PAD).int()
    return (torch.cumsum(there, dim=1) * there).long() + PAD


def sinusoids(count: int, width: int) -> Tensor:
    """Positions that are computed: sines, then cosines."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float) * -(math.log(10000) / (half - 1)))
    angles = torch.arange(count, dtype=torch.float)[:, None] * frequencies[None]
    table = torch.cat([angles.sin(), angles.cos()], dim=1)
    table[PAD] = 0
    return table


class Attention(nn.Module):
    """MultiheadAttention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(width, width))

    def forward(self, query: Tensor, key: Tensor, hidden: Tensor | None) -> Tensor:
        rows, length, width = query.shape
        size = width // self.heads

        def split(states: Tensor) -> Tensor:
            return states.view(rows, -1, self.heads, size).transpose(1, 2)

        q, k, v = split(self.q_proj(query) * size**-0.5), split(self.k_proj(key)), split(self.v_proj(key))
        scores = q @ k.transpose(-1, -2)
        if hidden is not None:
            scores = scores.masked_fill(hidden, float("-inf"))
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(rows, length, width)
        return self.out_proj(mixed)


class Layer(nn.Module):
    """TransformerEncoderLayer and TransformerDecoderLayer."""

    def __init__(self, args: Namespace, half: str) -> None:
        super().__init__()
        width = args.encoder_embed_dim
        heads, inner = getattr(args, f"{half}_attention_heads"), getattr(args, f"{half}_ffn_embed_dim")
        self.before = getattr(args, f"{half}_normalize_before")
        self.activation = {"gelu": functional.gelu, "relu": functional.relu, "gelu_accurate": gelu_accurate}[
            args.activation_fn
        ]
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        if half == "decoder":
            self.encoder_attn = Attention(width, heads)
            self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, hidden: Tensor, read: Tensor | None = None, unread: Tensor | None = None) -> Tensor:
        x = self._block(x, self.self_attn_layer_norm, lambda y: self.self_attn(y, y, hidden))
        if read is not None:
            x = self._block(x, self.encoder_attn_layer_norm, lambda y: self.encoder_attn(y, read, unread))
        return self._block(x, self.final_layer_norm, lambda y: self.fc2(self.activation(self.fc1(y))))

    def _block(self, x: Tensor, norm: nn.LayerNorm, block: Any) -> Tensor:
        return x + block(norm(x)) if self.before else norm(x + block(x))


def gelu_accurate(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class Half(nn.Module):
    """TransformerEncoder and TransformerDecoder; the first is RoBERTa's ``sentence_encoder`` too."""

    def __init__(self, args: Namespace, half: str, table: nn.Embedding) -> None:
        super().__init__()
        width = args.encoder_embed_dim
        self.scale = 1.0 if args.no_scale_embedding else math.sqrt(width)
        self.embed_tokens = table
        self.learned = getattr(args, f"{half}_learned_pos")
        if self.learned:
            self.embed_positions = nn.Embedding(args.max_positions + PAD + 1, width, PAD)
        if args.layernorm_embedding:
            self.layernorm_embedding = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(args, half) for _ in range(getattr(args, f"{half}_layers")))
        if getattr(args, f"{half}_normalize_before"):
            self.layer_norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, read: Tensor | None = None, source: Tensor | None = None) -> list[Tensor]:
        """The hidden states in front of the first layer and behind each, the last one as it leaves the half."""
        positions = positions_of(tokens)
        table = self.embed_positions.weight if self.learned else sinusoids(PAD + 1 + tokens.shape[1], self.width)
        x = self.scale * self.embed_tokens(tokens) + table[positions]
        if hasattr(self, "layernorm_embedding"):
            x = self.layernorm_embedding(x)
        hidden = tokens.eq(PAD)[:, None, None, :]
        unread = None
        if read is None:
            x = x * tokens.ne(PAD)[:, :, None]
        else:
            length = tokens.shape[1]
            hidden = hidden | torch.ones(length, length, dtype=torch.bool).triu(1)
            unread = source.eq(PAD)[:, None, None, :]
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], hidden, read, unread))
        if hasattr(self, "layer_norm"):
            states[-1] = self.layer_norm(states[-1])
        return states

    @property
    def width(self) -> int:
        return self.embed_tokens.weight.shape[1]


class LMHead(nn.Module):
    """RobertaLMHead."""

    def __init__(self, args: Namespace, weight: nn.Parameter) -> None:
        super().__init__()
        width = args.encoder_embed_dim
        self.dense, self.layer_norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.weight, self.bias = weight, nn.Parameter(torch.zeros(weight.shape[0]))
        self.activation = gelu_accurate if args.activation_fn == "gelu_accurate" else functional.gelu

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.layer_norm(self.activation(self.dense(x))), self.weight) + self.bias


class Roberta(nn.Module):
    """RobertaModel."""

    def __init__(self, args: Namespace, count: int) -> None:
        super().__init__()
        self.args = args
        self.encoder = nn.Module()
        table = nn.Embedding(count, args.encoder_embed_dim, PAD)
        self.encoder.sentence_encoder = Half(args, "encoder", table)
        untied = getattr(args, "untie_weights_roberta", False)
        own = nn.Parameter(torch.zeros_like(table.weight)) if untied else table.weight
        self.encoder.lm_head = LMHead(args, own)

    def forward(self, tokens: Tensor) -> list[Tensor]:
        return self.encoder.sentence_encoder(tokens)

    def logits(self, tokens: Tensor) -> Tensor:
        return self.encoder.lm_head(self(tokens)[-1])


class EncoderDecoder(nn.Module):
    """TransformerModel and BARTModel with one table of tokens for all."""

    def __init__(self, args: Namespace, count: int) -> None:
        super().__init__()
        self.args = args
        table = nn.Embedding(count, args.encoder_embed_dim, PAD)
        self.encoder, self.decoder = Half(args, "encoder", table), Half(args, "decoder", table)
        self.decoder.output_projection = nn.Linear(args.encoder_embed_dim, count, bias=False)
        self.decoder.output_projection.weight = table.weight

    def forward(self, source: Tensor, target: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        read = self.encoder(source)
        return read, self.decoder(target, read[-1], source)


def settings(**changes: Any) -> Namespace:
    """The settings of a small model, as fairseq keeps them: XLM-R's where nothing is said."""
    values = {
        "arch": "roberta_base", "encoder_layers": 2, "encoder_embed_dim": 16, "encoder_ffn_embed_dim": 24,
        "encoder_attention_heads": 4, "encoder_normalize_before": False, "encoder_learned_pos": True,
        "decoder_layers": 1, "decoder_ffn_embed_dim": 20, "decoder_attention_heads": 2,
        "decoder_normalize_before": False, "decoder_learned_pos": True, "max_positions": 40,
        "layernorm_embedding": True, "no_scale_embedding": True, "activation_fn": "gelu", "dropout": 0.1,
    }  # fmt: skip
    return Namespace(**{**values, **changes})


_BOTH = {"encoder_normalize_before": True, "decoder_normalize_before": True, "no_scale_embedding": False}
XL = {"arch": "roberta_prenorm", "encoder_normalize_before": True, "layernorm_embedding": False}
MBART = {"arch": "mbart_large", "max_source_positions": 40, **_BOTH}
M2M = {
    "arch": "transformer_wmt_en_de_big", "encoder_learned_pos": False, "decoder_learned_pos": False,
    "layernorm_embedding": False, "activation_fn": "relu", "max_source_positions": 40,
    "encoder_langtok": "src", "decoder_langtok": True, "lang_tok_style": "multilingual", **_BOTH,
}  # fmt: skip


def filled(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model with random values in every parameter, norms and biases too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):
            values = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(values * (0.5 if parameter.dim() > 1 else 0.2) + (1 if parameter.dim() == 1 else 0))
    return model.eval()


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """The state dictionary with the marks that fairseq puts into it."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if isinstance(model, Roberta):
        return state | {"encoder.sentence_encoder.version": torch.tensor([3.0])}
    state |= {f"{half}.version": torch.tensor([3.0]) for half in ("encoder", "decoder")}
    if not model.args.encoder_learned_pos:
        state |= {f"{half}.embed_positions._float_tensor": torch.tensor([1.0]) for half in ("encoder", "decoder")}
    return state


def checkpoint_of(model: nn.Module, *, as_config: bool = True, **task: Any) -> dict[str, Any]:
    """What `torch.save` gets of fairseq: its newer form with a ``cfg``, or the older one with ``args``."""
    record: Mapping[str, Any] = {
        "model": state_of(model),
        "optimizer_history": [{"criterion_name": "MaskedLmLoss", "num_updates": 7}],
        "extra_state": {"epoch": 1, "val_loss": 2.5},
        "last_optimizer_state": None,
    }
    if as_config:
        config = {"_name": None, "model": model.args, "task": {"_name": "masked_lm", **task}}
        return {"args": None, "cfg": config, **record}
    return {"args": Namespace(**{**vars(model.args), **task}), "cfg": None, **record}
