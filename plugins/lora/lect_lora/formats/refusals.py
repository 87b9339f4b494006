"""Why a PEFT folder cannot be a component: what was trained in it that a frozen backbone has no place for."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from lect import ComponentError
from lect_lora.settings import library_class_of

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone

_FROZEN = "a component leaves the backbone as it is"
_AGAIN = "train it again without"
#: Fields that mean, where they are set, that more than projections was changed.
_MORE = {
    "layer_replication": "it repeats layers of the model, and a component leaves the backbone's layers as they are",
    "target_parameters": "it changes parameters that are no projections",
    "trainable_token_indices": "it trained embeddings of some tokens of the model, and a component leaves them frozen",
    "alora_invocation_tokens": "it acts behind certain tokens of a text only, and a projection does not see the text",
}
#: Initialisations that take a share out of the weights which only their data, or chance, could tell again.
_FORGOTTEN = {
    "corda": "it depends on the data it was prepared with",
    "loftq": "it goes with weights that were quantised for it",
    "lora_ga": "it depends on gradients of the data it was prepared with",
}
_CONVERT = "convert it to LoRA where it was trained: save_pretrained(…, path_initial_model_for_weight_conversion=…)"


def refuse_config(stated: Mapping[str, Any], kind: str, file: Path) -> None:
    """Refuse a configuration with which the folder's tensors are not all of what was trained.

    Raises:
        ComponentError: says the field, and why.
    """
    bias = stated.get("bias", "none")
    if bias not in ("none", None):
        what = f'bias = "{bias}": it trained biases of the model, and the biases of the backbone stay frozen'
        _refuse(file, what, f'{_AGAIN}: bias = "none"')
    for field, reason in _MORE.items():
        if stated.get(field) not in (None, False, [], {}):
            _refuse(file, f"{field}: {reason}", f"{_AGAIN} {field}")
    start = str(stated.get("init_lora_weights", "")).lower()
    if re.match(r"pissa_niter_", start):
        _refuse(
            file,
            f'init_lora_weights = "{start}": it began with factors that a search by chance found, and the folder does '
            "not hold them",
            _CONVERT,
        )
    if (reason := next((why for name, why in _FORGOTTEN.items() if start.startswith(name)), None)) is not None:
        what = f'init_lora_weights = "{start}" took a share out of the weights that the folder does not hold: {reason}'
        _refuse(file, what, _CONVERT)
    if kind == "OFT":
        _check_oft(stated, file)


def refuse_transposed(backbone: Backbone, file: Path) -> None:
    """Refuse a backbone whose projections are of a kind of their own. Raises `ComponentError`."""
    if not backbone.anatomy.linears:
        _refuse(
            file,
            f'models of type "{backbone.model.config.model_type}" have projections of a kind of their own (Conv1D, '
            "transposed), which lect has no LoRA for",
            "use a model of another family",
        )


def refuse_tensors(others: Mapping[str, Tensor], stated: Mapping[str, Any], backbone: Backbone, file: Path) -> set[str]:
    """Refuse tensors of the backbone itself that were trained; returns the names of those that change nothing.

    Args:
        others: what is neither the method's nor a head's, by its name in the backbone.

    Raises:
        ComponentError: names the module, and why it cannot be.
    """
    known = dict(backbone.named_parameters(remove_duplicate=False))
    table = backbone.anatomy.word_embedding
    same = set()
    for name, tensor in others.items():
        module = name.rpartition(".")[0].removesuffix(".base_layer").removesuffix(".original_module")
        # An encoder-decoder's table of tokens has several names.
        of_tokens = module == table or module.rsplit(".", 1)[-1] in ("shared", "embed_tokens", "word_embeddings")
        own = known.get(f"{table}.weight" if of_tokens else f"{module}.{name.rpartition('.')[2]}")
        if own is not None and own.shape == tensor.shape and torch.equal(own.float(), tensor.float()):
            same.add(name)
        elif of_tokens or ".lora_embedding_" in name or ".token_adapter." in name:
            _refuse(file, _of_tokens(name, tensor, own), "train it without, or train new tokens with lect vocabulary")
        elif own is not None:
            listed = stated.get("modules_to_save") or ()
            fix = f"train it again without {', '.join(map(str, listed))}" if listed else "train it again without"
            _refuse(file, f'it trained "{module}" of the model as a whole (modules_to_save), and {_FROZEN}', fix)
    return same


def _of_tokens(name: str, tensor: Tensor, own: Tensor | None) -> str:
    if ".lora_embedding_" in name:
        return f"it changes the embeddings of the model (target_modules names them), and {_FROZEN}"
    if own is not None and tensor.shape != own.shape:
        return (
            f"its embeddings were resized: they have {tensor.shape[0]:,} rows, and the model's {own.shape[0]:,}; "
            "it was trained with tokens of its own, which a folder of peft does not name"
        )
    return f"it trained the model's whole table of embeddings, and {_FROZEN}"


def _check_oft(stated: Mapping[str, Any], file: Path) -> None:
    """Refuse what `peft` computes otherwise than the version that trained it did: it raises or warns of that itself."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            library_class_of("OFT").check_kwargs(**stated)
            reason = next((str(each.message) for each in caught if "PEFT 0.18.0" in str(each.message)), None)
        except ValueError as error:
            reason = str(error)
    if reason is not None:
        version = str(stated.get("peft_version") or "an older one")
        _refuse(
            file,
            f"it was trained by another version of peft ({version[:20]}), whose OFT gave other numbers: "
            f"{reason.split('. ')[0]}",
            "train it again with peft 0.18 or newer",
        )


def _refuse(file: Path, what: str, fix: str) -> NoReturn:
    raise ComponentError(what, where=str(file), fix=fix)
