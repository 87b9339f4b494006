"""Registers the executor `ray`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from lect import Config, ExecutorSpec, Job, JobEvent, hookimpl


class RayConfig(Config):
    """Which cluster, and what of it each run may have."""

    address: str | None = Field(
        None,
        description="of the cluster, such as auto or ray://head:10001; if absent RAY_ADDRESS, a cluster that runs "
        "here, or one that is started here and ends with the fleet",
    )
    cpus: float = Field(1, ge=0, description="CPU cores that each run takes")
    gpus: float = Field(0, ge=0, description="GPUs that each run takes; below 1, several share one")
    resources: dict[str, float] = Field({}, description="resources of your own that each run takes")


def _run(config: RayConfig, jobs: Sequence[Job], at_once: int | None) -> Iterator[JobEvent]:
    from lect_ray.executor import run_on_ray

    return run_on_ray(config, jobs, at_once)


@hookimpl
def lect_register_executors() -> Iterable[ExecutorSpec]:
    """A Ray cluster."""
    return (
        ExecutorSpec(
            name="ray",
            summary="a Ray cluster, whose machines have lect and see the same folders",
            config=RayConfig,
            run=_run,
        ),
    )
