"""Labels with many more rows than others: said, and evened out."""

from collections import Counter

import pytest

from lect.data.balance import balance_rows, imbalance_of
from lect.data.dataset import Dataset, Source, digest
from lect.data.examples import Example
from lect.errors import DataError


def data(*labels):
    examples = tuple(Example(f"text {place}", label, origin=f"row {place}") for place, label in enumerate(labels))
    return Dataset(Source("csv", {"path": "x"}), examples, digest(examples))


def test_rows_of_rare_labels_come_again_until_all_have_as_many():
    sources = (data(*"aaaaaaab"), data("b", "c", "a"))
    balanced = balance_rows(sources, 0, "here")
    rows = [example for each in balanced for example in each.examples]
    assert Counter(example.label for example in rows) == {"a": 8, "b": 8, "c": 8}
    # Each row as often as the others of its label; one text is there in both sources.
    assert Counter(Counter((each.label, each.text) for each in rows).values()) == {1: 6, 2: 1, 4: 2, 8: 1}
    assert [each.sha256 for each in balanced] == [each.sha256 for each in sources]
    again = balance_rows(sources, 0, "here")
    assert [each.examples for each in again] == [each.examples for each in balanced]
    uneven = balance_rows((data(*"aaaab", "b", "b"),), 1, "here")
    assert Counter(Counter(each.text for each in uneven[0].examples).values()) == {1: 6, 2: 1}
    with pytest.raises(DataError, match="row 1: rows are balanced by label, and the row has none"):
        balance_rows((data("a", None),), 0, "here")


def test_only_what_is_far_apart_is_said():
    assert imbalance_of(data(*"a" * 9, "b").examples) is None
    assert imbalance_of(data(*"a" * 9).examples) is None
    assert imbalance_of(data(*"a" * 20, None).examples) is None
    said = str(imbalance_of(data(*"a" * 1200, *"bbb", "c").examples))
    assert said == '"a" has 1,200 rows and "c" 1 row: macro F1 says more of such data than accuracy'
