"""A library of languages × tasks of random weights, made once and kept: time does not hang on what was learned."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from served import Shop

LABELS = ("bad", "good", "neither")
_WORDS = (
    "a", "text", "of", "some", "sixteen", "tokens", "as", "people", "write", "them", "in", "hurry", "and", "send",
    "off", "to", "friends", "who", "read", "it", "now",
)  # fmt: skip


def languages_of(stacks: int) -> int:
    """How many languages there are beside at most 16 tasks; so that their products are the stacks."""
    return -(-stacks // tasks_of(stacks))


def tasks_of(stacks: int) -> int:
    """How many tasks there are."""
    return min(16, stacks)


def write_library(folder: Path, backbone: str | None, stacks: int, vocabularies: int) -> list[str]:
    """Write what is not there yet: languages of a bottleneck each, some with a vocabulary in its place, and tasks of a
    bottleneck and a head.

    Returns:
        Every pair of a language and a task.
    """
    torch.set_num_threads(1)
    languages, tasks = [f"l{n}" for n in range(languages_of(stacks))], [f"t{n}" for n in range(tasks_of(stacks))]
    components = folder / "components"
    missing = [("lang", n, name) for n, name in enumerate(languages) if not (components / "lang" / name).is_dir()]
    missing += [("task", n, name) for n, name in enumerate(tasks) if not (components / "task" / name).is_dir()]
    if missing or not backbone:
        shop = Shop(folder, named=backbone)
        for role, number, name in missing:
            method = "vocabulary" if role == "lang" and number < vocabularies else "bottleneck"
            labels = LABELS if role == "task" else ()
            shop.write(f"{role}:{name}", method=method, labels=labels, seed=number, scale=0.02)
    return [f"lang:{language} + task:{task}" for language in languages for task in tasks][:stacks]


def texts(count: int, seed: int = 0) -> list[str]:
    """Texts of about 16 tokens, the backbone's prefix and special tokens among them; no two alike."""
    draw = random.Random(seed)
    found = dict[str, None]()
    while len(found) < count:
        found[" ".join(draw.choices(_WORDS, k=11))] = None
    return list(found)
