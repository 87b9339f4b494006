"""Initialisers of new tokens on N'Ko and Bambara: nothing but the new embeddings learns, for 100 steps (issue 5)."""

from __future__ import annotations

from grid.job import Compare, Job, Table, Theme

LANGUAGES = {"nqo_Nkoo": "N'Ko", "bam_Latn": "Bambara"}
INITIALISERS = ("focus", "translations", "random", "mean", "overlap", "factorised", "dictionary")
STEPS, TOKENS, ROWS = 100, 4000, 3200


def theme() -> Theme:
    """All of it."""
    title = f"recall@1 among 1,012, before and after {STEPS} steps of 32 pairs, {TOKENS:,} tokens"
    jobs = [
        Job(
            f"initialisers/{name}-{language}",
            (Compare("initialisers", LANGUAGES[language], language, name, STEPS, TOKENS, ROWS),),
            later=2,
        )
        for name in INITIALISERS
        for language in LANGUAGES
    ]
    return Theme("initialisers", jobs, (Table("initialisers", title),))
