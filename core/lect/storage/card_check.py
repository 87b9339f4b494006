"""Whether a card is one that people and the Hugging Face hub can read, and says what the component's manifest says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lect.storage.card import hub_languages, hub_licence
from lect.storage.manifest import Manifest
from lect.storage.store import CARD

MAX_BYTES = 2**20
SECTIONS = ("Use", "Training", "Results", "Intended use and limits", "Bias and risks", "Licence")
"""What every card has to say something of."""


def card_problems(manifest: Manifest, folder: Path) -> Iterator[str]:
    """What is wrong with the card in a component's folder, a clause each. Nothing is asked of the hub."""
    file = folder / CARD
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError:
        yield f"has no card ({CARD})"
        return
    if len(content) > MAX_BYTES:
        yield f"its card is larger than {MAX_BYTES:,} bytes"
        return
    text = content.decode("utf-8", "replace")
    values = _metadata(text)
    if isinstance(values, str):
        yield f"its card has no metadata that the hub reads ({values})"
        return
    yield from _wrong_values(manifest, values)
    headings = {line[3:].strip() for line in text.splitlines() if line.startswith("## ")}
    for section in SECTIONS:
        if section not in headings:
            yield f'its card has no section "{section}"'


def _metadata(text: str) -> dict[str, Any] | str:
    """The metadata block as the hub has it, or why it is none."""
    from huggingface_hub import ModelCard
    from yaml import YAMLError  # type: ignore[import-untyped]

    if not text.startswith("---\n") or "\n---" not in text[3:]:
        return "there is no block between two lines of ---"
    try:
        values = dict(ModelCard(text).data.to_dict())  # type: ignore[no-untyped-call]
    except (YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        return "".join(character if character.isprintable() else "?" for character in said)
    return values or "it is empty"


def _wrong_values(manifest: Manifest, values: dict[str, Any]) -> Iterator[str]:
    expected: dict[str, Any] = {"library_name": "lect", "language": hub_languages(manifest.languages)}
    expected |= {"license": None, "license_name": None} | hub_licence(manifest.licence)
    for name, wanted in expected.items():
        found = values.get(name)
        if isinstance(wanted, list):
            found = [found] if isinstance(found, str) else found or []
        if found != wanted:
            yield f"its card says {name} = {_shown(found)}, and the component is {wanted!r}"
    for code in expected["language"]:
        if not re.fullmatch("[a-z]{2,3}", code):
            yield f'its language "{code}" is none that the hub takes'


def _shown(value: Any) -> str:
    # Aliases of YAML make a short text a value that would take all memory if it were written out.
    if isinstance(value, list) and all(isinstance(each, str) for each in value[:20]):
        return repr(value[:20])[:200]
    return repr(value)[:200] if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
