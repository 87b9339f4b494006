"""Requests that replicas on a Ray cluster answer, by Ray Serve: one that dies is replaced."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ray.exceptions import RayActorError, RayError, RayTaskError

from lect import ReplicaLostError, ServeWork, UserError
from lect_ray.cluster import cluster, first_line, room_for

if TYPE_CHECKING:
    from lect_ray.plugin import RayConfig

Message = Any
_ROUTER = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"
_OF_THREADS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_AT_ONCE = 64
"""Requests of one replica; what is more goes to the next one of its key's ring."""
_CHECKED, _CHECKED_FOR = 2.0, 20.0
"""Seconds after which it is asked again whether a replica lives, and for which an answer is waited for."""


@contextmanager
def serve_on_ray(config: RayConfig, work: ServeWork) -> Iterator[RayReplicas]:
    """Replicas on the cluster, as `lect.specs.ExecutorSpec.serve`.

    Raises:
        UserError: Ray Serve is not installed, there is no such cluster or no room in it, or a replica cannot start.
    """
    try:
        from ray import serve
        from ray.serve.config import RequestRouterConfig
        from ray.serve.schema import LoggingConfig
    except ImportError as error:
        raise UserError("Ray Serve is not installed", where="--on ray", fix="pip install 'lect-ray[serve]'") from error
    with cluster(config):
        room = room_for(config)
        count = config.workers or room
        if count > room:
            raise UserError(
                f"the cluster has room for {room} replicas, not for {count}",
                where="--on ray",
                fix="ask for fewer with the setting workers=…, or let each take less with cpus=…",
            )
        for name in ("ray.serve", "ray._private"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # Requests come through the command's own address alone.
        serve.start(proxy_location="Disabled")
        name = f"lect-{secrets.token_hex(4)}"
        deployment = serve.deployment(
            _Replica,
            name="replica",
            num_replicas=count,
            max_ongoing_requests=_AT_ONCE,
            health_check_period_s=_CHECKED,
            health_check_timeout_s=_CHECKED_FOR,
            graceful_shutdown_wait_loop_s=0.1,
            graceful_shutdown_timeout_s=5,
            ray_actor_options={
                "num_cpus": config.cpus,
                "num_gpus": config.gpus,
                "resources": config.resources,
                "runtime_env": {"env_vars": _environment()},
            },
            request_router_config=RequestRouterConfig(request_router_class=_ROUTER),
            logging_config=LoggingConfig(log_level="ERROR", enable_access_log=False),
        )
        try:
            try:
                handle = serve.run(deployment.bind(work), name=name, route_prefix=None)
                failures = handle.broadcast("failure").results()
            except (RuntimeError, RayError) as error:
                raise UserError(f"the replicas cannot start: {first_line(error)}", where="--on ray") from error
            for failure in failures:
                if failure is not None:
                    raise UserError(failure)
            yield RayReplicas(handle)
        finally:
            with suppress(Exception):
                serve.delete(name)


class RayReplicas:
    """The replicas of a deployment, as `lect.Replicas`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def answer(self, scope: Message, body: bytes, *, key: str | None) -> AsyncIterator[Sequence[Message]]:
        """What one replica answers."""
        # Without a session the router takes a new key for each request.
        options = {} if key is None else {"session_id": key}
        chosen = self._handle.options(stream=True, **options)
        answering = chosen.answer.remote(scope, body)
        is_whole = False
        try:
            async for messages in answering:
                yield messages
            is_whole = True
        except RayTaskError:
            is_whole = True
            raise
        except RayError as error:
            is_whole = True
            raise ReplicaLostError(first_line(error)) from error
        finally:
            if not is_whole:
                answering.cancel()

    async def answer_all(self, scope: Message, body: bytes) -> Mapping[str, Sequence[Message]]:
        """What each replica answers."""
        try:
            found = await self._handle.broadcast("answer_whole", scope, body).results_async(return_exceptions=True)
        except Exception as error:
            raise ReplicaLostError(first_line(error)) from error
        answers = {}
        for each in found:
            if isinstance(each, RayActorError):
                continue
            if isinstance(each, BaseException):
                raise each
            answers[each[0]] = each[1]
        if not answers:
            raise ReplicaLostError("no replica is there")
        return answers


class _Replica:
    """The actor: an application, which requests come to as calls."""

    async def __init__(self, work: ServeWork) -> None:
        self._failure: str | None = None
        try:
            self._application = work.open_application()
            await self._application.start()
        except UserError as error:
            # Whoever deploys asks for it: raised here, it would be tried again and again.
            self._failure = str(error)

    async def failure(self) -> str | None:
        """Why it could not start."""
        return self._failure

    async def check_health(self) -> None:
        """Asked by Ray Serve; a replica that could not start is replaced."""
        if self._failure is not None:
            raise RuntimeError(self._failure)

    async def answer(self, scope: Message, body: bytes) -> AsyncIterator[list[Message]]:
        """The messages of an answer; those of one that is not streamed come together."""
        messages: asyncio.Queue[Message | None] = asyncio.Queue()
        is_read = False

        async def receive() -> Message:
            nonlocal is_read
            if is_read:
                # A client that leaves ends this task.
                await asyncio.Event().wait()
            is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.put_nowait(message)

        # The state is the application's own, and the scope may be used again.
        task = asyncio.ensure_future(self._application({**scope, "state": {}}, receive, send))
        task.add_done_callback(lambda _: messages.put_nowait(None))
        together: list[Message] = []
        try:
            while (message := await messages.get()) is not None:
                together.append(message)
                if message["type"] != "http.response.start":
                    yield together
                    together = []
            task.result()
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def answer_whole(self, scope: Message, body: bytes) -> tuple[str, list[Message]]:
        """The replica's name and all messages of an answer."""
        from ray import serve

        found = [message async for together in self.answer(scope, body) for message in together]
        return serve.get_replica_context().replica_id.unique_id, found


def _environment() -> dict[str, str]:
    """How OpenMP's threads are told to wait here, and how many there are, where the user has said so.

    Otherwise Ray sets as many as a replica has cores.
    """
    return {name: os.environ[name] for name in _OF_THREADS if name in os.environ}
