"""Which model of `transformers` a checkpoint is, its configuration, and its tensors under their names there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lect import BackboneError
from lect_fairseq.checkpoint import Checkpoint
from lect_fairseq.dictionary import PAD, UNK
from lect_fairseq.names import M2M_100, MBART, ROBERTA, XLM_R_XL, NameTable
from lect_fairseq.upgrade import upgrade

if TYPE_CHECKING:
    from torch import Tensor

_SENTENCES = "encoder.sentence_encoder."
_HEAD = "encoder.lm_head."
# Norms have this in fairseq always; some configurations of transformers have another default.
_EPSILON = 1e-5
_ACTIVATIONS = {"gelu": "gelu", "gelu_accurate": "gelu_new", "gelu_fast": "gelu_new", "relu": "relu"}
# Settings that change what is computed and leave no trace in the tensors.
_UNKNOWN_SETTINGS = ("adaptive_input", "no_token_positional_embeddings", "use_alibi", "no_cross_attention")


@dataclass(frozen=True)
class Architecture:
    """One model of `transformers`.

    Args:
        family: its ``model_type``.
        kind: the class that holds all of it.
        table: the names of its tensors.
        layers: of each half, how many.
        config: the content of ``config.json`` but for what the vocabulary says.
        longest: the most tokens that it reads.
    """

    family: str
    kind: str
    table: NameTable
    layers: tuple[int, ...]
    config: Mapping[str, Any]
    longest: int
    notices: tuple[str, ...] = ()

    @property
    def has_head(self) -> bool:
        """Whether it predicts tokens."""
        return not self.kind.endswith("Model")


@dataclass(frozen=True)
class FoundModel:
    """A checkpoint's architecture, and its tensors by fairseq's newest names."""

    architecture: Architecture
    tensors: Mapping[str, Tensor]
    file: Path

    @property
    def rows(self) -> int:
        """The number of embeddings."""
        name = f"{_SENTENCES if self.is_encoder else 'encoder.'}embed_tokens.weight"
        return int(self.tensors[name].shape[0])

    @property
    def is_encoder(self) -> bool:
        """Whether it only reads."""
        return len(self.architecture.layers) == 1


def find_model(checkpoint: Checkpoint, *, has_sentencepiece: bool) -> FoundModel:
    """The model in a checkpoint.

    Raises:
        BackboneError: there is none of a known kind, or a setting that is needed is not there.
    """
    tensors = upgrade(checkpoint.tensors)
    notices: list[str] = []
    heads = sorted({name.split(".")[1] for name in tensors if name.startswith("classification_heads.")})
    for head in heads:
        notices.append(f'left out the classification head "{head}"')
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("classification_heads.")}
    for setting in _UNKNOWN_SETTINGS:
        if checkpoint.setting(setting, False):
            _refuse(checkpoint.file, f"it was trained with {setting}, which no model here computes")
    if f"{_SENTENCES}embed_tokens.weight" in tensors:
        architecture = _encoder(checkpoint, tensors, notices, has_sentencepiece)
    elif "encoder.embed_tokens.weight" in tensors and _count(tensors, "decoder.layers."):
        tensors = _with_one_table(checkpoint.file, tensors)
        architecture = _encoder_decoder(checkpoint, tensors, notices)
    else:
        found = next(iter(tensors), "nothing")
        _refuse(checkpoint.file, f"it is no RoBERTa, XLM-R, mBART, M2M-100 or NLLB (it holds {found})")
    if not architecture.has_head:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(_HEAD)}
    return FoundModel(architecture, tensors, checkpoint.file)


def names_of(model: FoundModel) -> dict[str, str]:
    """Every tensor's name in fairseq, and in `transformers`.

    Raises:
        BackboneError: one has no place there, or one that is due is not there.
    """
    names = model.architecture.table.names(model.architecture.layers)
    if model.is_encoder and not model.architecture.has_head:
        names = {source: target for source, target in names.items() if not source.startswith(_HEAD)}
    elif model.is_encoder and f"{_HEAD}weight" not in model.tensors:
        # The head shares the table of tokens.
        del names[f"{_HEAD}weight"]
    family = model.architecture.family
    if missing := [name for name in names if name not in model.tensors]:
        _refuse(model.file, f"it lacks {missing[0]}{_more(missing)}, without which it is no {family}")
    if unused := [name for name in model.tensors if name not in names]:
        _refuse(model.file, f"it holds {unused[0]}{_more(unused)}, which no {family} of transformers has")
    return names


# ------------------------------------------------------------------------------------------------------------ encoders


def _encoder(
    checkpoint: Checkpoint, tensors: Mapping[str, Tensor], notices: list[str], has_sentencepiece: bool
) -> Architecture:
    before = f"{_SENTENCES}layernorm_embedding.weight" not in tensors and f"{_SENTENCES}layer_norm.weight" in tensors
    layers = _count(tensors, f"{_SENTENCES}layers.")
    width = tensors[f"{_SENTENCES}embed_tokens.weight"].shape[1]
    positions = _positions(checkpoint, tensors, f"{_SENTENCES}embed_positions.weight")
    head = tensors.get(f"{_HEAD}weight")
    is_tied = head is None or _same(head, tensors[f"{_SENTENCES}embed_tokens.weight"])
    if not checkpoint.setting("no_scale_embedding", True):
        _refuse(checkpoint.file, "it multiplies its embeddings (no_scale_embedding is false), which no RoBERTa does")
    family = "xlm-roberta-xl" if before else "xlm-roberta" if has_sentencepiece else "roberta"
    name = {"xlm-roberta-xl": "XLMRobertaXL", "xlm-roberta": "XLMRoberta", "roberta": "Roberta"}[family]
    activation = _activation(checkpoint, "gelu")
    kind = f"{name}ForMaskedLM" if f"{_HEAD}bias" in tensors and activation == "gelu" else f"{name}Model"
    if f"{_HEAD}bias" not in tensors:
        notices.append("it has no head for masked tokens")
    elif activation != "gelu":
        notices.append(f"left out the head for masked tokens: in transformers it has gelu, and here {activation}")
    config = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": _heads(checkpoint, "encoder_attention_heads", width),
        "intermediate_size": _rows(checkpoint, tensors, f"{_SENTENCES}layers.0.fc1.weight"),
        "hidden_act": activation,
        "hidden_dropout_prob": checkpoint.setting("dropout", 0.1),
        "attention_probs_dropout_prob": checkpoint.setting("attention_dropout", 0.1),
        "max_position_embeddings": positions,
        "type_vocab_size": 1,
        "layer_norm_eps": _EPSILON,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": is_tied,
    }
    table = XLM_R_XL if before else ROBERTA
    # Positions are counted from the one behind padding's on.
    return Architecture(family, kind, table, (layers,), config, positions - PAD - 1, tuple(notices))


# ---------------------------------------------------------------------------------------------------- encoder-decoders


def _encoder_decoder(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], notices: list[str]) -> Architecture:
    learned = "encoder.embed_positions.weight" in tensors
    for half in ("encoder", "decoder"):
        if f"{half}.layer_norm.weight" not in tensors:
            _refuse(
                checkpoint.file,
                f"the norms of its {half} stand behind the blocks ({half}_normalize_before is false), which no mBART "
                "and no M2M-100 has",
            )
    width = tensors["encoder.embed_tokens.weight"].shape[1]
    if learned:
        positions = _positions(checkpoint, tensors, "encoder.embed_positions.weight") - PAD - 1
        other = _positions(checkpoint, tensors, "decoder.embed_positions.weight") - PAD - 1
        if positions != other:
            _refuse(
                checkpoint.file, f"its encoder reads {positions:,} tokens and its decoder {other:,}, which mBART cannot"
            )
    else:
        positions = int(checkpoint.setting("max_source_positions", 1024))
    family, name, table = ("mbart", "MBart", MBART) if learned else ("m2m_100", "M2M100", M2M_100)
    layers = (_count(tensors, "encoder.layers."), _count(tensors, "decoder.layers."))
    config = {
        "d_model": width,
        "encoder_layers": layers[0],
        "decoder_layers": layers[1],
        "num_hidden_layers": layers[0],
        "encoder_attention_heads": _heads(checkpoint, "encoder_attention_heads", width),
        "decoder_attention_heads": _heads(checkpoint, "decoder_attention_heads", width),
        "encoder_ffn_dim": _rows(checkpoint, tensors, "encoder.layers.0.fc1.weight"),
        "decoder_ffn_dim": _rows(checkpoint, tensors, "decoder.layers.0.fc1.weight"),
        "activation_function": _activation(checkpoint, "gelu" if learned else "relu"),
        "dropout": checkpoint.setting("dropout", 0.1),
        "attention_dropout": checkpoint.setting("attention_dropout", 0.0),
        "activation_dropout": checkpoint.setting("activation_dropout", 0.0),
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "max_position_embeddings": positions,
        "scale_embedding": not checkpoint.setting("no_scale_embedding", False),
        "is_encoder_decoder": True,
        "tie_word_embeddings": True,
    }
    return Architecture(family, f"{name}ForConditionalGeneration", table, layers, config, positions, tuple(notices))


def _with_one_table(file: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with the table of tokens once; refuse a model whose tables differ."""
    table = tensors["encoder.embed_tokens.weight"]
    rest = dict(tensors)
    for name in ("decoder.embed_tokens.weight", "decoder.output_projection.weight", "decoder.embed_out"):
        other = rest.pop(name, None)
        if other is not None and not _same(other, table):
            _refuse(
                file, f"{name} is another table of tokens than encoder.embed_tokens.weight; mBART and M2M-100 share one"
            )
    return rest


# ------------------------------------------------------------------------------------------------------------ settings


def _positions(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], name: str) -> int:
    if name not in tensors:
        _refuse(checkpoint.file, f"it lacks {name}: positions that are computed are known of M2M-100 alone")
    rows = int(tensors[name].shape[0])
    if rows <= UNK:
        _refuse(checkpoint.file, f"{name} has {rows} rows, too few for any text")
    return rows


def _heads(checkpoint: Checkpoint, name: str, width: int) -> int:
    heads = checkpoint.setting(name)
    if not isinstance(heads, int) or heads < 1 or width % heads:
        _refuse(checkpoint.file, f"{name} is {heads}, by which its width of {width} cannot be divided")
    return heads


def _activation(checkpoint: Checkpoint, default: str) -> str:
    stated = str(checkpoint.setting("activation_fn", default))
    if stated not in _ACTIVATIONS:
        _refuse(checkpoint.file, f'its activation_fn is "{stated}"; known are {", ".join(sorted(_ACTIVATIONS))}')
    return _ACTIVATIONS[stated]


def _rows(checkpoint: Checkpoint, tensors: Mapping[str, Tensor], name: str) -> int:
    if name not in tensors:
        _refuse(checkpoint.file, f"it lacks {name}")
    return int(tensors[name].shape[0])


def _count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    return 1 + max((int(matched[1]) for name in tensors if (matched := pattern.match(name))), default=-1)


def _same(one: Tensor, other: Tensor) -> bool:
    import torch

    if one.shape != other.shape:
        return False
    return one.data_ptr() == other.data_ptr() or torch.equal(one, other)


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1:,} more" if len(names) > 1 else ""


def _refuse(file: Path, what: str) -> NoReturn:
    raise BackboneError(what, where=str(file))
