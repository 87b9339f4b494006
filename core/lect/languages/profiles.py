"""What texts of a language look like, in 32 kilobytes: how likely each short run of letters is.

A profile holds the share of every run of one to four characters (letters, their marks, and the spaces between words) in
texts of one language, each run by a hash of 15 bits, as a cost of eight bits. Texts are identified by it (`identify`).
It is made from the texts that a component was trained on, and lies beside the component's weights; nothing longer than
four characters can be read from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import regex
from numpy.typing import NDArray

from lect.errors import ComponentError
from lect.weight_files import check_weights

BUCKETS = 2**15
LONGEST = 4
"""The characters of the longest runs."""

COSTS_PER_NAT = 22.0
RAREST = 1e-5
"""No run is less likely than this: a text of another kind than those of the profile is still of its language."""

LEAST_CHARACTERS = 2000
"""Of fewer, no profile is made."""

ENOUGH_CHARACTERS = 400_000
"""Of more, a profile gets no better."""

MOST_OF_TEXT = 2000
"""The characters of a text that are looked at."""

_MOST_LANGUAGES = 16
_MOST_BYTES = 2**20
_BITS = 15
_VERSION = 1
_KEPT_OUT = regex.compile(r"https?://\S+|[@#]\w+|[^\p{L}\p{M}'’]+")


@dataclass(frozen=True)
class LanguageProfile:
    """The profile of a language.

    Args:
        language: its canonical tag.
        costs: of the runs of each hash, minus the logarithm of their share, in steps of 1/22. *Shape:* ``(32768,)``,
            uint8.
        characters: of the texts that it was made from.
    """

    language: str
    costs: NDArray[np.uint8] = field(repr=False)
    characters: int = 0


def runs_of(text: str) -> NDArray[np.uint32]:
    """The hashes of a text's runs of characters, *Shape:* ``(runs,)``; of its first 2,000 characters."""
    letters = _KEPT_OUT.sub(" ", f" {text[:MOST_OF_TEXT].lower()} ")
    if not letters.strip():
        return np.empty(0, np.uint32)
    codes = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    found, state = [], np.zeros(len(codes), np.uint32)
    for length in range(1, min(LONGEST, len(codes)) + 1):
        # A multiplicative hash of 32 bits, whose upper bits are the well mixed ones.
        state = (state[: len(codes) - length + 1] ^ codes[length - 1 :]) * np.uint32(0x9E3779B1)
        state ^= state >> np.uint32(15)
        found.append((state * np.uint32(0x85EBCA6B)) >> np.uint32(32 - _BITS))
    return np.concatenate(found)


def profile_of(language: str, texts: Iterable[str]) -> LanguageProfile | None:
    """The profile of texts of a language; None of too few."""
    counts, characters = np.zeros(BUCKETS), 0
    for text in texts:
        characters += len(text)
        for first in range(0, len(text), MOST_OF_TEXT):
            counts += np.bincount(runs_of(text[first : first + MOST_OF_TEXT]), minlength=BUCKETS)
    if characters < LEAST_CHARACTERS or not counts.any():
        return None
    return LanguageProfile(language, _costs(counts / counts.sum()), characters)


def mean_profile(profiles: Sequence[LanguageProfile]) -> LanguageProfile:
    """One profile of several of one language, each by how much text it was made from."""
    if len(profiles) == 1:
        return profiles[0]
    weights = np.array([max(1, profile.characters) for profile in profiles], dtype=np.float64)
    shares = np.average([shares_of(profile.costs) for profile in profiles], axis=0, weights=weights)
    return LanguageProfile(profiles[0].language, _costs(shares), int(weights.sum()))


def shares_of(costs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How large a share of a profile's runs those of each hash are, *Shape:* as `costs`; 0 for the rarest."""
    shares = np.exp(costs.astype(np.float32) / -COSTS_PER_NAT)
    found: NDArray[np.float32] = np.where(costs >= _DEAREST, np.float32(0), shares)
    return found


def profiles_bytes(profiles: Iterable[LanguageProfile]) -> bytes | None:
    """The content of a file of profiles, in the format of safetensors; None of no profiles."""
    from safetensors.numpy import save

    kept = sorted(sorted(profiles, key=lambda each: -each.characters)[:_MOST_LANGUAGES], key=lambda each: each.language)
    if not kept:
        return None
    said = {"profiles": _VERSION, "characters": {each.language: each.characters for each in kept}}
    content: bytes = save({each.language: each.costs for each in kept}, {"lect": json.dumps(said)})
    return content


def read_profiles(file: Path) -> tuple[LanguageProfile, ...]:
    """The profiles in a file.

    Raises:
        ComponentError: it is no file of profiles.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        names = check_weights(file)
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError
        content = file.read_bytes()
        length = int.from_bytes(content[:8], "little")
        said = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["lect"])
        tensors, characters = load(content), said["characters"]
        found = tuple(LanguageProfile(name, tensors[name], int(characters[name])) for name in names)
        right = said["profiles"] == _VERSION and all(
            each.costs.shape == (BUCKETS,) and each.costs.dtype == np.uint8 for each in found
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        right = False
    if not right:
        raise ComponentError("holds no profiles of languages", where=str(file), fix="delete it, or fetch it again")
    return found


def _costs(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    costs: NDArray[np.uint8] = np.round(-np.log(np.maximum(shares, RAREST)) * COSTS_PER_NAT).astype(np.uint8)
    return costs


_DEAREST = round(-float(np.log(RAREST)) * COSTS_PER_NAT)
