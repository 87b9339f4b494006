"""The executor `local`: jobs as processes of this machine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

from pydantic import Field

from lect.fields import Config
from lect.fleet.job import JobProcess
from lect.runs import Job, JobEvent
from lect.specs import ExecutorSpec
from lect.threads import threads_of_each

_PAUSE = 0.1
"""Seconds between two looks at the jobs."""


class LocalConfig(Config):
    """What the jobs on this machine share."""

    gpus: tuple[int, ...] = Field((), description="GPUs that the jobs take turns on, such as [0, 1]")


def run_locally(config: LocalConfig, jobs: Sequence[Job], at_once: int | None) -> Iterator[JobEvent]:
    """Run the jobs, one after the other unless more may run at once; as `lect.specs.ExecutorSpec.run`."""
    count = at_once or 1
    waiting = deque(jobs)
    running: dict[int, JobProcess] = {}
    try:
        while waiting or running:
            ended = [slot for slot, process in running.items() if process.poll() is not None]
            for slot in ended:
                process = running.pop(slot)
                yield JobEvent(process.job, process.poll())
            free = [slot for slot in range(count) if slot not in running]
            for slot in free[: len(waiting)]:
                job = waiting.popleft()
                running[slot] = JobProcess(job, _environment(config, slot, count))
                yield JobEvent(job)
            if running and not ended:
                time.sleep(_PAUSE)
    finally:
        for process in running.values():
            process.ask_to_stop()
        for process in running.values():
            process.stop()


def _environment(config: LocalConfig, slot: int, count: int) -> dict[str, str]:
    # Several runs that each take every core wait for one another most of the time.
    environment = threads_of_each(count)
    if config.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = str(config.gpus[slot % len(config.gpus)])
    return environment


EXECUTORS = (ExecutorSpec("local", "processes of this machine", LocalConfig, run_locally),)
