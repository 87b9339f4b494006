"""PEFT folders: what `peft` saves, read and written by its own rules for names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from peft import PeftConfig as LibraryConfig
from peft import TaskType
from peft.utils.save_and_load import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor

from lect import ComponentError, RecipeError
from lect.exchange import Contents, HeadContents, PartContents, read_json, read_tensors
from lect_lora.build import Wrapped, build_part, find_targets
from lect_lora.formats.config import ReadConfig, checked_config, read_config
from lect_lora.formats.conversion import as_lora, starts_in_weights
from lect_lora.formats.detect import CONFIG
from lect_lora.formats.head import read_head, write_head
from lect_lora.formats.names import PREFIX, ModelNames, patterns_by_path
from lect_lora.formats.refusals import refuse_tensors, refuse_transposed
from lect_lora.patterns import values_by_path

if TYPE_CHECKING:
    from lect import Backbone
    from lect_lora.config import PeftConfig

_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_OF_TASKS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")


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
    read = read_config(stated, file)
    refuse_transposed(backbone, file)
    tensors = read_tensors(weights)
    names = ModelNames.found(tensors, backbone)
    owned, others = _sorted({names.plain(name): tensor for name, tensor in tensors.items()}, backbone)
    paths = sorted({_path_of(name, backbone) or "" for name in owned} - {""}, key=backbone.anatomy.linears.index)
    task = stated.get("task_type")
    head = read_head(others, task if isinstance(task, str) else None, backbone, weights)
    same = refuse_tensors({name: others[name] for name in head.unused}, stated, backbone, weights)
    strange = next((name for name in head.unused if name not in same), None)
    if strange is not None and (paths or _is_written(strange, backbone)):
        _refuse_strange(strange, weights, backbone)
    if not paths:
        raise ComponentError(
            f'none of its tensors belongs to a projection of backbone "{backbone.name}"',
            where=str(weights),
            fix="name the model it was trained on with --backbone",
        )
    config, values = _with_places(read, paths, names, stated, owned, backbone, str(file))
    tensors = _loaded(config, owned, weights, backbone)
    role = "task" if stated.get("task_type") in _OF_TASKS or _is_of_a_task(head.contents) else None
    part = PartContents(read.method, values, tensors)
    return Contents("", role, (part,), head.contents, None, (*read.notices, *head.notices))


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
    config, tensors, notices = kind.model_validate(dict(part.config)), part.tensors, ()
    if starts_in_weights(config):
        config, tensors, notices = as_lora(config, tensors, backbone)
    head = write_head(contents.head, backbone)
    names = ModelNames.of(backbone, headed=head.task is not None)
    state: dict[str, Tensor] = {}

    def visit(wrapped: Wrapped, settings: LibraryConfig) -> None:
        _fill(wrapped, tensors)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saved = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
        paths = [path for path in backbone.anatomy.linears if any(_is_of(name, path) for name in saved)]
        for name, tensor in saved.items():
            bare = name.removeprefix(PREFIX)
            inside = name.startswith(PREFIX) and any(bare.startswith(f"{path}.") for path in paths)
            state[f"{PREFIX}{names.whole(bare)}" if inside else name] = tensor.detach().clone().contiguous()
        _name_places(settings, config, paths, names)
        settings.base_model_name_or_path = backbone.identity
        settings.task_type = TaskType(head.task or "FEATURE_EXTRACTION")
        if head.modules:
            settings.modules_to_save = list(head.modules)
        settings.inference_mode = True
        settings.save_pretrained(str(folder))

    build_part(config, backbone, fresh=True, visit=visit)
    state |= {f"{PREFIX}{name}": tensor for name, tensor in head.tensors.items()}
    save_file(state, folder / _WEIGHTS[0], {"format": "pt"})
    return (*notices, *head.notices)


def _name_places(settings: LibraryConfig, config: PeftConfig, paths: Sequence[str], names: ModelNames) -> None:
    """Name every place by its whole name in the model, so that no end of a path can mean another one there."""
    for field in ("exclude_modules", "layers_pattern", "layers_to_transform"):
        if getattr(settings, field, None) is not None:
            setattr(settings, field, None)
    settings.target_modules = {names.whole(path) for path in paths}
    ends = getattr(settings, "feedforward_modules", None)
    if ends is not None:
        settings.feedforward_modules = {names.whole(path) for path in ends}
    for field, pattern in vars(settings).items():
        if field.endswith("_pattern") and isinstance(pattern, dict) and pattern:
            values, _ = values_by_path(pattern, config.method, paths, field)
            setattr(settings, field, {names.whole(path): value for path, value in values.items()})


def _fill(wrapped: Wrapped, tensors: Mapping[str, Tensor]) -> None:
    """Give what `peft` made the values of our part."""
    own = dict([*wrapped.named_parameters(), *wrapped.named_buffers()])
    with torch.no_grad():
        for name, tensor in tensors.items():
            target = own.get(name.replace("linears.", PREFIX, 1))
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
    names: ModelNames,
    stated: Mapping[str, Any],
    saved: Mapping[str, Tensor],
    backbone: Backbone,
    where: str,
) -> tuple[PeftConfig, dict[str, Any]]:
    """Our configuration with its places, in as few words as mean the same."""
    try:
        values = patterns_by_path(read.values, read.kind, paths, names, where)
    except RecipeError as error:
        raise error.at(ComponentError) from None
    targets = _shortest(stated.get("target_modules"), paths, backbone)
    if targets is not None:
        values["target_modules"] = targets
    if read.method == "ia3":
        ends = [layer.feed_forward.output for layer in backbone.anatomy.layers if layer.feed_forward.output in paths]
        scaled = [path for path in paths if saved[f"{PREFIX}{path}.ia3_l"].shape[0] == 1]
        if scaled != ends:
            values["feedforward_modules"] = scaled
    return replace(read, values=values).checked(where), values


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
        if _path_of(name, backbone) or not name.startswith(PREFIX):
            owned[name] = tensor
        else:
            others[name.removeprefix(PREFIX)] = tensor
    return owned, others


def _is_of_a_task(head: HeadContents | None) -> bool:
    """Whether a head tells that the folder is for a task: one that only writes does not."""
    return head is not None and bool(head.tensors)


def _refuse_strange(name: str, file: Path, backbone: Backbone) -> NoReturn:
    if _is_written(name, backbone):
        raise ComponentError(
            f'"{name}" belongs to the half of the model that writes, and its {CONFIG} does not say so',
            where=str(file),
            fix='set task_type = "SEQ_2_SEQ_LM" there',
        )
    raise ComponentError(
        f'"{name}" belongs to no projection inside the layers of "{backbone.name}"',
        where=str(file),
        fix="name the model it was trained on with --backbone",
    )


def _is_written(name: str, backbone: Backbone) -> bool:
    """Whether a tensor belongs to the half that writes, of a model of which only the other half is there."""
    return backbone.kind == "encoder-decoder" and backbone.decoder is None and "decoder." in name


def _path_of(name: str, backbone: Backbone) -> str | None:
    found = [path for path in backbone.anatomy.linears if _is_of(name, path)]
    return max(found, key=len, default=None)


def _is_of(name: str, path: str) -> bool:
    return name.startswith(f"{PREFIX}{path}.")
