"""A checkpoint in shards, as fairseq writes them under fully sharded data parallelism.

Each shard holds an equal slice of every flattened parameter, and a record of what is in it: of each wrapped module its
path and, for each of its parameters, the padding at its end and the names, shapes and sizes of those flattened into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lect import BackboneError

if TYPE_CHECKING:
    from torch import Tensor


def joined(models: Sequence[Mapping[str, Tensor]], records: Sequence[Any], files: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of the whole model, by fairseq's names.

    Args:
        models: each shard's tensors, in the shards' order.
        records: each shard's ``shard_metadata``.

    Raises:
        BackboneError: a shard is missing, or does not fit the others.
    """
    for expected, file in enumerate(files):
        if not file.stem.endswith(f"-shard{expected}"):
            _refuse(file, f"shard {expected} is missing before it")
    for file, record in zip(files, records, strict=True):
        if not isinstance(record, Mapping) or not isinstance(record.get("param_metadata"), Sequence):
            _refuse(file, "it does not say how it was cut into shards (shard_metadata)")
    try:
        return _joined(models, records)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split("\n")[0].split())
        raise BackboneError(f"its shards do not fit together ({reason[:120]})", where=str(files[0])) from error


def _joined(models: Sequence[Mapping[str, Tensor]], records: Sequence[Any]) -> dict[str, Tensor]:
    import torch

    whole: dict[str, Tensor] = {}
    for index, module in enumerate(records[0]["param_metadata"]):
        path = f"{module['fsdp_path']}." if module["fsdp_path"] else ""
        for name, flattened in module["params"].items():
            slices = []
            for model, record in zip(models, records, strict=True):
                padding = record["param_metadata"][index]["params"][name]["padding"]
                piece = model[f"{path}{name}"].reshape(-1)
                slices.append(piece[: len(piece) - padding] if padding else piece)
                if module["no_broadcast_optim_state"]:
                    break
            parts = torch.cat(slices).split([int(count) for count in flattened["numels"]])
            for own, shape, part in zip(flattened["names"], flattened["shapes"], parts, strict=True):
                whole[f"{path}{own}"] = part.reshape(tuple(shape))
        for *_, source, target in module.get("shared_param_info", ()):
            whole[f"{path}{target}"] = whole[f"{path}{source}"]
    for name in records[0].get("buffer_names", ()):
        whole[name] = models[0][name]
    return whole


def _refuse(file: Path, what: str) -> NoReturn:
    raise BackboneError(what, where=str(file), fix="put all shards of the checkpoint into the folder")
