"""A folder in which the Python of the documentation runs in seconds: tiny model, data and components."""

from __future__ import annotations

import random
from pathlib import Path

import lect
from lect.testing.backbones import save_tiny_backbone

_WORDS = {"good": ("great", "happy", "bright", "warm"), "bad": ("grim", "sad", "dark", "cold")}
_LANGUAGE = {
    "parts": [{"method": "bottleneck", "reduction_factor": 16}],
    "objective": {"name": "alignment"},
    "training": {"epochs": 2, "precision": "float32"},
}
_TASK = {
    "head": {"kind": "classification"},
    "objective": {"name": "supervised"},
    "training": {"epochs": 12, "batch_size": 16, "learning_rate": 3e-3, "precision": "float32"},
}


def sentences(count: int) -> list[dict[str, str]]:
    """Rows of few words, of which one or two say the label."""
    generator, rows = random.Random(0), []
    for _ in range(count):
        mood = generator.choice(sorted(_WORDS))
        words = [*generator.choices(_WORDS[mood], k=2), *generator.choices(("the", "a", "day", "and"), k=2)]
        generator.shuffle(words)
        rows.append({"text": " ".join(words), "mood": mood})
    return rows


def backbone_of_studio(folder: Path) -> Path:
    """The tiny model in the place of `e5-small`."""
    return save_tiny_backbone(folder / "backbone", "xlm-roberta", seed=0)


def fill_studio(folder: Path) -> None:
    """Write data, train `lang:jav`, `lang:sun`, `task:sentiment` and `task:tuned`, and give one to a registry.

    The current folder is this one, and `e5-small` the tiny model.
    """
    rows = [{"text": "a great and happy day", "mood": "good"}, *sentences(160)]
    lines = "".join(f"{row['text']},{row['mood']}\n" for row in rows)
    (folder / "reviews.csv").write_text(f"text,mood\n{lines}", encoding="utf-8")
    pairs = [(row["text"][::-1], row["text"]) for row in rows[:40]]
    (folder / "pairs.tsv").write_text("".join(f"{own}\t{other}\n" for own, other in pairs), encoding="utf-8")
    recipe = {
        "component": {"name": "mood", "role": "task"},
        "data": {"train": {"reader": "csv", "path": "reviews.csv", "label": "mood"}},
    }
    lect.recipe_of({**_TASK, **recipe}).to_toml(folder / "recipe.toml")
    for name, tag in (("jav", "jv"), ("sun", "su")):
        about = {"name": name, "role": "lang", "languages": [tag], "licence": "CC0-1.0"}
        lect.train({"component": about, **_LANGUAGE}, [{"text": a, "translation": b} for a, b in pairs])
    for name, part in (("sentiment", {"method": "full"}), ("tuned", {"method": "lora", "r": 4})):
        about = {"name": name, "role": "task", "languages": ["en"], "licence": "CC0-1.0"}
        task = lect.train({"component": about, "parts": [part], **_TASK}, rows, label="mood")
        if name == "sentiment":
            (folder / "our-registry").mkdir()
            task.push("our-registry")
