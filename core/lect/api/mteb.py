"""A model with its stacks as an encoder of `mteb`: each text goes through the stack of its language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction
from numpy.typing import NDArray

from lect.api.components import components
from lect.api.opened import OpenStacks, StackLike
from lect.engine.open import OpenStack
from lect.errors import UserError
from lect.languages.tags import normalise
from lect.selection.automatic import is_of_languages
from lect.selection.donors import is_automatic


class LanguageEncoder(AbsEncoder):  # type: ignore[misc]
    """What `lect.Model.as_mteb_encoder` gives.

    The language of a text is what its row says (a column ``language`` or ``lang``), else that of the task's subset
    where this is of one language, else what `identify` says of it.

    Args:
        stacks: by canonical tag, the stack of a language; texts of others go through the model's own; with
            ``lang:auto`` in it a component is chosen for each.
        name: what results are called, as ``organisation/model``.
    """

    def __init__(
        self,
        opened: OpenStacks,
        stacks: Mapping[str, str],
        *,
        identify: Callable[[str], str | None] | None = None,
        name: str | None = None,
    ) -> None:
        self._opened = opened
        self.stacks = dict(stacks)
        self._identify = identify
        backbone = opened.own.backbone
        self.mteb_model_meta = ModelMeta.create_empty(
            overwrites={
                "name": name or f"lect/{backbone.name.rstrip('/').rsplit('/', 1)[-1]}",
                "revision": backbone.fingerprint[:12],
                "similarity_fn_name": ScoringFunction.COSINE,
                "max_tokens": backbone.max_length,
                "embed_dim": backbone.hidden_size,
                "framework": ["PyTorch"],
            }
        )

    @classmethod
    def of(
        cls,
        opened: OpenStacks,
        stacks: Mapping[str, StackLike] | None,
        *,
        identify: Callable[[str], str | None] | None = None,
        name: str | None = None,
    ) -> LanguageEncoder:
        """An encoder whose named stacks are open, so that what is wrong with one is said now.

        Args:
            stacks: by tag or name of a language; by default, for the languages of each language component of the
                library that goes with the backbone, the own stack with that one in the place of its languages; each
                is loaded when a text of the language comes.
        """
        if stacks is None:
            return cls(opened, _by_language(opened), identify=identify, name=name)
        given = {tag: str(stack) for tag, stack in stacks.items()}
        found = {
            normalise(tag): stack if is_automatic(stack) else str(opened.opened(stack).stack)
            for tag, stack in given.items()
        }
        return cls(opened, found, identify=identify, name=name)

    def encode(
        self, inputs: Iterable[Mapping[str, Any]], *, task_metadata: Any, hf_split: str, hf_subset: str, **_: Any
    ) -> NDArray[np.float32]:
        """The vectors of the texts, *Shape:* ``(texts, width)``.

        Args:
            inputs: batches of columns.
            task_metadata: says the languages of each subset.
        """
        own = task_metadata.hf_subsets_to_langscripts.get(hf_subset) or _of_pair(hf_subset, task_metadata)
        tags = {_canonical(each) for each in own}
        of_subset = next(iter(tags)) if len(tags) == 1 else None
        texts: list[str] = []
        languages: list[str | None] = []
        for batch in inputs:
            if "text" not in batch:
                raise UserError(f'the task "{task_metadata.name}" has no texts', fix="choose tasks over texts")
            texts += batch["text"]
            languages += self._languages(batch, of_subset)
        ways = [self._way_of(text, language).keys for text, language in zip(texts, languages, strict=True)]
        # An empty text is none to a model, and tasks have some.
        rows = [(text if text.strip() else ".", keys) for text, keys in zip(texts, ways, strict=True)]
        return np.stack([vector.numpy() for vector in self._opened.engine.vectors(rows)])

    def stack_of(self, language: str | None) -> str | None:
        """The stack of a language, in its script where there is one for that; None where there is none."""
        found = None if language is None else self.stacks.get(language)
        return found or self.stacks.get(_canonical((language or "").split("-")[0]) or "")

    def _way_of(self, text: str, language: str | None) -> OpenStack:
        stack = self.stack_of(language)
        if self._opened.automatic and not text.strip():
            # It is of no language, and its vector of no use.
            return self._opened.own
        return self._opened.chosen(stack, text, language)[0]

    def _languages(self, batch: Mapping[str, Any], of_subset: str | None) -> list[str | None]:
        texts: Sequence[str] = batch["text"]
        stated: Sequence[str | None] = batch.get("language") or batch.get("lang") or [None] * len(texts)
        return [
            (_canonical(tag) if tag else None)
            or of_subset
            or _canonical(self._identify(text) if self._identify is not None else None)
            for text, tag in zip(texts, stated, strict=True)
        ]


def _by_language(opened: OpenStacks) -> dict[str, str]:
    """For each language the first component of the library, beneath what the own stack has beside languages."""
    above = [str(part) for part in opened.own.stack.parts if not is_of_languages(part)]
    found: dict[str, str] = {}
    for component in components(opened.library):
        manifest = component.manifest
        if manifest.role == "lang" and manifest.backbone.fingerprint == opened.own.backbone.fingerprint:
            for tag in manifest.languages:
                found.setdefault(normalise(tag), " + ".join([component.key, *above]))
    return found


def _of_pair(subset: str, metadata: Any) -> tuple[str, ...]:
    """The languages of a subset that the task's table does not name: of a column of parallel texts, its own."""
    tag = _canonical(subset)
    return (subset,) if tag else tuple(metadata.languages)


def _canonical(language: str | None) -> str | None:
    """The canonical tag of what mteb calls ``jav-Latn``."""
    if not language:
        return None
    try:
        return normalise(language)
    except UserError:
        return None
