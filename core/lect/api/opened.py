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
from lect.selection.automatic import AutomaticStacks, Choice
from lect.selection.donors import is_automatic
from lect.storage.library import Library

StackLike: TypeAlias = "str | Composition | Stack"
Stacks: TypeAlias = "StackLike | Iterable[StackLike] | None"
"""One stack for all rows, one for each, or the model's own."""


class OpenStacks:
    """The stacks on one backbone, until they are closed; what is missing is loaded when it is first named.

    Args:
        own: the stack that rows go through where no other is named.
        library: where components are found.
        automatic: a stack with ``lang:auto``, which rows go through in the place of `own`.
    """

    def __init__(self, own: OpenStack, host: Host, library: Library, automatic: str = "") -> None:
        self.own, self.host, self.library, self.automatic = own, host, library, automatic
        self._chooser: AutomaticStacks | None = None
        self._opened = {str(own.stack): own}
        self._is_closed = False

    @property
    def texts(self) -> tuple[str, ...]:
        """Every stack that has been loaded."""
        return tuple(self._opened)

    @property
    def engine(self) -> Engine:
        """What they are attached to."""
        self._check_open()
        return self.own.engine

    def opened(self, stack: StackLike | None = None) -> OpenStack:
        """A stack, by default the own one.

        Raises:
            UserError: the stack or a component is wrong, or belongs to another backbone; or all are closed.
        """
        self._check_open()
        text = self.automatic if stack is None else str(stack)
        if is_automatic(text):
            raise StackError(
                "lang:auto chooses a component for each text, and one stack for all of them is due",
                where=f'stack "{text}"',
                fix="name the language of the texts: language=…, or the component itself",
            )
        if stack is None:
            return self.own
        if text not in self._opened:
            self._opened[text] = open_on(self.own.engine, text, self.host, self.library)
        return self._opened[text]

    def chosen(
        self, stack: StackLike | None, text: str, language: str | None = None
    ) -> tuple[OpenStack, Choice | None]:
        """The stack of a text, and why it is that one where ``lang:auto`` stands in it.

        Raises:
            UserError: as `opened`; the language of the text is not known, or nothing is near it.
        """
        named = self.automatic if stack is None else str(stack)
        if not is_automatic(named):
            return self.opened(stack), None
        if self._chooser is None:
            self._chooser = AutomaticStacks(self.library, self.host, self.own.backbone)
        choice = self._chooser.choose(named, text, language)
        return self.opened(choice.stack), choice

    def routed(
        self,
        rows: Rows,
        stacks: Stacks,
        columns: dict[str, str],
        on_choice: Callable[[Choice | None], None] = lambda choice: None,
    ) -> Iterator[tuple[Example, Keys]]:
        """The rows as examples, each with its stack; an iterator is read no further than is asked for.

        Args:
            on_choice: told for each row what was chosen for it, None where its stack has no ``lang:auto``; not called
                at all where one stack without it is for all rows.

        Raises:
            DataError: a row is none, there are none, or there are not as many stacks.
            StackError: nothing can be chosen for a row.
        """
        examples = examples_of(rows, columns) if is_stream(rows) else iter(self.examples(rows, columns))
        if stacks is None or isinstance(stacks, str | Composition | Stack):
            named = self.automatic if stacks is None else str(stacks)
            if not is_automatic(named):
                return zip(examples, repeat(self.opened(stacks).keys), strict=False)
            paired: Iterator[tuple[Example, StackLike | None]] = zip(examples, repeat(stacks), strict=False)
        else:
            paired = _paired(examples, iter(stacks), may_go_on=is_stream(stacks))
        return self._routed(paired, on_choice)

    def _routed(
        self, paired: Iterator[tuple[Example, StackLike | None]], on_choice: Callable[[Choice | None], None]
    ) -> Iterator[tuple[Example, Keys]]:
        for example, stack in paired:
            try:
                opened, choice = self.chosen(stack, example.text, example.language)
            except StackError as error:
                place = f"{example.origin}, {error.where}" if error.where else example.origin
                raise StackError(error.what, where=place, fix=error.fix) from None
            on_choice(choice)
            yield example, opened.keys

    def examples(self, rows: Rows, columns: dict[str, str]) -> Sequence[Example]:
        """The rows as examples, one at least. Raises `DataError`."""
        examples = tuple(examples_of(rows, columns))
        if not examples:
            raise DataError("no rows are given", fix='give some, such as ["a text"]')
        return examples

    def _check_open(self) -> None:
        if self._is_closed:
            raise StackError("the model is closed", fix="load it again")

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


def _paired(
    examples: Iterator[Example], ways: Iterator[StackLike], *, may_go_on: bool
) -> Iterator[tuple[Example, StackLike | None]]:
    missing: Any = object()
    for example in examples:
        way = next(ways, missing)
        if way is missing:
            raise DataError("there are fewer stacks than rows", where=example.origin, fix="give one stack for each row")
        yield example, way
    if not may_go_on and next(ways, missing) is not missing:
        raise DataError("there are more stacks than rows", fix="give one stack for each row")
