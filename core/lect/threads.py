"""How many cores a process may use, and how processes that run at once share them.

torch computes with OpenMP's threads, which wait for one another some hundred times a step. By default they wait
spinning: alone that saves the time of waking up, and beside another busy process it takes the core from the very thread
that is waited for. These are settings of the environment, which OpenMP reads once, when torch is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
"""Threads that wait sleep; those of GNU's OpenMP, which torch brings, after some microseconds of spinning.

So long the gap between two operations is in a run that has the machine for itself. By default it is milliseconds.
"""
_HOW_TO_WAIT = (*WAITING, "KMP_BLOCKTIME")
_GROUP = Path("/sys/fs/cgroup/cpu.max")


def cores() -> int:
    """The cores that this process may use: those it is bound to, and no more than its container's share."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = _GROUP.read_text(encoding="ascii").split()
        # Of a share of two cores and a half, two can be busy all the time.
        count = min(count, int(quota) // int(period))
    return max(1, count)


def threads_of_each(processes: int, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What to set for each of so many processes that run at once on this machine; nothing of what the user has set."""
    found = {} if "OMP_NUM_THREADS" in environment else {"OMP_NUM_THREADS": str(max(1, cores() // processes))}
    wait_asleep(changed := {**environment, **found})
    return {name: value for name, value in changed.items() if environment.get(name) != value}


def wait_asleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let OpenMP's threads sleep while they wait, unless the user has said how they are to wait.

    To be called before torch is imported, where the process is one's own.
    """
    if not any(name in environment for name in _HOW_TO_WAIT):
        environment.update(WAITING)
