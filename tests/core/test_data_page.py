"""`docs/data.md`: its tables of a recipe are right, and it names every reader and reason."""

import re
from pathlib import Path

import pytest

from lect.builtins.plugin import lect_register_readers
from lect.data.cleaning import REASONS, Cleaning
from lect.recipes.recipe import recipe_of
from lect.toml import parse_toml

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
RECIPE = {
    "component": {"name": "x", "role": "lang"},
    "parts": [{"method": "full"}],
    "objective": {"name": "alignment"},
}
TRAIN = {"reader": "text", "path": "x"}


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_what_the_page_shows_is_a_recipe_s_data(block):
    recipe = recipe_of({**RECIPE, "data": {"train": TRAIN, **parse_toml(block, ValueError, where="page")["data"]}})
    assert recipe.data.cleaning in (None, Cleaning()), "the page shows the defaults"


def test_the_page_names_every_reader_and_reason():
    for name in (spec.name for spec in lect_register_readers()):
        assert f"`{name}`" in PAGE
    assert ", ".join(REASONS) in PAGE


def test_a_recipe_with_all_of_it_reads_back_equal():
    data = {"train": TRAIN}
    for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL):
        data |= parse_toml(block, ValueError, where="page")["data"]
    data["cleaning"] = {"scripts": ["Jpan"], "not_identified_as": ["en"], "shortest": 3, "ratio": 4}
    recipe = recipe_of({**RECIPE, "data": data})
    assert recipe_of(parse_toml(recipe.to_toml(), ValueError, where="written")) == recipe
    assert recipe.data.cleaning.scripts == ("Hani", "Hira", "Kana")
