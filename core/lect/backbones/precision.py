"""What a model computes in: float32, bfloat16, or integers of 8 bits in its frozen projections."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn import functional

from lect.backbones.backbone import Backbone
from lect.backbones.int8 import Int8Products, Int8Rows, Int8Weight
from lect.cache import cache_folder
from lect.errors import BackboneError, UserError
from lect.files import write_aside
from lect.literals import ComputePrecision, RequestedPrecision

_WORTH_IT: Mapping[ComputePrecision, float] = {"bfloat16": 1.5, "int8": 2.0}
"""What ``auto`` takes, the most exact first, where its projections are so many times as fast as those in float32."""
_TOKENS, _NARROW, _WIDE = 256, 384, 1536
_REPEATS = 7


@contextmanager
def computing_in(precision: ComputePrecision, backbone: Backbone, device: torch.device) -> Iterator[None]:
    """A block in which what the backbone computes is computed in this format; parts are computed in float32 beside
    int8.

    Raises:
        BackboneError: int8, and no projection of the backbone can be computed in it.
    """
    if precision == "bfloat16":
        with torch.autocast(device.type, torch.bfloat16):
            yield
    elif precision == "int8":
        if not backbone.int8_weights:
            raise BackboneError(
                f'no projection of "{backbone.name}" can be computed in int8', fix='use "float32" or "bfloat16"'
            )
        with Int8Products(backbone.int8_weights):
            yield
    else:
        yield


def resolve_precision(requested: RequestedPrecision, device: torch.device) -> ComputePrecision:
    """The format that was asked for, or for ``auto`` the fastest one here that is worth it.

    A GPU takes bfloat16 where it has it. On a CPU the formats are measured once, on a pair of projections, and what was
    found is kept in the cache for this kind of processor.

    Raises:
        UserError: int8 elsewhere than on a CPU.
    """
    if requested != "auto":
        if requested == "int8" and device.type != "cpu":
            raise UserError(f"int8 is computed on CPUs, and the model is on {device.type}", fix='use "bfloat16"')
        return requested
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type != "cpu":
        return "float32"
    times = _times()
    worth_it = (each for each, least in _WORTH_IT.items() if times["float32"] >= least * times.get(each, torch.inf))
    return next(worth_it, "float32")


def cpu_has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16, instead of widening every number."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def _times() -> dict[str, float]:
    """Seconds that a pair of projections takes in each format, from the cache where they were measured before."""
    file = cache_folder() / "precision" / f"{_processor()}.json"
    try:
        times = {str(name): float(seconds) for name, seconds in json.loads(file.read_text(encoding="utf-8")).items()}
        if "float32" in times:
            return times
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    times = _measured()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_aside(file, json.dumps(times))
    except (OSError, UserError):
        # It is measured again the next time.
        pass
    return times


def _processor() -> str:
    """A name for this kind of processor, as this version of torch uses it with so many threads."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0].splitlines()
    except OSError:
        lines = []
    said = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    capability = torch.backends.cpu.get_cpu_capability()
    told = "\n".join([*said, capability, torch.__version__, str(torch.get_num_threads())])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@torch.no_grad()
def _measured() -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(_TOKENS, _NARROW, generator=generator)
    up = torch.randn(_WIDE, _NARROW, generator=generator)
    down = torch.randn(_NARROW, _WIDE, generator=generator)
    quantised = Int8Weight.of(up), Int8Weight.of(down)

    def in_float32() -> None:
        functional.linear(functional.linear(inputs, up), down)

    def in_int8() -> None:
        first, second = quantised
        second.product(Int8Rows.of(first.product(Int8Rows.of(inputs), None)), None)

    runs: dict[str, Callable[[], None]] = {"float32": in_float32, "int8": in_int8}
    if cpu_has_bfloat16():
        low = [each.bfloat16() for each in (inputs, up, down)]

        def in_bfloat16() -> None:
            functional.linear(functional.linear(low[0], low[1]), low[2])

        runs["bfloat16"] = in_bfloat16
    best = dict.fromkeys(runs, float("inf"))
    # They take turns, so that another program's load falls on all of them.
    for _ in range(_REPEATS):
        for name, run in runs.items():
            started = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - started)
    return best
