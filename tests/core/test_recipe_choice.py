"""Which recipe is chosen for which data: what `lect new` writes, and `lect.teach_language` trains."""

import pytest

from lect.recipes.choice import LanguageFacts, choose_language, choose_task


def methods(choice):
    return [part["method"] for part in choice.tables["parts"]]


@pytest.mark.parametrize(
    ("facts", "objective", "sources", "parts"),
    [
        ({"pairs": 600}, "alignment", ("pairs",), ["bottleneck"]),
        ({"pairs": 600, "lines": 2000}, "alignment", ("pairs",), ["bottleneck"]),
        ({"pairs": 600, "lines": 2000, "gives_vectors": False}, "combined", ("pairs", "lines"), ["bottleneck"]),
        ({"pairs": 6193, "unknown": 0.49}, "alignment", ("pairs",), ["vocabulary", "bottleneck"]),
        ({"pairs": 600, "lines": 900, "unknown": 0.49}, "combined", ("pairs", "lines"), ["vocabulary", "bottleneck"]),
        ({"pairs": 100, "unknown": 0.49}, "alignment", ("pairs",), ["bottleneck"]),
        ({"entries": 900, "lines": 500}, "combined", ("dictionary", "lines"), ["bottleneck"]),
        ({"lines": 5000, "unknown": 0.004}, "masked-lm", ("lines",), ["bottleneck"]),
        ({"lines": 5000, "decoder": True}, "causal-lm", ("lines",), ["lora"]),
    ],
    ids=str,
)
def test_a_language_by_what_there_is(facts, objective, sources, parts):
    choice = choose_language(LanguageFacts(**facts))
    assert (choice.tables["objective"]["name"], choice.sources, methods(choice)) == (objective, sources, parts)
    assert choice.reasons and all(reason.endswith(".") for reason in choice.reasons)


def test_a_dictionary_beside_pairs_aligns_words_and_many_pairs_are_held_out():
    choice = choose_language(LanguageFacts(pairs=6000, entries=900))
    assert choice.tables["objective"]["tokens"] == 10.0
    assert choice.validation_share == 0.05
    assert choose_language(LanguageFacts(pairs=799)).validation_share is None
    lengths = [choose_language(LanguageFacts(pairs=pairs)).tables["training"]["epochs"] for pairs in (600, 6000, 10**6)]
    assert lengths == [8, 6, 1]


def test_a_task_by_where_its_answers_lie():
    assert methods(choose_task("classification", 400)) == ["bottleneck"]
    assert methods(choose_task("tagging", 400)) == ["lora"]
    assert choose_task("classification", 400, uneven=True).tables["head"]["class_weights"] == "balanced"
    assert choose_task("qa", 5000).validation_share == 0.1
