"""Registers the executor `ray`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pydantic import Field

from lect import Config, ExecutorSpec, Job, JobEvent, Replicas, ServeWork, StreamWork, hookimpl


class RayConfig(Config):
    """Which cluster, and what of it each run, or worker, may have."""

    address: str | None = Field(
        None,
        description="of the cluster, such as auto or ray://head:10001; if absent RAY_ADDRESS, a cluster that runs "
        "here, or one that is started here and ends with the fleet",
    )
    cpus: float = Field(1, ge=0, description="CPU cores that each run, worker or replica takes")
    gpus: float = Field(0, ge=0, description="GPUs that each takes; below 1, several share one")
    resources: dict[str, float] = Field({}, description="resources of your own that each takes")
    workers: int | None = Field(
        None, ge=1, description="processes that answer rows or requests; as many as there is room for if absent"
    )


def _run(config: RayConfig, jobs: Sequence[Job], at_once: int | None) -> Iterator[JobEvent]:
    from lect_ray.executor import run_on_ray

    return run_on_ray(config, jobs, at_once)


def _answer(config: RayConfig, work: StreamWork) -> Iterator[Any]:
    from lect_ray.stream import answer_on_ray

    return answer_on_ray(config, work)


def _serve(config: RayConfig, work: ServeWork) -> AbstractContextManager[Replicas]:
    from lect_ray.serving import serve_on_ray

    return serve_on_ray(config, work)


@hookimpl
def lect_register_executors() -> Iterable[ExecutorSpec]:
    """A Ray cluster."""
    return (
        ExecutorSpec(
            name="ray",
            summary="a Ray cluster, whose machines have lect and see the same folders",
            config=RayConfig,
            run=_run,
            answer=_answer,
            serve=_serve,
        ),
    )
