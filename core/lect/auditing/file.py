"""The file that says what is audited: data, groups, templates and terms."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from lect.errors import DataError, RecipeError
from lect.evaluation.matrix.file import DatasetTable, MatrixDataset, datasets_of
from lect.fields import Line, tuple_of
from lect.recipes.tables import Table

Texts = Annotated[tuple[str, ...], BeforeValidator(tuple_of)]
Group = Literal["key", "language", "text_pair"]


class CounterfactualTable(Table):
    """Texts that differ in nothing but the group they speak of.

    Args:
        language: fills ``{language}`` in the stack.
        templates: texts with slots: ``{person} is a doctor``.
        path: a file with one template a line, instead of or besides `templates`; relative to the audit's file.
        substitutions: slot → group → words. Lists of one group are as long in every slot: the first words of all
            slots go together, then the second ones.
        reference: the group that the others are compared with; the first one where None.
    """

    name: Line
    language: Line = ""
    templates: Texts = ()
    path: str | None = Field(default=None, min_length=1)
    substitutions: dict[str, dict[str, Texts]]
    reference: Line | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, the reference first."""
        names = list(next(iter(self.substitutions.values())))
        return tuple(sorted(names, key=lambda name: name != (self.reference or names[0])))

    @model_validator(mode="after")
    def _fits(self) -> CounterfactualTable:
        if not self.templates and self.path is None:
            raise ValueError("should have templates = […] or a path")
        if not self.substitutions:
            raise ValueError("should have substitutions for at least one slot")
        shapes = {
            slot: {group: len(words) for group, words in groups.items()} for slot, groups in self.substitutions.items()
        }
        first = next(iter(shapes.values()))
        if any(shape != first for shape in shapes.values()):
            raise ValueError("should have the same groups, and as many words of a group, in every slot")
        if len(first) < 2 or not all(first.values()):
            raise ValueError("should have at least two groups, each with words")
        if self.reference is not None and self.reference not in first:
            raise ValueError(f'has no group "{self.reference}" to compare with')
        return self


class AuditFile(Table):
    """What is audited.

    Args:
        stack: may hold ``{language}``.
        group: the field of a row that names its group, besides its language; name its column as the reader's ``key``.
        terms: words whose company with labels is counted in the data.
    """

    title: Line = ""
    stack: str = ""
    group: Group = "language"
    components: str | None = Field(default=None, min_length=1)
    backbone: str | None = Field(default=None, min_length=1)
    terms: Texts = ()
    dataset: Annotated[tuple[DatasetTable, ...], BeforeValidator(tuple_of)] = ()
    counterfactual: Annotated[tuple[CounterfactualTable, ...], BeforeValidator(tuple_of)] = ()
    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self._folder

    @property
    def datasets(self) -> list[MatrixDataset]:
        """Every data set, patterns filled in."""
        return datasets_of(self.dataset)

    def about(self, stack: str) -> AuditFile:
        """The same of another stack."""
        copy = self.model_copy(update={"stack": stack})
        copy._folder = self._folder
        return copy

    @model_validator(mode="after")
    def _something(self) -> AuditFile:
        if not self.dataset and not self.counterfactual:
            raise ValueError("should have a [[dataset]] or a [[counterfactual]]")
        return self


def load_audit(path: Path) -> AuditFile:
    """The audit in a TOML file. Raises `RecipeError`."""
    from lect.toml import read_toml

    if not path.is_file():
        raise RecipeError("there is no such file", where=str(path), fix="name a TOML file with [[dataset]] tables")
    return audit_of(read_toml(path, RecipeError), str(path), path.parent)


def audit_of(values: Mapping[str, Any], name: str = "audit", folder: Path = Path()) -> AuditFile:
    """The audit with these values, as TOML has them.

    Args:
        name: what messages call it.
        folder: relative paths start from it.

    Raises:
        RecipeError: a field is wrong.
    """
    from lect.recipes.check import check_kind
    from lect.validation import validate_model, warn_of_deprecated

    check_kind(values, "audit", name)
    audit = validate_model(AuditFile, values, name)
    warn_of_deprecated(audit, name)
    audit._folder = folder
    return audit


def read_templates(table: CounterfactualTable, folder: Path, where: str) -> list[str]:
    """The templates of a table, each with at least one of its slots and no other.

    Raises:
        DataError: a template is broken; says which.
    """
    placed = [(text, f"{where}.templates[{index}]") for index, text in enumerate(table.templates)]
    if table.path is not None:
        file = folder / Path(table.path).expanduser()
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot be read ({error})", where=str(file)) from None
        placed += [(line, f"{file}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    for text, place in placed:
        _check_template(text, table.substitutions, place)
    return [text for text, _ in placed]


def _check_template(text: str, slots: Mapping[str, Any], where: str) -> None:
    try:
        named = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise DataError(f"is no template ({error})", where=where, fix="write a brace as {{ or }}") from None
    if not named:
        raise DataError("has no slot", where=where, fix=f"write one of {', '.join(f'{{{slot}}}' for slot in slots)}")
    if unknown := sorted(named - slots.keys()):
        known = ", ".join(f"{{{slot}}}" for slot in slots)
        raise DataError(f'has an unknown slot "{{{unknown[0]}}}"', where=where, fix=f"known: {known}")
