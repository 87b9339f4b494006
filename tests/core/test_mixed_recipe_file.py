"""Mixed recipes: read with the recipes they name, and refused with the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lect.errors import RecipeError
from lect.recipes.load import load_any_recipe, mixed_recipe_of, mixed_recipe_text
from lect.recipes.mix import MixedRecipe
from lect.recipes.recipe import Recipe, load_recipe
from lect.toml import parse_toml

LANGUAGE = """\
[component]
name = "jav"
role = "lang"

[[parts]]
method = "bottleneck"

[objective]
name = "alignment"

[data.train]
reader = "csv"
path = "train.csv"
text = "javanese"
translation = "indonesian"

[training]
epochs = 3
patience = 1
learning_rate = 1e-3

[data]
validation_share = 0.1
"""

TASK = """\
[component]
name = "topic"
role = "task"

[head]
kind = "classification"

[objective]
name = "supervised"

[data.train]
reader = "csv"
path = "topics.csv"
label = "topic"
"""

MIX = """\
[train]
temperature = 2

[[train.mix]]
recipe = "parts/language.toml"

[[train.mix]]
recipe = "parts/language.toml"
set = ["component.name=sun", "data.train.text=sundanese"]
weight = 0.5

[[train.mix]]
recipe = "task.toml"

[training]
steps = 100
batch_size = 48
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/language.toml").write_text(LANGUAGE, encoding="utf-8")
    (tmp_path / "task.toml").write_text(TASK, encoding="utf-8")

    def writer(text: str, name: str = "mix.toml") -> Path:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return writer


def load(path: Path, *overrides: str) -> MixedRecipe:
    recipe = load_any_recipe(path, overrides)
    assert isinstance(recipe, MixedRecipe)
    return recipe


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_any_recipe(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_a_mixed_recipe_holds_the_recipes_it_names(write: Any) -> None:
    path = write(MIX)
    mixed = load(path, "training.steps=10", "train.mix.2.weight=3")
    assert (mixed.train.temperature, mixed.training.steps, mixed.training.epochs) == (2.0, 10, None)
    assert [entry.weight for entry in mixed.train.mix] == [1.0, 0.5, 3]
    assert [recipe.key for recipe in mixed.recipes] == ["lang:jav", "lang:sun", "task:topic"]
    assert mixed.recipes[1].data.train[0].config["text"] == "sundanese"
    assert mixed.recipes[0].training.learning_rate == 1e-3
    # Paths of the data stay relative to the recipe that names them.
    assert [recipe.folder for recipe in mixed.recipes] == [path.parent / "parts"] * 2 + [path.parent]
    assert mixed.recipes[1].name == f"{path}, train.mix[1]: {path.parent}/parts/language.toml"
    assert mixed.stem == "mix"


def test_what_has_a_component_is_a_single_recipe(write: Any) -> None:
    path = write(TASK, "one.toml")
    assert load_any_recipe(path) == load_recipe(path)
    assert isinstance(load_any_recipe(path), Recipe)
    with pytest.raises(RecipeError, match="mixes several recipes; name one with a"):
        load_recipe(write(MIX))


def test_what_is_written_loads_to_an_equal_recipe(write: Any) -> None:
    path = write(MIX)
    mixed = load(path)
    text = mixed_recipe_text(mixed)
    again = mixed_recipe_of(parse_toml(text, RecipeError, where="text"), folder=path.parent)
    assert again.model_dump() == mixed.model_dump()
    assert [recipe.to_toml() for recipe in again.recipes] == [recipe.to_toml() for recipe in mixed.recipes]
    assert mixed_recipe_text(again) == text
    assert "learning_rate" not in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("temperature", "temprature", 'train.temprature: unknown field "temprature"; did you mean "temperature"?'),
        ("temperature = 2", "temperature = 0", "train.temperature: input should be greater than 0, not 0"),
        ("weight = 0.5", "weight = -1", "train.mix[1].weight: input should be greater than 0, not -1"),
        ("weight = 0.5", "wieght = 1", 'train.mix[1].wieght: unknown field "wieght"; did you mean "weight"?'),
        ("steps = 100", "step = 100", 'training.step: unknown field "step"; did you mean "steps"?'),
        ("[training]", "[trainin]", 'trainin: unknown field "trainin"; did you mean'),
        (
            "steps = 100",
            "steps = 100\nlearning_rate = 1e-3",
            'training: "learning_rate" is said by each recipe; write it there, or into its set',
        ),
        ("steps = 100", "steps = 100\nepochs = 1", "training.steps: cannot stand beside training.epochs"),
        (
            'recipe = "task.toml"',
            'recipe = "tsak.toml"',
            'train.mix[2]: tsak.toml: there is no such file; did you mean "task.toml"?',
        ),
        (
            "component.name=sun",
            "component.nam=sun",
            'train.mix[1]: parts/language.toml, component.nam: unknown field "nam"; did you mean "name"?',
        ),
        ("component.name=sun", "component.name", 'train.mix[1]: set "component.name": is not KEY=VALUE'),
        (
            '"component.name=sun", ',
            "",
            'train.mix[1]: trains "lang:jav", and so does train.mix[0]; name it otherwise, with set',
        ),
        (
            '"component.name=sun"',
            '"component.name=sun", "backbone.name=other", "backbone.pooling=first"',
            'train.mix[1]: is for the backbone "other" with pooling \'first\', and train.mix[0] says "e5-small"',
        ),
        (
            "[train]",
            '[backbone]\nname = "mine"\n[train]',
            'train.mix[0]: is for the backbone "e5-small", and backbone says "mine"; say the same everywhere',
        ),
        (
            'recipe = "task.toml"',
            'recipe = "task.toml"\nset = ["stack=lang:ban + lang:sun"]',
            'train.mix[2]: task.toml, stack: "lang:sun" is frozen there, and learns in the same run; train',
        ),
        (
            "component.name=sun",
            "component.name=sun', 'objective.target=lang:jav",
            'parts/language.toml, objective.target: "lang:jav" is frozen there',
        ),
        ('recipe = "task.toml"', 'recipe = "mix.toml"', "train.mix[2]: mix.toml: mixes several recipes itself"),
        ("[training]\n", "[training\n", "line 15, column 10: not valid TOML"),
    ],
)
def test_mistakes_are_located(write: Any, old: str, new: str, message: str) -> None:
    assert old in MIX
    shown = refusal(write(MIX.replace(old, new.replace("', '", '", "'), 1)))
    assert shown.startswith("mix.toml, ")
    assert message in shown


def test_nothing_to_mix(write: Any) -> None:
    assert "train.mix: this field is missing" in refusal(write("[train]\ntemperature = 1.0\n"))
    assert "train.mix: should be at least one recipe" in refusal(write("[train]\nmix = []\n"))


def test_patience_needs_something_to_validate_on(write: Any) -> None:
    path = write(MIX)
    assert load(path, "training.patience=2").training.patience == 2
    only_task = MIX.replace(MIX[MIX.index("[[train.mix]]") : MIX.index('[[train.mix]]\nrecipe = "task.toml"')], "")
    assert "training.patience: patience needs validation" in refusal(write(only_task), "training.patience=2")


def test_the_example_mixes_four_languages() -> None:
    mixed = load(Path(__file__).parents[2] / "examples/nusax/mix.toml")
    assert [recipe.key for recipe in mixed.recipes] == ["lang:ace", "lang:min", "lang:sun", "lang:jav"]
    columns = [recipe.data.train[0].config["text"] for recipe in mixed.recipes]
    assert columns == ["acehnese", "minangkabau", "sundanese", "javanese"]
    assert [recipe.component.languages for recipe in mixed.recipes] == [("ace",), ("min",), ("su",), ("jv",)]
