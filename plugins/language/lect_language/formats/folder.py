"""AdapterHub folders: what `adapters` and `adapter-transformers` save, read and written name by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lect import ComponentError, RecipeError
from lect.exchange import Contents, PartContents, read_json, read_tensors, validate_model, write_json
from lect_language.config import BottleneckConfig
from lect_language.formats.config import member_configs, read_config
from lect_language.formats.detect import CONFIG
from lect_language.formats.embeddings import read_embeddings, write_embeddings
from lect_language.formats.head import HEAD_CONFIG, HEAD_WEIGHTS, read_head, write_head
from lect_language.formats.lora import is_low_rank, read_low_rank
from lect_language.formats.names import library_names, model_class_of, prefix_of, todays_name, written_name
from lect_language.part import build_bottleneck, projects
from lect_language.settings import settings_of

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone

#: The version of the library whose folders these are; its loader treats folders by it.
_VERSION = "adapters.1.3.0"
_WRITTEN_WEIGHTS = "pytorch_adapter.bin"
#: What `adapters` writes; some folders on the Hub have the weights under the second name.
_WEIGHTS = ("adapter.safetensors", "pytorch_adapter.safetensors", _WRITTEN_WEIGHTS)
#: Pre-norm families whose residual, and not the norm of it, `adapters` gives a bottleneck.
_GIVES_RESIDUAL = ("mbart", "mt5", "t5")
_HEAD_WEIGHTS = ("model_head.safetensors", HEAD_WEIGHTS)


def read_folder(folder: Path, backbone: Backbone) -> Contents:
    """The bottleneck in an AdapterHub folder, its head and its embeddings where they can be ours.

    Raises:
        ComponentError: it is of another method, broken, or does not fit the backbone.
    """
    stated = read_json(folder / CONFIG)
    name = str(stated.get("name") or "adapter")
    weights = _first(folder, _WEIGHTS)
    if weights is None:
        raise ComponentError(
            f"there are no weights in it ({' or '.join(_WEIGHTS)})", where=str(folder), fix="fetch the folder again"
        )
    saved = {todays_name(key, prefix_of(backbone)): tensor for key, tensor in read_tensors(weights).items()}
    parts: tuple[PartContents, ...] = ()
    notices: list[str] = []
    has_invertible = False
    unread = dict(saved)
    for config in member_configs(stated, folder / CONFIG):
        of_low_rank = config.get("architecture") == "lora"
        own = {key: unread.pop(key) for key in list(unread) if is_low_rank(key) is of_low_rank}
        if of_low_rank:
            # Below a bottleneck at the same projection, as adapters has it.
            parts = (read_low_rank(config, own, name, backbone, weights), *parts)
            continue
        part, left_out = _bottleneck({**stated, "config": config} if config else stated, own, name, backbone, folder)
        parts, notices = (*parts, part), [*notices, *left_out]
        has_invertible = any(key.startswith("invertible.") for key in part.tensors)
    if unread:
        raise ComponentError(
            f'"{next(iter(unread))}" belongs to no method that {CONFIG} names',
            where=str(weights),
            fix="fetch the folder again",
        )
    embeddings = read_embeddings(folder, backbone)
    if embeddings is not None:
        parts = (embeddings.part, *parts)
    head = read_head(folder / HEAD_CONFIG, _first(folder, _HEAD_WEIGHTS), name, backbone)
    return Contents(
        name,
        _role(stated, has_invertible or embeddings is not None, has_head=head.contents is not None),
        parts,
        head.contents,
        embeddings.tokenizer_json if embeddings is not None else None,
        (*notices, *head.notices),
    )


def _bottleneck(
    stated: Mapping[str, Any], saved: Mapping[str, Tensor], name: str, backbone: Backbone, folder: Path
) -> tuple[PartContents, Sequence[str]]:
    """The bottleneck among a folder's tensors, and a line for each thing that is left out."""
    weights = _first(folder, _WEIGHTS)
    assert weights is not None
    invertible = any(key.startswith(f"invertible_adapters.{name}.") for key in saved)
    config = read_config(stated, folder / CONFIG, has_invertible=invertible)
    _check_norms(config.config, backbone, folder)
    fields = stated.get("config")
    if backbone.decoder is not None and isinstance(fields, Mapping) and fields.get("cross_adapter"):
        raise ComponentError(
            "it has bottlenecks after the attention to what was read (cross_adapter), where lect has no place",
            where=str(folder / CONFIG),
            fix="train it without",
        )
    changes, own = dict(config.changes), config.config
    if invertible and own.inv_adapter != "none" and projects(backbone):
        # The library has it where embeddings still have their own width.
        changes["inv_adapter_before_projection"] = True
        own = own.model_copy(update={"inv_adapter_before_projection": True})
    try:
        part = build_bottleneck(own, backbone)
    except RecipeError as error:
        raise ComponentError(error.what, where=str(folder / CONFIG), fix=error.fix) from None
    names = library_names(part, backbone, name)
    notices = list(config.notices)
    if invertible and part.invertible is None:
        saved = {key: tensor for key, tensor in saved.items() if not key.startswith("invertible_adapters.")}
        notices.append(
            f"left out the invertible part of {weights.name}: {CONFIG} names none, so that adapters has none"
        )
    return PartContents("bottleneck", changes, _named(saved, names, weights, backbone)), notices


def write_folder(contents: Contents, backbone: Backbone, folder: Path) -> Sequence[str]:
    """Write a component with a bottleneck as an AdapterHub folder, for any class of model of `adapters`.

    Returns:
        A line for each thing that is left out.

    Raises:
        ComponentError: it has no bottleneck, or parts that `adapters` does not have.
    """
    parts = {part.method: part for part in contents.parts}
    if foreign := sorted(parts.keys() - {"bottleneck", "vocabulary"}):
        raise ComponentError(
            f'its part "{foreign[0]}" cannot be an AdapterHub adapter',
            fix="export LoRA and its relatives with --to peft" if foreign[0] != "full" else "use lect merge",
        )
    if "bottleneck" not in parts:
        raise ComponentError(
            "it has no bottleneck, and an AdapterHub folder holds one", fix="export a component with a bottleneck"
        )
    config = validate_model(BottleneckConfig, parts["bottleneck"].config, 'method "bottleneck"')
    if config.inv_adapter_non_linearity not in (None, settings_of(config).non_linearity):
        raise ComponentError(
            f'its invertible part runs with "{config.inv_adapter_non_linearity}", which adapters 1.3.0 cannot say',
            fix=f"train it with {settings_of(config).non_linearity} in both",
        )
    _check_norms(config, backbone, None)
    part = build_bottleneck(config, backbone)
    if part.invertible is not None and projects(backbone) and not config.inv_adapter_before_projection:
        raise ComponentError(
            "its invertible part acts behind the projection of the embeddings, where adapters has none",
            fix="train it with inv_adapter_before_projection = true",
        )
    name = contents.name.replace(".", "_")
    names = library_names(part, backbone, name)
    tensors = parts["bottleneck"].tensors
    state = {written_name(key, backbone): tensors[own].detach().clone().contiguous() for key, own in names.items()}
    torch.save(state, folder / _WRITTEN_WEIGHTS)
    notices: list[str] = []
    stated = {**describe(backbone, name), "config": settings_of(config).to_dict()}
    write_json(folder / CONFIG, stated)
    if "vocabulary" in parts:
        assert contents.tokenizer_json is not None
        write_embeddings(folder, parts["vocabulary"], contents.tokenizer_json, backbone)
        notices.append("load its tokens too, with model.load_embeddings(FOLDER, NAME): load_adapter leaves them out")
    if contents.head is not None:
        notices += write_head(contents.head, backbone, folder, describe(backbone, name))
    return notices


def describe(backbone: Backbone, name: str) -> dict[str, Any]:
    """What `adapters` writes of a model into every configuration."""
    return {
        "model_type": backbone.model.config.model_type,
        "hidden_size": backbone.hidden_size,
        "model_name": backbone.identity,
        "model_class": model_class_of(backbone),
        "name": name,
        "version": _VERSION,
    }


def _named(saved: Mapping[str, Tensor], names: Mapping[str, str], file: Path, backbone: Backbone) -> dict[str, Tensor]:
    """The saved tensors under the names of our part, each of them used."""
    missing, strange = sorted(names.keys() - saved.keys()), sorted(saved.keys() - names.keys())
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        shared = missing[0].startswith("shared_parameters.")
        raise ComponentError(
            f'lacks "{missing[0]}"{more}',
            where=str(file),
            fix="save it from an AutoAdapterModel: adapters 1.3.0 leaves this out of other models"
            if shared
            else f'fetch the folder again, or name the model it was trained on ("{backbone.name}" may be another)',
        )
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise ComponentError(
            f'"{strange[0]}"{more} belongs to no place that {CONFIG} names in backbone "{backbone.name}"',
            where=str(file),
            fix="name the model it was trained on with --backbone",
        )
    tensors: dict[str, Tensor] = {}
    for theirs, ours in names.items():
        if ours in tensors and not torch.equal(tensors[ours], saved[theirs]):
            raise ComponentError(f'holds "{theirs}" twice with different values', where=str(file))
        tensors[ours] = saved[theirs]
    return tensors


def _role(stated: Mapping[str, Any], for_language: bool, *, has_head: bool) -> Any:
    told = {"text_lang": "lang", "text_task": "task"}.get(str(stated.get("type")))
    if told is not None:
        return told
    if has_head:
        return "task"
    return "lang" if for_language else None


def _check_norms(config: BottleneckConfig, backbone: Backbone, folder: Path | None) -> None:
    settings = settings_of(config)
    gives_residual = backbone.model.config.model_type in _GIVES_RESIDUAL
    reads_residual = settings.is_parallel or (settings.original_ln_before and not gives_residual)
    if reads_residual and backbone.anatomy.layers[0].feed_forward.norm is None:
        raise ComponentError(
            f'in models with their norms before each block, such as "{backbone.name}", adapters 1.3.0 takes what comes '
            "out of the norm for the residual, and lect takes the residual itself",
            where=str(folder) if folder else None,
            fix="use a bottleneck with original_ln_before = false, such as double_seq_bn",
        )


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
