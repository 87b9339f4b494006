"""Jobs as tasks of a Ray cluster: each a process of its own on the machine that Ray chooses."""

from __future__ import annotations

import logging
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from lect import JOB_PATIENCE, Job, JobEvent, UserError, run_job

if TYPE_CHECKING:
    from lect_ray.plugin import RayConfig


def run_on_ray(config: RayConfig, jobs: Sequence[Job], at_once: int | None) -> Iterator[JobEvent]:
    """Run the jobs, as `lect.specs.ExecutorSpec.run`.

    Raises:
        UserError: there is no such cluster, or none of its machines will ever have what a job takes.
    """
    with _cluster(config):
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


@contextmanager
def _cluster(config: RayConfig) -> Iterator[None]:
    """A connection to the cluster, for as long as the block lasts."""
    if ray.is_initialized():
        _check_room(config)
        yield
        return
    try:
        ray.init(address=config.address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=None)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        what = " ".join(str(error).split())
        raise UserError(
            f"there is no Ray cluster to run on ({what[:200]})",
            where=f"--option address={config.address}",
            fix="start one (ray start --head), mend the address, or leave it out",
        ) from error
    try:
        _check_room(config)
        yield
    finally:
        ray.shutdown()


def _check_room(config: RayConfig) -> None:
    wanted = {"CPU": config.cpus, "GPU": config.gpus, **config.resources}
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in there):
        most = {name: max((node.get(name, 0) for node in there), default=0) for name in wanted}
        raise UserError(
            f"no machine of the cluster has what each run takes: {_listed(wanted)}; the most there is: {_listed(most)}",
            where="--on ray",
            fix="ask for less with --option cpus=…, --option gpus=…",
        )


def _listed(amounts: dict[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in amounts.items() if amount) or "nothing"


def _task(job: Job) -> tuple[int, str]:
    return run_job(job), socket.gethostname()


def _outcome(job: Job, reference: Any) -> JobEvent:
    try:
        code, where = ray.get(reference)
    except RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        return JobEvent(job, 1, error=_first_line(cause))
    except RayError as error:
        return JobEvent(job, 1, error=f"Ray lost it: {_first_line(error)}")
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


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
