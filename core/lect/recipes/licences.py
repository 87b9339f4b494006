"""Whether a recipe gives its component a licence that its data allows."""

from __future__ import annotations

from collections.abc import Iterator

from lect.data.dataset import Source
from lect.recipes.recipe import Recipe
from lect.storage.licences import licence_conflicts


def licence_notes(recipe: Recipe) -> Iterator[str]:
    """A line where the recipe names no licence, and for each source of the data whose licence it does not keep to.

    None of the latter where the recipe says why its licence is right (`card.licence_reason`).
    """
    if not recipe.component.licence:
        yield (
            f"{recipe.key}: the recipe names no licence, without which nobody may use the component and lect push "
            f"refuses it: set component.licence, or later lect components card {recipe.key} --licence CC-BY-4.0"
        )
    if recipe.card is not None and recipe.card.licence_reason:
        return
    switching = recipe.data.code_switching
    tables = (*recipe.data.train, *(switching.dictionary if switching else ()))
    sources = [(str(Source(table.reader, table.config)), table.licence) for table in tables]
    for conflict in licence_conflicts(recipe.component.licence, sources):
        yield f"{recipe.key}: {conflict}; lect push refuses that, unless card.licence_reason says why it is right"
