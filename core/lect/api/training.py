"""Training from Python: of a recipe, of rows in memory, or in one line with sensible defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.api.components import SavedComponent, library_of
from lect.api.rows import Rows, examples_of, is_single, is_stream
from lect.data.written import record_of
from lect.errors import DataError, RecipeError
from lect.files import write_aside
from lect.host import Host
from lect.languages.tags import normalise
from lect.recipes.choice import LanguageFacts, choose_language, choose_task
from lect.recipes.recipe import Recipe, load_recipe, recipe_of
from lect.storage.library import Library

if TYPE_CHECKING:
    from lect.data.examples import Example
    from lect.training.callbacks.base import Callback


def train(
    recipe: str | Path | Recipe | Mapping[str, Any],
    data: Rows | None = None,
    *,
    validation: Rows | None = None,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    library: str | Path | Library | None = None,
    runs: str | Path = "runs",
    **columns: str,
) -> SavedComponent:
    """Train a component as a recipe says, and write it where stacks find it.

    Args:
        recipe: a file, a `lect.Recipe`, or its fields as a dictionary.
        data: training rows in memory, in the place of those that the recipe names. They are kept in the run's folder,
            so that the run can be resumed and repeated.
        validation: held-out rows in memory.
        callbacks: told of the run's events; they may stop it.
        resume: go on from the newest checkpoint of this recipe.
        library: the folder to write to; by default ``./components``.
        runs: the folder of checkpoints and measurements.
        columns: by field, the column of the rows that holds it: ``label="sentiment"``.

    Raises:
        RecipeError: a field of the recipe is wrong.
        DataError: a row lacks what is needed.
        Interrupted: Ctrl-C; a checkpoint is there to go on from.

    Example:
        >>> recipe = {
        ...     "component": {"name": "mood", "role": "task", "languages": ["en"]},
        ...     "parts": [{"method": "lora", "r": 8}],
        ...     "head": {"kind": "classification"},
        ...     "objective": {"name": "supervised"},
        ...     "training": {"steps": 4},
        ... }
        >>> rows = [{"text": "warm and bright", "mood": "good"}, {"text": "the grim cold", "mood": "bad"}]
        >>> lect.train(recipe, rows, label="mood").key
        'task:mood'
    """
    from lect.api.progress import ProgressLines, ask_for_no_widgets, progress_console
    from lect.training.prepare import prepare_run
    from lect.training.run import execute_run

    ask_for_no_widgets()
    host = Host.load()
    made = recipe_with_rows(recipe, host, data, validation, Path(runs), columns)
    run = prepare_run(made, host, library_of(library), runs=Path(runs))
    console = progress_console()
    told = [*callbacks] if console.is_terminal else [ProgressLines(), *callbacks]
    (trained,) = execute_run(run, console=console, resume=resume, callbacks=told)
    return SavedComponent.read(trained.folder)


def teach_language(
    pairs: Rows,
    language: str,
    *,
    name: str | None = None,
    backbone: str = "e5-small",
    licence: str = "",
    training: Mapping[str, Any] | None = None,
    validation: Rows | None = None,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    library: str | Path | Library | None = None,
    runs: str | Path = "runs",
    **columns: str,
) -> SavedComponent:
    """A language component from sentences and their translations into a language that the backbone knows.

    Args:
        pairs: sentences with their translations: pairs of texts, or rows with a column ``translation``.
        language: a BCP 47 tag, or a name.
        name: of the component; by default the tag.
        training: fields of the recipe's table ``training``, such as ``{"epochs": 4}``.
        validation: held-out sentences with their translations, as `pairs`. By default a tenth of the pairs, and 300 at
            most, where there are 800: what the component helps with is measured on them (its gate), and the epoch is
            kept in which most of them find their translations. Of fewer pairs all are learned from.
        callbacks, resume, library, runs, columns: as `train` takes them.

    Raises:
        DataError: a row has no translation, or the language is none.

    Example:
        >>> pairs = [("Panganan ing kene enak banget", "Makanan di sini enak sekali"), ("ora", "tidak")]
        >>> component = lect.teach_language(pairs, "Javanese", name="javanese", training={"epochs": 1})
        >>> component.key, component.manifest.languages
        ('lang:javanese', ('jv',))
    """
    from lect.api.progress import ask_for_no_widgets

    ask_for_no_widgets()
    tag = normalise(language)
    rows = list(examples_of(_with_translations(pairs), columns))
    choice = choose_language(_facts_of(rows, backbone))
    recipe = _with(choice.tables, "lang", name or tag, [tag], backbone, licence, training)
    if validation is None and choice.validation_share is not None:
        recipe["data"] = {"validation_share": choice.validation_share}
    return train(
        recipe,
        rows,
        validation=None if validation is None else list(examples_of(_with_translations(validation), columns)),
        callbacks=callbacks,
        resume=resume,
        library=library,
        runs=runs,
    )


def teach_task(
    rows: Rows,
    name: str,
    *,
    head: str | Mapping[str, Any] = "classification",
    languages: Sequence[str] = (),
    stack: str = "",
    layers: str | Sequence[int] | None = None,
    backbone: str = "e5-small",
    licence: str = "",
    training: Mapping[str, Any] | None = None,
    validation: Rows | None = None,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    library: str | Path | Library | None = None,
    runs: str | Path = "runs",
    **columns: str,
) -> SavedComponent:
    """A task component from labelled rows.

    Args:
        rows: with what the head learns from: a column ``label``, say.
        name: of the component.
        head: its kind, or its table: ``{"kind": "classification", "labels": ["no", "yes"]}``.
        languages: of the rows.
        stack: the language components that it is trained above.
        layers: those of the backbone that it acts in: ``"last 3"``, ``"all"``, or numbers from 1; by default
            the upper quarter where a text gets one answer, else all.
        training: fields of the recipe's table ``training``.
        validation: held-out rows, as `rows`.
        callbacks, resume, library, runs, columns: as `train` takes them.

    Raises:
        DataError: a row lacks what the head learns from.
        RecipeError: the backbone has no such layers.

    Example:
        >>> rows = lect.read("reviews.csv", label="mood")
        >>> mood = lect.teach_task(rows, "moods", languages=["en"], training={"epochs": 1})
        >>> lect.load(str(mood)).labels
        ('bad', 'good')
    """
    given: Any = rows
    given = list(given) if is_stream(rows) else given
    own = {"kind": head} if isinstance(head, str) else dict(head)
    choice = choose_task(str(own.get("kind")), 1 if is_single(given) else len(given))
    values = _with(choice.tables, "task", name, [normalise(each) for each in languages], backbone, licence, training)
    values["head"] = own
    if layers is not None:
        values["parts"][0]["layers"] = layers
    if stack:
        values["stack"] = str(stack)
    return train(
        values,
        given,
        validation=validation,
        callbacks=callbacks,
        resume=resume,
        library=library,
        runs=runs,
        **columns,
    )


def _facts_of(rows: Sequence[Example], backbone: str) -> LanguageFacts:
    """What a language's recipe is chosen by: how many pairs there are, and how the backbone's tokenizer takes them."""
    from lect.authoring.facts import facts_of
    from lect.host.backbones import read_tokens

    tokens = read_tokens(backbone, host=Host.load())
    return facts_of(backbone, tokens, [row.text for row in rows], pairs=len(rows))


def _with(
    defaults: Mapping[str, Any],
    role: str,
    name: str,
    languages: Sequence[str],
    backbone: str,
    licence: str,
    training: Mapping[str, Any] | None,
) -> dict[str, Any]:
    values = json.loads(json.dumps(defaults))
    values["component"] = {"name": name, "role": role, "languages": list(languages), "licence": licence}
    values["backbone"] = {"name": backbone}
    values["training"] |= dict(training or {})
    return dict(values)


def recipe_with_rows(
    given: str | Path | Recipe | Mapping[str, Any],
    host: Host,
    data: Rows | None,
    validation: Rows | None,
    runs: Path,
    columns: Mapping[str, str],
) -> Recipe:
    """The recipe, with rows in memory in the place of those that it names. Raises as `train`."""
    if data is None and validation is None:
        if columns:
            raise RecipeError(f'"{next(iter(columns))}" names a column, and no rows are given', fix="give data=…")
        if isinstance(given, str | Path):
            return load_recipe(given, host=host)
        return given if isinstance(given, Recipe) else recipe_of(given, host=host)
    if isinstance(given, str | Path):
        given = load_recipe(given)
    folder, label = (given.folder, given.name) if isinstance(given, Recipe) else (Path(), "recipe")
    values = given.model_dump(mode="json", exclude_unset=True) if isinstance(given, Recipe) else dict(given)
    component = values.get("component", {})
    place = runs / f"{component.get('role', 'lang')}-{component.get('name', 'unnamed')}" / "data"
    tables = dict(values.get("data", {}))
    for part, rows in (("train", data), ("validation", validation)):
        if rows is not None:
            tables[part] = {"reader": "examples", "path": str(_kept(rows, columns, place / f"{part}.jsonl"))}
    values["data"] = tables
    return recipe_of(values, name=label, folder=folder, host=host)


def _kept(rows: Rows, columns: Mapping[str, str], file: Path) -> Path:
    """The rows in a file that a recipe can name."""
    lines = [json.dumps(record_of(example), ensure_ascii=False) for example in examples_of(rows, columns)]
    if not lines:
        raise DataError("no rows are given", fix='give some, such as [("a text", "its translation")]')
    file.parent.mkdir(parents=True, exist_ok=True)
    write_aside(file, "".join(f"{line}\n" for line in lines))
    return file.absolute()


def _with_translations(rows: Rows) -> Rows:
    """The rows, pairs of texts among them with the second one as the translation; tables as they are."""
    given: Any = rows
    return map(_with_translation, given) if isinstance(rows, list | tuple) or is_stream(rows) else rows


def _with_translation(row: Any) -> Any:
    """A pair of texts as a row whose second text is the translation; any other row as it is."""
    return {"text": row[0], "translation": row[1]} if isinstance(row, tuple | list) and len(row) == 2 else row
