"""How `adapters` calls each tensor of a bottleneck part, and each of its classes of models.

The table follows adapters 1.3.0: ``adapters/models`` and, for families without a folder there,
``adapters/wrappers/interfaces.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lect import DECODER, ComponentError
from lect_language.kronecker import KroneckerLinear, shared_names

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lect import Backbone
    from lect_language.part import BottleneckPart


@dataclass(frozen=True)
class LibraryFamily:
    """Where `adapters` keeps the bottlenecks of one family.

    Args:
        prefix: what the encoder is called inside models with heads.
        attention: the module inside a layer that has the bottleneck after attention.
        feed_forward: likewise, after the feed-forward block.
        feed_forward_writing: likewise, in the layers of an encoder-decoder that write.
        model_class: the library's own class of models with heads; None where it has none.
    """

    prefix: str
    attention: str
    feed_forward: str
    feed_forward_writing: str | None = None
    model_class: str | None = None


_BERT = LibraryFamily("bert", "attention.output", "output", model_class="BertAdapterModel")
_LLAMA = LibraryFamily("model", "attention_adapters", "output_adapters")
_T5 = LibraryFamily("transformer", "layer.0", "layer.1", "layer.2", "T5AdapterModel")

FAMILIES: dict[str, LibraryFamily] = {
    "bert": _BERT,
    "deberta": replace(_BERT, prefix="deberta", model_class="DebertaAdapterModel"),
    "deberta-v2": replace(_BERT, prefix="deberta", model_class="DebertaV2AdapterModel"),
    "distilbert": replace(_LLAMA, prefix="distilbert", model_class="DistilBertAdapterModel"),
    "electra": replace(_BERT, prefix="electra", model_class="ElectraAdapterModel"),
    "gpt2": replace(_LLAMA, prefix="transformer", model_class="GPT2AdapterModel"),
    "llama": replace(_LLAMA, model_class="LlamaAdapterModel"),
    "mbart": replace(_LLAMA, model_class="MBartAdapterModel"),
    "mistral": replace(_LLAMA, model_class="MistralAdapterModel"),
    "modernbert": _LLAMA,
    "mt5": replace(_T5, model_class="MT5AdapterModel"),
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "roberta": replace(_BERT, prefix="roberta", model_class="RobertaAdapterModel"),
    "t5": _T5,
    "xlm-roberta": replace(_BERT, prefix="roberta", model_class="XLMRobertaAdapterModel"),
}
"""`model_type` of each family with bottlenecks at the same places in lect and `adapters` → how it is called there."""
#: Here a norm ends each block: the library's bottlenecks stand before it, and lect's behind it.
_ELSEWHERE = ("gemma2", "gemma3_text")

#: Names before version 2, and today's (`adapters.loading.AdapterLoader.legacy_weights_mapping`).
_LEGACY = {
    "attention_text_task_adapters": "adapters",
    "attention_text_lang_adapters": "adapters",
    "layer_text_task_adapters": "adapters",
    "layer_text_lang_adapters": "adapters",
    "invertible_lang_adapters": "invertible_adapters",
}


def library_names(part: BottleneckPart, backbone: Backbone, name: str) -> dict[str, str]:
    """The name that `adapters` gives each tensor, without the model's prefix → its name in our part.

    Where `adapters` has two names for one tensor, both are there.

    Args:
        name: what the adapter is called.

    Raises:
        ComponentError: `adapters` cannot change models of this family, or does so at other places.
    """
    family = _family_of(backbone)
    own = {id(tensor): key for key, tensor in part.named_parameters()}
    shared = {
        side: {ours: f"shared_parameters.{name}.{theirs}" for ours, theirs in shared_names(part.settings, side).items()}
        for side in ("down", "up")
    }
    found: dict[str, str] = {}
    for number, blocks in part.layers.items():
        path = backbone.anatomy.layer_paths[int(number)]
        writes = path.startswith(DECODER)
        feed_forward = (family.feed_forward_writing if writes else None) or family.feed_forward
        if backbone.kind == "encoder-decoder":
            path = f"decoder.{path.removeprefix(DECODER)}" if writes else f"encoder.{path}"
        for block, bottleneck in blocks.items():
            module = family.attention if block == "attention" else feed_forward
            prefix = f"{path}.{module}.adapters.{name}."
            for key, tensor in _tensors(bottleneck).items():
                found[_shared_name(bottleneck, key, shared) or f"{prefix}{key}"] = own[id(tensor)]
    if part.invertible is not None:
        for key, tensor in _tensors(part.invertible).items():
            found[f"invertible_adapters.{name}.{key}"] = own[id(tensor)]
    return found


def todays_name(name: str, prefix: str) -> str:
    """A saved tensor's name without the model's prefix, and as `adapters` calls it today."""
    for old, new in _LEGACY.items():
        name = name.replace(old, new)
    name = name.removeprefix(f"{prefix}.")
    # An encoder-decoder has it in the half that reads.
    return name.removeprefix("encoder.") if name.startswith("encoder.invertible_adapters.") else name


def written_name(name: str, backbone: Backbone) -> str:
    """A tensor's name as `adapters` saves it, for its name without the model's prefix."""
    half = "encoder." if backbone.decoder is not None and name.startswith("invertible_adapters.") else ""
    return f"{prefix_of(backbone)}.{half}{name}"


def prefix_of(backbone: Backbone) -> str:
    """What the encoder is called inside models with heads, such as ``roberta``."""
    family = FAMILIES.get(backbone.model.config.model_type)
    # Before version 5 of transformers, Gemma 3's bare model names none.
    return family.prefix if family is not None else str(backbone.model.base_model_prefix) or "model"


def model_class_of(backbone: Backbone) -> str:
    """The class of models that `adapters` loads a folder into."""
    family = FAMILIES.get(backbone.model.config.model_type)
    return (family.model_class if family is not None else None) or type(backbone.model).__name__


def _family_of(backbone: Backbone) -> LibraryFamily:
    if backbone.kind == "encoder-decoder" and backbone.decoder is None:
        raise ComponentError(
            "adapters changes both halves of an encoder-decoder, and this one half",
            fix="name a backbone of another family with --backbone, or keep it as it is",
        )
    kind = backbone.model.config.model_type
    if kind in _ELSEWHERE:
        raise ComponentError(
            f'in models of type "{kind}" adapters has bottlenecks before the norm that ends a block, lect behind it',
            fix="name a backbone of another family with --backbone",
        )
    if kind not in FAMILIES:
        raise ComponentError(
            f'adapters has no place for bottlenecks in models of type "{kind}"',
            fix="name a backbone of another family with --backbone",
        )
    return FAMILIES[kind]


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = module.state_dict(keep_vars=True)
    return tensors


def _shared_name(bottleneck: nn.Module, key: str, shared: dict[str, dict[str, str]]) -> str | None:
    """What `adapters` calls a tensor that all layers share; None for one of the layer's own."""
    path, _, leaf = key.rpartition(".")
    layer = bottleneck.get_submodule(path)
    return shared[layer.side].get(leaf) if isinstance(layer, KroneckerLinear) else None
