"""PEFT folders: what `peft` saves, read and written by its own rules for names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftConfig as LibraryConfig
from peft import TaskType
from peft.utils.save_and_load import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor

from lect.components.foreign import Contents, PartContents, read_json, read_tensors
from lect.errors import ComponentError, RecipeError
from lect_lora.build import Wrapped, build_part, find_targets
from lect_lora.detect import CONFIG
from lect_lora.foreign_config import ReadConfig, checked_config, read_config
from lect_lora.foreign_head import read_head, write_head

if TYPE_CHECKING:
    from lect import Backbone
    from lect_lora.config import PeftConfig

_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_PREFIX = "base_model.model."


def read_folder(folder: Path, backbone: Backbone) -> Contents:
    """The part in a PEFT folder, and its classifier where that can be our head.

    Raises:
        ComponentError: it is of a method that cannot be a component, broken, or does not fit the backbone.
    """
    file = folder / CONFIG
    stated = read_json(file)
    weights = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise ComponentError(
            f"there are no weights in it ({' or '.join(_WEIGHTS)})", where=str(folder), fix="fetch the folder again"
        )
    prefix = str(backbone.model.base_model_prefix)
    read = read_config(stated, file, prefix)
    saved = {_plain(name, prefix): tensor for name, tensor in read_tensors(weights).items()}
    owned, others = _sorted(saved, backbone)
    paths = sorted({_path_of(name, backbone) or "" for name in owned} - {""}, key=backbone.anatomy.linears.index)
    if not paths:
        raise ComponentError(
            f'none of its tensors belongs to a projection of backbone "{backbone.name}"',
            where=str(weights),
            fix="name the model it was trained on with --backbone",
        )
    head = read_head(others, backbone, weights)
    _refuse_strange(head.unused, weights, backbone)
    config, values = _with_places(read, paths, stated, owned, backbone, str(file))
    tensors = _loaded(config, owned, weights, backbone)
    notices = (*read.notices, *(_left_out_pooler(others)), *head.notices)
    role = "task" if head.contents is not None or stated.get("task_type") == "SEQ_CLS" else None
    return Contents("", role, (PartContents(read.method, values, tensors),), head.contents, None, notices)


def write_folder(contents: Contents, backbone: Backbone, folder: Path) -> Sequence[str]:
    """Write a component as a PEFT folder: for the bare model, or for the model with a classifier if it has a head.

    Returns:
        A line for each thing that is left out.

    Raises:
        ComponentError: it has other parts than one of `peft`.
    """
    methods = [part.method for part in contents.parts]
    foreign = [method for method in methods if checked_config(method) is None]
    if foreign or len(methods) != 1:
        raise ComponentError(
            f'its part "{foreign[0]}" cannot be a PEFT adapter' if foreign else "a PEFT adapter is of one method",
            fix={"bottleneck": "export bottlenecks with --to adapters", "full": "use lect merge"}.get(
                foreign[0] if foreign else "", "export a component of one part, of LoRA or a relative"
            ),
        )
    (part,) = contents.parts
    kind = checked_config(part.method)
    assert kind is not None
    config = kind.model_validate(dict(part.config))
    prefix = ""
    head = write_head(contents.head, backbone)
    if head.tensors:
        prefix = f"{backbone.model.base_model_prefix}."
    state: dict[str, Tensor] = {}

    def visit(wrapped: Wrapped, settings: LibraryConfig) -> None:
        _fill(wrapped, part.tensors)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saved = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
        paths = [path for path in backbone.anatomy.linears if any(_is_of(name, path) for name in saved)]
        for name, tensor in saved.items():
            bare = name.removeprefix(_PREFIX)
            inside = name.startswith(_PREFIX) and any(bare.startswith(f"{path}.") for path in paths)
            state[f"{_PREFIX}{prefix}{bare}" if inside else name] = tensor.detach().clone().contiguous()
        settings.target_modules = set(paths)
        settings.base_model_name_or_path = backbone.identity
        settings.task_type = TaskType.SEQ_CLS if head.tensors else TaskType.FEATURE_EXTRACTION
        if head.tensors:
            settings.modules_to_save = list(head.modules)
        settings.inference_mode = True
        settings.save_pretrained(str(folder))

    build_part(config, backbone, fresh=True, visit=visit)
    state |= {f"{_PREFIX}{name}": tensor for name, tensor in head.tensors.items()}
    save_file(state, folder / _WEIGHTS[0], {"format": "pt"})
    return head.notices


def _fill(wrapped: Wrapped, tensors: Mapping[str, Tensor]) -> None:
    """Give what `peft` made the values of our part."""
    own = dict([*wrapped.named_parameters(), *wrapped.named_buffers()])
    with torch.no_grad():
        for name, tensor in tensors.items():
            target = own.get(name.replace("linears.", _PREFIX, 1))
            if target is not None:
                target.copy_(tensor)


def _loaded(config: PeftConfig, saved: Mapping[str, Tensor], file: Path, backbone: Backbone) -> dict[str, Tensor]:
    """Every tensor of our part, with the saved values."""

    def visit(wrapped: Wrapped, _settings: LibraryConfig) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
            missing = sorted(expected.keys() - saved.keys())
            strange = sorted(saved.keys() - expected.keys())
            if missing or strange:
                what = f'lacks "{missing[0]}"' if missing else f'"{strange[0]}" is no tensor of this method'
                raise ComponentError(what, where=str(file), fix="fetch the folder again")
            padded = {name: _padded(tensor, expected[name], name) for name, tensor in saved.items()}
            for name, tensor in padded.items():
                if tensor.shape != expected[name].shape:
                    raise ComponentError(
                        f'"{name}" has shape {tuple(tensor.shape)}, and "{backbone.name}" with its {CONFIG} takes '
                        f"{tuple(expected[name].shape)}",
                        where=str(file),
                        fix="name the model it was trained on with --backbone",
                    )
            set_peft_model_state_dict(wrapped, padded)

    try:
        part = build_part(config, backbone, fresh=True, visit=visit)
    except RecipeError as error:
        raise ComponentError(error.what, where=str(file.with_name(CONFIG)), fix=error.fix) from None
    if config.method == "ADALORA":
        for path in part.sites():
            layer = part.linears.get_submodule(path)
            layer.kept.copy_(layer.lora_E["default"] != 0)
    return {name: tensor.detach() for name, tensor in (*part.named_parameters(), *part.named_buffers())}


def _padded(tensor: Tensor, like: Tensor, name: str) -> Tensor:
    """Matrices of AdaLoRA, which is saved without the ranks that training took away, with zeros for those."""
    kind = next((kind for kind in (".lora_A", ".lora_E", ".lora_B") if name.endswith(kind)), None)
    if kind is None or tensor.dim() != 2:
        return tensor
    axis = 1 if kind == ".lora_B" else 0
    lost = like.shape[axis] - tensor.shape[axis]
    if lost <= 0 or tensor.shape[1 - axis] != like.shape[1 - axis]:
        return tensor
    shape = list(tensor.shape)
    shape[axis] = lost
    return torch.cat([tensor, tensor.new_zeros(shape)], axis)


def _with_places(
    read: ReadConfig,
    paths: list[str],
    stated: Mapping[str, Any],
    saved: Mapping[str, Tensor],
    backbone: Backbone,
    where: str,
) -> tuple[PeftConfig, dict[str, Any]]:
    """Our configuration with its places, in as few words as mean the same."""
    values = dict(read.values)
    targets = _shortest(stated.get("target_modules"), paths, backbone)
    if targets is not None:
        values["target_modules"] = targets
    if read.method == "ia3":
        ends = [layer.feed_forward.output for layer in backbone.anatomy.layers if layer.feed_forward.output in paths]
        scaled = [path for path in paths if saved[f"{_PREFIX}{path}.ia3_l"].shape[0] == 1]
        if scaled != ends:
            values["feedforward_modules"] = scaled
    more = {name: value for name, value in values.items() if name not in read.values}
    return read.checked(where, **more), values


def _shortest(stated: Any, paths: list[str], backbone: Backbone) -> list[str] | None:
    """The targets as the folder has them if they mean the same here, else the paths; None for all projections."""
    if set(paths) == set(backbone.anatomy.linears):
        return None
    if isinstance(stated, list):
        try:
            if set(find_targets(sorted(stated), backbone, "")) == set(paths):
                return sorted(stated)
        except RecipeError:
            pass
    return paths


def _sorted(saved: Mapping[str, Tensor], backbone: Backbone) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of the method, and those of anything else: the classifier's under their own names."""
    owned, others = {}, {}
    for name, tensor in saved.items():
        if _path_of(name, backbone) or not name.startswith(_PREFIX):
            owned[name] = tensor
        else:
            others[name.removeprefix(_PREFIX)] = tensor
    return owned, others


def _refuse_strange(names: Sequence[str], file: Path, backbone: Backbone) -> None:
    strange = [name for name in names if not name.startswith("pooler.")]
    if strange:
        raise ComponentError(
            f'"{strange[0]}" belongs to no projection inside the layers of "{backbone.name}"',
            where=str(file),
            fix="name the model it was trained on with --backbone; parts of embeddings cannot be imported",
        )


def _left_out_pooler(others: Mapping[str, Tensor]) -> Sequence[str]:
    if any(name.startswith("pooler.") for name in others):
        return ("left out what it adds to the model's pooler, which lect's backbones do not have",)
    return ()


def _plain(name: str, prefix: str) -> str:
    """A saved tensor's name as if the encoder were the whole model."""
    if name.startswith(f"{_PREFIX}{prefix}."):
        return _PREFIX + name.removeprefix(f"{_PREFIX}{prefix}.")
    return name


def _path_of(name: str, backbone: Backbone) -> str | None:
    found = [path for path in backbone.anatomy.linears if _is_of(name, path)]
    return max(found, key=len, default=None)


def _is_of(name: str, path: str) -> bool:
    return name.startswith(f"{_PREFIX}{path}.")
