"""What every route asks: rows go in with their stacks, and results come out with what made them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lect import Host, Library, UserError, load_backbone, parse_stack
from lect.serving import (
    DEFAULT_BACKBONE,
    AutomaticStacks,
    Choice,
    Engine,
    Index,
    LibraryState,
    RoutedModel,
    default_device,
    finder,
    must_generate,
    prepare_rows,
    read_with_digests,
)
from lect_serve.access import Access, Client
from lect_serve.automatic import Automatic, Row, is_auto, steady
from lect_serve.metrics import Metrics
from lect_serve.parts import Lease, Parts
from lect_serve.refusals import (
    InvalidError,
    StartingError,
    TooLargeError,
    TooLateError,
)
from lect_serve.scheduler import Job, Scheduler
from lect_serve.settings import ServeConfig
from lect_serve.stacks import Stacks

T = TypeVar("T")
_LOG = logging.getLogger("lect.serve")
_FEW, _SHORT = 8, 2**13
"""So many rows, of so many bytes together, are cut into tokens in the event loop; more would hold others up."""
_MOST_STACKS = 256


@dataclass
class Answering:
    """A request that is being answered.

    Args:
        rows: with the stacks that they go through.
        choices: why it is these, of rows for which they were chosen.
        leases: by the texts of its stacks.
        tokens: of all its rows.
        truncated: the rows that are longer than is read of them.
    """

    job: Job
    rows: Sequence[Row]
    choices: Sequence[Choice | None]
    leases: dict[str, Lease]
    tokens: int
    truncated: frozenset[int]

    @property
    def is_automatic(self) -> bool:
        """Whether the stack of any row was chosen."""
        return any(self.choices)

    def chosen(self) -> list[dict[str, Any]]:
        """Of each row the stack that was chosen and why; nothing where none was."""
        return [{} if choice is None else {"stack": choice.stack, **choice.record()} for choice in self.choices]


class Service:
    """The model, its queue and its components.

    Attributes:
        state: ``starting``, ``ready``, ``failed`` or ``stopping``.
        failure: why it could not start.
        on_failure: called then.
        on_ready: called when all is loaded, before the first request is answered.
        engine, scheduler, parts, automatic: once it is ready.
    """

    engine: Engine
    scheduler: Scheduler
    parts: Parts
    automatic: Automatic

    def __init__(self, config: ServeConfig, host: Host, library: Library, access: Access | None = None) -> None:
        self.config, self.host, self.library = config, host, library
        self.access = access or Access(config.keys)
        self.metrics = Metrics()
        self.indexes: dict[str, Index] = {}
        self.tokens_per_batch = config.tokens_per_batch or 1024
        self._listed: tuple[LibraryState, list[dict[str, Any]]] | None = None
        self.state, self.failure = "starting", ""
        self.on_failure: Callable[[], None] = lambda: None
        self.on_ready: Callable[[], None] = lambda: None
        self.started = time.time()
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix="lect-serve-tokenize")

    @property
    def default_stack(self) -> str:
        """The stack of requests that name none."""
        return self.config.stacks[0] if self.config.stacks else ""

    @property
    def waits(self) -> float:
        """The seconds that what is taken in now would wait before it is computed."""
        return self.scheduler.wait if self.state == "ready" else 0.0

    async def start(self) -> None:
        """Load the backbone and the stacks that are to be there from the first request on. Raises `UserError`."""
        loop = asyncio.get_running_loop()
        try:
            self.engine = await loop.run_in_executor(None, self._load)
            config, limits = self.config, self.config.limits
            if config.tokens_per_batch is None and self.engine.device.type != "cpu":
                self.tokens_per_batch = 16_384
            self.scheduler = Scheduler(
                self.engine,
                tokens_per_batch=self.tokens_per_batch,
                most_rows=limits.queued_texts,
                most_of_client=limits.queued_texts_of_client,
                most_wait=limits.queued_seconds,
                on_batch=self.metrics.batch,
            )
            stacks = Stacks(self.engine, self.host, self.library, config.registries)
            self.parts = Parts(
                self.engine,
                self.scheduler,
                stacks,
                most_bytes=config.memory.megabytes * 2**20,
                on_change=self.metrics.attached,
            )
            self.automatic = Automatic(
                self.library,
                self.default_stack,
                lambda: AutomaticStacks(self.library, self.host, self.engine.backbone),
                self._fetch,
            )
            for text in config.memory.pinned:
                await self.parts.pin(text)
            for text in config.stacks:
                await self._fetch(steady(text, self.default_stack))
        except Exception as error:
            self.state, self.failure = "failed", str(error)
            self.on_failure()
            raise
        if self.state == "starting":
            self.on_ready()
            self.state = "ready"
            if any(map(is_auto, config.stacks)):
                self._preparing = asyncio.ensure_future(self.automatic.prepare())
                self._preparing.add_done_callback(_report)

    async def stop(self) -> None:
        """Answer nothing more."""
        self.state = "stopping"
        if hasattr(self, "parts"):
            self.parts.close()
            self.automatic.close()
            await asyncio.get_running_loop().run_in_executor(None, self.scheduler.stop)
        self._tokenizing.shutdown(wait=False, cancel_futures=True)

    def check_ready(self) -> None:
        """Refuse while there is no model; what was begun before a stop goes on. Raises `StartingError`."""
        if self.state in ("starting", "failed"):
            raise StartingError

    # --------------------------------------------------------------------------------------------------------- answers

    @asynccontextmanager
    async def answering(
        self, client: Client, rows: Sequence[Row], *, vectors: bool = False, whole: bool = False
    ) -> AsyncIterator[Answering]:
        """A block in which rows are computed; left early, what is not computed yet never is.

        Args:
            vectors: whether sentence vectors are wanted, and not predictions.
            whole: whether texts that are longer than is read of them are refused.

        Raises:
            RefusalError: they are too many, a stack is unknown or wrong, or too much waits.
        """
        self.check_ready()
        size = self._check(rows)
        self.scheduler.check_room(client.name, len(rows))
        self.access.spend(client, len(rows))
        deadline = time.monotonic() + self.config.limits.seconds
        rows, choices = await self.automatic.choose(rows)
        leases = await self._leases([stack for _, stack in rows])
        job: Job | None = None
        try:
            given = [(example, leases[stack].keys) for example, stack in rows]
            prepared = await self._prepared(lambda: prepare_rows(self.engine, given, vectors=vectors), len(rows), size)
            tokens = sum(row.tokens for row in prepared)
            if tokens > self.config.limits.tokens:
                raise TooLargeError(
                    f"the texts have {tokens:,} tokens, more than the {self.config.limits.tokens:,} of a request",
                    fix="send them in several requests",
                )
            truncated = frozenset(
                place for place, row in enumerate(prepared) if any(each.overflowing for each in row.rows)
            )
            if whole and truncated:
                longest = self.engine.encoder.max_length
                raise TooLargeError(f"`inputs` must have less than {longest + 1} tokens", fix="set truncate, or cut it")
            job = self.scheduler.submit(
                client.name, prepared, deadline=deadline, on_finished=lambda: self._give_back(leases)
            )
        except UserError as error:
            raise InvalidError(error.what if error.where is None else f"{error.where}: {error.what}") from error
        finally:
            if job is None:
                self._give_back(leases)
        try:
            yield Answering(job, rows, choices, leases, tokens, truncated)
        finally:
            self.scheduler.cancel(job)

    async def answers(
        self, client: Client, rows: Sequence[Row], *, vectors: bool = False, whole: bool = False
    ) -> tuple[list[Any], Answering]:
        """What is computed for rows, in their order, and what made it. Arguments and refusals as of `answering`."""
        try:
            async with self.answering(client, rows, vectors=vectors, whole=whole) as answering:
                found = await asyncio.wait_for(answering.job.all(), self.config.limits.seconds)
                return found, answering
        except (asyncio.TimeoutError, TimeoutError):
            raise TooLateError from None
        except UserError as error:
            raise InvalidError(error.what) from error

    @asynccontextmanager
    async def leased(self, text: str) -> AsyncIterator[Lease]:
        """A block in which a stack stays attached, for what is not computed row by row: without ``lang:auto``."""
        self.check_ready()
        lease = await self.parts.lease(steady(text, self.default_stack))
        try:
            yield lease
        finally:
            self.parts.release(lease)

    async def alone(self, action: Callable[[], T]) -> T:
        """Run something on the model while no batch is computed."""
        return await asyncio.wrap_future(self.scheduler.between_batches(action))

    async def listed(self) -> list[dict[str, Any]]:
        """A record of each component of the library that can be read; kept until one came, went or was changed."""
        state = await asyncio.to_thread(self.library.state, files=True)
        kept = self._listed
        if kept is not None and kept[0] == state:
            return kept[1]
        records = [
            {
                "component": each.reference if each.shadowed or "@" in each.folder.name else each.key,
                "version": each.manifest.version,
                "languages": list(each.manifest.languages),
                "licence": each.manifest.licence,
                "summary": each.manifest.summary,
                "head": each.manifest.head.kind if each.manifest.head else None,
                "backbone": each.manifest.backbone.name,
            }
            for each in await asyncio.to_thread(self.library.all)
            if each.manifest is not None and not (each.shadowed and "@" not in each.folder.name)
        ]
        self._listed = (state, records)
        return records

    def look_again(self) -> None:
        """Look anew what there is, in the library and in the registries."""
        self._listed = None
        self.parts.stacks.look_again()
        self.automatic.look_again()

    def made_by(self, lease: Lease) -> dict[str, Any]:
        """What a client is told of what answered it."""
        backbone = self.engine.backbone
        # One that was loaded from a folder: where that lies is nobody's business.
        name = Path(backbone.name).name
        return {
            "stack": lease.text,
            "backbone": {"name": name, "fingerprint": backbone.fingerprint},
            "components": [vars(each) for each in lease.provenance],
            **({"strengths": dict(lease.strengths)} if lease.strengths else {}),
        }

    def made_by_each(self, answering: Answering) -> dict[str, Any]:
        """What a client is told of what answered rows that all named one stack; by stacks, where those were chosen."""
        if answering.is_automatic:
            return {text: self.made_by(lease) for text, lease in answering.leases.items()}
        (lease,) = answering.leases.values()
        return self.made_by(lease)

    # ------------------------------------------------------------------------------------------------------------ parts

    def _load(self) -> Engine:
        """The backbone, with the half that writes where a stack of the settings needs it."""
        named = [steady(text, self.default_stack) for text in self.config.stacks] + [*self.config.memory.pinned]
        stored = [
            each
            for text in named
            if all(_is_there(self, str(atom)) for atom in parse_stack(text).atoms)
            for each in read_with_digests(parse_stack(text), self.library, self.host).stored
        ]
        entry = max((each.manifest.backbone for each in stored), key=lambda own: len(own.trimmed_from), default=None)
        wanted = self.config.backbone or (entry.name if entry else DEFAULT_BACKBONE)
        loaded = load_backbone(
            wanted,
            host=self.host,
            revision=entry.revision if entry and not self.config.backbone else None,
            generates=must_generate(self.host, stored),
        )
        engine = Engine(RoutedModel(loaded).to(self.config.device or default_device()).eval())
        engine.precision, engine.graphs = self.config.precision, self.config.graphs
        return engine

    def _check(self, rows: Sequence[Row]) -> int:
        """The bytes of all texts. Raises `RefusalError`."""
        total, limits = 0, self.config.limits
        if not rows:
            raise InvalidError("there are no texts", fix="send one at least")
        if len(rows) > limits.texts:
            raise TooLargeError(
                f"{len(rows):,} texts are more than the {limits.texts:,} of a request", fix="send several requests"
            )
        for example, _ in rows:
            if not example.text.strip():
                raise InvalidError(f"{example.origin} is empty")
            for text in filter(None, (example.text, example.text_pair, example.question, *(example.choices or ()))):
                try:
                    size = len(text.encode("utf-8"))
                except UnicodeEncodeError:
                    raise InvalidError(f"{example.origin} holds half a character, which is no Unicode") from None
                total += size
                if size > limits.text_bytes:
                    raise TooLargeError(
                        f"{example.origin} has more than the {limits.text_bytes:,} bytes of a text", fix="cut it"
                    )
        return total

    async def _fetch(self, text: str) -> None:
        """Have a stack's components in the library, and in memory."""
        self.parts.release(await self.parts.lease(text))

    async def _leases(self, stacks: Sequence[str]) -> dict[str, Lease]:
        leases: dict[str, Lease] = {}
        distinct = dict.fromkeys(stacks)
        if len(distinct) > _MOST_STACKS:
            raise TooLargeError(f"a request names more than {_MOST_STACKS} stacks")
        try:
            for text in distinct:
                leases[text] = await self.parts.lease(text)
        except BaseException:
            self._give_back(leases)
            raise
        return leases

    def _give_back(self, leases: dict[str, Lease]) -> None:
        for lease in leases.values():
            self.parts.release(lease)

    async def _prepared(self, prepare: Callable[[], T], rows: int, size: int) -> T:
        if rows <= _FEW and size <= _SHORT:
            return prepare()
        running = asyncio.get_running_loop().run_in_executor(self._tokenizing, prepare)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # Its components may not go while they are used.
            await asyncio.wait({running})
            raise


def _is_there(service: Service, name: str) -> bool:
    try:
        return finder(service.library, service.host)(parse_stack(name).atoms[0]).is_dir()
    except UserError:
        return False


def _report(preparing: asyncio.Future[None]) -> None:
    error = None if preparing.cancelled() else preparing.exception()
    if error is not None:
        # The first request that wants it tries again, and says what is wrong.
        _LOG.warning("languages cannot be identified: %s", error)


def indexes_of(config: ServeConfig) -> dict[str, Path]:
    """The folders of the indexes that may be searched, by name."""
    return {name: Path(folder).expanduser() for name, folder in config.indexes.items()}
