"""One recipe for several languages: what it says for each.

.. code-block:: toml

    [component]
    name = "{language}"
    role = "lang"
    languages = ["{tag}"]

    [data.train]
    text = "{column}"

    [fleet.jav]
    column = "javanese"

    [fleet.sun]
    column = "sundanese"
    set = ["training.epochs=12"]

In every text of the recipe ``{language}`` stands for the language as it is written, ``{tag}`` for its canonical BCP 47
form, and any other word in braces for what the language's own table says. Twice the braces, ``{{word}}``, mean the text
``{word}``. A language needs no table where these two words are enough. ``set`` holds changes for this language, as
``lect train --set`` takes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from lect.errors import DataError, RecipeError, nearest
from lect.fields import tuple_of
from lect.languages.tags import is_tag, normalise
from lect.recipes.recipe import Recipe, load_recipe
from lect.recipes.tables import Table
from lect.recipes.values import recipe_values

_WORD = re.compile(r"\{\{(\w+)\}\}|\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class LanguageRun:
    """What is trained for one language.

    Args:
        language: as it was written.
        recipe: the recipe as it stands for this language.
        changes: what ``lect train --set`` makes this recipe with, out of the fleet's.
    """

    language: str
    recipe: Recipe
    changes: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where its checkpoints and log go."""
        component = self.recipe.component
        return Path(self.recipe.output.folder or Path("runs") / f"{component.role}-{component.name}")


class LanguageTable(Table):
    """One language of a fleet: changes to the recipe, and what its words in braces stand for."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    set: Annotated[tuple[str, ...], BeforeValidator(tuple_of)] = ()

    @property
    def words(self) -> dict[str, Any]:
        """What stands for words in braces."""
        return dict(self.model_extra or {})


def plan_fleet(path: Path, languages: Sequence[str], changes: Sequence[str] = ()) -> tuple[LanguageRun, ...]:
    """What is trained for each language.

    Args:
        languages: those of the recipe's table ``[fleet]`` where none are given.
        changes: ``KEY=VALUE`` each, over all that the recipe says; words in braces count there, too.

    Raises:
        RecipeError: the recipe is wrong for one of them, or two would train the same component.
        DataError: a language is none.
    """
    changes = _as_texts(changes)
    values = recipe_values(path, changes)
    tables = _tables(values, path)
    languages = tuple(languages) or tuple(tables)
    if not languages:
        raise RecipeError(
            "no languages are named", where=str(path), fix="add --languages ace,jav, or a table [fleet.LANGUAGE] each"
        )
    _check_languages(languages)
    runs = tuple(_run(path, language, tables, changes) for language in languages)
    _check_apart(runs, path)
    return runs


def _tables(values: Mapping[str, Any], path: Path) -> dict[str, LanguageTable]:
    from lect.validation import validate_model, warn_of_deprecated

    if "train" in values and "component" not in values:
        raise RecipeError(
            "is a mixed recipe, which trains several components already", where=str(path), fix="run it with lect train"
        )
    stated = values.get("fleet", {})
    if not isinstance(stated, dict):
        raise RecipeError("should be a table of languages", where=f"{path}, fleet", fix="write [fleet.jav], say")
    tables = {}
    for language, table in stated.items():
        where = f"{path}, fleet.{language}"
        if not isinstance(table, dict):
            raise RecipeError("should be a table", where=where, fix=f"write [fleet.{language}]")
        tables[language] = validate_model(LanguageTable, table, where)
        warn_of_deprecated(tables[language], where)
        if taken := next((word for word in ("language", "tag") if word in table), None):
            raise RecipeError(
                f"{{{taken}}} has its meaning already", where=f"{where}.{taken}", fix="choose another word"
            )
    return tables


def _run(path: Path, language: str, tables: Mapping[str, LanguageTable], changes: Sequence[str]) -> LanguageRun:
    own = tables.get(language) or _table_of(language, tables)
    changes = (*_as_texts(own.set), *changes)
    values = recipe_values(path, changes)
    if "fleet" in values:
        del values["fleet"]
        changes = (*changes, "fleet=")
    words = {**own.words, "language": language, "tag": normalise(language)}
    known = {word for table in tables.values() for word in table.words} | {"language", "tag"}
    filled = _filled(values, words, known, f"{path}, for {language}")
    changes = (*changes, *filled)
    try:
        recipe = load_recipe(path, changes)
    except RecipeError as error:
        raise error.at(RecipeError, f"for {language}: {{}}".format) from None
    return LanguageRun(language, recipe, changes)


def _table_of(language: str, tables: Mapping[str, LanguageTable]) -> LanguageTable:
    """The table of a language that is written otherwise there: ``jav`` for ``jv``."""
    tag = normalise(language)
    return next((table for name, table in tables.items() if is_tag(name) and normalise(name) == tag), LanguageTable())


def _filled(values: Mapping[str, Any], words: Mapping[str, Any], known: Iterable[str], where: str) -> Iterator[str]:
    """A change for each text that has words in braces."""

    def stands_for(place: str, found: re.Match[str]) -> str:
        if found[1]:
            return f"{{{found[1]}}}"
        word = found[2]
        if word in words:
            return str(words[word])
        fix = nearest(word, {*known, *words})
        if word in known:
            fix = f'say what it is: {word} = "…" in [fleet.{words["language"]}]'
        raise RecipeError(f"nothing says what {{{word}}} stands for", where=f"{where}, {place}", fix=fix)

    for place, text in _texts(values):
        if _WORD.search(text):
            whole = _WORD.fullmatch(text)
            if whole and whole[2] in words:
                # A number or a list stays what it is where it is all there is.
                yield f"{place}={_toml_value(words[whole[2]])}"
            else:
                filled = _WORD.sub(partial(stands_for, place), text)
                yield f"{place}={_toml_value(filled)}"


def _as_texts(changes: Iterable[str]) -> tuple[str, ...]:
    """The changes, with quotes round values that begin with a word in braces, which TOML would take for a table."""
    parted = [change.partition("=") for change in changes]
    return tuple(
        f"{key}={_toml_value(value.strip())}" if _WORD.match(value.strip()) else f"{key}{equals}{value}"
        for key, equals, value in parted
    )


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping | list):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _texts(inner, f"{place}.{key}" if place else str(key))


def _toml_value(value: Any) -> str:
    # What JSON escapes in a text, TOML reads the same; of all other values only lists and numbers stand here.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check_languages(languages: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for language in languages:
        try:
            tag = normalise(language)
        except DataError as error:
            raise DataError(error.what, where="--languages", fix=error.fix) from None
        if tag in seen:
            raise RecipeError(
                f'"{seen[tag]}" and "{language}" are the same language', where="--languages", fix="name it once"
            )
        seen[tag] = language


def _check_apart(runs: Sequence[LanguageRun], path: Path) -> None:
    keys: dict[str, str] = {}
    folders: dict[Path, str] = {}
    for run in runs:
        if other := keys.get(run.recipe.key):
            raise RecipeError(
                f'{other} and {run.language} would both train "{run.recipe.key}"',
                where=f"{path}, component.name",
                fix='write name = "{language}" there, or add --set component.name={language}',
            )
        if other := folders.get(run.folder):
            raise RecipeError(
                f"{other} and {run.language} would both run in {run.folder}",
                where=f"{path}, output.folder",
                fix="write {language} into it, or leave it out",
            )
        keys[run.recipe.key] = folders[run.folder] = run.language
