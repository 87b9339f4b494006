"""Texts that were cut into tokens once, and are looked up from then on: in memory, or mapped from a file in the cache.

The file is Arrow's (IPC, uncompressed), which is read where it lies: a corpus takes no memory but for the pages that
are in use, and several processes share these. It is named by a hash of all texts, of the tokenizer and of where it
cuts, made by one process while others wait, and made again where it is not what was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from lect.cache import cache_folder, is_whole, make_once, mark_whole
from lect.files import folder_aside, hash_of

ROWS_IN_MEMORY = 2000
"""Fewer rows than so many are not worth a file."""
_ROWS_A_BATCH = 1024
_FORMAT = 2

Encode = Callable[[Sequence[str], Sequence[str] | None], Sequence["StoredEncoding"]]


@dataclass(frozen=True, slots=True)
class StoredEncoding:
    """A text's tokens, as much of a `tokenizers.Encoding` as batches are made of.

    Args:
        overflowing: whether the text was cut off.
        plain: whether a token is of the text, neither special nor of the backbone's prefix; empty where nobody asked.
    """

    ids: Sequence[int]
    type_ids: Sequence[int]
    overflowing: bool
    plain: Sequence[bool] = ()


class StoredTokens:
    """The tokens of many texts, found by the text.

    Args:
        source: the Arrow file, or the same in memory.
        keys: *Shape:* ``(rows, 2)``; each text's hash, in the order of the rows.
    """

    def __init__(self, source: Path | Any, keys: np.ndarray[Any, Any]) -> None:
        import pyarrow

        # Not opened by Arrow itself: `memory_map` keeps the file mapped for as long as a batch of it is in use.
        reader = pyarrow.ipc.open_file(pyarrow.memory_map(str(source)) if isinstance(source, Path) else source)
        self._batches = [_columns(reader.get_batch(index)) for index in range(reader.num_record_batches)]
        self._order = np.lexsort((keys[:, 1], keys[:, 0]))
        self._high, self._low = keys[self._order, 0], keys[self._order, 1]

    def __len__(self) -> int:
        return len(self._order)

    def find(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[StoredEncoding] | None:
        """Each text's tokens; None where not all of them are here."""
        found, keys = [], text_keys(texts, pairs)
        for (high, low), start in zip(keys, np.searchsorted(self._high, keys[:, 0]).tolist(), strict=True):
            place = start
            while place < len(self._high) and self._high[place] == high and self._low[place] != low:
                place += 1
            if place == len(self._high) or self._high[place] != high:
                return None
            found.append(self._row(int(self._order[place])))
        return found

    def truncated(self) -> Iterator[int]:
        """The rows that were cut off."""
        for number, batch in enumerate(self._batches):
            yield from (number * _ROWS_A_BATCH + np.flatnonzero(batch[4])).tolist()

    def _row(self, row: int) -> StoredEncoding:
        offsets, ids, kinds, plain, cut = self._batches[row // _ROWS_A_BATCH]
        place = row % _ROWS_A_BATCH
        own = slice(offsets[place], offsets[place + 1])
        return StoredEncoding(ids[own].tolist(), kinds[own].tolist(), bool(cut[place]), plain[own].tolist())


def store_tokens(
    texts: Sequence[str], pairs: Sequence[str] | None, tokenizer: str, encode: Encode, rows_in_memory: int
) -> StoredTokens:
    """Cut texts into tokens, or find them in the cache.

    Args:
        tokenizer: all that decides how a text is cut.
        encode: cuts texts (or pairs of texts).
        rows_in_memory: fewer rows than so many are not written into the cache.

    Raises:
        UserError: the cache cannot be written.
    """
    import pyarrow

    keys = text_keys(texts, pairs)
    if len(texts) < rows_in_memory:
        sink = pyarrow.BufferOutputStream()
        _write(sink, texts, pairs, encode)
        return StoredTokens(sink.getvalue(), keys)
    digest = hashlib.sha256(keys.tobytes())
    digest.update(tokenizer.encode())
    made_from = {"format": _FORMAT, "of": digest.hexdigest()}
    folder = cache_folder() / "pieces" / digest.hexdigest()[:32]

    def make() -> None:
        with folder_aside(folder) as aside:
            with pyarrow.OSFile(str(aside / "tokens.arrow"), "wb") as sink:
                _write(sink, texts, pairs, encode)
            mark_whole(aside, {**made_from, "sha256": _sha256(aside / "tokens.arrow")})

    def is_ready() -> bool:
        # Its length does not tell a file that was spoilt from one that was not.
        path = folder / "tokens.arrow"
        return is_whole(folder, made_from) and is_whole(folder, {"sha256": _sha256(path)})

    make_once(folder, is_ready, make, lambda: None)
    return StoredTokens(folder / "tokens.arrow", keys)


def text_keys(texts: Sequence[str], pairs: Sequence[str] | None) -> np.ndarray[Any, Any]:
    """A hash of 128 bits for each text (or pair of texts): no two of a corpus share one.

    Returns:
        *Shape:* ``(texts, 2)``, unsigned integers.
    """
    seconds = repeat(None) if pairs is None else pairs
    joined = bytearray()
    for key in map(_key, texts, seconds):
        joined += key
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 2)


def _key(text: str, pair: str | None) -> bytes:
    state = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=b"" if pair is None else b"2")
    if pair is not None:
        # A byte that no UTF-8 has: what stands on its left and on its right is not confused.
        state.update(b"\xff" + pair.encode("utf-8", "surrogatepass"))
    return state.digest()


def _write(sink: Any, texts: Sequence[str], pairs: Sequence[str] | None, encode: Encode) -> None:
    import pyarrow

    schema = pyarrow.schema(
        [
            ("ids", pyarrow.list_(pyarrow.int32())),
            ("type_ids", pyarrow.list_(pyarrow.uint8())),
            ("plain", pyarrow.list_(pyarrow.uint8())),
            ("truncated", pyarrow.uint8()),
        ]
    )
    with pyarrow.ipc.new_file(sink, schema) as writer:
        # Gone through, not cut into slices: of texts that lie in a file a slice would read whole examples.
        stream, seconds = iter(texts), iter(pairs or ())
        while some := list(islice(stream, _ROWS_A_BATCH)):
            encodings = encode(some, None if pairs is None else list(islice(seconds, _ROWS_A_BATCH)))
            columns = (
                [encoding.ids for encoding in encodings],
                [encoding.type_ids for encoding in encodings],
                [np.asarray(encoding.plain, np.uint8) for encoding in encodings],
                [int(bool(encoding.overflowing)) for encoding in encodings],
            )
            arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))


def _columns(batch: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """Where each row begins, ids, kinds, which tokens are plain, and which rows were cut: views, not copies."""
    ids, kinds, plain, cut = (batch.column(index) for index in range(4))
    lists = (ids.values.to_numpy(), kinds.values.to_numpy(), plain.values.to_numpy().view(np.bool_))
    return ids.offsets.to_numpy(), *lists, cut.to_numpy()


def _sha256(path: Path) -> str:
    try:
        return hash_of(path)
    except OSError:
        return ""
