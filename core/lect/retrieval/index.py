"""An index of a corpus's vectors that is saved, read again, and refused by another backbone or stack."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lect.data.examples import Example
from lect.engine.open import OpenStack, check_heads
from lect.errors import DataError, UserError
from lect.files import check_target, folder_aside
from lect.storage.store import weights_hash

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = 1
FACTS, ROWS, VECTORS = "index.json", "rows.jsonl", "vectors.faiss"


@dataclass(frozen=True)
class IndexFacts:
    """What an index says of itself.

    Args:
        backbone: the name it was loaded by.
        fingerprint: of the backbone.
        stack: that the corpus went through.
        weights: SHA-256 of the weights of each of the stack's components, by name.
        width: of the vectors.
        head: the component whose head gave the vectors; empty where they are the backbone's own.
    """

    backbone: str
    fingerprint: str
    stack: str
    weights: dict[str, str]
    rows: int
    width: int
    head: str = ""


@dataclass(frozen=True)
class Hit:
    """A text that was found.

    Args:
        rank: 1 is the nearest.
        score: the cosine.
    """

    rank: int
    score: float
    text: str
    key: str | None
    origin: str


@dataclass(frozen=True)
class Index:
    """A corpus, searchable by cosine."""

    facts: IndexFacts
    rows: tuple[dict[str, Any], ...]
    vectors: Any

    def search(self, queries: Any, count: int) -> list[list[Hit]]:
        """The nearest texts of each query.

        Args:
            queries: an array or tensor. *Shape:* ``(queries, width)``.
        """
        scores, places = self.vectors.search(directions(queries), min(count, self.facts.rows))
        return [
            [
                Hit(rank, float(score), row["text"], row["key"], row["origin"])
                for rank, (score, row) in enumerate(zip(own, (self.rows[place] for place in found), strict=True), 1)
            ]
            for own, found in zip(scores, places.tolist(), strict=True)
        ]


def directions(vectors: Tensor | NDArray[Any]) -> NDArray[np.float32]:
    """Vectors of length 1, so that their products are cosines. *Shape:* as given."""
    array = np.array(vectors, dtype=np.float32)
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    return np.ascontiguousarray(array / np.where(lengths == 0, 1, lengths))


def facts_of(opened: OpenStack, rows: int, width: int) -> IndexFacts:
    """What an index over this stack says of itself."""
    backbone = opened.backbone
    weights = {stored.manifest.key: weights_hash(stored.folder) for stored in opened.stored}
    stack, head = str(opened.stack), opened.vectors_by
    return IndexFacts(backbone.name, backbone.fingerprint, stack, weights, rows, width, head)


def build_index(opened: OpenStack, examples: Sequence[Example], folder: Path, *, overwrite: bool = False) -> Index:
    """Encode a corpus and save its index.

    Raises:
        DataError: there are no texts.
        UserError: the folder holds something else, or faiss is not installed.
    """
    if not examples:
        raise DataError("there are no texts to index")
    check_target(folder, overwrite, lambda found: (found / FACTS).is_file())
    faiss = _faiss()
    vectors = directions(opened.embed([each.text for each in examples]))
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    facts = facts_of(opened, len(examples), flat.d)
    rows = tuple({"text": each.text, "key": each.key, "origin": each.origin} for each in examples)
    with folder_aside(folder) as aside:
        faiss.write_index(flat, str(aside / VECTORS))
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (aside / ROWS).write_text(lines, encoding="utf-8")
        stated = json.dumps({"schema": SCHEMA, **vars(facts)}, ensure_ascii=False, indent=2)
        (aside / FACTS).write_text(stated, encoding="utf-8")
    return Index(facts, rows, flat)


def read_index(folder: Path) -> Index:
    """A saved index. Raises `DataError` where it is none, is damaged or of another schema."""
    faiss = _faiss()
    try:
        stated = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if stated.pop("schema") != SCHEMA:
            raise DataError("is an index of another schema", where=str(folder), fix="update lect, or build it again")
        facts = IndexFacts(**stated)
        rows = tuple(json.loads(line) for line in (folder / ROWS).read_text(encoding="utf-8").split("\n") if line)
        vectors = faiss.read_index(str(folder / VECTORS))
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        what = f"is no index of lect ({type(error).__name__})" if folder.exists() else "there is no such folder"
        raise DataError(what, where=str(folder), fix="build it with lect index build") from None
    if not len(rows) == vectors.ntotal == facts.rows or vectors.d != facts.width:
        raise DataError("its files do not belong together", where=str(folder), fix="build it again")
    return Index(facts, rows, vectors)


def check_queries(index: Index, opened: OpenStack, folder: Path) -> None:
    """Refuse queries whose vectors do not live in the index's space.

    The queries' stack may be another than the corpus's: language parts lead different languages into one space. What
    must agree is the backbone, the head where one gives the vectors, and of components that both use, the weights.

    Raises:
        UserError: the backbone or the head is another, or a component was trained anew.
    """
    fingerprint = opened.backbone.fingerprint
    if fingerprint != index.facts.fingerprint:
        raise UserError(
            f"was built with the backbone {index.facts.backbone} ({index.facts.fingerprint[:12]}…), and the queries go "
            f"through {opened.backbone.name} ({fingerprint[:12]}…)",
            where=str(folder),
            fix="name the same backbone, or build the index again",
        )
    check_heads(index.facts.head, opened.vectors_by, where=str(folder))
    check_weights(index.facts, {each.manifest.key: weights_hash(each.folder) for each in opened.stored}, folder)


def check_weights(facts: IndexFacts, weights: dict[str, str], folder: Path) -> None:
    """Refuse components that changed since the index was built. Raises `UserError`."""
    for key, known in facts.weights.items():
        if weights.get(key, known) != known:
            raise UserError(
                f'was built with another "{key}" than the one there now', where=str(folder), fix="build it again"
            )


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise UserError("search needs faiss", fix='install it: pip install "lect[search]"') from None
    return faiss
