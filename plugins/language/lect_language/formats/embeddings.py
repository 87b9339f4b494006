"""Embeddings in AdapterHub folders: those that add tokens to the backbone's own are a part `vocabulary`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lect import ComponentError
from lect.exchange import PartContents, read_json, read_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone

#: As `adapters.utils` names them.
EMBEDDING_FILE = "embedding.pt"
TOKENIZER_PATH = "tokenizer"


@dataclass(frozen=True)
class Embeddings:
    """New tokens with their embeddings."""

    part: PartContents
    tokenizer_json: str


def read_embeddings(folder: Path, backbone: Backbone) -> Embeddings | None:
    """The embeddings in an AdapterHub folder, where there are any that differ from the backbone's.

    Raises:
        ComponentError: they replace the backbone's own, which no component can: without them the adapter would not be
            what it was, so that nothing is imported.
    """
    file = folder / EMBEDDING_FILE
    if not file.is_file():
        return None
    table, own = read_tensor(file), _matrix(backbone)
    if table.shape == own.shape and torch.equal(table, own):
        return None
    tokenizer_file = folder / TOKENIZER_PATH / "tokenizer.json"
    if not tokenizer_file.is_file():
        _refuse(file, f"there is no {TOKENIZER_PATH}/tokenizer.json that says what its rows are")
    base = json.loads(backbone.tokenizer.backend_tokenizer.to_str())
    first = _size(base)
    new = read_json(tokenizer_file)
    if not _is_tokenizer(new):
        _refuse(tokenizer_file, "it is no tokenizer of the library tokenizers")
    if new["model"].get("type") != "Unigram" or base["model"].get("type") != "Unigram":
        _refuse(file, "new tokens need a unigram tokenizer")
    if _size(new) <= first or new["model"]["vocab"][: len(base["model"]["vocab"])] != base["model"]["vocab"]:
        _refuse(file, "its tokenizer does not have the backbone's tokens in front of its own")
    if table.dim() != 2 or table.shape[0] < _size(new) or not torch.equal(table[:first], own[:first]):
        _refuse(file, "it replaces embeddings of the backbone, and a component only adds new ones")
    rows = table[first : _size(new)].contiguous()
    part = PartContents("vocabulary", {}, {"embeddings.weight": rows, "bias": torch.zeros(len(rows))})
    return Embeddings(part, json.dumps(new, ensure_ascii=False))


def write_embeddings(folder: Path, part: PartContents, tokenizer_json: str, backbone: Backbone) -> None:
    """Write all embeddings, the backbone's and the new ones, with their tokenizer, for ``model.load_embeddings``."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    first = _size(json.loads(backbone.tokenizer.backend_tokenizer.to_str()))
    table = torch.cat([_matrix(backbone)[:first], part.tensors["embeddings.weight"]])
    torch.save(table, folder / EMBEDDING_FILE)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer_json),
        model_max_length=backbone.tokenizer.model_max_length,
        **backbone.tokenizer.special_tokens_map,
    )
    tokenizer.save_pretrained(folder / TOKENIZER_PATH)


def _matrix(backbone: Backbone) -> Tensor:
    matrix: Tensor = backbone.module(backbone.anatomy.word_embedding).weight
    return matrix.detach()


def _is_tokenizer(values: dict) -> bool:
    """Whether it has what is read of it here."""
    model, added = values.get("model"), values.get("added_tokens")
    return (
        isinstance(model, dict)
        and isinstance(model.get("vocab"), list | dict)
        and isinstance(added, list)
        and all(isinstance(entry, dict) and type(entry.get("id")) is int for entry in added)
    )


def _size(tokenizer: dict) -> int:
    """The first id that a tokenizer has not given away."""
    return max([len(tokenizer["model"]["vocab"]), *(entry["id"] + 1 for entry in tokenizer["added_tokens"])])


def _refuse(file: Path, reason: str) -> None:
    raise ComponentError(
        f"these embeddings cannot be a component's: {reason}",
        where=str(file),
        fix=f"move {EMBEDDING_FILE} away to import the adapter alone, which was trained with it",
    )
