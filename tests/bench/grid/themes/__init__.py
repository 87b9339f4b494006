"""The themes of the grid, in the order of their importance."""

from __future__ import annotations

from collections.abc import Sequence

from grid.job import Theme


def all_themes() -> Sequence[Theme]:
    """Every theme."""
    from grid.themes import bambara, initialisers, nko, nusax, tasks

    return (nko.theme(), nusax.theme(), bambara.theme(), tasks.theme(), initialisers.theme())
