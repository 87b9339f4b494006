"""Patterns of `peft`'s configurations: what they give each path is what `peft` gives it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peft.utils.other import get_pattern_key

from lect_lora.patterns import resolved_patterns, values_by_path

PATHS = ("layers.0.q", "layers.1.q", "layers.0.k", "decoder.layers.0.q", "decoder.layers.1.k")
KEYS = (
    "q",
    "^q",
    "k",
    "layers.0.q",
    r"^layers\.0\.q",
    "layers.0.*",
    r"decoder\..*",
    "0.q|1.k",
    "(q|k)",
    "nothing",
    ".q",
)


def as_peft_does(pattern, kind, path):
    if kind == "C3A":
        return pattern.get(next((key for key in pattern if re.match(rf".*\.{key}$", path)), path))
    return pattern.get(get_pattern_key(pattern.keys(), path))


@pytest.mark.parametrize("kind", ["LORA", "C3A"])
@given(keys=st.lists(st.sampled_from((*KEYS, *PATHS)), unique=True, max_size=5))
def test_as_peft_does(kind, keys):
    pattern = {key: number for number, key in enumerate(keys)}
    found, unmatched = values_by_path(pattern, kind, PATHS, "here")
    theirs = {path: as_peft_does(pattern, kind, path) for path in PATHS}
    assert found == {path: value for path, value in theirs.items() if value is not None}
    used = {key: value for key, value in pattern.items() if key not in unmatched}
    resolved = resolved_patterns({"rank_pattern": used}, kind, PATHS, "here").get("rank_pattern", {})
    assert {path: as_peft_does(resolved, kind, path) for path in PATHS} == theirs
