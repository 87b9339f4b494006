"""The file that says which stacks are scored in which languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PositiveInt, PrivateAttr, field_validator, model_validator

from lect.data.dataset import Source
from lect.errors import RecipeError, StackError, nearest
from lect.fields import Line, tuple_of
from lect.recipes.tables import OpenTable, Table

Lines = Annotated[tuple[Line, ...], BeforeValidator(tuple_of)]
_LANGUAGE = "{language}"


class DatasetTable(OpenTable):
    """Test data: a reader with its configuration beside it, of one language, or of several by one pattern.

    Args:
        language: its tag; texts of the configuration may hold ``{language}``.
        languages: several tags, each of which makes a data set of its own.
        name: how reports call it, where several are of one language; may hold ``{language}``.
    """

    reader: str = Field(min_length=1)
    language: Line | None = None
    languages: Lines = ()
    name: Line = _LANGUAGE
    licence: Line = ""

    @model_validator(mode="after")
    def _some_language(self) -> DatasetTable:
        if (self.language is None) == (not self.languages):
            raise ValueError('should have either language = "…" or languages = […]')
        return self


class StackTable(Table):
    """A stack, or a pattern of one: ``lang:{language} + task:sentiment``.

    Args:
        stack: "" for the bare backbone.
        fallback: scored instead in languages for which a component of the pattern is absent.
        name: how reports call it.
    """

    stack: str
    fallback: str | None = None
    name: Line = ""


class MatrixFile(Table):
    """Languages × stacks.

    Args:
        source: the language that the tasks were trained in, against which gaps are counted.
        baseline: the name of the stack that the others are tested against; the first one where None.
        backbone: instead of the one that the components were trained on.
        components: a folder of components, relative to the file; by default those where stacks find them.
        runs: the folder of training runs, whose ``metrics.jsonl`` give learning curves.
        resamples: of the paired tests.
        note: sentences about the data and the stacks, for readers of the report.
    """

    title: Line = ""
    note: str = ""
    source: Line | None = None
    baseline: Line | None = None
    backbone: str | None = Field(default=None, min_length=1)
    components: str | None = Field(default=None, min_length=1)
    runs: str = "runs"
    resamples: PositiveInt = 10_000
    alpha: float = Field(default=0.05, gt=0, lt=1)
    dataset: Annotated[tuple[DatasetTable, ...], BeforeValidator(tuple_of)]
    stack: Annotated[tuple[StackTable, ...], BeforeValidator(tuple_of)]
    _folder: Path = PrivateAttr(default=Path())

    @field_validator("dataset", "stack")
    @classmethod
    def _some(cls, tables: tuple[Any, ...]) -> tuple[Any, ...]:
        if not tables:
            raise ValueError("should be at least one")
        return tables

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self._folder

    @property
    def datasets(self) -> list[MatrixDataset]:
        """Every data set, patterns filled in."""
        return datasets_of(self.dataset)

    @property
    def stacks(self) -> list[MatrixStack]:
        """Every stack, in order, each with a name."""
        return [
            MatrixStack(table.name or table.stack or "bare backbone", table.stack, table.fallback)
            for table in self.stack
        ]


@dataclass(frozen=True)
class MatrixDataset:
    """A data set of one language."""

    name: str
    language: str
    source: Source
    where: str


@dataclass(frozen=True)
class MatrixStack:
    """A named pattern of a stack."""

    name: str
    pattern: str
    fallback: str | None

    def text(self, language: str) -> str:
        """The stack for a language."""
        return _filled(self.pattern, language)

    def fallback_text(self, language: str) -> str | None:
        """What is scored where a component of `text` is absent."""
        return None if self.fallback is None else _filled(self.fallback, language)

    @property
    def is_pattern(self) -> bool:
        """Whether it differs from language to language."""
        return _LANGUAGE in self.pattern


def load_matrix(path: Path) -> MatrixFile:
    """The matrix in a TOML file. Raises `RecipeError` where it cannot be read, and as `matrix_of`."""
    from lect.toml import read_toml

    if not path.is_file():
        fix = "name a TOML file with [[dataset]], [[stack]]"
        if str(path).startswith(("lang:", "task:")):
            fix = f'a stack goes with --stack: -s "{path}"'
        raise RecipeError("there is no such file", where=str(path), fix=fix)
    return matrix_of(read_toml(path, RecipeError), str(path), path.parent)


def matrix_of(values: Mapping[str, Any], name: str = "matrix", folder: Path = Path()) -> MatrixFile:
    """The matrix with these values, as TOML has them.

    Args:
        name: what messages call it.
        folder: relative paths start from it.

    Raises:
        RecipeError: a field is wrong, two data sets or stacks have one name, or the source or the baseline is none of
            them.
        StackError: a stack does not parse.
    """
    from lect.composition.stack import parse_stack
    from lect.recipes.check import check_kind
    from lect.validation import validate_model, warn_of_deprecated

    check_kind(values, "matrix", name)
    matrix = validate_model(MatrixFile, values, name)
    warn_of_deprecated(matrix, name)
    datasets, stacks = matrix.datasets, matrix.stacks
    for kind, names in (("dataset", [each.name for each in datasets]), ("stack", [each.name for each in stacks])):
        twice = next((each for each in names if names.count(each) > 1), None)
        if twice is not None:
            raise RecipeError(f'"{twice}" is there twice', where=f"{name}, {kind}", fix='tell them apart by name = "…"')
    languages = {each.language for each in datasets}
    if matrix.source is not None and matrix.source not in languages:
        raise RecipeError(
            f'no data set is of the language "{matrix.source}"',
            where=f"{name}, source",
            fix=nearest(matrix.source, languages),
        )
    if matrix.baseline is not None and matrix.baseline not in {each.name for each in stacks}:
        raise RecipeError(
            f'no stack is named "{matrix.baseline}"',
            where=f"{name}, baseline",
            fix=nearest(matrix.baseline, [each.name for each in stacks]),
        )
    for index, stack in enumerate(stacks):
        for text in (stack.text("eng"), stack.fallback_text("eng")):
            try:
                parse_stack(text or "")
            except StackError as error:
                raise StackError(error.what, where=f"{name}, stack[{index}]: {error.where}", fix=error.fix) from None
    matrix._folder = folder
    return matrix


def datasets_of(tables: Sequence[DatasetTable]) -> list[MatrixDataset]:
    """The data sets of tables, one a language, patterns filled in."""
    return [
        MatrixDataset(
            name=_filled(table.name, language),
            language=language,
            source=Source(table.reader, _filled_deep(table.config, language), table.licence),
            where=f"dataset[{index}]",
        )
        for index, table in enumerate(tables)
        for language in (table.languages or (table.language or "",))
    ]


def _filled(text: str, language: str) -> str:
    return text.replace(_LANGUAGE, language)


def _filled_deep(value: Any, language: str) -> Any:
    if isinstance(value, str):
        return _filled(value, language)
    if isinstance(value, dict):
        return {key: _filled_deep(inner, language) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled_deep(inner, language) for inner in value]
    return value
