"""A recipe's parts in the terms of their methods, as they are built and as manifests keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lect.errors import RecipeError
from lect.recipes.layers import chosen_layers
from lect.recipes.recipe import Recipe
from lect.specs import MethodSpec
from lect.storage.manifest import PartEntry

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.host import Host


def part_entries(recipe: Recipe, host: Host, backbone: Backbone) -> tuple[PartEntry, ...]:
    """Each part's method with its configuration, in which the layers that the recipe chooses are the method's fields.

    Raises:
        RecipeError: the backbone has no such layers, or the method cannot be kept to them.
    """
    entries = []
    for index, part in enumerate(recipe.parts):
        config = part.config
        if part.layers is not None and part.layers != "all":
            where = f"{recipe.name}, parts[{index}]"
            configured = host.configured(MethodSpec, part.method, config, where)
            where = f"{where}.layers"
            if configured.spec.in_layers is None:
                able = sorted(name for name, each in host.specs(MethodSpec).items() if each.spec.in_layers)
                raise RecipeError(
                    f'the method "{part.method}" cannot be kept to some layers',
                    where=where,
                    fix=f"leave it out; those that can are: {', '.join(able)}",
                )
            numbers = chosen_layers(part.layers, len(backbone.anatomy.layers), backbone.name, where)
            with host.attributed(configured) as spec:
                assert spec.in_layers is not None
                try:
                    config |= spec.in_layers(configured.config, numbers, backbone)
                except RecipeError as error:
                    raise RecipeError(error.what, where=where, fix=error.fix) from error
        entries.append(PartEntry(method=part.method, config=config))
    return tuple(entries)
