"""The components that are attached, by their content: counted while requests need them, kept while there is room."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lect import UserError
from lect.serving import (
    Assembly,
    Component,
    Engine,
    Keys,
    StoredComponent,
    attach_to_engine,
    detach_from_engine,
)
from lect_serve.refusals import FullMemoryError, InvalidError, StoppingError
from lect_serve.scheduler import Scheduler
from lect_serve.stacks import KnownStack, Provenance, ReadStack, Stacks, every

_OF_TOKENIZER = 14
"""How many times the bytes of its JSON a tokenizer takes in memory, about."""
_AT_LEAST = 2**16
"""The bytes that modules take without their weights, about: so there is a bound to their number, too."""


@dataclass
class Lease:
    """A stack that stays attached until it is given back, by `Parts.release`.

    Args:
        needed: every key that is kept for it.
    """

    text: str
    keys: Keys
    needed: tuple[str, ...]
    provenance: tuple[Provenance, ...]
    has_head: bool
    strengths: Mapping[str, float]


@dataclass
class _Attached:
    """A component that is attached, or about to be."""

    key: str
    size: int
    stands_on: tuple[str, ...]
    names: frozenset[str]
    ready: asyncio.Future[Component]
    uses: int = 0
    is_pinned: bool = False
    is_outdated: bool = False


class Parts:
    """What is attached to the model. All of it is called in one event loop; reading is done in threads of its own.

    Args:
        most_bytes: of all components together.
        on_change: told of how many there are, and their bytes.
    """

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        stacks: Stacks,
        *,
        most_bytes: int,
        on_change: Callable[[int, int], None] = lambda count, size: None,
    ) -> None:
        self.stacks, self.most_bytes = stacks, most_bytes
        self._engine, self._scheduler = engine, scheduler
        self._attached: OrderedDict[str, _Attached] = OrderedDict()
        self._being_read: dict[str, asyncio.Future[ReadStack]] = {}
        self._tasks = set[asyncio.Future[None]]()
        self._reader = ThreadPoolExecutor(2, thread_name_prefix="lect-serve-read")
        self._on_change = on_change

    @property
    def size(self) -> int:
        """The bytes of what is attached."""
        return sum(one.size for one in self._attached.values())

    async def lease(self, text: str) -> Lease:
        """A stack, attached: as its names stand at this moment.

        Raises:
            RefusalError: a component is unknown, the stack is wrong, or there is no room for it.
        """
        known = self.stacks.known(text)
        if known is not None and all(self._is_ready(key) for key in known.needed):
            return self._taken(known)
        if known is None and text not in self._being_read:
            known = self.stacks.combined(text)
            if known is not None and all(self._is_ready(key) for key in known.needed):
                lease = self._taken(known)
                self._remember(text, known)
                return lease
        read = await self._read(text)
        await self._attach_all(read)
        self._remember(text, read.known)
        return self._lease_of(read.known)

    def release(self, lease: Lease) -> None:
        """Give a stack back; what was replaced meanwhile is detached with its last use."""
        for key in lease.needed:
            self._give_back(self._attached[key])

    async def pin(self, text: str, *, pinned: bool = True) -> Lease:
        """Keep a stack's components attached whatever else is wanted, or no longer."""
        lease = await self.lease(text)
        for key in lease.needed:
            self._attached[key].is_pinned = pinned
        self.release(lease)
        return lease

    def unload(self, name: str) -> int:
        """Detach a component and what stands on it, by its name, whatever its content; how many.

        What is in use goes when its last request is answered.
        """
        found = [one for one in self._attached.values() if name in one.names]
        for one in found:
            one.is_pinned = False
            self._outdate(one)
        return len(found)

    def listed(self) -> list[dict[str, Any]]:
        """A record of each component that is attached, those used last at the end."""
        return [
            {
                "component": one.key.partition("#")[0],
                "digest": one.key.partition("#")[2],
                "bytes": one.size,
                "in_use": one.uses,
                "pinned": one.is_pinned,
                "replaced": one.is_outdated,
            }
            for one in self._attached.values()
            if one.ready.done()
        ]

    def close(self) -> None:
        """Read nothing more."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    # ---------------------------------------------------------------------------------------------------------- leases

    def _is_ready(self, key: str) -> bool:
        one = self._attached.get(key)
        return one is not None and one.ready.done() and not one.is_outdated

    def _taken(self, known: KnownStack) -> Lease:
        for key in known.needed:
            self._attached[key].uses += 1
        return self._lease_of(known)

    def _remember(self, text: str, known: KnownStack) -> None:
        for key in self.stacks.remember(text, known):
            if (before := self._attached.get(key)) is not None:
                self._outdate(before)

    def _lease_of(self, known: KnownStack) -> Lease:
        for key in known.needed:
            self._attached.move_to_end(key)
        return Lease(known.text, known.keys, known.needed, known.provenance, known.has_head, known.strengths)

    async def _read(self, text: str) -> ReadStack:
        """Read a stack once for all who ask for it meanwhile."""
        reading = self._being_read.get(text)
        if reading is None:
            loop = asyncio.get_running_loop()
            reading = self._being_read[text] = loop.run_in_executor(self._reader, self.stacks.read, text)
            reading.add_done_callback(lambda _: self._being_read.pop(text, None))
        return await asyncio.shield(reading)

    async def _attach_all(self, read: ReadStack) -> None:
        """Attach what a stack needs and is not there, each counted as in use from the moment that it is claimed."""
        claimed: list[_Attached] = []
        try:
            for assembly in every(read.assemblies):
                claimed.append(one := self._claim(assembly))
                # Others may wait for the same component: that one of them is gone must not stop it.
                await asyncio.shield(one.ready)
        except BaseException as error:
            for one in claimed:
                self._give_back(one)
            if isinstance(error, UserError):
                raise InvalidError(f'stack "{read.known.text}": {error.what}', fix=error.fix) from error
            raise

    def _claim(self, assembly: Assembly) -> _Attached:
        """The entry of a component, which is made where there is none; one use is counted."""
        one = self._attached.get(assembly.key)
        if one is None:
            size = _AT_LEAST + sum(map(_size, assembly.stored))
            self._make_room(size)
            beneath = [self._attached[other.key] for other in assembly.stands_on]
            names = frozenset(stored.manifest.key for stored in assembly.stored)
            one = _Attached(
                assembly.key,
                size,
                tuple(other.key for other in beneath),
                names.union(*(other.names for other in beneath)),
                asyncio.get_running_loop().create_future(),
            )
            self._attached[assembly.key] = one
            for other in beneath:
                other.uses += 1
            task = asyncio.ensure_future(self._make(one, assembly))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        one.uses += 1
        one.is_outdated = False
        return one

    async def _make(self, one: _Attached, assembly: Assembly) -> None:
        loop = asyncio.get_running_loop()
        try:
            beneath = [self._attached[key].ready.result() for key in one.stands_on]
            component = await loop.run_in_executor(self._reader, assembly.make, beneath)
            # A folder may hold the new tokens alone; what is made of them is the whole tokenizer.
            more = _OF_TOKENIZER * (
                len(component.tokenizer_json or "") - sum(len(each.tokenizer_json or "") for each in assembly.stored)
            )
            if more > 0:
                self._make_room(more)
                one.size += more
            attached = self._scheduler.between_batches(lambda: attach_to_engine(self._engine, component))
            await asyncio.wrap_future(attached)
        except BaseException as error:
            self._drop(one)
            one.ready.set_exception(error if isinstance(error, Exception) else RuntimeError("was stopped"))
            # Nobody may wait any more.
            one.ready.exception()
            return
        one.ready.set_result(component)
        self._on_change(len(self._attached), self.size)

    # ------------------------------------------------------------------------------------------------------------- room

    def _outdate(self, one: _Attached) -> None:
        one.is_outdated = True
        if not one.uses and one.ready.done():
            self._detach(one)

    def _make_room(self, size: int) -> None:
        """Detach what was used longest ago, until so many bytes more fit. Raises `FullMemoryError`."""
        while self.size + size > self.most_bytes:
            idle = next(
                (one for one in self._attached.values() if not one.uses and not one.is_pinned and one.ready.done()),
                None,
            )
            if idle is None:
                raise FullMemoryError(
                    f"the components in use fill the {self.most_bytes:,} bytes that components may take",
                    fix="try again later",
                    retry_after=1,
                )
            self._detach(idle)

    def _detach(self, one: _Attached) -> None:
        if self._attached.get(one.key) is not one:
            return
        self._drop(one)
        # What its last requests had computed is computed: they have given it back.
        with suppress(StoppingError):
            self._scheduler.between_batches(lambda: detach_from_engine(self._engine, one.key))
        self._on_change(len(self._attached), self.size)

    def _drop(self, one: _Attached) -> None:
        """Take an entry out of the table; what it stands on is in use once less."""
        del self._attached[one.key]
        for key in one.stands_on:
            self._give_back(self._attached[key])

    def _give_back(self, one: _Attached) -> None:
        one.uses -= 1
        if one.is_outdated and not one.uses and one.ready.done():
            self._detach(one)


def _size(stored: StoredComponent) -> int:
    tensors = sum(tensor.nbytes for tensor in stored.tensors.values())
    return tensors + _OF_TOKENIZER * len(stored.tokenizer_json or "")
