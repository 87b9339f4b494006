"""Errors in configurations: the path inside the file, and the nearest name."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from lect.errors import RecipeError
from lect.fields import Config
from lect.validation import validate_model


class Small(Config):
    kind: Literal["small"] = "small"
    width: int = 1


class Large(Config):
    kind: Literal["large"] = "large"
    depth: int = 1


class Recipe(Config):
    name: str
    parts: tuple[Small, ...] = ()
    either: Annotated[Small | Large, Field(discriminator="kind")] | None = None
    named: dict[str, Small] = Field(default_factory=dict)
    rate: float = Field(0.1, gt=0)

    @field_validator("name")
    @classmethod
    def _no_spaces(cls, name: str) -> str:
        if " " in name:
            raise ValueError("A name has no spaces.")
        return name


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "r.toml, name: this field is missing; add it"),
        ({"name": "a b"}, "r.toml, name: a name has no spaces, not 'a b'"),
        ({"name": "a", "rate": -1}, "r.toml, rate: input should be greater than 0, not -1"),
        ({"nmae": "a"}, 'r.toml, nmae: unknown field "nmae"; did you mean "name"?'),
        (
            {"name": "a", "parts": [{}, {"with": 1}]},
            'r.toml, parts[1].with: unknown field "with"; did you mean "width"?',
        ),
        (
            {"name": "a", "either": {"kind": "large", "dept": 1}},
            'r.toml, either.dept: unknown field "dept"; did you mean "depth"?',
        ),
        (
            {"name": "a", "either": {"kind": "large", "depth": "x"}},
            "r.toml, either.depth: input should be a valid integer, unable to parse string as an integer, not 'x'",
        ),
        (
            {"name": "a", "named": {"first": {"width": 1}, "second": {"wdth": 1}}},
            'r.toml, named.second.wdth: unknown field "wdth"; did you mean "width"?',
        ),
        ({"name": "a", "zzz": 1}, 'r.toml, zzz: unknown field "zzz"; known: either, name, named, parts, rate'),
    ],
)
def test_the_message_says_where_what_and_the_nearest(mapping, message):
    with pytest.raises(RecipeError) as caught:
        validate_model(Recipe, mapping, "r.toml")
    assert str(caught.value) == message


@given(st.dictionaries(st.text(min_size=1), st.integers() | st.text() | st.lists(st.integers()), min_size=1))
def test_whatever_the_mapping_the_answer_is_a_model_or_one_line(mapping):
    try:
        assert isinstance(validate_model(Recipe, mapping, "r.toml, part[0]"), Recipe)
    except RecipeError as error:
        assert str(error).startswith("r.toml, part[0]")
        assert error.where != "r.toml, part[0]"


@given(st.integers(min_value=1, max_value=10**6), st.text(alphabet="abcdefgh", min_size=1, max_size=8))
def test_a_correct_mapping_reads_back_equal(width, name):
    mapping = {"name": name, "parts": [{"width": width}], "named": {name: {"width": width}}}
    recipe = validate_model(Recipe, mapping, "r.toml")
    assert validate_model(Recipe, recipe.model_dump(), "r.toml") == recipe
    assert recipe.named[name].width == recipe.parts[0].width == width
