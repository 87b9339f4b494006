"""How `adapters` calls each tensor of a bottleneck part: read off a model of its own, on no device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import adapters
import torch
from adapters import BnConfig

from lect import ComponentError, model_class

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lect import Backbone
    from lect_language.part import BottleneckPart

#: Names before version 2, and today's (`adapters.loading.AdapterLoader.legacy_weights_mapping`).
_LEGACY = {
    "attention_text_task_adapters": "adapters",
    "attention_text_lang_adapters": "adapters",
    "layer_text_task_adapters": "adapters",
    "layer_text_lang_adapters": "adapters",
    "invertible_lang_adapters": "invertible_adapters",
}
_BLOCKS = {"mh_adapter": "attention", "output_adapter": "feed_forward"}


def library_names(part: BottleneckPart, config: BnConfig, backbone: Backbone, name: str) -> dict[str, str]:
    """The name that `adapters` gives each tensor, without the model's prefix → its name in our part.

    Where `adapters` has two names for one tensor, both are there.

    Args:
        name: what the adapter is called.

    Raises:
        ComponentError: `adapters` cannot change models of this family.
    """
    skeleton = _skeleton(backbone)
    skeleton.add_adapter(name, config=config)
    own = {id(tensor): key for key, tensor in part.named_parameters()}
    found: dict[str, str] = {}
    for path, module in skeleton.named_modules():
        kind = getattr(module, "location_key", None)
        bottlenecks = getattr(module, "adapters", None)
        if kind not in _BLOCKS or bottlenecks is None or name not in bottlenecks:
            continue
        ours = part.layers[str(module.layer_idx)].get_submodule(_BLOCKS[kind])
        found |= _paired(f"{path}.adapters.{name}", bottlenecks[name], ours, own)
    if part.invertible is not None:
        reading = skeleton.get_encoder() if backbone.writer is not None else skeleton
        theirs = reading.invertible_adapters[name]
        found |= _paired(f"invertible_adapters.{name}", theirs, part.invertible, own)
    if name in skeleton.shared_parameters:
        for key in skeleton.shared_parameters[name]:
            found[f"shared_parameters.{name}.{key}"] = own[id(_shared_tensor(part, key))]
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
    half = "encoder." if backbone.writer is not None and name.startswith("invertible_adapters.") else ""
    return f"{prefix_of(backbone)}.{half}{name}"


def prefix_of(backbone: Backbone) -> str:
    """What the encoder is called inside models with heads, such as ``roberta``."""
    return str(backbone.model.base_model_prefix)


def _skeleton(backbone: Backbone) -> nn.Module:
    """A model like the backbone, made ready by `adapters`, whose tensors have shapes and no values."""
    if backbone.kind == "encoder-decoder" and backbone.writer is None:
        raise ComponentError(
            "adapters changes both halves of an encoder-decoder, and this one half",
            fix="name a backbone of another family with --backbone, or keep it as it is",
        )
    kind = type(backbone.model) if backbone.writer is None else model_class(backbone.model.config, writes=True)
    with torch.device("meta"):
        model = kind(backbone.model.config)
    try:
        adapters.init(model)
    except ValueError as error:
        raise ComponentError(
            f'adapters has no place for bottlenecks in models of type "{backbone.model.config.model_type}"',
            fix="name a backbone of another family with --backbone",
        ) from error
    return model


def _paired(prefix: str, theirs: nn.Module, ours: nn.Module, own: Mapping[int, str]) -> dict[str, str]:
    """Names of a layer and its twin: both are of the same class, so their tensors have the same names in them."""
    twins = ours.state_dict(keep_vars=True)
    return {f"{prefix}.{key}": own[id(twins[key])] for key in theirs.state_dict()}


def _shared_tensor(part: BottleneckPart, key: str) -> Tensor:
    """What all Kronecker layers share, at the first of them."""
    first = next(iter(part.layers.children()))
    adapter = next(iter(first.children()))
    layer = adapter.adapter_up if "_up_" in key else _down(adapter)
    tensor: Tensor = getattr(layer, key.replace("_up_", "_").replace("_down_", "_"))
    return tensor


def _down(adapter: nn.Module) -> nn.Module:
    return next(module for module in adapter.adapter_down if hasattr(module, "phm_dim"))
