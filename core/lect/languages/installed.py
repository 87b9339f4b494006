"""Identifiers of languages that other packages bring: what `lect` asks of them, and the one of `py3langid`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lect.languages.tags import is_tag, normalise


@dataclass(frozen=True)
class InstalledIdentifier:
    """An identifier that knows languages from elsewhere.

    Args:
        name: how messages call it.
        languages: canonical tags of those that it knows.
        identify: the most likely of these for a text, and its probability; called from several threads.
    """

    name: str
    languages: frozenset[str]
    identify: Callable[[str], tuple[str, float]]


def load_py3langid() -> InstalledIdentifier:
    """The identifier of `py3langid` (140 languages; its model comes with it). Raises `ImportError`."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Its "zxx" is for what is of no language.
    tags = {str(label): normalise(str(label)) for label in model.labels if label != "zxx" and is_tag(str(label))}

    def identify(text: str) -> tuple[str, float]:
        label, probability = model.classify(text)
        found = tags.get(str(label))
        return ("und", 0.0) if found is None else (found, float(probability))

    return InstalledIdentifier("py3langid", frozenset(tags.values()), identify)
