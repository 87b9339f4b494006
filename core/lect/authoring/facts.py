"""What is in the data, counted: rows, scripts, labels, doubled rows, unknown tokens, and what two files share."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lect.authoring.detect import Detected
from lect.data.balance import imbalance_of
from lect.data.cleaning import Cleaning
from lect.data.dataset import Source
from lect.data.examples import Example
from lect.data.guard import Guard
from lect.data.inspection import Inspection, inspect_examples
from lect.data.stored import hold
from lect.errors import DataError
from lect.host.reading import stream_source
from lect.recipes.choice import LanguageFacts
from lect.selection.known import KNOWN

if TYPE_CHECKING:
    from lect.host import Host
    from lect.host.backbones import BackboneTokens

MOST = 200_000
"""More rows are not counted."""
_TOKENISED = 2000


@dataclass(frozen=True)
class Counted:
    """A file that was read to its end.

    Args:
        detected: how it is read, with what the reading showed to be needed.
        examples: its rows.
        inspection: their counts.
        is_all: whether there are no more rows than were counted.
    """

    detected: Detected
    examples: Sequence[Example]
    inspection: Inspection
    is_all: bool = True

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.inspection.rows

    @property
    def doubled(self) -> int:
        """Rows that say the same as an earlier one."""
        return self.inspection.cleaning.by_reason["duplicate"]

    @property
    def count(self) -> str:
        """How many there are, to be read."""
        return f"{self.rows:,}" if self.is_all else f"more than {self.rows:,}"


def count(detected: Detected, host: Host, tokens: BackboneTokens | None = None, folder: Path = Path()) -> Counted:
    """Read a file as it was found to be read; rows with an empty text are left out where there are any.

    Args:
        tokens: the backbone's tokenizer, by which the first texts are cut.

    Raises:
        DataError: the file cannot be read so.
    """
    try:
        examples = _read(detected, host, folder)
    except DataError as error:
        if "skip_empty = true" not in str(error):
            raise
        detected = replace(detected.named(skip_empty=True), seen=(*detected.seen, "rows with an empty text left out"))
        examples = _read(detected, host, folder)
    kept = examples[:MOST]
    found = inspect_examples(str(source_of(detected)), kept, Cleaning(script_share=0.0, ratio=None, longest=None))
    if tokens is not None:
        first = [row.text for row in islice(kept, _TOKENISED)]
        found.tokens = inspect_examples("", map(Example, first), Cleaning(), tokens.cut, tokens.unknown).tokens
    return Counted(detected, kept, found, len(examples) <= MOST)


def source_of(detected: Detected) -> Source:
    """What is read, as readers are told."""
    return Source(detected.reader, detected.config)


def facts_of(
    backbone: str, tokens: BackboneTokens | None, texts: Sequence[str], pairs: int = 0, lines: int = 0, entries: int = 0
) -> LanguageFacts:
    """What a language's recipe is chosen by.

    Args:
        backbone: its name.
        tokens: its tokenizer; None where it is not on this machine.
        texts: some of the language's.
        pairs, lines, entries: as `LanguageFacts` has them.
    """
    unknown = None
    if tokens is not None and texts:
        cut = tokens.cut(texts[:_TOKENISED])
        every = sum(map(len, cut))
        unknown = sum(ids.count(tokens.unknown) for ids in cut if tokens.unknown is not None) / max(1, every)
    known = next((model for model in KNOWN if backbone in (model.id, model.local)), None)
    return LanguageFacts(
        pairs,
        lines,
        entries,
        unknown,
        decoder=tokens is not None and tokens.kind == "decoder",
        gives_vectors=known is None or known.use == "vectors",
    )


def shared_rows(train: Sequence[Example], others: Sequence[Example]) -> int:
    """How many training rows say what a row of the others says, whatever their case and punctuation."""
    guard = Guard()
    guard.add(others, "")
    return sum(1 for row in train if (found := guard.match(replace(row, key=None), "")) and found.kind == "text")


def scripts_told(inspection: Inspection) -> str:
    """The scripts of texts by their share: ``Latn`` alone, or ``Nkoo 97 %, Latn 3 %``."""
    shares = [(script, share) for script, share in inspection.script_shares()[:3] if share >= 0.01]
    if len(shares) == 1:
        return shares[0][0]
    return ", ".join(f"{script} {share:.0%}" for script, share in shares) or "none"


def is_uneven(examples: Sequence[Example]) -> bool:
    """Whether some label has many times as many rows as another."""
    return imbalance_of(examples) is not None


def _read(detected: Detected, host: Host, folder: Path) -> Sequence[Example]:
    with _quiet():
        rows: Iterator[Example] = stream_source(host, source_of(detected), folder, str(detected.config.get("path", "")))
        return hold(islice(rows, MOST + 1))


@contextmanager
def _quiet() -> Iterator[None]:
    """A block in which readers do not say what they left out: the run says it, and here it is counted."""
    logger = logging.getLogger("lect")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
