"""From the configuration in an AdapterHub folder to ours, and back; configurations of every age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from lect import ComponentError, RecipeError
from lect.exchange import validate_model
from lect_language.config import BottleneckConfig
from lect_language.settings import PRESETS, BottleneckSettings, settings_of

#: Names of fields before `adapter-transformers` 1.0.
_RENAMED = {
    "LN_after": "ln_after",
    "LN_before": "ln_before",
    "MH_Adapter": "mh_adapter",
    "Output_Adapter": "output_adapter",
}
#: Fields that change nothing in a trained bottleneck of an encoder, with the values for which that holds.
_WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "architecture": (None, "bottleneck"),
    "attention_type": ("sent-lvl-dynamic", "tok-lvl", "sent-lvl", None),
    "cross_adapter": (True, False, None),
    "init_weights_seed": (),
    "new_attention_norm": (False, None),
}
#: Activations before version 2, when "gelu" meant its approximation by tanh (`adapters.utils.ACTIVATION_RENAME`).
_OLD_ACTIVATIONS = {"gelu": "gelu_new", "gelu_orig": "gelu"}
_OTHER_METHODS = {
    "mtl_lora": "LoRA for several tasks at once",
    "prefix_tuning": "prefix tuning, which changes no place that a row's stack can hold",
    "prompt_tuning": "prompt tuning, which puts trained vectors before the text",
    "reft": "ReFT, which changes chosen positions of a text only",
    "union": "a union within a union",
}
_REFT = {"architecture": "reft"}
#: Configurations that a folder may give by name (``ADAPTER_CONFIG_MAP`` of adapters 1.3.0), with what is read of them.
_BY_NAME: Mapping[str, Mapping[str, Any]] = {
    **{name: settings.to_dict() for name, settings in PRESETS.items() if name != "par_bn_inv"},
    "pfeiffer": PRESETS["seq_bn"].to_dict(),
    "houlsby": PRESETS["double_seq_bn"].to_dict(),
    "parallel": PRESETS["par_bn"].to_dict(),
    "scaled_parallel": PRESETS["scaled_par_bn"].to_dict(),
    "pfeiffer+inv": PRESETS["seq_bn_inv"].to_dict(),
    "houlsby+inv": PRESETS["double_seq_bn_inv"].to_dict(),
    "lora": {"architecture": "lora"},
    "ia3": {"architecture": "lora", "r": 1, "alpha": 1, "composition_mode": "scale"},
    "vera": {"architecture": "lora", "vera_d": 0.1, "vera_b": 0.0},
    "dora": {"architecture": "lora", "use_dora": True},
    "dvora": {"architecture": "lora", "use_dora": True, "vera_d": 0.1, "vera_b": 0.0},
    "mtl_lora": {"architecture": "mtl_lora"},
    "prefix_tuning": {"architecture": "prefix_tuning"},
    "prefix_tuning_flat": {"architecture": "prefix_tuning"},
    "prompt_tuning": {"architecture": "prompt_tuning"},
    "loreft": _REFT,
    "noreft": _REFT,
    "direft": _REFT,
    "mam": {"architecture": "union", "configs": [{"architecture": "prefix_tuning"}, {}]},
    "unipelt": {"architecture": "union", "configs": [{"architecture": "prefix_tuning"}, {}, {"architecture": "lora"}]},
}


@dataclass(frozen=True)
class ReadConfig:
    """The configuration of an AdapterHub folder.

    Args:
        config: ours.
        changes: ours as a manifest holds it: the nearest preset, and what differs from it.
        notices: what was left out.
    """

    config: BottleneckConfig
    changes: Mapping[str, Any]
    notices: tuple[str, ...]


def member_configs(stated: Mapping[str, Any], file: Path) -> list[Mapping[str, Any]]:
    """The configuration of each method that the folder holds: several where it is a union, such as MAM.

    Raises:
        ComponentError: one of them cannot be a part of a component, or two are of one method.
    """
    given = stated.get("config")
    if isinstance(given, str):
        given = _BY_NAME.get(given)
    if not isinstance(given, Mapping) or given.get("architecture") != "union":
        return [given] if isinstance(given, Mapping) else [{}]
    members = given.get("configs")
    if not isinstance(members, list) or not members or not all(isinstance(each, Mapping) for each in members):
        _refuse(file, 'its union has no list "configs"', "fetch the folder again")
    kinds = [str(each.get("architecture") or "bottleneck") for each in members]
    for kind in kinds:
        if kind in _OTHER_METHODS:
            what = f"it is a union of {' and '.join(kinds)}, and {kind} cannot be a part: {_OTHER_METHODS[kind]}"
            _refuse(file, what, "train it without, as LoRA and a bottleneck, say")
    if len(set(kinds)) < len(kinds):
        _refuse(
            file, f"it is a union of {' and '.join(kinds)}, and a component has one part of a method", "save each alone"
        )
    return members


def read_config(stated: Mapping[str, Any], file: Path, *, has_invertible: bool) -> ReadConfig:
    """Our configuration for what ``adapter_config.json`` says.

    Args:
        has_invertible: whether the weights hold an invertible part: old task adapters name one and have none.

    Raises:
        ComponentError: it is of no bottleneck, or of one that cannot be composed row by row; says which field.
    """
    fields, notices = _fields(stated, file)
    architecture = fields.get("architecture")
    if architecture in _OTHER_METHODS:
        _refuse(
            file,
            f'it is of architecture "{architecture}" ({_OTHER_METHODS[architecture]}), and no bottleneck',
            "train such a part with lect, or import a bottleneck",
        )
    if architecture not in _WITHOUT_EFFECT["architecture"]:
        _refuse(file, f'adapters knows no architecture "{architecture}"', "import a bottleneck")
    if fields.get("inv_adapter") and not has_invertible:
        if stated.get("type") != "text_task":
            _refuse(file, "names an invertible part, and the weights hold none", "fetch the folder again")
        fields["inv_adapter"] = fields["inv_adapter_reduction_factor"] = fields["inv_adapter_non_linearity"] = None
    changes: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "stochastic_depth":
            if value:
                notices.append(f"left out stochastic_depth = {value}: it acts in training only")
        elif name in _WITHOUT_EFFECT:
            allowed = _WITHOUT_EFFECT[name]
            if allowed and value not in allowed:
                _refuse(file, f"{name} = {value!r} changes layers in a way that adapters 1.3.0 does not have")
        elif name in BottleneckConfig.model_fields and name != "preset":
            changes[name] = value
        else:
            notices.append(
                f'left out the field "{name}" = {value!r} of {file.name}, which adapters 1.3.0 does not know'
            )
    return _nearest_preset(changes, file, notices)


def _fields(stated: Mapping[str, Any], file: Path) -> tuple[dict[str, Any], list[str]]:
    """The bottleneck's fields under today's names, and what of them cannot be kept."""
    given = stated.get("config")
    if isinstance(given, str):
        if given not in _BY_NAME:
            _refuse(file, f'adapters knows no configuration "{given}"')
        given = _BY_NAME[given]
    if given is None and "mh_adapter" in stated:
        known = {field.name for field in fields(BottleneckSettings)}
        given = {name: value for name, value in stated.items() if name in known}
    if not isinstance(given, Mapping):
        _refuse(file, 'has no table "config"')
    found = {_RENAMED.get(name, name): value for name, value in given.items()}
    activation = found.get("non_linearity")
    if "version" not in stated and activation in _OLD_ACTIVATIONS:
        found["non_linearity"] = _OLD_ACTIVATIONS[activation]
    notices = []
    if block := found.pop("invertible_adapter", None):
        if not isinstance(block, Mapping) or "block_type" not in block:
            _refuse(file, 'its "invertible_adapter" has no block_type')
        found.setdefault("inv_adapter", block["block_type"])
        found.setdefault("inv_adapter_reduction_factor", block.get("reduction_factor"))
        # It had an activation of its own then, which later versions read and forget.
        own = block.get("non_linearity", activation)
        if own != activation:
            own = _OLD_ACTIVATIONS.get(own, own)
            found["inv_adapter_non_linearity"] = own
            notices.append(
                f'the invertible part runs with "{own}", as it was trained; adapters 1.3.0 runs it with '
                f'"{found["non_linearity"]}", and so gives something else'
            )
    if "architecture" not in found:
        for name in ("mh_adapter", "output_adapter", "reduction_factor", "non_linearity"):
            if name not in found:
                _refuse(file, f'its "config" lacks {name}')
    return found, notices


def _nearest_preset(wanted: Mapping[str, Any], file: Path, notices: list[str]) -> ReadConfig:
    """Ours with the fewest changes to a preset."""
    defaults = {field.name: field.default for field in fields(BottleneckSettings)}
    defaults |= {"leave_out": [], "reduction_factor": None, "non_linearity": None}
    full = {**defaults, **wanted}
    candidates = []
    for preset, settings in PRESETS.items():
        base = settings.to_dict()
        changes = {
            name: _ours(name, value)
            for name, value in full.items()
            if name in BottleneckConfig.model_fields and not _same(value, base.get(name))
        }
        candidates.append((len(changes), preset, changes))
    _, preset, changes = min(candidates, key=lambda candidate: candidate[0])
    values = {"preset": preset, **changes}
    try:
        config = validate_model(BottleneckConfig, values, f"{file}, config")
        settings_of(config)
    except RecipeError as error:
        raise error.at(ComponentError) from None
    return ReadConfig(config, values, tuple(notices))


def _ours(name: str, value: Any) -> Any:
    if name == "inv_adapter" and value is None:
        return "none"
    if isinstance(value, Mapping):
        return {str(key): entry for key, entry in value.items()}
    return value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _refuse(file: Path, what: str, fix: str | None = None) -> NoReturn:
    raise ComponentError(what, where=str(file), fix=fix)
