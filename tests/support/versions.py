"""Contents that components' names stand for in turn, and what stacks of them give alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lect import Example
from lect.composition.model import RoutedModel
from lect.engine.engine import Engine
from lect.engine.open import open_on
from lect.files import folder_aside
from lect.storage.digests import content_digest
from lect.storage.library import Library

if TYPE_CHECKING:
    from served import Shop

Asked = tuple[str, str, tuple[str, ...]]
"""A stack, a text, and the digests of the components that answered."""


class Versions:
    """What is kept of each content that a name has had.

    Args:
        kept: the folder for them.
    """

    def __init__(self, shop: Shop, kept: Path) -> None:
        self._shop, self._kept = shop, kept
        self.folders: dict[str, list[Path]] = {}
        self._by_digest: dict[str, tuple[str, Path]] = {}

    def keep(self, key: str, folder: Path) -> Path:
        """Keep the content that lies in a folder as one of a name's; where."""
        own = self.folders.setdefault(key, [])
        place = self._kept / key.replace(":", "-") / str(len(own))
        shutil.copytree(folder, place)
        own.append(place)
        self._by_digest[content_digest(place)] = (key, place)
        return place

    def knows(self, digest: str) -> bool:
        """Whether it is one of those that were kept."""
        return digest in self._by_digest

    def alone(self, asked: Iterable[Asked]) -> dict[Asked, np.ndarray]:
        """What each stack of these contents gives for a text, run alone: probabilities, or, without a head, a vector of
        length 1."""
        library, engine = Library((self._kept / "alone",)), Engine(RoutedModel(self._shop.backbone).eval())
        texts_of: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for stack, text, digests in dict.fromkeys(asked):
            texts_of.setdefault((stack, digests), []).append(text)
        found: dict[Asked, np.ndarray] = {}
        for (stack, digests), texts in sorted(texts_of.items()):
            for key, place in (self._by_digest[digest] for digest in digests):
                replace_folder(place, library.folders[0] / key.replace(":", "/"))
            opened = open_on(engine, stack, self._shop.host, library)
            if engine.head_of(opened.keys) is None:
                vectors = np.stack([opened.embed([text]).numpy()[0] for text in texts])
                own = list(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
            else:
                predictions = [opened.predict([Example(text)])[0] for text in texts]
                own = [np.array([one.scores[label] for label in sorted(one.scores)]) for one in predictions]
            found |= {(stack, text, digests): one for text, one in zip(texts, own, strict=True)}
            engine.model.detach_all()
            for key in opened.keys:
                engine.encoder.forget(key)
        return found


def replace_folder(kept: Path, folder: Path) -> None:
    """Put a content in the place of another, as `lect` does: whole, and at once."""
    with folder_aside(folder) as aside:
        shutil.copytree(kept, aside, dirs_exist_ok=True)


def digests_of(components: Sequence[dict[str, str]]) -> tuple[str, ...]:
    """The digests that an answer carries."""
    return tuple(each["digest"] for each in components)
