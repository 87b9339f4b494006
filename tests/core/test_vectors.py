"""Sentence vectors of many texts: the same whether they go through in one stretch or in several."""

import pytest
import torch

from lect.composition import vectors as vectors_module
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.vectors import encoded_batches, sentence_vectors
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models

TEXTS = [f"the old house {'on the way ' * (row % 4)}{row}" for row in range(11)]


@pytest.mark.parametrize("stretch", [1, 4, 11, 100])
def test_stretches_change_nothing_and_are_never_longer(monkeypatch, stretch):
    model = RoutedModel(tiny_backbone("bert"))
    encoder = RowEncoder(model)
    expected = sentence_vectors(model, encoder, TEXTS)
    monkeypatch.setattr(vectors_module, "TEXTS_AT_ONCE", stretch)
    at_once = []
    pieces = encoder.pieces
    monkeypatch.setattr(encoder, "pieces", lambda texts, *more: at_once.append(len(texts)) or pieces(texts, *more))
    found = sentence_vectors(model, encoder, TEXTS)
    assert torch.allclose(found, expected, atol=1e-6)
    assert max(at_once) <= stretch
    assert sorted(row for rows, _ in encoded_batches(encoder, TEXTS, (), TEXTS) for row in rows) == list(range(11))
