"""New pieces: what is learned, how it is spliced in, and that the frozen table stays what it was."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.data.examples import Example
from lect.errors import ComponentError, DataError
from lect.parts import Part
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import tiny_backbone
from lect_vocabulary.part import build_vocabulary
from lect_vocabulary.pieces import BaseTokenizer
from lect_vocabulary.plugin import VocabularyConfig

pytestmark = pytest.mark.models

# Words in a script that the tiny tokenizer has never seen, with English translations.
PAIRS = [
    ("ߛߣߍ߬ ߞߎߘߊ", "new way"),
    ("ߛߣߍ߬ ߝߟߐ", "first way"),
    ("ߡߊ߲߬ߕߊ߬ ߞߎߘߊ", "new house"),
    ("ߡߊ߲߬ߕߊ߬ ߝߟߐ", "first house"),
] * 4
EXAMPLES = tuple(Example(text, translation=translation) for text, translation in PAIRS)
CONFIG = VocabularyConfig(pieces=30)


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone("xlm-roberta")


@pytest.fixture(scope="module")
def part(backbone):
    return build_vocabulary(CONFIG, BuildContext(backbone, Corpus(EXAMPLES)))


def test_old_pieces_keep_their_ids_and_new_ones_come_behind(backbone, part):
    base, own = backbone.tokenizer.backend_tokenizer, Tokenizer.from_str(part.tokenizer_json)
    first = BaseTokenizer(base.to_str()).size
    for piece, index in base.get_vocab().items():
        assert own.token_to_id(piece) == index
    new = [index for piece, index in own.get_vocab().items() if base.token_to_id(piece) is None]
    assert sorted(new) == list(range(first, first + len(new)))
    assert part.embeddings.weight.shape == (len(new), backbone.hidden_size)
    assert 0 < len(new) <= 30


def test_nothing_of_the_new_script_stays_unknown_and_old_text_is_cut_as_before(backbone, part):
    base, own = backbone.tokenizer.backend_tokenizer, Tokenizer.from_str(part.tokenizer_json)
    unknown = backbone.tokenizer.unk_token_id
    assert unknown in base.encode(PAIRS[0][0]).ids
    for text, translation in PAIRS:
        assert unknown not in own.encode(text).ids
        assert own.encode(translation).ids == base.encode(translation).ids
    mixed = own.encode(f"new {PAIRS[0][0]} house")
    assert unknown not in mixed.ids
    start, end = mixed.offsets[2]
    assert f"new {PAIRS[0][0]} house"[start:end].strip()


@given(text=st.text(alphabet="abcdefghijklmnopqrstuvwxyz ,.0123456789", max_size=60))
def test_text_of_the_old_script_is_never_cut_differently(backbone, part, text):
    own = Tokenizer.from_str(part.tokenizer_json)
    assert own.encode(text).ids == backbone.tokenizer.backend_tokenizer.encode(text).ids


def test_embeddings_start_as_the_mean_of_their_translations(backbone):
    examples = (
        Example("ߛ", translation="new way"),
        Example("ߛ", translation="first house"),
        Example("ߞ", translation="way"),
    )
    part = build_vocabulary(VocabularyConfig(pieces=4, longest_piece=2), BuildContext(backbone, Corpus(examples)))
    own, base = Tokenizer.from_str(part.tokenizer_json), backbone.tokenizer.backend_tokenizer
    matrix = backbone.module(backbone.anatomy.word_embedding).weight

    def mean(text):
        return matrix[torch.tensor(base.encode(text, add_special_tokens=False).ids)].mean(0)

    def embedding(text):
        (index,) = [i for i in own.encode(text, add_special_tokens=False).ids if i >= BaseTokenizer(base.to_str()).size]
        return part.embeddings.weight[index - BaseTokenizer(base.to_str()).size]

    torch.testing.assert_close(embedding("ߛ"), (mean("new way") + mean("first house")) / 2)
    torch.testing.assert_close(embedding("ߞ"), mean("way"))


def test_rows_with_and_without_new_pieces_share_a_batch(backbone, part):
    model = RoutedModel(backbone).eval()
    other = build_vocabulary(
        VocabularyConfig(pieces=10), BuildContext(backbone, Corpus((Example("ሰላም ልጅ", translation="new house"),)))
    )
    model.attach(Component("lang:nqo", "lang", {"vocabulary": part}))
    model.attach(Component("lang:am", "lang", {"vocabulary": other}))
    encoder = RowEncoder(model)
    texts, stacks = ["ߛߣߍ߬", "ሰላም", "new house", "ߡߊ߲߬ߕߊ߬ new"], [("lang:nqo",), ("lang:am",), (), ("lang:nqo",)]
    with torch.no_grad():
        rows = encoder.encode(texts, stacks)
        hidden = model(rows)
        for index, (text, stack) in enumerate(zip(texts, stacks, strict=True)):
            alone = encoder.encode([text], [stack])
            expected = model(alone)[0]
            torch.testing.assert_close(hidden[index, : len(expected)], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kept", ["saved_tokenizer", "tokenizer_json"])
def test_a_saved_part_reads_back_from_its_new_pieces_and_from_a_whole_tokenizer(backbone, part, kept):
    """Components of version 0.1 kept the whole tokenizer."""
    read = build_vocabulary(CONFIG, BuildContext(backbone, tokenizer_json=getattr(part, kept)))
    assert read.embeddings.weight.shape == part.embeddings.weight.shape
    assert read.saved_tokenizer == getattr(part, kept)
    assert read.tokenizer_json == part.tokenizer_json
    with pytest.raises(ComponentError, match=r"no tokenizer\.json"):
        build_vocabulary(CONFIG, BuildContext(backbone))


def test_text_without_anything_new_is_refused(backbone):
    with pytest.raises(DataError, match="no piece that the backbone's tokenizer lacks"):
        build_vocabulary(CONFIG, BuildContext(backbone, Corpus((Example("a", translation="a"),))))


def test_examples_without_translations_are_refused_with_what_to_do(backbone):
    with pytest.raises(DataError, match='initialise = "random"'):
        build_vocabulary(CONFIG, BuildContext(backbone, Corpus((Example("ߛߣߍ߬"),))))
    part = build_vocabulary(
        VocabularyConfig(pieces=5, initialise="random"), BuildContext(backbone, Corpus((Example("ߛߣߍ߬"),)))
    )
    assert part.embeddings.weight.std() > 0


def test_new_rows_are_scaled_as_the_backbone_scales_its_own():
    """mBART gives each row of its table times the square root of its width."""
    backbone = tiny_backbone("mbart")
    assert backbone.anatomy.scale > 5
    part = build_vocabulary(CONFIG, BuildContext(backbone, Corpus(EXAMPLES)))
    model = RoutedModel(backbone).eval()
    model.attach(Component("lang:nqo", "lang", {"vocabulary": part}))
    with torch.no_grad():
        part.embeddings.weight.copy_(backbone.module("embed_tokens").weight[7].expand_as(part.embeddings.weight))
    new, old = torch.full((1, 4), part.new_tokens().first), torch.full((1, 4), 7)
    mask, routes = torch.ones_like(new), Routes.uniform(("lang:nqo",), 1)
    with torch.no_grad():
        torch.testing.assert_close(*(model(EncodedRows(ids, mask, None, routes)) for ids in (new, old)))


class Doubled(Part):
    """What the table gives, twice."""

    def __init__(self, site: str) -> None:
        super().__init__()
        self._site = site

    def sites(self):
        return (self._site,)

    def at(self, site, inner, inputs, context):
        return 2 * inner(inputs)


@torch.no_grad()
def test_vectors_of_new_pieces_are_looked_up_before_another_part_changes_them():
    """Wherever that part stands in the stack."""
    backbone = tiny_backbone("xlm-roberta")
    model = RoutedModel(backbone).eval()
    vocabulary = build_vocabulary(CONFIG, BuildContext(backbone, Corpus(EXAMPLES)))
    model.attach(Component("lang:nqo", "lang", {"vocabulary": vocabulary}))
    model.attach(Component("lang:loud", "lang", {"doubled": Doubled(backbone.anatomy.word_embedding)}))
    stacks = [("lang:nqo", "lang:loud"), ("lang:loud", "lang:nqo"), ("lang:nqo",)]
    above, beneath, without = model(RowEncoder(model).encode([PAIRS[0][0]] * 3, stacks))
    torch.testing.assert_close(above, beneath)
    assert (above - without).abs().max() > 1e-2
