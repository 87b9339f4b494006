"""What a fleet's recipe says for each language."""

from __future__ import annotations

import pytest

from lect.errors import DataError, RecipeError
from lect.fleet.plan import plan_fleet
from lect.recipes.load import load_any_recipe
from lect.recipes.recipe import load_recipe

RECIPE = """
[component]
name = "{language}"
role = "lang"
languages = ["{tag}"]
summary = "of {{language}}, {column} and {column}"

[[parts]]
method = "full"

[objective]
name = "alignment"

[data.train]
reader = "csv"
path = ["raw/{language}.csv", "more.csv"]
text = "{column}"
translation = "indonesian"

[training]
epochs = 3

[fleet.jav]
column = "javanese"

[fleet.sun]
column = "sundanese"
set = ["training.epochs=12", "data.train.translation={column}"]
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "many.toml"
    path.write_text(RECIPE, "utf-8")
    return path


def test_words_in_braces_stand_for_what_the_languages_table_says(recipe):
    javanese, sundanese = plan_fleet(recipe, ())
    assert (javanese.language, javanese.recipe.key, javanese.recipe.component.languages) == ("jav", "lang:jav", ("jv",))
    assert javanese.recipe.data.train[0].config == {
        "path": ["raw/jav.csv", "more.csv"],
        "text": "javanese",
        "translation": "indonesian",
    }
    assert javanese.recipe.component.summary == "of {language}, javanese and javanese"
    assert str(javanese.folder) == "runs/lang-jav"
    assert (javanese.recipe.training.epochs, sundanese.recipe.training.epochs) == (3, 12)
    assert sundanese.recipe.data.train[0].config["translation"] == "sundanese"


def test_the_changes_alone_make_the_same_recipe_for_lect_train(recipe):
    for run in plan_fleet(recipe, ("sun",), ["training.seed=7"]):
        assert load_recipe(recipe, run.changes) == run.recipe
        assert run.recipe.training.seed == 7


def test_the_command_line_wins_over_the_languages_table(recipe):
    (run,) = plan_fleet(recipe, ("sun",), ["training.epochs=1"])
    assert run.recipe.training.epochs == 1


def test_a_number_stays_one_where_it_is_all_there_is(recipe):
    text = RECIPE.replace("epochs = 3", 'epochs = "{epochs}"').replace("[fleet.jav]", "[fleet.jav]\nepochs = 4")
    recipe.write_text(text, "utf-8")
    assert plan_fleet(recipe, ("jav",))[0].recipe.training.epochs == 4


def test_a_language_without_a_table_needs_none_where_tag_and_name_are_enough(recipe):
    (run,) = plan_fleet(recipe, ("ff-Adlm",), ["data.train.text=text", "component.summary="])
    assert (run.recipe.key, run.recipe.component.languages) == ("lang:ff-Adlm", ("ff-Adlm",))


@pytest.mark.parametrize(
    ("languages", "changes", "message"),
    [
        (("ban",), (), r'say what it is: column = "…" in \[fleet.ban\]'),
        (("jav",), ("component.summary={colum}",), r'what \{colum\} stands for; did you mean "column"'),
        (("jav", "jv"), (), '"jav" and "jv" are the same language'),
        (("jav", "sun"), ("component.name=one",), 'jav and sun would both train "lang:one"'),
        (("jav", "sun"), ("output.folder=here",), "jav and sun would both run in here"),
        (("jav",), ("training.epoch=2",), 'for jav: .*unknown field "epoch"; did you mean "epochs"'),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(recipe, languages, changes, message):
    with pytest.raises(RecipeError, match=message):
        plan_fleet(recipe, languages, changes)


def test_a_language_that_is_none_is_refused(recipe):
    with pytest.raises(DataError, match=r'--languages: "javanees" is not a language tag .*did you mean "jv"'):
        plan_fleet(recipe, ("javanees",))


def test_a_recipe_without_languages_says_how_to_name_them(recipe):
    recipe.write_text(RECIPE.partition("[fleet")[0], "utf-8")
    with pytest.raises(RecipeError, match="add --languages ace,jav, or a table"):
        plan_fleet(recipe, ())


def test_lect_train_says_what_such_a_recipe_is_for(recipe):
    with pytest.raises(RecipeError, match=r"run it with lect fleet .*many\.toml"):
        load_any_recipe(recipe)
