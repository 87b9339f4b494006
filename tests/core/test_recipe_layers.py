"""Layers in words: what they mean in a backbone of twelve, and what is said of words that mean nothing."""

from __future__ import annotations

import pytest

from lect.errors import RecipeError
from lect.recipes.layers import chosen_layers
from lect.recipes.schema import PartTable
from lect.validation import validate_model


def layers_of(said, count=12):
    table = validate_model(PartTable, {"method": "lora", "layers": said}, "recipe.toml, parts[0]")
    return list(chosen_layers(table.layers, count, "e5-small", "recipe.toml, parts[0].layers"))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("last 3", [9, 10, 11]),
        ("The last 3 layers", [9, 10, 11]),
        ("upper 2", [10, 11]),
        ("first 4", [0, 1, 2, 3]),
        ("lower third", [0, 1, 2, 3]),
        ("last quarter", [9, 10, 11]),
        ("upper half of the layers", [6, 7, 8, 9, 10, 11]),
        ("10 to 12", [9, 10, 11]),
        ("layers 1-2", [0, 1]),
        ("all", list(range(12))),
        ([12, 1], [0, 11]),
    ],
    ids=str,
)
def test_words_and_numbers_from_one(said, meant):
    assert layers_of(said) == meant


def test_a_part_of_few_layers_is_rounded_and_never_none():
    assert layers_of("upper half", 5) == [3, 4]
    assert layers_of("last quarter", 1) == [0]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("latest 3", 'should be "all", "last 3", "first 4", "upper half" (third, quarter), "10 to 12" or, counted'),
        ("last 0", 'should be "all"'),
        ("0 to 3", 'should be "all"'),
        ("12 to 10", 'should be "all"'),
        ("", 'should be "all"'),
        (3, 'should be "last 3", "first 3", or [3] for this layer alone'),
        (True, 'should be "all"'),
        ([], 'should be "all"'),
        ([0, 1], "should be numbers of layers, counted from 1"),
        (["last"], "should be numbers of layers, counted from 1"),
        ([3, 3], "should have each layer once"),
        ("last 13", '"e5-small" has 12 layers, too few for "last 13"'),
        ("10 to 14", '"e5-small" has 12 layers, too few for "10 to 14"'),
        ([12, 13], '"e5-small" has no layer 13; its layers are 1 to 12, counted from 1'),
    ],
    ids=str,
)
def test_what_is_refused(said, message):
    with pytest.raises(RecipeError) as caught:
        layers_of(said)
    assert str(caught.value).startswith("recipe.toml, parts[0].layers: ")
    assert message in str(caught.value) and "\n" not in str(caught.value)
