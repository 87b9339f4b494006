"""Components that were read with their digests before: another stack of them is known without reading them again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lect.composition.stack import Stack
from lect.storage.assemble import finder
from lect.storage.digests import DigestedStack, FileStates, file_states
from lect.storage.nesting import check_stack_terms
from lect.storage.store import StoredComponent

if TYPE_CHECKING:
    from lect.host import Host
    from lect.storage.library import Library, LibraryState


class KnownComponents:
    """What components are, without their weights, as long as their files stay; may be used from several threads.

    Args:
        most: so many are known; those that were read first are forgotten first.
    """

    def __init__(self, library: Library, host: Host, most: int = 4096) -> None:
        self._library, self._host, self._most = library, host, most
        self._known: OrderedDict[Path, _Known] = OrderedDict()

    def keep(self, digested: DigestedStack, listed: LibraryState) -> None:
        """Know the components of a stack.

        Args:
            listed: the library's state before they were found.
        """
        for stored in digested.stored:
            folders = {each.folder for each in _with_members(stored)}
            self._known[stored.folder] = _Known(
                _without_weights(stored),
                {folder: digested.digests[folder] for folder in folders},
                {folder: digested.weights[folder] for folder in folders},
                {folder: digested.states[folder] for folder in folders},
                listed,
            )
        with suppress(KeyError):
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    def stack(self, stack: Stack) -> DigestedStack | None:
        """A stack as `read_with_digests` would read it now, but for the weights; None where it has to be read.

        Raises:
            ComponentError: a component is not there.
            StackError: they cannot stand in this order or together.
        """
        listed, find = self._library.state(), finder(self._library, self._host)
        known = [self._known.get(find(atom)) for atom in stack.atoms]
        found = [each for each in known if each is not None and each.is_current(listed)]
        if len(found) < len(known):
            return None
        check_stack_terms(stack, [each.stored.manifest for each in found])
        return DigestedStack(
            stack,
            tuple(each.stored for each in found),
            {folder: digest for each in found for folder, digest in each.digests.items()},
            {folder: digest for each in found for folder, digest in each.weights.items()},
            {folder: state for each in found for folder, state in each.states.items()},
        )


@dataclass(frozen=True)
class _Known:
    """A component without its weights; digests and states are also of those that it stands on."""

    stored: StoredComponent
    digests: Mapping[Path, str]
    weights: Mapping[Path, str]
    states: Mapping[Path, FileStates]
    listed: LibraryState

    def is_current(self, listed: LibraryState) -> bool:
        """Whether it would be read as the same."""
        # What it stands on may be found elsewhere in another library.
        if self.stored.members and self.listed != listed:
            return False
        return all(file_states(folder) == state for folder, state in self.states.items())


def _with_members(stored: StoredComponent) -> Iterator[StoredComponent]:
    yield stored
    for member in stored.members.values():
        yield from _with_members(member)


def _without_weights(stored: StoredComponent) -> StoredComponent:
    members = {name: _without_weights(member) for name, member in stored.members.items()}
    return replace(stored, tensors={}, tokenizer_json=None, members=members)
