"""Classifiers that `peft` saves beside an adapter (``modules_to_save``): those that our head can be, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.components.foreign import HeadContents
from lect.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone


@dataclass(frozen=True)
class Classifier:
    """How a family's model for sequence classification reads the first hidden state.

    Args:
        hidden: its hidden layer.
        output: the layer of its logits.
        modules: what `peft` saves as a whole.
    """

    hidden: str
    output: str
    activation: str
    modules: tuple[str, ...]


_ROBERTA = Classifier("classifier.dense", "classifier.out_proj", "tanh", ("classifier",))
CLASSIFIERS: Mapping[str, Classifier] = {
    "camembert": _ROBERTA,
    "distilbert": Classifier("pre_classifier", "classifier", "relu", ("pre_classifier", "classifier")),
    "electra": Classifier("classifier.dense", "classifier.out_proj", "gelu", ("classifier",)),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "xlm-roberta-xl": _ROBERTA,
}
"""`model_type` → its classifier, for families whose classifier reads nothing that the backbone lacks."""
_HEADS = ("classifier.", "score.", "pre_classifier.", "lm_head.", "cls.", "qa_outputs.", "head.", "decoder.")


@dataclass(frozen=True)
class ReadHead:
    """A classifier as our head, or why there is none.

    Args:
        unused: names of tensors that belong to no classifier.
    """

    contents: HeadContents | None = None
    notices: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class WrittenHead:
    """Our head as a classifier.

    Args:
        modules: for ``modules_to_save``.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def read_head(others: Mapping[str, Tensor], backbone: Backbone, file: Path) -> ReadHead:
    """The classifier among the tensors that are not the method's.

    Args:
        others: by their names in the model with a classifier.

    Raises:
        ComponentError: it does not fit the backbone.
    """
    saved = {name: tensor for name, tensor in others.items() if name.startswith(_HEADS)}
    unused = tuple(name for name in others if name not in saved)
    if not saved:
        return ReadHead(unused=unused)
    family = backbone.model.config.model_type
    classifier = CLASSIFIERS.get(family)
    if any(".lora_" in name or ".ia3_" in name for name in saved):
        return _left_out(saved, "the adapter changes it, and lect's heads are not changed by parts", unused)
    if classifier is None:
        return _left_out(saved, f'the classifier of "{family}" reads the model\'s pooler, which backbones lack', unused)
    names = {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in _places(classifier) for kind in _KINDS}
    missing = [name for name in names.values() if name not in saved]
    if missing or len(saved) != len(names):
        reason = f'"{missing[0]}" is not there' if missing else "it has more layers than lect's classification head"
        return _left_out(saved, reason, unused)
    tensors = {ours: saved[theirs] for ours, theirs in names.items()}
    count, width = tensors["output.weight"].shape[0], backbone.hidden_size
    if tensors["hidden.weight"].shape != (width, width) or tensors["output.weight"].shape != (count, width):
        raise ComponentError(
            f"its classifier is for hidden states of {tensors['hidden.weight'].shape[-1]}, not {width}",
            where=str(file),
            fix="name the model it was trained on with --backbone",
        )
    if count < 2:
        return _left_out(saved, "it gives a number, not labels", unused)
    config: dict[str, Any] = {"pooling": "first", "activation": classifier.activation}
    labels = tuple(f"LABEL_{index}" for index in range(count))
    notice = "a PEFT folder does not name its labels: they are called LABEL_0, LABEL_1, …"
    return ReadHead(HeadContents("classification", config, labels, tensors), (notice,), unused)


def write_head(head: HeadContents | None, backbone: Backbone) -> WrittenHead:
    """Our head as the classifier of the backbone's family, where it has one like it."""
    if head is None:
        return WrittenHead()
    family = backbone.model.config.model_type
    classifier = CLASSIFIERS.get(family)
    if reason := _unlike(head, classifier, family, backbone):
        return WrittenHead(notices=(f'left out the head "{head.kind}": {reason}',))
    assert classifier is not None
    tensors = {
        f"{theirs}.{kind}": head.tensors[f"{ours}.{kind}"].detach().clone().contiguous()
        for ours, theirs in _places(classifier)
        for kind in _KINDS
    }
    return WrittenHead(tensors, classifier.modules)


def _unlike(head: HeadContents, classifier: Classifier | None, family: str, backbone: Backbone) -> str | None:
    config = head.config
    pooling = config.get("pooling") or backbone.pooling
    if head.kind != "classification":
        return "models of transformers have no head like it"
    if classifier is None:
        return f'the classifier of "{family}" reads the model\'s pooler, which it does not'
    if pooling != "first":
        return (
            f"it takes the {pooling} of the hidden states, and the classifier of transformers the first; train it "
            'with [head] pooling = "first"'
        )
    if config.get("layers", 2) != 2 or len(head.tensors["hidden.weight"]) != backbone.hidden_size:
        return "the classifier of transformers has a hidden layer as wide as the backbone"
    activation = config.get("activation", "gelu")
    if activation != classifier.activation:
        return (
            f'its activation is "{activation}", and that of the classifier of transformers "{classifier.activation}"; '
            f'train it with [head] activation = "{classifier.activation}"'
        )
    return None


_KINDS = ("weight", "bias")


def _places(classifier: Classifier) -> tuple[tuple[str, str], ...]:
    return ("hidden", classifier.hidden), ("output", classifier.output)


def _left_out(saved: Mapping[str, Tensor], reason: str, unused: tuple[str, ...]) -> ReadHead:
    modules = ", ".join(sorted({name.split(".", 1)[0] for name in saved}))
    return ReadHead(notices=(f"left out {modules}: {reason}",), unused=unused)
