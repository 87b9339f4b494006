"""The objective that a recipe names, built: a single one, or several combined, and one for each stack of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lect.data.examples import Example
from lect.errors import DataError, PluginError
from lect.objectives import Objective, ObjectiveContext
from lect.recipes.recipe import Recipe
from lect.specs import HeadSpec, ObjectiveSpec
from lect.training.combined import CombinedObjective, Term

if TYPE_CHECKING:
    from lect.host import Host


def needed_fields(recipe: Recipe, host: Host) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that every training row must have, and those that every validation row must have.

    Where objectives are combined, a training row needs what all of them need, and a validation row what the first one
    needs, which has the main score.
    """
    if not recipe.objective.terms:
        needs = _needs_of(recipe, host, recipe.objective.name)
        if recipe.head is not None:
            needs = tuple(dict.fromkeys((*needs, *host.spec(HeadSpec, recipe.head.kind).needs)))
        return needs, needs
    each = [_needs_of(recipe, host, term.name) for term in recipe.objective.terms]
    return tuple(field for field in each[0] if all(field in needs for needs in each)), each[0]


def build_objective(recipe: Recipe, host: Host, context: ObjectiveContext) -> Objective:
    """The objective, for one run.

    Raises:
        UserError: its configuration is wrong, or it does not fit the run; a term has no row, or a row no term.
    """
    table, where = recipe.objective, f"{recipe.name}, objective"
    if not table.terms:
        return _build_one(host, table.name, table.config, where, context)
    needs = [_needs_of(recipe, host, term.name) for term in table.terms]
    for example in context.examples:
        if not any(_has_fields(own, example) for own in needs):
            raise DataError(
                "the row has no field that any objective learns from",
                where=example.origin or f"{recipe.name}, data.train",
                fix=f"name a column for one of: {', '.join(sorted({field for own in needs for field in own}))}",
            )
    terms = []
    for index, (term, own) in enumerate(zip(table.terms, needs, strict=True)):
        examples = [example for example in context.examples if _has_fields(own, example)]
        place = f"{where}.terms[{index}]"
        if not examples:
            fix = f"name a source whose rows have: {', '.join(own)}"
            raise DataError(f'no training row can be learned from by "{term.name}"', where=place, fix=fix)
        built = _build_one(host, term.name, term.config, place, replace(context, examples=examples))
        terms.append(Term(term.name, term.weight, built, partial(_has_fields, own)))
    return CombinedObjective(terms, context.encoder)


def build_by_stack(recipe: Recipe, host: Host, contexts: Mapping[str | None, ObjectiveContext]) -> Objective:
    """The objective over rows that go through several frozen stacks, each row through its own.

    Args:
        contexts: by `Example.stack`; scores of the first are the main ones, those of others bear its name in front.

    Raises:
        UserError: as `build_objective`.
    """
    if len(contexts) == 1:
        return build_objective(recipe, host, next(iter(contexts.values())))
    terms = [
        Term(_name_of(recipe, stack), 1.0, build_objective(recipe, host, context), partial(_goes_through, stack))
        for stack, context in contexts.items()
    ]
    return CombinedObjective(terms, next(iter(contexts.values())).encoder)


def _name_of(recipe: Recipe, stack: str | None) -> str:
    return (recipe.stack if stack is None else stack) or "bare"


def _goes_through(stack: str | None, example: Example) -> bool:
    return example.stack == stack


def _has_fields(needs: Sequence[str], example: Example) -> bool:
    return all(example.get(field) is not None for field in needs)


def _build_one(host: Host, name: str, values: Mapping[str, Any], where: str, context: ObjectiveContext) -> Objective:
    configured = host.configured(ObjectiveSpec, name, values, where)
    with host.attributed(configured) as spec:
        built: object = spec.build(configured.config, context)
    if not isinstance(built, Objective):
        raise PluginError(
            f'the objective "{name}" is built as a {type(built).__name__}, which is no lect.Objective',
            where=where,
            fix="derive the class from it",
        )
    return built


def _needs_of(recipe: Recipe, host: Host, name: str) -> tuple[str, ...]:
    needs = host.spec(ObjectiveSpec, name).needs
    if name == "supervised" and recipe.head is not None:
        # The head says what it learns from.
        needs = tuple(dict.fromkeys((*needs, *host.spec(HeadSpec, recipe.head.kind).needs)))
    return needs
