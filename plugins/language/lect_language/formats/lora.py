"""LoRA and (IA)³ in AdapterHub folders: the same mathematics as `peft`'s, so the same parts as a PEFT folder's.

`adapters` computes ``W x + b + alpha / r B A x`` for LoRA and ``(W x + b) * l`` for (IA)³ at whichever place, and
`peft` the same. The parts are those of the methods ``lora`` and ``ia3``, which another plugin provides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lect import DECODER, ComponentError
from lect.exchange import PartContents
from lect_language.formats.detect import CONFIG

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone

_ADAPTER = "default"
_KEPT = ("lora_A", "lora_B")


def is_low_rank(name: str) -> bool:
    """Whether a saved tensor is of LoRA or (IA)³, as `adapters` names it."""
    return ".loras." in name


def read_low_rank(
    config: Mapping[str, Any], saved: Mapping[str, Tensor], name: str, backbone: Backbone, file: Path
) -> PartContents:
    """The part of a configuration of the architecture ``lora``.

    Args:
        saved: its tensors, without the model's prefix.
        name: what the adapter is called.

    Raises:
        ComponentError: it is of a kind that no part of `peft` is, or does not fit the backbone.
    """
    _check(config, file.with_name(CONFIG))
    by_path = _by_path(saved, name, backbone, file)
    scales = config.get("composition_mode") == "scale"
    rank, alpha = int(config.get("r", 8)), float(config.get("alpha", 8))
    kinds = {"lora_B"} if scales else {"lora_A", "lora_B"}
    for path, own in by_path.items():
        if missing := sorted(kinds - own.keys()):
            _refuse(file, f'lacks "{missing[0]}" of {path}', "fetch the folder again")
        weight = backbone.module(path).weight
        if not scales and (len(own["lora_A"]), len(own["lora_B"])) != (rank, len(weight)):
            _refuse(
                file,
                f'at "{path}" it acts on shares of one projection (queries and values, say), and lect\'s on all of it',
                "train it with peft or lect",
            )
    values: dict[str, Any] = {}
    if by_path.keys() != set(backbone.anatomy.linears):
        values["target_modules"] = list(by_path)
    if scales:
        return PartContents("ia3", {**values, "feedforward_modules": []}, _scales(by_path, alpha))
    values |= {"r": rank, "lora_alpha": int(alpha) if alpha.is_integer() else alpha}
    tensors = {}
    for path, own in by_path.items():
        tensors[f"linears.{path}.lora_A.{_ADAPTER}.weight"] = own["lora_A"]
        tensors[f"linears.{path}.lora_B.{_ADAPTER}.weight"] = own["lora_B"]
    return PartContents("lora", values, tensors)


def _scales(by_path: Mapping[str, Mapping[str, Tensor]], alpha: float) -> dict[str, Tensor]:
    return {f"linears.{path}.ia3_l.{_ADAPTER}": own["lora_B"].reshape(-1, 1) * alpha for path, own in by_path.items()}


def _by_path(saved: Mapping[str, Tensor], name: str, backbone: Backbone, file: Path) -> dict[str, dict[str, Tensor]]:
    """The tensors of each projection, by the projection's path in the backbone."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in saved.items():
        module, _, kind = key.partition(f".loras.{name}.")
        path = path_of(module, backbone)
        if kind not in _KEPT or path not in backbone.anatomy.linears:
            _refuse(
                file,
                f'"{key}" belongs to no projection inside the layers of "{backbone.name}"',
                "name the model it was trained on with --backbone",
            )
        found.setdefault(path, {})[kind] = tensor
    if not found:
        _refuse(file, "holds no tensors of the adapter that its configuration names", "fetch the folder again")
    order = {path: index for index, path in enumerate(backbone.anatomy.linears)}
    return dict(sorted(found.items(), key=lambda entry: order[entry[0]]))


def path_of(module: str, backbone: Backbone) -> str:
    """The path in the backbone of a module of the whole model; an encoder-decoder's halves are named otherwise."""
    if backbone.kind != "encoder-decoder":
        return module
    if module.startswith("decoder."):
        return DECODER + module.removeprefix("decoder.")
    return module.removeprefix("encoder.")


def _check(config: Mapping[str, Any], file: Path) -> None:
    if config.get("vera_d") is not None or config.get("vera_b") is not None:
        _refuse(
            file, "VeRA of adapters has random matrices of its own kind, which peft's VeRA cannot hold", _TRAIN_ANEW
        )
    if config.get("use_dora"):
        _refuse(
            file,
            "DoRA of adapters 1.3.0 scales the projection's bias too and leaves alpha / r out of its norm; peft's "
            "and lect's do neither",
            'train it with peft, or with lect (method = "dora")',
        )
    if config.get("use_gating"):
        _refuse(
            file,
            "its gate is a mean over the padding too, so that what a row gives depends on its batch",
            "train it without use_gating",
        )


_TRAIN_ANEW = 'train such a part with lect (method = "vera")'


def _refuse(file: Path, what: str, fix: str) -> NoReturn:
    raise ComponentError(what, where=str(file), fix=fix)
