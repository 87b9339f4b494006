"""The stacks that are open on one backbone, and the rows that go through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, TypeAlias

from lect.api.rows import Rows, examples_of, is_stream
from lect.api.stacks import Composition
from lect.composition.stack import Stack
from lect.data.examples import Example
from lect.engine.engine import Engine, Keys
from lect.engine.open import OpenStack, open_on
from lect.errors import DataError, StackError
from lect.host import Host
from lect.storage.library import Library

StackLike: TypeAlias = "str | Composition | Stack"
Stacks: TypeAlias = "StackLike | Iterable[StackLike] | None"
"""One stack for all rows, one for each, or the model's own."""


class OpenStacks:
    """The stacks on one backbone, until they are closed; what is missing is loaded when it is first named.

    Args:
        own: the stack that rows go through where no other is named.
        library: where components are found.
    """

    def __init__(self, own: OpenStack, host: Host, library: Library) -> None:
        self.own, self.host, self.library = own, host, library
        self._opened = {str(own.stack): own}
        self._is_closed = False

    @property
    def texts(self) -> tuple[str, ...]:
        """Every stack that has been loaded."""
        return tuple(self._opened)

    @property
    def engine(self) -> Engine:
        """What they are attached to."""
        return self.opened().engine

    def opened(self, stack: StackLike | None = None) -> OpenStack:
        """A stack, by default the own one.

        Raises:
            UserError: the stack or a component is wrong, or belongs to another backbone; or all are closed.
        """
        if self._is_closed:
            raise StackError("the model is closed", fix="load it again")
        if stack is None:
            return self.own
        text = str(stack)
        if text not in self._opened:
            self._opened[text] = open_on(self.own.engine, text, self.host, self.library)
        return self._opened[text]

    def routed(self, rows: Rows, stacks: Stacks, columns: dict[str, str]) -> Iterator[tuple[Example, Keys]]:
        """The rows as examples, each with its stack; an iterator is read no further than is asked for.

        Raises:
            DataError: a row is none, there are none, or there are not as many stacks.
        """
        examples = examples_of(rows, columns) if is_stream(rows) else iter(self.examples(rows, columns))
        if stacks is None or isinstance(stacks, str | Composition | Stack):
            return zip(examples, repeat(self.opened(stacks).keys), strict=False)
        ways = (self.opened(stack).keys for stack in stacks)
        return _paired(examples, ways, may_go_on=is_stream(stacks))

    def examples(self, rows: Rows, columns: dict[str, str]) -> Sequence[Example]:
        """The rows as examples, one at least. Raises `DataError`."""
        examples = tuple(examples_of(rows, columns))
        if not examples:
            raise DataError("no rows are given", fix='give some, such as ["a text"]')
        return examples

    def close(self, on_close: Callable[[], None] | None = None) -> None:
        """Take the components off the backbone again, once.

        Args:
            on_close: called then, while no other thread uses the model.
        """
        if not self._is_closed:
            self._is_closed = True
            with self.own.engine.alone():
                self.own.engine.model.detach_all()
                if on_close is not None:
                    on_close()


def _paired(examples: Iterator[Example], ways: Iterator[Keys], *, may_go_on: bool) -> Iterator[tuple[Example, Keys]]:
    missing: Any = object()
    for example in examples:
        way = next(ways, missing)
        if way is missing:
            raise DataError("there are fewer stacks than rows", where=example.origin, fix="give one stack for each row")
        yield example, way
    if not may_go_on and next(ways, missing) is not missing:
        raise DataError("there are more stacks than rows", fix="give one stack for each row")
