"""Heads that `peft` saves beside an adapter (``modules_to_save``): those that heads of ours can be, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect import ComponentError, stored_tensors
from lect.exchange import LABELS_MADE_UP, HeadContents, word_head_of

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone


@dataclass(frozen=True)
class Classifier:
    """How a family's model for sequence classification reads the first hidden state.

    Args:
        hidden: its hidden layer.
        output: the layer of its logits.
        activation: behind the hidden layer; "" for what the model's configuration says of its pooler.
        modules: what `peft` saves as a whole.
        within: whether the hidden layer is the pooler inside the bare model, which a checkpoint may hold.
    """

    hidden: str
    output: str
    activation: str
    modules: tuple[str, ...]
    within: bool = False

    def activation_in(self, backbone: Backbone) -> str:
        """The activation's name in `transformers`."""
        return self.activation or str(getattr(backbone.model.config, "pooler_hidden_act", "gelu"))


_ROBERTA = Classifier("classifier.dense", "classifier.out_proj", "tanh", ("classifier",))
_POOLED = Classifier("pooler.dense", "classifier", "tanh", ("pooler", "classifier"), within=True)
_DEBERTA = Classifier("pooler.dense", "classifier", "", ("pooler", "classifier"))
CLASSIFIERS: Mapping[str, Classifier] = {
    "bert": _POOLED,
    "camembert": _ROBERTA,
    "deberta": _DEBERTA,
    "deberta-v2": _DEBERTA,
    "distilbert": Classifier("pre_classifier", "classifier", "relu", ("pre_classifier", "classifier")),
    "electra": Classifier("classifier.dense", "classifier.out_proj", "gelu", ("classifier",)),
    "ernie": _POOLED,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "xlm-roberta-xl": _ROBERTA,
}
"""`model_type` → its classifier of texts, for families where a head of ours can be like it."""
_ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu", "tanh")
_HEADS = (
    "classifier.", "classification_head.", "cls.", "decoder.", "generator_lm_head.", "generator_predictions.", "head.",
    "lm_head.", "pooler.", "pre_classifier.", "qa_outputs.", "score.", "sequence_summary.", "vocab_",
)  # fmt: skip
_OF_TOKENS = ("cls.", "decoder.", "generator_", "lm_head.", "vocab_")
_KINDS = ("weight", "bias")


@dataclass(frozen=True)
class ReadHead:
    """A saved head as ours, or why there is none.

    Args:
        unused: names of tensors that belong to no head.
    """

    contents: HeadContents | None = None
    notices: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class WrittenHead:
    """Our head as a model of `transformers` has it.

    Args:
        tensors: by their names in that model.
        modules: for ``modules_to_save``.
        task: for ``task_type``; None for the bare model.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    task: str | None = None


class _NoHeadError(Exception):
    """Why lect has no head like it."""


def read_head(others: Mapping[str, Tensor], task: str | None, backbone: Backbone, file: Path) -> ReadHead:
    """The head among the tensors that are not the method's.

    Args:
        others: by their names in the model, as if the backbone lay at its top.
        task: what the folder says that it is for, such as ``TOKEN_CLS``.

    Raises:
        ComponentError: it does not fit the backbone.
    """
    saved = {name: tensor for name, tensor in others.items() if name.startswith(_HEADS)}
    unused = tuple(name for name in others if name not in saved)
    pooler = {name: tensor for name, tensor in saved.items() if name.startswith("pooler.")}
    head = {name: tensor for name, tensor in saved.items() if name not in pooler}
    changed = any(_is_change(name) for name in pooler)
    notices: tuple[str, ...] = ()
    if changed or (pooler and not head):
        notices = ("left out what it adds to the model's pooler, which lect's backbones do not have",)
    if not head:
        if task == "SEQ_2_SEQ_LM":
            # The backbone's own table of tokens writes: the head says what is written, and has no tensors.
            return ReadHead(HeadContents("translation", {}, (), {}), notices, unused)
        return ReadHead(notices=notices, unused=unused)
    try:
        contents = _read(head, pooler, task, backbone, file)
    except _NoHeadError as reason:
        modules = ", ".join(sorted({name.split(".", 1)[0] for name in head}))
        return ReadHead(notices=(*notices, f"left out {modules}: {reason}"), unused=unused)
    if contents.labels:
        notices = (*notices, LABELS_MADE_UP)
    return ReadHead(contents, notices, unused)


def write_head(head: HeadContents | None, backbone: Backbone) -> WrittenHead:
    """Our head as that of the backbone's family, where it has one like it."""
    if head is None:
        return WrittenHead(task="SEQ_2_SEQ_LM" if backbone.decoder is not None else None)
    try:
        return _written(head, backbone)
    except _NoHeadError as reason:
        task = "SEQ_2_SEQ_LM" if backbone.decoder is not None else None
        return WrittenHead(notices=(f'left out the head "{head.kind}": {reason}',), task=task)


# ------------------------------------------------------------------------------------------------------------- reading


def _read(
    head: Mapping[str, Tensor], pooler: Mapping[str, Tensor], task: str | None, backbone: Backbone, file: Path
) -> HeadContents:
    family = backbone.model.config.model_type
    if any(_is_change(name) for name in head):
        raise _NoHeadError("the adapter changes it, and lect's heads are not changed by parts")
    if any(name.startswith(_OF_TOKENS) for name in head):
        raise _NoHeadError("it predicts tokens, which lect does with the backbone's own head, and leaves that as it is")
    if backbone.kind == "encoder-decoder":
        raise _NoHeadError(f'in models of type "{family}" it reads what the half that writes gives, and lect\'s do not')
    places = {name.rpartition(".")[0] for name in head}
    if places == {"qa_outputs"}:
        return _word_head("qa", head, "qa_outputs", backbone, file)
    if places == {"score"}:
        return _pooled_head(head, None, "score", {"pooling": "last", "layers": 1}, backbone, file)
    if "head.norm.weight" in head or family == "modernbert":
        raise _NoHeadError(f'in models of type "{family}" a norm stands behind its hidden layer, and lect\'s have none')
    classifier = CLASSIFIERS.get(family)
    if places == {"classifier"} and (task == "TOKEN_CLS" or (task is None and classifier == _ROBERTA)):
        if head["classifier.weight"].shape[0] == 1:
            raise _NoHeadError("it gives one number, and the folder does not say of what")
        return _word_head("pos", head, "classifier", backbone, file)
    if classifier is None:
        raise _NoHeadError(f'lect knows no head of models of type "{family}" that is like one of its own')
    if task == "TOKEN_CLS" or places - {classifier.hidden, classifier.output}:
        strange = sorted(places - {"classifier"} if task == "TOKEN_CLS" else places)
        raise _NoHeadError(f'it has other layers than lect\'s heads ("{strange[0]}")')
    if classifier.hidden.startswith("pooler."):
        if task is None:
            raise _NoHeadError("the folder does not say whether it is for texts, words or choices (task_type)")
        head = {**head, **_pooler(pooler, classifier, backbone)}
    config = {"pooling": "first", "activation": classifier.activation_in(backbone)}
    if config["activation"] not in _ACTIVATIONS:
        raise _NoHeadError(f'its activation is "{config["activation"]}", which lect\'s have not')
    return _pooled_head(head, classifier.hidden, classifier.output, config, backbone, file)


def _pooler(saved: Mapping[str, Tensor], classifier: Classifier, backbone: Backbone) -> dict[str, Tensor]:
    """The layer between the first hidden state and the classifier: the folder's own, else the checkpoint's."""
    names = [f"{classifier.hidden}.{kind}" for kind in _KINDS]
    if any(_is_change(name) for name in saved):
        raise _NoHeadError("the adapter changes the pooler that it reads, and lect's heads are not changed by parts")
    if all(name in saved for name in names):
        return {name: saved[name] for name in names}
    if classifier.within:
        prefix = f"{backbone.model.base_model_prefix}."
        stored = stored_tensors(backbone.folder, [*names, *(f"{prefix}{name}" for name in names)])
        plain = {name.removeprefix(prefix): tensor.float() for name, tensor in stored.items()}
        if len(plain) == len(names):
            return plain
        raise _NoHeadError(
            f'it reads the model\'s pooler, which is neither in the folder nor in the checkpoint of "{backbone.name}"'
        )
    raise _NoHeadError(
        'it reads a pooler that is not in the folder: peft saves it where modules_to_save = ["pooler", "classifier"]'
    )


def _word_head(kind: str, head: Mapping[str, Tensor], place: str, backbone: Backbone, file: Path) -> HeadContents:
    """One layer over each hidden state."""
    tensors = _layer(head, place, "output", backbone, file)
    count = len(tensors["output.weight"])
    if kind == "qa":
        if count != 2:
            raise _NoHeadError(f"it has {count} outputs, and lect's has one for each end of an answer")
        return HeadContents("qa", {}, (), tensors)
    labels = _labels(count)
    kind, config = word_head_of(labels)
    return HeadContents(kind, config, labels, tensors)


def _pooled_head(
    head: Mapping[str, Tensor],
    hidden: str | None,
    output: str,
    config: Mapping[str, Any],
    backbone: Backbone,
    file: Path,
) -> HeadContents:
    """One or two layers over one hidden state of each text: labels, or a number."""
    tensors = _layer(head, output, "output", backbone, file)
    if hidden is not None:
        tensors |= _layer(head, hidden, "hidden", backbone, file)
        if len(tensors["hidden.weight"]) != backbone.hidden_size:
            raise _NoHeadError("its hidden layer is not as wide as the backbone")
    count = len(tensors["output.weight"])
    if count == 1:
        return HeadContents("regression", dict(config), (), tensors)
    return HeadContents("classification", dict(config), _labels(count), tensors)


def _layer(head: Mapping[str, Tensor], place: str, ours: str, backbone: Backbone, file: Path) -> dict[str, Tensor]:
    weight, bias = head.get(f"{place}.weight"), head.get(f"{place}.bias")
    if weight is None or weight.dim() != 2:
        raise _NoHeadError(f'"{place}.weight" is not there')
    if weight.shape[1] != backbone.hidden_size:
        raise ComponentError(
            f"its head is for hidden states of {weight.shape[1]}, not {backbone.hidden_size}",
            where=str(file),
            fix="name the model it was trained on with --backbone",
        )
    zeros = weight.new_zeros(len(weight))
    return {f"{ours}.weight": weight, f"{ours}.bias": zeros if bias is None else bias}


def _labels(count: int) -> tuple[str, ...]:
    return tuple(f"LABEL_{index}" for index in range(count))


def _is_change(name: str) -> bool:
    """Whether this is an adapter's tensor, and none of the module itself."""
    return any(f".{kind}_" in name for kind in ("lora", "ia3", "hada", "lokr", "vera", "oft", "boft"))


# ------------------------------------------------------------------------------------------------------------- writing


def _written(head: HeadContents, backbone: Backbone) -> WrittenHead:
    family, tensors = backbone.model.config.model_type, head.tensors
    if head.kind == "translation":
        if head.config:
            settings = ", ".join(f"{name} = {value!r}" for name, value in head.config.items())
            notices = (f"what is asked of the model stays behind, and is yours to give: {settings}",)
        else:
            notices = ()
        return WrittenHead(notices=notices, task="SEQ_2_SEQ_LM" if backbone.kind == "encoder-decoder" else "CAUSAL_LM")
    if head.kind in ("pos", "tagging", "qa"):
        if family not in CLASSIFIERS:
            raise _NoHeadError(f'models of transformers of type "{family}" have no head like it')
        place, task = ("qa_outputs", "QUESTION_ANS") if head.kind == "qa" else ("classifier", "TOKEN_CLS")
        return WrittenHead(_named(tensors, {"output": place}), (place,), task=task)
    if head.kind not in ("classification", "regression"):
        raise _NoHeadError("models of transformers have no head like it")
    pooling, layers = head.config.get("pooling") or backbone.pooling, int(head.config.get("layers", 2))
    if backbone.kind == "decoder":
        return _written_score(tensors, pooling, layers)
    classifier = CLASSIFIERS.get(family)
    if classifier is None:
        raise _NoHeadError(f'the classifier of models of type "{family}" is not like it')
    if pooling != "first":
        raise _NoHeadError(
            f"it takes the {pooling} of the hidden states, and the classifier of transformers the first; train it "
            'with [head] pooling = "first"'
        )
    if layers != 2 or len(tensors["hidden.weight"]) != backbone.hidden_size:
        raise _NoHeadError("the classifier of transformers has a hidden layer as wide as the backbone")
    activation, theirs = head.config.get("activation", "gelu"), classifier.activation_in(backbone)
    if activation != theirs:
        raise _NoHeadError(
            f'its activation is "{activation}", and that of the classifier of transformers "{theirs}"; '
            f'train it with [head] activation = "{theirs}"'
        )
    hidden = f"{backbone.model.base_model_prefix}.{classifier.hidden}" if classifier.within else classifier.hidden
    named = _named(tensors, {"hidden": hidden, "output": classifier.output})
    return WrittenHead(named, classifier.modules, task="SEQ_CLS")


def _written_score(tensors: Mapping[str, Tensor], pooling: str, layers: int) -> WrittenHead:
    if pooling != "last" or layers != 1 or bool(tensors["output.bias"].any()):
        raise _NoHeadError(
            "the classifier of a decoder in transformers is one layer without a bias over the last hidden state"
        )
    return WrittenHead({"score.weight": _own(tensors["output.weight"])}, ("score",), task="SEQ_CLS")


def _named(tensors: Mapping[str, Tensor], places: Mapping[str, str]) -> dict[str, Tensor]:
    return {f"{theirs}.{kind}": _own(tensors[f"{ours}.{kind}"]) for ours, theirs in places.items() for kind in _KINDS}


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().contiguous()
