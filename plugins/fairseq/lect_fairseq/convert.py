"""A folder of fairseq as a folder that `transformers` loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect import BackboneError, Progress
from lect_fairseq.checkpoint import Checkpoint, read_checkpoint
from lect_fairseq.dictionary import BOS, EOS, PAD, SPECIAL, UNK, Vocabulary, read_dictionary, vocabulary_of
from lect_fairseq.files import CheckpointFiles, find_files
from lect_fairseq.model import FoundModel, find_model, names_of
from lect_fairseq.sentencepiece import read_model
from lect_fairseq.tokenizer import (
    BuiltTokenizer,
    frame_text,
    gpt2_tokenizer,
    sentencepiece_tokenizer,
    tokenizer_settings,
)

if TYPE_CHECKING:
    from torch import Tensor

_ROWS = {"model.shared.weight", "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight", "lm_head.bias"}
"""Tensors with a row for each token."""
_TYPES = "roberta.embeddings.token_type_embeddings.weight"
_NOTHING_ADDED = "final_logits_bias"
_SHARED = {"model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"}
_SHARED |= {"lm_head.decoder.weight", "lm_head.decoder.bias"}
_VERSION = "4.57.0"


def convert(folder: Path, target: Path, progress: Progress) -> list[str]:
    """Write a checkpoint and its tokenizer into an empty folder as `transformers` lays them out.

    Returns:
        A line for each thing that was left out, or that a user must know.

    Raises:
        BackboneError: a file is missing, broken or does not belong to the others; or the model is of no known kind.
    """
    from safetensors.torch import save_file

    what = f"converting {folder.name}"
    progress(what, 0.0)
    files = find_files(folder)
    symbols = read_dictionary(files.dictionary)
    checkpoint = read_checkpoint(files.checkpoint)
    progress(what, 0.2)
    model = find_model(checkpoint, has_sentencepiece=files.sentencepiece is not None)
    architecture, notices = model.architecture, list(model.architecture.notices)
    vocabulary = vocabulary_of(symbols, model.rows, checkpoint.settings, files.languages, files.dictionary)
    built = _tokenizer(files, vocabulary)
    if built.unknown_pieces:
        notices.append(
            f"{built.unknown_pieces:,} tokens of its subword model are not in {files.dictionary.name}: "
            "the embedding of each is that of the unknown token"
        )
    config = {
        "architectures": [architecture.kind],
        "model_type": architecture.family,
        **architecture.config,
        "vocab_size": model.rows + built.unknown_pieces,
        "bos_token_id": BOS,
        "pad_token_id": PAD,
        "eos_token_id": EOS,
        **_frame(built, model, checkpoint, vocabulary),
        "transformers_version": _VERSION,
    }
    progress(what, 0.4)
    tensors = _tensors(model, config, built.unknown_pieces)
    config["torch_dtype"] = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    progress(what, 0.5)
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    progress(what, 0.9)
    built.backend.save(str(target / "tokenizer.json"), pretty=False)
    _write_json(target / "config.json", config)
    _write_json(target / "tokenizer_config.json", tokenizer_settings(vocabulary, architecture.longest))
    progress(what, 1.0)
    return notices


# ----------------------------------------------------------------------------------------------------------- tokenizer


def _tokenizer(files: CheckpointFiles, vocabulary: Vocabulary) -> BuiltTokenizer:
    if files.sentencepiece is not None:
        return sentencepiece_tokenizer(read_model(files.sentencepiece), vocabulary, files.sentencepiece)
    assert files.gpt2 is not None
    return gpt2_tokenizer(*files.gpt2, vocabulary)


def _frame(built: BuiltTokenizer, model: FoundModel, checkpoint: Checkpoint, vocabulary: Vocabulary) -> dict[str, Any]:
    """Put the tokens around texts that the model was trained with; what its configuration says of how it writes."""
    begin, end = SPECIAL[BOS], SPECIAL[EOS]
    if model.is_encoder:
        frame_text(built.backend, [begin, "$A", end], [end, "$B", end])
        return {}
    writes: dict[str, Any] = {"decoder_start_token_id": EOS, "forced_eos_token_id": EOS}
    if not vocabulary.languages:
        frame_text(built.backend, ["$A", end], ["$B", end])
        return writes
    source, target = (_language(vocabulary, checkpoint.setting(name, "")) for name in ("source_lang", "target_lang"))
    # Tasks of many languages put the token in front; mBART's own put it behind, and begin to write with it.
    is_behind = model.architecture.family == "mbart" and not (
        checkpoint.setting("encoder_langtok", None) or checkpoint.setting("decoder_langtok", False)
    )
    own = vocabulary.languages[source]
    frame_text(built.backend, ["$A", end, own] if is_behind else [own, "$A", end], ["$B", end])
    return {**writes, "decoder_start_token_id": target} if is_behind else writes


def _language(vocabulary: Vocabulary, stated: str) -> int:
    """The token of a language: of the one that settings name, else of English, else the first one."""
    codes = {index: name.strip("_[]") for index, name in vocabulary.languages.items()}
    for wanted in (stated, "en_XX", "en", "eng_Latn"):
        for index, code in codes.items():
            if code == wanted:
                return index
    return next(iter(codes))


# ------------------------------------------------------------------------------------------------------------- tensors


def _tensors(model: FoundModel, config: Mapping[str, Any], more: int) -> dict[str, Tensor]:
    """What ``model.safetensors`` holds.

    Args:
        more: rows that are put behind the table of tokens, copies of the unknown one's.

    Raises:
        BackboneError: a tensor has another shape than the model of this configuration.
    """
    import torch

    names = names_of(model)
    sources = {target: source for source, target in names.items()}
    found = {target: model.tensors[source] for source, target in names.items()}
    if more:
        for name in _ROWS & found.keys():
            table = found[name]
            found[name] = torch.cat([table, table[UNK : UNK + 1].expand(more, *table.shape[1:])])
    expected = _expected_shapes(model.architecture.kind, config)
    first = next(iter(found.values()))
    for name, shape in expected.items():
        if name in (_TYPES, _NOTHING_ADDED):
            found[name] = torch.zeros(shape, dtype=first.dtype)
    for name, tensor in found.items():
        if tuple(tensor.shape) != expected.get(name):
            what = f"{sources.get(name, name)} has the shape {tuple(tensor.shape)}"
            raise BackboneError(f"{what}, and {expected.get(name)} is due", where=str(model.file))
    if missing := expected.keys() - found.keys() - _SHARED:
        raise BackboneError(f"it lacks what transformers calls {min(missing)}", where=str(model.file))
    if config["tie_word_embeddings"]:
        found.pop("lm_head.decoder.weight", None)
    elif "lm_head.bias" in found and "lm_head.decoder.bias" in expected:
        # Newer versions of transformers tie the two by the weights' setting.
        found["lm_head.decoder.bias"] = found["lm_head.bias"].clone()
    return {name: _alone(tensor) for name, tensor in found.items()}


def _expected_shapes(kind: str, config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The tensors that a model of this configuration has, by name; none of them is made."""
    import torch
    import transformers

    kind = kind.removesuffix("Model") + "ForMaskedLM" if kind.endswith("Model") else kind
    cls = getattr(transformers, kind)
    with torch.device("meta"):
        model = cls(cls.config_class(**config))
    whole = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    is_headless = config["architectures"][0] != kind
    return {name: shape for name, shape in whole.items() if not (is_headless and name.startswith("lm_head."))}


def _alone(tensor: Tensor) -> Tensor:
    """The tensor in memory of its own, which safetensors asks for."""
    if tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size():
        return tensor.contiguous()
    return tensor.contiguous().clone()


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
