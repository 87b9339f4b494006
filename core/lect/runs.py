"""Records that plugins receive: jobs to run on some machine, and training runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Job:
    """A command of `lect` that is to run somewhere.

    Args:
        name: what messages call it; no two jobs that run together have the same.
        arguments: what follows ``lect`` on its command line.
        folder: where it runs; relative paths in its arguments start there.
        log: the file that gets all that it prints.
        environment: variables to set for it.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobEvent:
    """A job was handed to a machine, or has ended.

    Args:
        code: its exit code; None where it has not ended yet.
        where: the machine it ran on, where that is another one.
        error: why there is no exit code of its own, in one line: its machine was lost, say.
    """

    job: Job
    code: int | None = None
    where: str = ""
    error: str = ""


@dataclass(frozen=True)
class StreamWork:
    """Items to be worked on somewhere, in their order; both fields can be pickled.

    Args:
        items: gives the items where they are read: the same ones in the same order each time it is called.
        open_worker: gives what makes a result of an item; it takes long, and is called once in each process that works.
    """

    items: Callable[[], Iterator[Any]]
    open_worker: Callable[[], Callable[[Any], Any]]


Message = MutableMapping[str, Any]
"""What ASGI passes to and fro."""


class Application(Protocol):
    """An ASGI application, which is made ready before its first request."""

    async def start(self) -> None:
        """Make it ready, which may take long. Raises `UserError`."""
        ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, as ASGI has it."""
        ...


@dataclass(frozen=True)
class ServeWork:
    """Requests to be answered somewhere.

    Args:
        open_application: gives what answers them; it can be pickled, and is called once in each process that answers.
    """

    open_application: Callable[[], Application]


class ReplicaLostError(Exception):
    """The process that was to answer a request is gone, or there is none at the moment."""


class Replicas(Protocol):
    """Processes that all answer the same requests; one that is lost is replaced."""

    def answer(self, scope: Message, body: bytes, *, key: str | None) -> AsyncIterator[Sequence[Message]]:
        """What one replica answers to an HTTP request; a request whose iterator is closed is answered no further.

        Args:
            scope: of ASGI, of values that can be pickled.
            key: requests of the same key go to the same replica, as long as it has room; None for any one.

        Raises:
            ReplicaLostError: the replica is lost; so may be what it had begun to answer.
        """
        ...

    async def answer_all(self, scope: Message, body: bytes) -> Mapping[str, Sequence[Message]]:
        """What each replica answers to the same request, by the names of those that answer.

        Raises:
            ReplicaLostError: there is none.
        """
        ...


@dataclass(frozen=True)
class RunInfo:
    """A training run as lifecycle hooks see it."""

    name: str
    role: str
    backbone: str
    folder: Path
    total_steps: int
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a training run ended: finished, interrupted or failed, and with what.

    Args:
        components: the folders of what was trained, one but for mixed recipes.
    """

    status: Literal["finished", "interrupted", "failed"]
    steps: int
    seconds: float
    error: BaseException | None = None
    components: tuple[Path, ...] = ()
