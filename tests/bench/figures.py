"""What several benchmarks say of a run: its memory, and figures over seeds."""

from __future__ import annotations

import os
import platform
import resource
import statistics


def peak() -> float:
    """The most memory this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def cell(values: list[float], digits: int) -> str:
    """Mean ± standard deviation."""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):,.{digits}f}{spread}"


def peak_anywhere() -> float:
    """The most memory that this process has had, in GB: on the GPU where there is one."""
    import torch

    return torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else peak()


def machine() -> str:
    """What this runs on."""
    import torch

    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    return f"{gpu}{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
