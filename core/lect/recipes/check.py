"""Every mistake of a recipe at once: in its own fields, and in what its tables say to plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lect.errors import RecipeError, StackError, UserError

if TYPE_CHECKING:
    from lect.host import Host
    from lect.spec import ConfiguredSpec

FileKind = Literal["recipe", "matrix", "audit"]
_FOR = {"recipe": "lect train", "matrix": "lect eval", "audit": "lect audit"}
_SPLITS = ("train", "validation", "evaluation")


def check_kind(values: Mapping[str, Any], wanted: FileKind, name: Path | str) -> None:
    """Refuse a file that is for another command, rather than call all of its tables unknown. Raises `RecipeError`."""
    found: FileKind | None = None
    if "component" in values or ("train" in values and "dataset" not in values):
        found = "recipe"
    elif isinstance(values.get("dataset"), list | dict):
        is_matrix = isinstance(values.get("stack"), list | dict)
        found = "matrix" if is_matrix else "audit" if values.keys() & {"counterfactual", "group", "terms"} else None
    if found not in (None, wanted):
        article = "an" if found == "audit" else "a"
        raise RecipeError(
            f"is {article} {found}, not {'an' if wanted == 'audit' else 'a'} {wanted}",
            where=str(name),
            fix=f"give it to another command: {_FOR[found]} {name}",
        )


def mistakes_of_stacks(values: Mapping[str, Any], name: str) -> list[UserError]:
    """What is wrong with the stacks in a recipe's values, each mistake with its column.

    What is no text at all, the recipe's model refuses.
    """
    from lect.composition.stack import parse_stack

    objective = values.get("objective")
    stacks = {"stack": values.get("stack")}
    if isinstance(objective, Mapping):
        stacks["objective.target"] = objective.get("target")
    found: list[UserError] = []
    for place, stack in stacks.items():
        try:
            if isinstance(stack, str):
                parse_stack(stack)
        except StackError as error:
            column = (error.where or "").removeprefix("stack")
            found.append(RecipeError(error.what, where=f"{name}, {place}{column}", fix=error.fix))
    return found


def mistakes_for_plugins(values: Mapping[str, Any], host: Host, name: str) -> list[UserError]:
    """What is wrong in the tables that plugins read: methods, heads, objectives and readers.

    What is no table, or names no plugin's thing at all, the recipe's model refuses.
    """
    from lect.validation import warn_of_deprecated

    found: list[UserError] = []
    for place, kind, label, own, table in _tables(values):
        if not isinstance(table, Mapping) or not isinstance(table.get(label), str):
            continue
        config = {key: value for key, value in table.items() if key not in own}
        try:
            configured = host.configured(kind, table[label], config, f"{name}, {place}")
            warn_of_deprecated(configured.config, f"{name}, {place}")
        except RecipeError as error:
            found += error.each
        except UserError as error:
            # That no plugin has it is said without a place.
            found.append(error.at(type(error), partial(_or, f"{name}, {place}.{label}")))
    return found


def in_order(mistakes: Sequence[UserError], values: Mapping[str, Any], name: str) -> list[UserError]:
    """The mistakes of each place once, in the order in which the recipe has its tables."""
    tables = [str(key) for key in values]

    def table(mistake: UserError) -> int:
        place = (mistake.where or "").removeprefix(f"{name}, ")
        return next((at for at, key in enumerate(tables) if place.startswith(key)), len(tables))

    once: dict[str | None, UserError] = {}
    for mistake in mistakes:
        once.setdefault(mistake.where, mistake)
    return sorted(once.values(), key=table)


def _or(otherwise: str, where: str | None) -> str:
    return where or otherwise


def _tables(values: Mapping[str, Any]) -> Iterator[tuple[str, type[ConfiguredSpec], str, frozenset[str], Any]]:
    """What plugins are asked for: its place, kind, the key that names it, the recipe's own keys, and the table."""
    from lect.recipes.schema import DataTable, HeadTable, ObjectiveTable, PartTable, TermTable
    from lect.recipes.tables import Table
    from lect.specs import HeadSpec, MethodSpec, ObjectiveSpec, ReaderSpec

    def own(table: type[Table]) -> frozenset[str]:
        return frozenset(table.model_fields)

    parts, objective, data = (values.get(key) for key in ("parts", "objective", "data"))
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        yield f"parts[{index}]", MethodSpec, "method", own(PartTable), part
    yield "head", HeadSpec, "kind", own(HeadTable), values.get("head")
    if isinstance(objective, Mapping) and objective.get("name") != "combined":
        yield "objective", ObjectiveSpec, "name", own(ObjectiveTable), objective
    elif isinstance(objective, Mapping) and isinstance(objective.get("terms"), list):
        for index, term in enumerate(objective["terms"]):
            yield f"objective.terms[{index}]", ObjectiveSpec, "name", own(TermTable), term
    if not isinstance(data, Mapping):
        return
    for split in _SPLITS:
        sources = data.get(split)
        for index, source in enumerate(sources if isinstance(sources, list) else (sources,)):
            place = f"data.{split}[{index}]" if isinstance(sources, list) else f"data.{split}"
            yield place, ReaderSpec, "reader", own(DataTable), source
