"""Prediction heads in AdapterHub folders: those that our head `classification` can be, and what becomes of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from adapters.head_utils import STATIC_TO_FLEX_HEAD_MAP, get_head_config_and_rename_list
from adapters.utils import HEAD_CONFIG_NAME, HEAD_WEIGHTS_NAME

from lect.components.foreign import HeadContents, read_json, read_tensors, write_json
from lect.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone

#: Activations of adapters → those of our head.
_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_new", "relu": "relu", "silu": "silu", "swish": "silu", "tanh": "tanh"}


@dataclass(frozen=True)
class ReadHead:
    """A head as ours, or the reason why there is none."""

    contents: HeadContents | None = None
    notices: tuple[str, ...] = ()


def read_head(config_file: Path, weights: Path | None, name: str, backbone: Backbone) -> ReadHead:
    """The head in an AdapterHub folder, where there is one.

    Args:
        name: the adapter's, which its head has too.

    Raises:
        ComponentError: its files are broken, or do not fit each other.
    """
    if not config_file.is_file():
        left = (f"left out {weights.name}: there is no {config_file.name} that says what it is",) if weights else ()
        return ReadHead(notices=left)
    stated = read_json(config_file)
    config = stated.get("config")
    rename = None
    model_class = stated.get("model_class")
    if not isinstance(config, Mapping):
        if model_class not in STATIC_TO_FLEX_HEAD_MAP:
            return _left_out(f'the head of a "{model_class}"', "lect has no head like it")
        config, rename = get_head_config_and_rename_list(
            model_class, name, stated.get("label2id"), num_labels=stated.get("num_labels")
        )
    head_name = name if rename else str(stated.get("name") or name)
    what = f'the head "{config.get("head_type")}"'
    if reason := _unlike_ours(config):
        return _left_out(what, reason)
    if weights is None:
        return _left_out(what, "its weights are not there")
    saved = read_tensors(weights)
    if rename is not None:
        saved = {rename(key): tensor for key, tensor in saved.items()}
    saved = {key.removeprefix(f"heads.{head_name}."): tensor for key, tensor in saved.items()}
    return ReadHead(_ours(config, saved, weights, backbone))


def write_head(head: HeadContents, backbone: Backbone, folder: Path, described: Mapping[str, Any]) -> Sequence[str]:
    """Write a head for `adapters`; a line that says why not, where it has none like it."""
    config = head.config
    pooling = config.get("pooling") or backbone.pooling
    what = f'left out the head "{head.kind}"'
    if head.kind != "classification":
        return (f"{what}: adapters has no head like it",)
    if pooling != "first":
        return (
            f"{what}: it takes the {pooling} of the hidden states, and heads of adapters take the first; train it with "
            '[head] pooling = "first"',
        )
    layers = int(config.get("layers", 2))
    if layers == 2 and len(head.tensors["hidden.weight"]) != backbone.hidden_size:
        return (f"{what}: its hidden layer is not as wide as the backbone, and that of adapters is; leave out hidden",)
    stated = {
        "head_type": "classification",
        "num_labels": len(head.labels),
        "layers": layers,
        "activation_function": config.get("activation", "gelu") if layers == 2 else None,
        "label2id": {label: index for index, label in enumerate(head.labels)},
        "use_pooler": False,
        "bias": True,
        "dropout_prob": config.get("dropout", 0.1),
    }
    write_json(folder / HEAD_CONFIG_NAME, {**described, "config": stated})
    places = _places(layers)
    state = {
        f"heads.{described['name']}.{place}.{kind}": head.tensors[f"{ours}.{kind}"].detach().clone()
        for ours, place in places.items()
        for kind in ("weight", "bias")
    }
    torch.save(state, folder / HEAD_WEIGHTS_NAME)
    return ()


def _unlike_ours(config: Mapping[str, Any]) -> str | None:
    """Why our head cannot be this one, if it cannot."""
    kind = config.get("head_type")
    if kind != "classification":
        return "lect has no head of this kind; a language component needs none, and a task is trained anew"
    if config.get("num_labels") == 1:
        return "it gives a number, not labels"
    if config.get("use_pooler"):
        return "it reads the model's pooler, which lect's backbones do not have"
    if config.get("layers") not in (1, 2):
        return f"it has {config.get('layers')} layers, and lect's has 1 or 2"
    activation = config.get("activation_function")
    if config["layers"] == 2 and activation not in _ACTIVATIONS:
        return f'its activation is "{activation}", and lect\'s may be one of {", ".join(sorted(_ACTIVATIONS))}'
    return None


def _ours(config: Mapping[str, Any], saved: Mapping[str, Tensor], file: Path, backbone: Backbone) -> HeadContents:
    layers, width = int(config["layers"]), backbone.hidden_size
    labels = _labels(config, file)
    own: dict[str, Any] = {"pooling": "first", "layers": layers}
    if layers == 2:
        own["activation"] = _ACTIVATIONS[config["activation_function"]]
    if config.get("dropout_prob") is not None:
        own["dropout"] = float(config["dropout_prob"])
    tensors: dict[str, Tensor] = {}
    for ours, place in _places(layers).items():
        rows = len(labels) if ours == "output" else width
        for kind, shape in (("weight", (rows, width)), ("bias", (rows,))):
            key = f"{place}.{kind}"
            if key not in saved and kind == "bias" and config.get("bias") is False:
                tensors[f"{ours}.{kind}"] = torch.zeros(rows)
                continue
            if key not in saved:
                raise ComponentError(f'lacks "{key}" of the head', where=str(file), fix="fetch the folder again")
            if tuple(saved[key].shape) != shape:
                raise ComponentError(
                    f'"{key}" of the head has shape {tuple(saved[key].shape)}, not {shape}',
                    where=str(file),
                    fix="name the model it was trained on with --backbone",
                )
            tensors[f"{ours}.{kind}"] = saved[key]
    return HeadContents("classification", own, labels, tensors)


def _places(layers: int) -> dict[str, int]:
    """Our layers → their places in the sequence that a head of `adapters` is."""
    return {"output": 1} if layers == 1 else {"hidden": 1, "output": 4}


def _labels(config: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    count = config.get("num_labels")
    stated = config.get("label2id") or {f"LABEL_{index}": index for index in range(int(count or 0))}
    by_index = {int(index): str(label) for label, index in stated.items()}
    if sorted(by_index) != list(range(int(count or 0))) or len(set(by_index.values())) != len(by_index):
        raise ComponentError("its labels are not numbered from 0", where=str(file.with_name(HEAD_CONFIG_NAME)))
    return tuple(by_index[index] for index in sorted(by_index))


def _left_out(what: str, reason: str) -> ReadHead:
    return ReadHead(notices=(f"left out {what}: {reason}",))
