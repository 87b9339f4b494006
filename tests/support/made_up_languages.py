"""Texts of made-up languages, in several scripts, of which two have words in common."""

from __future__ import annotations

import random

_SYLLABLES = {
    "jv": "ka ri ang ing ora wis sa pan nga du lan sing wong bo ten",
    "su": "ka ri ang eu teh mah sa pan nga di jeung urang aya bo heu",
    "uk": "па ри ще він на ко ві ли не зна мо ра ти ше ї",
    "nqo": "ߞߊ ߙߌ ߊߟߎ ߌ ߣߊ ߡߐ ߜߍ ߦߋ ߘߐ ߟߊ ߓߍ ߣߌ ߕߐ ߝߊ ߒ",
}


def texts_of(language: str, count: int, seed: int = 0) -> list[str]:
    """Texts of eight words each."""
    draw = random.Random(f"{language} {seed}")
    syllables = _SYLLABLES[language].split()
    words = ["".join(draw.choices(syllables, k=draw.choice((1, 2, 2, 3)))) for _ in range(10_000 if seed else 400)]
    return [" ".join(draw.choices(words, k=8)) for _ in range(count)]
