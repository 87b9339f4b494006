"""Hidden states in files, kept from one pass over the texts to the next and from one run to the next.

One folder for each backbone, depth and precision; in it, each process appends to a file of its own and reads those of
all that came before. A record in the index is written after the states it is of, with a checksum, so that what a
killed process left behind is either whole or not looked at. Folders that were not used for longest are taken away where
there is no more room; on Linux and macOS whoever reads them goes on reading.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import uuid
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lect.composition.kept import StateKey
from lect.parts import Part

_RECORD = struct.Struct("<32sQQI")
"""Digest of the key, first byte of the states, their number of bytes, and their CRC-32."""
_STATES, _INDEX = ".states", ".index"


@dataclass(frozen=True)
class _Place:
    descriptor: int
    start: int
    size: int
    checksum: int


class StoredStates:
    """Hidden states of texts at one depth, in a folder of their own.

    Args:
        root: of all such folders, which together take no more than `most` bytes.
        kind: what the states hang on beside their keys: the backbone, its precision. It names the folder.
        parts: what each frozen part is, by its content; states below other parts are not kept.
        depth: where the states are; with 0 they are what `put` is given, at no depth.
        width: of a state.
        dtype: in which they are kept.
        rows: states of more texts than these are not kept: inputs that change from pass to pass never come again.
    """

    def __init__(
        self,
        root: Path,
        kind: str,
        parts: Mapping[Part, str],
        *,
        depth: int,
        width: int,
        dtype: torch.dtype,
        most: int,
        rows: int,
    ) -> None:
        self._parts, self._depth, self._width, self._dtype, self._rows = dict(parts), depth, width, dtype, rows
        name = hashlib.sha256(f"1 {kind} {depth} {dtype}".encode()).hexdigest()[:32]
        self._folder = root / name
        self._places: dict[bytes, _Place] = {}
        self._descriptors: list[int] = []
        self._own: tuple[int, int] | None = None
        self._end = self._written = 0
        self._room = 0
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            os.utime(self._folder)
            self._room = most - _make_room(root, self._folder, most)
            for index in sorted(self._folder.glob(f"*{_INDEX}")):
                self._read(index)

    def depth(self, depths: Sequence[int]) -> int:
        """The depth at which states are kept, wherever stacks begin to act."""
        return self._depth if depths else 0

    def get(self, key: StateKey) -> Tensor | None:
        """The states of a text, *Shape:* ``(tokens, width)``; None where they are not there, or damaged."""
        digest = self._digest(key)
        place = self._places.get(digest) if digest else None
        if place is None:
            return None
        try:
            data = bytearray(os.pread(place.descriptor, place.size, place.start))
        except OSError:
            data = bytearray()
        if len(data) != place.size or zlib.crc32(data) != place.checksum:
            del self._places[digest or b""]
            return None
        return torch.frombuffer(data, dtype=self._dtype).view(-1, self._width)

    def put(self, key: StateKey, states: Tensor) -> None:
        """Keep a text's states, if there is room."""
        digest = self._digest(key)
        size = states.numel() * self._dtype.itemsize
        if digest is None or digest in self._places or self._written >= self._rows or size > self._room or not size:
            return
        data = states.detach().to("cpu", self._dtype).contiguous().view(torch.uint8).numpy().tobytes()
        try:
            states_file, index_file = self._own = self._own or self._begin()
            _write(states_file, data)
            place = _Place(states_file, self._end, len(data), zlib.crc32(data))
            _write(index_file, _RECORD.pack(digest, place.start, place.size, place.checksum))
        except OSError:
            # A full disk, or a folder that may not be written: the run does without.
            self._room = 0
            return
        self._places[digest] = place
        self._end += len(data)
        self._room -= len(data)
        self._written += 1

    def close(self) -> None:
        """Close the files; what is in them stays."""
        for descriptor in self._descriptors:
            with suppress(OSError):
                os.close(descriptor)
        self._descriptors, self._places, self._own, self._room = [], {}, None, 0

    def __len__(self) -> int:
        return len(self._places)

    def _digest(self, key: StateKey) -> bytes | None:
        state = hashlib.sha256(key.tokens)
        for part in key.parts:
            name = self._parts.get(part)
            if name is None:
                return None
            state.update(f"\0{name}".encode())
        return state.digest()

    def _read(self, index: Path) -> None:
        """Take note of what another process has kept, or is keeping."""
        records = index.read_bytes()
        descriptor = self._open(index.with_suffix(_STATES), os.O_RDONLY)
        whole = len(records) - len(records) % _RECORD.size
        for digest, start, size, checksum in _RECORD.iter_unpack(records[:whole]):
            self._places[digest] = _Place(descriptor, start, size, checksum)

    def _begin(self) -> tuple[int, int]:
        name = self._folder / uuid.uuid4().hex
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
        return self._open(name.with_suffix(_STATES), flags), self._open(name.with_suffix(_INDEX), flags)

    def _open(self, path: Path, flags: int) -> int:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o644)
        self._descriptors.append(descriptor)
        return descriptor


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _make_room(root: Path, own: Path, most: int) -> int:
    """Take away what was not used for longest, until nine tenths of the room suffice; the bytes that are left."""
    sizes = {folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in root.iterdir()}
    for folder in sorted(sizes, key=lambda folder: folder.stat().st_mtime):
        if sum(sizes.values()) <= 0.9 * most:
            break
        if folder != own:
            shutil.rmtree(folder, ignore_errors=True)
            del sizes[folder]
    return sum(sizes.values())
