"""Whether a recipe gives its component a licence that its data allows."""

from __future__ import annotations

from collections.abc import Iterator

from lect.components.licences import licence_conflicts
from lect.data.read import Source
from lect.recipes.schema import Recipe


def licence_notes(recipe: Recipe) -> Iterator[str]:
    """A line for each source of the training data whose licence the component's does not keep to.

    None where the recipe says why its licence is right (`card.licence_reason`).
    """
    if recipe.card is not None and recipe.card.licence_reason:
        return
    switching = recipe.data.code_switching
    tables = (*recipe.data.train, *(switching.dictionary if switching else ()))
    sources = [(str(Source(table.reader, table.config)), table.licence) for table in tables]
    for conflict in licence_conflicts(recipe.component.licence, sources):
        yield f"{recipe.key}: {conflict}; lect push refuses that, unless card.licence_reason says why it is right"
