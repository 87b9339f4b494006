"""What a component is, as one SHA-256 of its content: a stack read so that every component's is known for certain.

A name may stand for other weights from one moment to the next. What is read here is what its digests say: a file that
changes while it is read is read again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lect.composition.stack import Atom, Stack
from lect.errors import ComponentError
from lect.remembered import file_state, hash_while_unchanged
from lect.storage.assemble import finder, read_stack
from lect.storage.manifest import FILE
from lect.storage.store import TOKENIZER, WEIGHTS, StoredComponent

if TYPE_CHECKING:
    from lect.host import Host
    from lect.storage.library import Library

FileStates = tuple[tuple[int, ...], ...]
"""Which files a component's folder holds, as the file system tells them apart; empty where there is none."""

_CONTENT = (FILE, WEIGHTS, TOKENIZER)
_ATTEMPTS = 20
_PATIENCE = 0.05
"""Seconds in which a file may be written twice with one time of change."""


@dataclass(frozen=True)
class DigestedStack:
    """A stack as it was read, with the digest of each component.

    Args:
        stored: in the order of the stack.
        digests: by the components' folders, members among them.
        weights: SHA-256 of their ``weights.safetensors``, by their folders.
        states: of these folders, when they were read.
    """

    stack: Stack
    stored: tuple[StoredComponent, ...]
    digests: Mapping[Path, str]
    weights: Mapping[Path, str]
    states: Mapping[Path, FileStates]

    def key(self, text: str, stored: Sequence[StoredComponent]) -> str:
        """A key for a term that no other content has: `lect.storage.assemble.Named`."""
        own = [self.digests[each.folder] for each in stored]
        if len(stored) == 1 and text.startswith(("lang:", "task:")):
            return f"{stored[0].manifest.key}#{own[0]}"
        return f"{text}#{hashlib.sha256(' '.join(own).encode()).hexdigest()}"


def read_with_digests(stack: Stack, library: Library, host: Host) -> DigestedStack:
    """The components of a stack, in memory, with the digests of what was read.

    Raises:
        ComponentError: one is not there, broken, or does not stop changing.
        StackError: they cannot stand in this order or together.
    """
    for _ in range(_ATTEMPTS):
        states: dict[Path, FileStates] = {}

        def find(atom: Atom, states: dict[Path, FileStates] = states) -> Path:
            folder = finder(library, host)(atom)
            states.setdefault(folder, file_states(folder))
            return folder

        try:
            stored = tuple(_in_memory(each) for each in read_stack(stack, library, host, find))
            digests: dict[Path, str] = {}
            weights: dict[Path, str] = {}
            for each in stored:
                _digest(each, digests, weights)
        except (ComponentError, OSError):
            if all(file_states(folder) == state for folder, state in states.items()):
                raise
            continue
        if all(file_states(folder) == state and _is_settled(state) for folder, state in states.items()):
            return DigestedStack(stack, stored, digests, weights, states)
        time.sleep(_PATIENCE)
    raise ComponentError("a component of it changes while it is read", where=f'stack "{stack}"', fix="try again later")


def file_states(folder: Path) -> FileStates:
    """What tells a folder's content from any other that its path stood for, without reading it."""
    found = []
    for name in _CONTENT:
        with suppress(OSError):
            # A path as text: it is looked at for every request.
            found.append(file_state(f"{folder}{os.sep}{name}"))
    return tuple(found)


def content_digest(folder: Path) -> str:
    """SHA-256 over the names and SHA-256 of a component's manifest, weights and tokenizer. Raises `OSError`."""
    return _digest_of_files(_hashes(folder))


def _hashes(folder: Path) -> dict[str, str]:
    return {name: hash_while_unchanged(folder / name) for name in _CONTENT if (folder / name).exists()}


def _digest_of_files(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{own}  {name}\n" for name, own in hashes.items()).encode()).hexdigest()


def _digest(stored: StoredComponent, digests: dict[Path, str], weights: dict[Path, str]) -> str:
    """The digest of a component with those that it stands on; its content's alone where it stands on none."""
    if stored.folder not in digests:
        hashes = _hashes(stored.folder)
        weights[stored.folder] = hashes.get(WEIGHTS, "")
        own = _digest_of_files(hashes)
        beneath = [f"{_digest(member, digests, weights)}  {name}\n" for name, member in stored.members.items()]
        digests[stored.folder] = hashlib.sha256("".join([own, *beneath]).encode()).hexdigest() if beneath else own
    return digests[stored.folder]


def _in_memory(stored: StoredComponent) -> StoredComponent:
    """The component with tensors of its own: those of a file would change with it."""
    tensors = {name: tensor.clone() for name, tensor in stored.tensors.items()}
    return replace(stored, tensors=tensors, members={name: _in_memory(one) for name, one in stored.members.items()})


def _is_settled(state: FileStates) -> bool:
    changed = max((one[-1] for one in state), default=0)
    return abs(time.time_ns() - changed) > _PATIENCE * 1e9
