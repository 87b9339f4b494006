"""`lang:auto` for each row: its language is identified, and a component of the library, as it is now, taken for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TypeAlias

from lect import ComponentError, DataError, Example, Library, StackError, UserError
from lect.serving import AutomaticStacks, Choice, LibraryState, is_automatic, rest_of, with_auto
from lect_serve.refusals import InvalidError, UnclearError, UnknownError
from lect_serve.stacks import check_length, parse_served

Row: TypeAlias = tuple[Example, str]
"""An example, and the text of its stack."""
AUTO = "auto"
"""Alone it is the server's first stack with ``lang:auto`` in the place of its languages."""
_FEW = 8
"""So many languages are identified in the event loop; more would hold others up."""
_SHARE = 50
"""Of its time, at most one part in so many is spent on whether files were written in place."""


def is_auto(stack: str) -> bool:
    """Whether a component is to be chosen for each text."""
    return stack.strip() == AUTO or is_automatic(stack)


@lru_cache(maxsize=4096)
def full_stack(stack: str, default: str) -> str:
    """What a stack with ``auto`` means, with ``lang:auto`` in it.

    Args:
        default: the server's first stack.

    Raises:
        InvalidError: it is wrong, or names a folder.
    """
    check_length(stack)
    try:
        # That one may be "auto" itself.
        named = (with_auto("" if default.strip() == AUTO else default)) if stack.strip() == AUTO else stack
        parse_served(rest_of(named))
    except UserError as error:
        raise InvalidError(f"the stack cannot be read: {error.what}", fix=error.fix) from error
    return named


def steady(stack: str, default: str) -> str:
    """What of a stack is the same for every text: all of it, where nothing is chosen. Raises as `full_stack`."""
    return rest_of(full_stack(stack, default)) if is_auto(stack) else stack


class Automatic:
    """Chooses the stacks of rows. All of it is called in one event loop; what takes long is done in a thread.

    It costs nothing until it is first asked, which takes a second then, unless `prepare` was called before.

    Args:
        make: makes what chooses.
        fetch: makes sure that the components of a stack are in the library, or refuses it.
    """

    def __init__(
        self,
        library: Library,
        default: str,
        make: Callable[[], AutomaticStacks],
        fetch: Callable[[str], Awaitable[None]],
    ) -> None:
        self._library, self._default, self._make, self._fetch = library, default, make, fetch
        self._chooser: AutomaticStacks | None = None
        self._state: LibraryState | None = None
        self._files: LibraryState | None = None
        self._looking: asyncio.Future[None] | None = None
        self._looking_at_files: asyncio.Future[None] | None = None
        self._next_look = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lect-serve-language")

    async def prepare(self) -> None:
        """Load what identifies languages, and go on with what donors are found by, which takes seconds."""
        chooser = await self._current()
        # One that the process does not wait for when it ends.
        threading.Thread(target=chooser.prepare, name="lect-serve-relations", daemon=True).start()

    def look_again(self) -> None:
        """Look anew which components there are, before the next choice."""
        self._state = None

    def close(self) -> None:
        """Choose nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def choose(self, rows: Sequence[Row]) -> tuple[list[Row], list[Choice | None]]:
        """Rows with the stacks that they go through, and why it is those where they were chosen.

        Raises:
            UnclearError: the language of a text is not known, or no component is near it.
            RefusalError: a stack is wrong, or a component of it is not there.
        """
        named = {stack: full_stack(stack, self._default) for stack in {stack for _, stack in rows} if is_auto(stack)}
        choices: list[Choice | None] = [None] * len(rows)
        if not named:
            return list(rows), choices
        chooser = await self._current()
        wanted = [(place, example, named[stack]) for place, (example, stack) in enumerate(rows) if stack in named]
        refused: dict[int, InvalidError] = {}
        left = []
        for place, example, stack in wanted:
            found = None if len(wanted) > _FEW else _chosen(chooser.choose_at_once, example, stack)
            if found is None:
                left.append((place, example, stack))
            elif isinstance(found, InvalidError):
                refused[place] = found
            else:
                choices[place] = found
        in_thread = await self._chosen_in_thread(chooser, left)
        for (place, *_), found in zip(left, in_thread, strict=True):
            if isinstance(found, InvalidError):
                refused[place] = found
            else:
                choices[place] = found
        if refused:
            raise UnclearError(refused)
        chosen = [row if choice is None else (row[0], choice.stack) for row, choice in zip(rows, choices, strict=True)]
        return chosen, choices

    async def _chosen_in_thread(
        self, chooser: AutomaticStacks, rows: Sequence[tuple[int, Example, str]]
    ) -> list[Choice | InvalidError | None]:
        if not rows:
            return []
        loop = asyncio.get_running_loop()

        def choose_all() -> list[Choice | InvalidError | None]:
            return [_chosen(chooser.choose, example, stack) for _, example, stack in rows]

        try:
            return await loop.run_in_executor(self._thread, choose_all)
        except ComponentError:
            # It may be in a registry.
            for stack in {stack for *_, stack in rows}:
                await self._fetch(rest_of(stack))
        try:
            return await loop.run_in_executor(self._thread, choose_all)
        except ComponentError as error:
            raise UnknownError(error.what) from error

    # ------------------------------------------------------------------------------------------------- what there is

    async def _current(self) -> AutomaticStacks:
        """What chooses from the library as it is."""
        # Not more often: where something changes all the time, the next request looks again.
        for _ in range(2):
            if self._chooser is not None and self._state == self._library.state():
                break
            if self._looking is None:
                self._looking = asyncio.ensure_future(self._look())
                self._looking.add_done_callback(lambda _: setattr(self, "_looking", None))
            await asyncio.shield(self._looking)
        assert self._chooser is not None
        if self._looking_at_files is None and time.monotonic() >= self._next_look:
            self._looking_at_files = asyncio.ensure_future(self._look_at_files())
            self._looking_at_files.add_done_callback(lambda _: setattr(self, "_looking_at_files", None))
        return self._chooser

    async def _look(self) -> None:
        def look() -> tuple[AutomaticStacks, LibraryState, LibraryState]:
            state, files = self._library.state(), self._library.state(files=True)
            if self._chooser is None:
                chooser = self._make()
                chooser.prepare_identifier()
            else:
                chooser = self._chooser
                chooser.refresh()
            return chooser, state, files

        running = asyncio.get_running_loop().run_in_executor(self._thread, look)
        self._chooser, self._state, self._files = await running

    async def _look_at_files(self) -> None:
        """See whether manifests or profiles were written in place, for the next request."""
        began = time.monotonic()
        files = await asyncio.to_thread(partial(self._library.state, files=True))
        if files != self._files:
            self._state = None
        now = time.monotonic()
        self._next_look = now + _SHARE * (now - began)


def _chosen(
    choose: Callable[[str, str, str | None], Choice | None], example: Example, stack: str
) -> Choice | InvalidError | None:
    try:
        return choose(stack, example.text, example.language)
    except (StackError, DataError) as error:
        return InvalidError(f"{example.origin}: {error.what}", fix=error.fix)
