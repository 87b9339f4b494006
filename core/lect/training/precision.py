"""Which number format a run computes in, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from lect.errors import RecipeError

Requested = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Precision:
    """A number format, as Accelerate calls it (`no`, `bf16`, `fp16`), and the reason for it."""

    name: Literal["float32", "bfloat16", "float16"]
    mixed: Literal["no", "bf16", "fp16"]
    reason: str


def choose_precision(requested: Requested, device: torch.device) -> Precision:
    """The precision of a run: what was asked for, or bfloat16 where the hardware computes in it.

    Raises:
        RecipeError: float16 was asked for on a CPU, where gradients would be lost.
    """
    if requested == "auto":
        if device.type == "cuda":
            if torch.cuda.is_bf16_supported(including_emulation=False):
                return Precision("bfloat16", "bf16", "the GPU computes in bfloat16")
            return Precision("float32", "no", "the GPU has no bfloat16")
        if device.type == "cpu" and _cpu_has_bfloat16():
            return Precision("bfloat16", "bf16", "the CPU computes in bfloat16")
        return Precision("float32", "no", f"no bfloat16 in hardware on this {device.type}")
    if requested == "float16" and device.type == "cpu":
        raise RecipeError(
            "float16 cannot be trained on a CPU", where="training.precision", fix='use "auto", "bfloat16" or "float32"'
        )
    mixed: dict[str, Literal["no", "bf16", "fp16"]] = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
    return Precision(requested, mixed[requested], "as asked for")


def _cpu_has_bfloat16() -> bool:
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
