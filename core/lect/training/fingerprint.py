"""The fingerprint of a run: its settings and, by content, all that it reads. No run goes on where that has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lect.storage.store import StoredComponent

if TYPE_CHECKING:
    from lect.recipes.mix import MixedRecipe
    from lect.recipes.recipe import Recipe

_NAMED_AT_MOST = 3


@dataclass(frozen=True)
class RunFingerprint:
    """What decides a run's result.

    Args:
        fields: the recipe's fields by their names, as JSON.
        contents: a hash of each thing that is read, by what messages call it.
    """

    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    contents: Mapping[str, str] = field(default_factory=dict, repr=False)

    def changed_since(self, before: RunFingerprint) -> str | None:
        """A clause that names what is another than before; None where nothing is."""
        names = [*self.fields, *(name for name in before.fields if name not in self.fields)]
        unset = "null"
        found = [
            f"{name} was {_shortened(before.fields.get(name, unset))} and is {_shortened(self.fields.get(name, unset))}"
            for name in names
            if before.fields.get(name, unset) != self.fields.get(name, unset)
        ]
        if not found:
            names = [*self.contents, *(name for name in before.contents if name not in self.contents)]
            found = [f"{name} has changed" for name in names if before.contents.get(name) != self.contents.get(name)]
        if not found:
            return None
        more = f", and {len(found) - _NAMED_AT_MOST} more" if len(found) > _NAMED_AT_MOST else ""
        return ", ".join(found[:_NAMED_AT_MOST]) + more


def recipe_fields(recipe: Recipe | MixedRecipe, prefix: str = "") -> dict[str, str]:
    """A recipe's fields by their names, ``training.epochs``, each as JSON; where the run is kept is none of them.

    Args:
        prefix: what goes before each name.
    """
    return {
        f"{prefix}{name}": json.dumps(value, ensure_ascii=False, sort_keys=True)
        for name, value in _leaves(
            recipe.model_dump(mode="json", exclude={"output": True, "training": {"cache_gb"}, "train": {"cache_gb"}}),
            "",
        )
    }


def components_read(stored: Sequence[StoredComponent]) -> dict[str, str]:
    """A hash of each stored component, by what messages call it."""
    found: dict[str, str] = {}
    for one in stored:
        name, digest = f'the component "{one.manifest.key}"', component_hash(one)
        if found.get(name, digest) != digest:
            # Two of one name, from different folders.
            digest = hashlib.sha256(f"{found[name]} {digest}".encode()).hexdigest()
        found[name] = digest
    return found


def component_hash(stored: StoredComponent) -> str:
    """SHA-256 over all that a stored component does: parts, head, tokenizer and weights, and those it stands on."""
    manifest = stored.manifest
    state = hashlib.sha256()
    for entry in (*manifest.parts, *((manifest.head,) if manifest.head else ())):
        state.update(entry.model_dump_json().encode())
    state.update((stored.tokenizer_json or "").encode("utf-8", "surrogatepass"))
    for name in sorted(stored.tensors):
        tensor = stored.tensors[name].detach().cpu()
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        state.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    for name in sorted(stored.members):
        state.update(f"{name} {component_hash(stored.members[name])}".encode())
    return state.hexdigest()


def files_read(recipe: Recipe) -> dict[str, str]:
    """A hash of each file that the configuration of a part, the head or an objective names: vocabularies, dictionaries.

    Whatever is a path of a file is taken for one. What readers read counts by its rows, and not here.
    """
    tables = [(f"parts[{index}]", part.config) for index, part in enumerate(recipe.parts)]
    tables += [("head", recipe.head.config)] if recipe.head else []
    tables += [("objective", recipe.objective.config)]
    tables += [(f"objective.terms[{index}]", term.config) for index, term in enumerate(recipe.objective.terms)]
    return {
        f"the file {text} ({name})": digest
        for place, config in tables
        for name, value in _leaves(config, place)
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str) and (digest := _content(recipe.folder, text))
    }


def _content(folder: Path, value: str) -> str | None:
    """SHA-256 of the file of this name, or of the files below a folder that is named as a path."""
    try:
        path = folder / Path(value).expanduser()
        is_folder = any(sign in value for sign in (os.sep, "/")) and path.is_dir()
        if not is_folder and not path.is_file():
            return None
        state = hashlib.sha256()
        for file in sorted(one for one in path.rglob("*") if one.is_file()) if is_folder else [path]:
            state.update(f"{file.relative_to(path)}\0".encode("utf-8", "surrogatepass"))
            with file.open("rb") as stream:
                while block := stream.read(2**20):
                    state.update(block)
    except (OSError, ValueError, RuntimeError):
        # No path at all: too long a text, or one with NUL.
        return None
    return state.hexdigest()


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{name}[{index}]")
    elif isinstance(value, list | tuple):
        # A list of plain values is one setting, and each of them may be a path.
        yield name, list(value)
    else:
        yield name, value


def _shortened(text: str) -> str:
    shown = "not set" if text == "null" else text
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
