"""Prediction heads in AdapterHub folders: those that heads of ours can be, and what becomes of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lect import ComponentError, stored_tensors
from lect.exchange import LABELS_MADE_UP, HeadContents, read_json, read_tensors, word_head_of, write_json
from lect_language.formats.model_heads import head_of_class

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone

HEAD_CONFIG = "head_config.json"
HEAD_WEIGHTS = "pytorch_model_head.bin"
_KINDS = {
    "classification": "classification",
    "multilabel_classification": "multi-label",
    "multiple_choice": "multiple-choice",
    "tagging": "tagging",
    "question_answering": "qa",
}
"""Their heads → ours. A `tagging` is ours where its labels are tags of entities, else a `pos`."""
_OF_WORDS = ("tagging", "pos", "qa")
_NO_LIKE = {
    "dependency_parsing": "it scores means of each word's tokens, and lect's parser vectors of a layer over its first",
    "masked_lm": "lect predicts tokens with the backbone's own head; a language component needs none",
    "causal_lm": "lect predicts tokens with the backbone's own head; a language component needs none",
    "seq2seq_lm": "lect predicts tokens with the backbone's own head; a language component needs none",
    "image_classification": "lect reads texts",
}
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
    places = None
    if not isinstance(config, Mapping):
        model_class = str(stated.get("model_class"))
        known = head_of_class(model_class, stated.get("label2id"), stated.get("num_labels"))
        if known is None:
            return _left_out(f'the head of a "{model_class}"', "lect has no head like it")
        config, places = known
    what = f'the head "{config.get("head_type")}"'
    if reason := _unlike_ours(config, backbone):
        return _left_out(what, reason)
    if config.get("use_pooler") and (len(_pooler(backbone)) < 2 or _pooler_activation(backbone) not in _ACTIVATIONS):
        return _left_out(what, f'it reads the model\'s pooler, which the checkpoint of "{backbone.name}" has not')
    if weights is None:
        return _left_out(what, "its weights are not there")
    saved = read_tensors(weights)
    if places is None:
        prefix = f"heads.{stated.get('name') or name}."
        saved = {key.removeprefix(prefix): tensor for key, tensor in saved.items()}
    else:
        saved = {
            f"{place}.{kind}": saved[f"{layer}.{kind}"]
            for layer, place in places.items()
            for kind in ("weight", "bias")
            if f"{layer}.{kind}" in saved
        }
    contents = _ours(config, saved, weights, backbone)
    made_up = contents.labels and not config.get("label2id")
    return ReadHead(contents, (LABELS_MADE_UP,) if made_up else ())


def write_head(head: HeadContents, backbone: Backbone, folder: Path, described: Mapping[str, Any]) -> Sequence[str]:
    """Write a head for `adapters`; a line that says why not, where it has none like it."""
    config = head.config
    what = f'left out the head "{head.kind}"'
    theirs = {ours: name for name, ours in _KINDS.items()} | {"pos": "tagging", "regression": "classification"}
    if head.kind not in theirs or backbone.kind == "encoder-decoder":
        return (f"{what}: adapters has no head like it",)
    layers = 1 if head.kind in _OF_WORDS else int(config.get("layers", 2))
    stated: dict[str, Any] = {
        "head_type": theirs[head.kind],
        "layers": layers,
        "label2id": {label: index for index, label in enumerate(head.labels)} or None,
        "dropout_prob": config.get("dropout", 0.1),
    }
    if head.kind in _OF_WORDS:
        stated |= {"num_labels": len(head.labels) or 2, "activation_function": None}
    else:
        pooling = config.get("pooling") or backbone.pooling
        if pooling != "first":
            return (
                f"{what}: it takes the {pooling} of the hidden states, and heads of adapters take the first; train it "
                'with [head] pooling = "first"',
            )
        if layers == 2 and len(head.tensors["hidden.weight"]) != backbone.hidden_size:
            return (
                f"{what}: its hidden layer is not as wide as the backbone, and that of adapters is; leave out hidden",
            )
        outputs = {"num_choices": 2} if head.kind == "multiple-choice" else {"num_labels": len(head.labels) or 1}
        stated |= {
            **outputs,
            "activation_function": config.get("activation", "gelu") if layers == 2 else None,
            "use_pooler": False,
        }
        if head.kind != "multiple-choice":
            stated["bias"] = True
    write_json(folder / HEAD_CONFIG, {**described, "config": stated})
    places = _places(layers)
    state = {
        f"heads.{described['name']}.{place}.{kind}": head.tensors[f"{ours}.{kind}"].detach().clone()
        for ours, place in places.items()
        for kind in ("weight", "bias")
    }
    torch.save(state, folder / HEAD_WEIGHTS)
    return ()


def _unlike_ours(config: Mapping[str, Any], backbone: Backbone) -> str | None:
    """Why no head of ours can be this one, if none can."""
    theirs = str(config.get("head_type"))
    if theirs not in _KINDS:
        return _NO_LIKE.get(theirs, "lect has no head of this kind; a task is trained anew")
    if backbone.kind == "encoder-decoder":
        return "it reads what the half that writes gives, and lect's heads what the other one does"
    kind, layers = _KINDS[theirs], config.get("layers")
    if kind in _OF_WORDS:
        if layers != 1:
            return f"it has {layers} layers, and lect's has one"
        if kind == "qa" and config.get("num_labels") != 2:
            return f"it has {config.get('num_labels')} outputs, and lect's has one for each end of an answer"
        return None
    if layers not in (1, 2) or (layers == 2 and config.get("use_pooler")):
        count = f"{layers} layers" if not config.get("use_pooler") else f"{layers} layers over the model's pooler"
        return f"it has {count}, and lect's has 1 or 2 and none below"
    activation = config.get("activation_function")
    if layers == 2 and activation not in _ACTIVATIONS:
        return f'its activation is "{activation}", and lect\'s may be one of {", ".join(sorted(_ACTIVATIONS))}'
    return None


def _ours(config: Mapping[str, Any], saved: Mapping[str, Tensor], file: Path, backbone: Backbone) -> HeadContents:
    kind = _KINDS[str(config["head_type"])]
    own: dict[str, Any] = {}
    if config.get("dropout_prob") is not None:
        own["dropout"] = float(config["dropout_prob"])
    if kind == "qa":
        return HeadContents("qa", own, (), _layers(config, saved, file, backbone, 2))
    if kind == "multiple-choice":
        labels: tuple[str, ...] = ()
        tensors = _layers(config, saved, file, backbone, 1)
    else:
        labels = _labels(config, file)
        tensors = _layers(config, saved, file, backbone, len(labels))
    if kind == "tagging":
        kind, scheme = word_head_of(labels)
        return HeadContents(kind, {**own, **scheme}, labels, tensors)
    own["pooling"] = "first"
    if config.get("use_pooler"):
        # The pooler, which is frozen with the backbone, is the hidden layer of ours.
        own |= {"layers": 2, "activation": _pooler_activation(backbone)}
        tensors |= _pooler(backbone)
    else:
        own["layers"] = int(config["layers"])
        if own["layers"] == 2:
            own["activation"] = _ACTIVATIONS[config["activation_function"]]
    if kind == "classification" and len(labels) == 1:
        return HeadContents("regression", own, (), tensors)
    return HeadContents(kind, own, labels, tensors)


def _layers(
    config: Mapping[str, Any], saved: Mapping[str, Tensor], file: Path, backbone: Backbone, outputs: int
) -> dict[str, Tensor]:
    """The head's tensors, by our names."""
    width = backbone.hidden_size
    tensors: dict[str, Tensor] = {}
    for ours, place in _places(int(config["layers"])).items():
        rows = outputs if ours == "output" else width
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
    return tensors


def _pooler_activation(backbone: Backbone) -> str:
    return str(getattr(backbone.model.config, "pooler_hidden_act", "tanh"))


def _pooler(backbone: Backbone) -> dict[str, Tensor]:
    """The pooler of the backbone's checkpoint as a hidden layer; nothing where it has none."""
    prefix = f"{backbone.model.base_model_prefix}."
    names = [f"pooler.dense.{kind}" for kind in ("weight", "bias")]
    stored = stored_tensors(backbone.folder, [*names, *(f"{prefix}{name}" for name in names)])
    return {
        name.removeprefix(prefix).replace("pooler.dense", "hidden"): tensor.float() for name, tensor in stored.items()
    }


def _places(layers: int) -> dict[str, int]:
    """Our layers → their places in the sequence that a head of `adapters` is."""
    return {"output": 1} if layers == 1 else {"hidden": 1, "output": 4}


def _labels(config: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    count = config.get("num_labels")
    stated = config.get("label2id") or {f"LABEL_{index}": index for index in range(int(count or 0))}
    by_index = {int(index): str(label) for label, index in stated.items()}
    if sorted(by_index) != list(range(int(count or 0))) or len(set(by_index.values())) != len(by_index):
        raise ComponentError("its labels are not numbered from 0", where=str(file.with_name(HEAD_CONFIG)))
    return tuple(by_index[index] for index in sorted(by_index))


def _left_out(what: str, reason: str) -> ReadHead:
    return ReadHead(notices=(f"left out {what}: {reason}",))
