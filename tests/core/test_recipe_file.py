"""Recipes: read, refused with the place and the nearest name, overridden, written back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect.errors import RecipeError, UserError
from lect.host import Host
from lect.recipes.recipe import Recipe, load_recipe, recipe_of
from lect.toml import parse_toml, toml_text

TEXT = """\
stack = "lang:jav"

[component]
name = "topic"
role = "task"
languages = ["jav", "ff-Adlm"]
licence = "Apache-2.0"

[[parts]]
method = "bottleneck"
reduction = 16

[head]
kind = "classification"
dropout = 0.1

[objective]
name = "supervised"

[data.train]
reader = "csv"
path = "train.csv"

[training]
learning_rates = {head = 1e-3}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def writer(text: str) -> Path:
        file = tmp_path / "recipe.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return writer


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), path.name)


def test_a_recipe_is_what_was_written(write: Any) -> None:
    path = write(TEXT)
    recipe = load_recipe(path)
    assert recipe.stack == "lang:jav"
    assert recipe.component.languages == ("jav", "ff-Adlm")
    assert [(part.method, part.config) for part in recipe.parts] == [("bottleneck", {"reduction": 16})]
    assert recipe.head is not None
    assert (recipe.head.kind, recipe.head.labels, recipe.head.config) == ("classification", None, {"dropout": 0.1})
    assert [(table.reader, table.config) for table in recipe.data.train] == [("csv", {"path": "train.csv"})]
    assert recipe.backbone.name == "e5-small"
    assert (recipe.training.epochs, recipe.training.steps) == (10, None)
    assert (recipe.folder, recipe.name) == (path.parent, str(path))


def test_one_table_or_several_of_data(write: Any) -> None:
    several = TEXT.replace("[data.train]", '[[data.train]]\nreader = "cldr"\nlocale = "en"\n\n[[data.train]]')
    assert [table.reader for table in load_recipe(write(several)).data.train] == ["cldr", "csv"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "learning_rates =",
            "learning_rat =",
            'training.learning_rat: unknown field "learning_rat"; did you mean "lear',
        ),
        ("[component]", "[componet]", 'componet: unknown field "componet"'),
        ('method = "bott', 'metod = "bott', 'parts[0]: there is no "method"; did you misspell it "metod"?'),
        ('reader = "csv"', "", "data.train.reader: this field is missing"),
        ("[data.train]\nreader", "[[data.train]]\nreaders", 'data.train[0]: there is no "reader"; did you misspell'),
        ('role = "task"', 'role = "tsk"', "component.role: input should be 'lang' or 'task', not 'tsk'"),
        ('role = "task"', 'role = "lang"', 'head: a component of role "lang" has no head'),
        ('"jav", "ff', '"jav", "xxxx', "component.languages[1]: should be a language tag"),
        ('"Apache-2.0"', '"Apacke"', "component.licence: should be an SPDX expression"),
        ('name = "topic"', 'name = "my topic"', "component.name: should be a name"),
        ('"lang:jav"', '"lng:jav"', 'stack, column 1: expected a role, "lang" or "task", found "lng"; did you mean'),
        ('"supervised"', '"x"\ntarget = "lang:"', 'objective.target, column 6: expected a name right after "lang:"'),
        ("{head = 1e-3}", "{haed = 1e-3}", 'training: learning_rates: "haed" is not trained; did you mean "head"?'),
        ("{head = 1e-3}", "{head = 0}", "training.learning_rates.head: input should be greater than 0, not 0"),
        ("learning_rates", "epochs = 0\nlearning_rates", "training.epochs: input should be greater than 0, not 0"),
        ("learning_rates", "epochs = 1\nsteps = 9\nlearning_rates", "training.steps: cannot stand beside training.epo"),
        ("learning_rates", 'batch_size = "8"\nlearning_rates', "training.batch_size: input should be a valid integer"),
        ("learning_rates", "seed = true\nlearning_rates", "training.seed: input should be a valid integer, not True"),
        ("learning_rates", "warmup = 1.5\nlearning_rates", "training.warmup: input should be less than or equal to 1"),
        ("learning_rates", "clip = nan\nlearning_rates", "training.clip: input should be"),
        ("learning_rates", "evaluate_every = 0\nlearning_rates", 'should be "epoch" or a number of steps, not 0'),
        ("learning_rates", 'precision = "half"\nlearning_rates', "training.precision: input should be 'auto', 'float"),
        ("learning_rates", "patience = 2\nlearning_rates", "training: patience needs validation; add data.validation"),
        ("[training]", '[[parts]]\nmethod = "bottleneck"\n[training]', 'the method "bottleneck" is there twice'),
        ("[data.train]", "[data]\nvalidation_share = 1.0\n[data.train]", "data.validation_share: input should be less"),
        ("dropout = 0.1", 'labels = ["a", "a"]', "head.labels: should be at least two labels, no two the same"),
        ("[training]", "[training", "line 24, column 10: not valid TOML"),
    ],
)
def test_mistakes_are_located(write: Any, old: str, new: str, message: str) -> None:
    assert old in TEXT
    shown = refusal(write(TEXT.replace(old, new, 1)))
    assert shown.startswith("recipe.toml, ")
    assert message in shown


def mistakes(path: Path, *overrides: str, host: Host | None = None) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_recipe(path, overrides, host)
    return [str(each).replace(str(path), path.name) for each in caught.value.each]


def test_several_mistakes_show_the_first_and_their_number(write: Any) -> None:
    text = TEXT.replace("[training]", '[training]\nepochs = "a"\nseed = -1\nsed = 1')
    assert "training.sed:" in refusal(write(text))
    assert "and 2 more" in refusal(write(text))
    assert [line.partition(": ")[0] for line in mistakes(write(text))] == [
        "recipe.toml, training.sed", "recipe.toml, training.seed", "recipe.toml, training.epochs"
    ]  # fmt: skip


def test_every_mistake_is_said_at_once_those_in_what_plugins_read_too(write: Any) -> None:
    text = TEXT.replace('"lang:jav"', '"lng:jav"').replace('role = "task"', 'role = "tsk"').replace("[head]", "[haed]")
    text = (
        text.replace("reduction = 16", "reducton_factor = 16").replace('"csv"', '"cvs"').replace("{head = 1e-3}", "{}")
    )
    found = mistakes(write(text), host=Host.load(report=lambda line: None))
    places = [line.partition(": ")[0].removeprefix("recipe.toml, ") for line in found]
    assert places == ["stack, column 1", "component.role", "parts[0].reducton_factor", "haed", "data.train.reader"]
    assert 'did you mean "reduction_factor"?' in found[2]
    assert 'unknown field "haed"; did you mean "head"?' in found[3]
    assert 'no plugin provides reader "cvs"; did you mean "csv"?' in found[4]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[parts]]", "[parts]", "parts: is a single table, and a list of tables is due; write [[parts]], twice"),
        ("[head]", "[[head]]", "head: is a list of tables, and a single one is due; write [head], once the brackets"),
        ("[training]", "[[training]]", "training: is a list of tables, and a single one is due; write [training]"),
    ],
)
def test_brackets_that_are_one_too_many_or_too_few(write: Any, old: str, new: str, message: str) -> None:
    assert message in refusal(write(TEXT.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ('head="classification"', "head: should be a table, not 'classification'; write [head] and kind = \"classifi"),
        ('parts=["lora"]', "parts[0]: should be a table, not 'lora'; write [[parts]] and method = \"lora\" below it"),
        ('parts="lora"', "parts: should be a list, not 'lora'"),
        ("training.learning_rates=1", "training.learning_rates: should be a table, not 1"),
        ('component.languages="jv"', "component.languages: should be a list, not 'jv'; write languages = ['jv'], say"),
    ],
)
def test_a_value_where_a_table_is_due(write: Any, field: str, message: str) -> None:
    assert message in refusal(write(TEXT), field)


def test_what_cannot_stand_beside_what_the_recipe_says_names_the_change_that_takes_it_out(write: Any) -> None:
    text = TEXT.replace("[training]", "[training]\nepochs = 3\nbatch_size = 8")
    assert "with --set training.epochs= on the command line" in refusal(write(text), "training.steps=9")
    assert "with --set training.batch_size= on the command line" in refusal(write(text), "training.batch_tokens=9")
    assert load_recipe(write(text), ["training.steps=9", "training.epochs="]).training.steps == 9


@pytest.mark.parametrize("path", [r"C:\Users\ama\data.csv", r"D:\data\train.csv", r"\\server\data.csv"])
def test_backslashes_in_quotes_are_said_how_to_write(write: Any, path: str) -> None:
    remedy = "write it in single quotes, or each backslash as /"
    assert remedy in refusal(write(TEXT.replace("train.csv", path)))
    assert remedy in refusal(write(TEXT), f'data.train.path="{path}"')
    single = load_recipe(write(TEXT.replace('"train.csv"', f"'{path}'")))
    assert single.data.train[0].config["path"] == path


def test_nothing_to_train(write: Any) -> None:
    text = TEXT[: TEXT.index("[[parts]]")] + TEXT[TEXT.index("[objective]") :].replace("{head = 1e-3}", "{}")
    assert "there is nothing to train; add [[parts]] or [head]" in refusal(write(text))


def test_no_such_file_names_the_nearest(write: Any) -> None:
    path = write(TEXT)
    assert 'there is no such file; did you mean "recipe.toml"?' in refusal(path.with_name("recipe.tml"))
    assert "recipes there: recipe.toml" in refusal(path.with_name("zzzz"))
    assert "is a folder, not a recipe" in refusal(path.parent)
    assert "there is no such file" in refusal(path.parent / "nowhere" / "recipe.toml")


def test_files_that_are_no_text_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b'stack = ""\nx = "\xff"\n')
    assert "recipe.toml, line 2: is not UTF-8" in refusal(path)
    path.write_bytes(b"# " + b"x" * 1_000_000)
    assert "is larger than 1,000,000 bytes" in refusal(path)


def test_overrides(write: Any) -> None:
    recipe = load_recipe(
        write(TEXT),
        [
            "training.seed=7",
            "training.learning_rate = 1e-3",
            "parts.0.reduction=8",
            "stack=lang:sun",
            'component.summary="of 3"',
            "head.labels=['a', 'b']",
            "component.licence=",
            "output.folder=out",
            "training.learning_rates=",
        ],
    )
    assert (recipe.training.seed, recipe.training.learning_rate, recipe.stack) == (7, 1e-3, "lang:sun")
    assert recipe.parts[0].config == {"reduction": 8}
    assert load_recipe(write(TEXT), ["parts.layers=last 3"]).parts[0].layers == "last 3"
    assert (recipe.component.summary, recipe.component.licence) == ("of 3", "")
    assert recipe.head is not None
    assert recipe.head.labels == ("a", "b")
    assert recipe.output.folder == "out"
    assert recipe.training.learning_rates == {}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.seed", "--set training.seed: is not KEY=VALUE"),
        ("=1", "--set =1: is not KEY=VALUE"),
        ("training..seed=1", "is not KEY=VALUE"),
        ("training.sed=1", 'training.sed: unknown field "sed"; did you mean "seed"?'),
        ("training.seed=many", "training.seed: input should be a valid integer, not 'many'"),
        ("parts.1.reduction=8", '--set parts.1.reduction=8: "parts" is a list of 1, and "1" no place in it'),
        ("stack.x=1", '"stack" is a single value'),
        ('stack="lang:sun', '--set stack="lang:sun: not valid TOML'),
        ("training.seed=1\nbatch_size = 3", "training.seed: input should be a valid integer"),
    ],
)
def test_wrong_overrides(write: Any, override: str, message: str) -> None:
    path = write(TEXT)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, [override])
    assert message in str(caught.value)


def test_a_recipe_made_in_python_is_checked_too() -> None:
    values = parse_toml(TEXT, RecipeError, where="TEXT")
    with pytest.raises(ValueError, match="should be a stack"):
        Recipe.model_validate({**values, "stack": "lng:jav"})


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = WORDS | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans() | st.datetimes()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)


def open_table(name: str, *reserved: str) -> st.SearchStrategy[dict[str, Any]]:
    keys = WORDS.filter(lambda key: key not in (name, *reserved))
    extra = st.dictionaries(keys, VALUES, max_size=3)
    return st.builds(lambda value, more: {**more, name: value}, WORDS.filter(bool), extra)


RECIPES = st.fixed_dictionaries(
    {
        "component": st.fixed_dictionaries(
            {"name": st.from_regex("[a-z][a-z0-9._-]{0,9}", fullmatch=True), "role": st.just("task"), "summary": LINES}
        ),
        "parts": st.lists(open_table("method"), max_size=2, unique_by=lambda part: part["method"]),
        "head": open_table("kind", "labels"),
        "objective": open_table("name", "target"),
        "data": st.fixed_dictionaries({"train": st.lists(open_table("reader", "licence"), min_size=1, max_size=2)}),
        "training": st.fixed_dictionaries(
            {},
            optional={
                "seed": st.integers(0, 2**32 - 1),
                "steps": st.integers(1, 10**9),
                "learning_rate": st.floats(min_value=1e-300, allow_infinity=False),
                "learning_rates": st.just({"head": 0.5}),
                "schedule": st.sampled_from(["linear", "cosine", "constant", "one-cycle"]),
                "evaluate_every": st.just("epoch") | st.integers(1, 1000),
                "metric": WORDS,
            },
        ),
        "stack": st.sampled_from(["", "lang:jav", 'lang:jav + "./a b"']),
    }
)


@given(RECIPES)
def test_what_is_written_loads_to_an_equal_recipe(values: dict[str, Any]) -> None:
    recipe = recipe_of(values)
    again = recipe_of(parse_toml(recipe.to_toml(), RecipeError, where="text"), name="other", folder=Path("/other"))
    assert again == recipe
    assert again.to_toml() == recipe.to_toml()


@pytest.mark.parametrize("more", [{"tables": [{}], "text": ""}, {"table": {"in": {}, "text": ""}, "text": ""}])
def test_the_order_of_what_is_written_is_that_of_what_is_read(more: dict[str, Any]) -> None:
    text = toml_text({"data": ({"deep": more, "name": "a"},)})
    assert toml_text(parse_toml(text, RecipeError, where="text")) == text


def test_equality_is_of_fields_alone(write: Any) -> None:
    path = write(TEXT)
    recipe = load_recipe(path)
    assert recipe == recipe.placed(Path("/elsewhere"), "other.toml")
    assert recipe != load_recipe(path, ["training.seed=1"])
    assert recipe != load_recipe(path, ["parts.0.reduction=1"])
