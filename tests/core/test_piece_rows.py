"""Rows of tokens: those of a long corpus are the same as those of a short one, and are never all in memory."""

from __future__ import annotations

import numpy as np
import pytest

from lect import Example
from lect.composition import encode as encode_module
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.language_model import rows as rows_module
from lect.language_model.rows import RowTokens, token_counts
from lect.testing.backbones import save_tiny_backbone

pytestmark = pytest.mark.models

EXAMPLES = tuple(
    Example(f"the old house {'on the way ' * (row % 3)}ߒߞߏ {row}", translation="" if row % 4 else f"yang dan {row}")
    for row in range(23)
)


@pytest.fixture(scope="module", params=["", "query: ", "the old "])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    save_tiny_backbone(folder, "xlm-roberta", seed=0)
    return RoutedModel(load_backbone(str(folder), host=Host.load(report=print), prefix=request.param))


@pytest.fixture
def long(tmp_path, monkeypatch):
    """What is long is short here."""
    monkeypatch.setenv("LECT_CACHE", str(tmp_path))
    monkeypatch.setattr(rows_module, "ROWS_IN_MEMORY", 6)
    monkeypatch.setattr(rows_module, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(encode_module, "ROWS_IN_MEMORY", 1)


def said(rows):
    return [(row.ids.tolist(), row.plain.tolist(), row.kinds.tolist()) for row in rows]


def expected_rows(model, translations):
    """By the rule itself: what is no special token and reaches beyond the prefix, or is of the second text."""
    encoder, special = RowEncoder(model, 12), set(model.backbone.tokenizer.all_special_ids)
    pairs = [example.translation for example in EXAMPLES] if translations else None
    prefix = len(model.backbone.prefix)
    return [
        (
            one.ids,
            [
                token not in special and (sequence == 1 or end > prefix)
                for token, sequence, (_, end) in zip(one.ids, one.sequence_ids, one.offsets, strict=True)
            ],
            one.type_ids,
        )
        for one in encoder.tokenize([example.text for example in EXAMPLES], (), pairs)
    ]


@pytest.mark.parametrize("translations", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_rows_of_a_long_corpus_are_those_of_the_rule(model, long, monkeypatch, translations, kept):
    expected, encoder = expected_rows(model, translations), RowEncoder(model, 12)
    if kept and not translations:
        encoder.keep([example.text for example in EXAMPLES], ())
    cutter = RowTokens(model, encoder, (), translations)
    if kept:
        cutter.keep(EXAMPLES)
    at_once = []
    cut = encoder.tokenize
    monkeypatch.setattr(encoder, "tokenize", lambda texts, *more: at_once.append(len(texts)) or cut(texts, *more))
    rows = cutter.rows(EXAMPLES)
    assert len(rows) == len(EXAMPLES)
    for _ in range(2):
        assert said(rows) == expected
    assert said([rows[row] for row in (22, 0, -1)]) == [expected[row] for row in (22, 0, -1)]
    assert said(rows[5:9]) == expected[5:9]
    assert at_once == [] if kept else max(at_once) <= 4


def test_of_a_long_corpus_the_first_rows_alone_are_remembered(model, long, monkeypatch):
    encoder = RowEncoder(model, 12)
    rows, asked = RowTokens(model, encoder, ()).rows(EXAMPLES), []
    cut = encoder.tokenize
    monkeypatch.setattr(encoder, "tokenize", lambda texts, *more: asked.extend(texts) or cut(texts, *more))
    once, twice = said(rows), said(rows)
    assert once == twice
    texts = [example.text for example in EXAMPLES]
    assert asked == texts + texts[6:]


def test_counts_are_of_plain_tokens_alone(model, long):
    rows = RowTokens(model, RowEncoder(model, 12), ()).rows(EXAMPLES)
    counts = token_counts(rows, len(model.backbone.tokenizer)).numpy()
    plain = np.concatenate([np.array(ids)[np.array(marks)] for ids, marks, _ in expected_rows(model, False)])
    assert (counts == np.bincount(plain, minlength=len(counts))).all()
