"""Jobs as tasks of a Ray cluster: each a process of its own on the machine that Ray chooses."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from lect import JOB_PATIENCE, Job, JobEvent, run_job
from lect_ray.cluster import cluster, first_line

if TYPE_CHECKING:
    from lect_ray.plugin import RayConfig


def run_on_ray(config: RayConfig, jobs: Sequence[Job], at_once: int | None) -> Iterator[JobEvent]:
    """Run the jobs, as `lect.specs.ExecutorSpec.run`.

    Raises:
        UserError: there is no such cluster, or none of its machines will ever have what a job takes.
    """
    with cluster(config):
        # A machine that is lost takes its run with it: the same fleet, run again, goes on from the checkpoint.
        task = ray.remote(_task).options(
            num_cpus=config.cpus, num_gpus=config.gpus, resources=config.resources, max_retries=0
        )
        waiting = deque(jobs)
        running: dict[Any, Job] = {}
        try:
            while waiting or running:
                while waiting and (at_once is None or len(running) < at_once):
                    job = waiting.popleft()
                    running[task.remote(job)] = job
                    yield JobEvent(job)
                for reference in ray.wait(list(running), num_returns=1)[0]:
                    yield _outcome(running.pop(reference), reference)
        finally:
            _stop(list(running))


def _task(job: Job) -> tuple[int, str]:
    return run_job(job), socket.gethostname()


def _outcome(job: Job, reference: Any) -> JobEvent:
    try:
        code, where = ray.get(reference)
    except RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        return JobEvent(job, 1, error=first_line(cause))
    except RayError as error:
        return JobEvent(job, 1, error=f"Ray lost it: {first_line(error)}")
    return JobEvent(job, code, where)


def _stop(references: list[Any]) -> None:
    """Interrupt the tasks: each lets its run write a checkpoint first."""
    until = time.monotonic() + JOB_PATIENCE
    waiting = references
    while waiting and time.monotonic() < until:
        # One request may come while a task is in no state to take it.
        for reference in waiting:
            ray.cancel(reference, force=False)
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=2)
