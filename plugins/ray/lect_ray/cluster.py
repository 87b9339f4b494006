"""The cluster that things run on: a connection to it, and what it has room for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import ray

from lect import UserError

if TYPE_CHECKING:
    from lect_ray.plugin import RayConfig


@contextmanager
def cluster(config: RayConfig) -> Iterator[None]:
    """A connection to the cluster, for as long as the block lasts.

    Raises:
        UserError: there is no such cluster, or none of its machines has what each run or worker takes.
    """
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
            where=f"address={config.address}",
            fix="start one (ray start --head), mend the address, or leave it out",
        ) from error
    try:
        _check_room(config)
        yield
    finally:
        ray.shutdown()


def room_for(config: RayConfig) -> int:
    """How many workers the cluster has room for, one at least."""
    wanted = {"CPU": config.cpus, "GPU": config.gpus, **config.resources}
    taken = {name: amount for name, amount in wanted.items() if amount}
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fitting = [min((node.get(name, 0) // amount for name, amount in taken.items()), default=1) for node in there]
    return max(1, int(sum(fitting)))


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _check_room(config: RayConfig) -> None:
    wanted = {"CPU": config.cpus, "GPU": config.gpus, **config.resources}
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in there):
        most = {name: max((node.get(name, 0) for node in there), default=0) for name in wanted}
        raise UserError(
            f"no machine of the cluster has what each takes: {_listed(wanted)}; the most there is: {_listed(most)}",
            where="--on ray",
            fix="ask for less with the settings cpus=…, gpus=…",
        )


def _listed(amounts: dict[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in amounts.items() if amount) or "nothing"
