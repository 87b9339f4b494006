"""Places that the backbone calls with several arguments, by position or by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.parts import Part
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models

FAMILIES = ("bert", "xlm-roberta", "distilbert", "deberta-v2", "modernbert")
TEXTS = ["the old house", "one more bright day on the way home", "two", "a good word"]


class AtEmbeddings(Part):
    """Changes what the embeddings give; `replaces` has it look up other tokens first."""

    def __init__(self, backbone, seed, replaces):
        super().__init__()
        self._site, self._replaces = backbone.anatomy.embeddings, replaces
        self.scale = nn.Parameter(torch.randn(backbone.hidden_size, generator=torch.Generator().manual_seed(seed)))

    def sites(self):
        return (self._site,)

    def reads_input(self, site):
        return self._replaces

    def at(self, site, inner, inputs, context):
        assert inputs.dtype == torch.long
        return inner(inputs.clamp_max(9) if self._replaces else inputs) * self.scale


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_parts_at_the_embeddings_get_their_own_rows(family, replaces):
    backbone = tiny_backbone(family)
    model = RoutedModel(backbone)
    for seed, key in enumerate(("lang:a", "lang:b")):
        model.attach(Component(key, "lang", {"toy": AtEmbeddings(backbone, seed, replaces)}))
    model.eval()
    stacks = [("lang:a",), (), ("lang:b",), ("lang:a", "lang:b")]
    rows = RowEncoder(model).encode(TEXTS, stacks)
    mixed = model(rows)
    for row, (text, stack) in enumerate(zip(TEXTS, stacks, strict=True)):
        alone = RowEncoder(model).encode([text], [stack])
        output = model(alone)
        torch.testing.assert_close(mixed[row, : output.shape[1]], output[0], atol=1e-5, rtol=0)


def test_the_backbone_itself_stays_bare_while_parts_are_attached():
    backbone = tiny_backbone()
    model = RoutedModel(backbone).eval()
    rows = RowEncoder(model).encode(TEXTS, [()] * len(TEXTS))
    bare = backbone.model(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0]
    model.attach(Component("lang:a", "lang", {"toy": AtEmbeddings(backbone, 0, False)}))
    routed = RowEncoder(model).encode(TEXTS, [("lang:a",)] * len(TEXTS))
    changed = model(routed)
    assert not torch.allclose(changed, bare, atol=1e-3)
    assert torch.equal(backbone.model(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0], bare)
