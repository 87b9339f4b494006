"""First embeddings: each initialiser gives what its formula says, and what it lacks is said."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from lect import Config, Example, InitialiserSpec
from lect.errors import DataError, PluginError, RecipeError
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import tiny_backbone
from lect_vocabulary.initialisers import INITIALISERS
from lect_vocabulary.part import build_vocabulary, waiting
from lect_vocabulary.plugin import VocabularyConfig
from lect_vocabulary.spaces import static_space
from lect_vocabulary.starts import frozen_rows
from lect_vocabulary.transfer import sparsemax

SPECS = {spec.name: spec for spec in INITIALISERS}
# Each word of the language stands for one English word, in changing company.
LEXICON = {
    "ߛߣߍ": "house", "ߝߟߐ": "water", "ߡߊ߲ߕߊ": "day", "ߞߎߘߊ": "city", "ߓߊߟߏ": "year", "ߖߌ": "good",
    "ߘߎ": "bad", "ߟߋ": "people", "ߣߌ": "time", "ߕߊ": "words", "ߢߊ": "called", "ߥߟߊ": "little",
    "ߦߋ": "first", "ߤߊ": "long", "ߡߌ": "way", "ߘߊ": "day", "ߛߋ": "two", "ߜߊ": "use",
    "ߞߊ": "very", "ߕߍ": "find", "ߓߐ": "just", "ߝߊ": "know", "ߟߎ": "most", "ߒߓߊ": "made",
}  # fmt: skip


def pairs():
    generator = torch.Generator().manual_seed(0)
    words = list(LEXICON)
    for _ in range(160):
        chosen = [words[int(i)] for i in torch.randperm(len(words), generator=generator)[:4]]
        yield Example(" ".join(chosen), translation=" ".join(LEXICON[word] for word in chosen))


EXAMPLES = tuple(pairs())


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone("xlm-roberta")


def build(backbone, initialise, examples=EXAMPLES, pieces=120, known=None, **more):
    context = BuildContext(backbone, Corpus(tuple(examples)), initialisers=known or {}, **more)
    part = build_vocabulary(VocabularyConfig(pieces=pieces, initialise=initialise), context)
    return part, waiting(part, context)


def nearest_word(backbone, part, new, word):
    """The English word whose embedding is nearest to that of a new piece, by cosine."""
    row = part.embeddings.weight[list(new.tokens).index(f"▁{word}")]
    own = backbone.tokenizer.backend_tokenizer
    ids = [own.token_to_id(f"▁{english}") for english in sorted(set(LEXICON.values()))]
    matrix = backbone.module(backbone.anatomy.word_embedding).weight[torch.tensor(ids)]
    return sorted(set(LEXICON.values()))[int(torch.cosine_similarity(row.unsqueeze(0), matrix).argmax())]


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_one_gives_finite_rows_and_the_same_ones_under_the_same_seed(backbone, name):
    rows = []
    for _ in range(2):
        torch.manual_seed(3)
        part, _ = build(backbone, name)
        rows.append(part.embeddings.weight.detach())
    assert bool(rows[0].isfinite().all()) and float(rows[0].std()) > 0
    torch.testing.assert_close(rows[0], rows[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["focus", "dictionary", "translations"])
def test_those_that_see_translations_bring_words_near_to_theirs(backbone, name):
    settings = {"focus": {"dimensions": 20}, "dictionary": {"dimensions": 16}}.get(name, {})
    torch.manual_seed(0)
    part, new = build(backbone, {"name": name, **settings})
    learned = [word for word in LEXICON if f"▁{word}" in new.tokens]
    assert len(learned) > 15
    right = sum(nearest_word(backbone, part, new, word) == LEXICON[word] for word in learned)
    # By chance it would be one.
    assert right >= {"translations": 0.9, "focus": 0.9, "dictionary": 0.3}[name] * len(learned)


def test_mean_is_that_of_the_pieces_it_was_cut_into_before(backbone):
    examples = [Example("sugukan taa sugukan")] * 5
    part, new = build(backbone, "mean", examples, pieces=8)
    matrix, own = frozen_rows(new), backbone.tokenizer.backend_tokenizer
    place = list(new.tokens).index("▁sugukan")
    before = own.encode("sugukan", add_special_tokens=False).ids
    assert list(new.base_ids[place]) == before and len(before) > 1
    torch.testing.assert_close(part.embeddings.weight[place], matrix[torch.tensor(before)].mean(0))


def test_overlap_takes_over_what_is_written_alike(backbone):
    """The backbone has `▁house` and no `house` within a word, and no capital."""
    part, new = build(backbone, "overlap", [Example("xHouse Hóuse")] * 6, pieces=20)
    house = frozen_rows(new)[backbone.tokenizer.backend_tokenizer.token_to_id("▁house")]
    alike = [place for place, text in enumerate(new.texts) if text in ("House", "Hóuse")]
    assert alike
    for place in alike:
        torch.testing.assert_close(part.embeddings.weight[place], house)


def test_factorised_rows_lie_in_the_main_directions_of_the_backbones(backbone):
    torch.manual_seed(0)
    part, new = build(backbone, {"name": "factorised", "dimensions": 5})
    matrix = frozen_rows(new)
    _, _, directions = torch.linalg.svd(matrix - matrix.mean(0), full_matrices=False)
    centred = part.embeddings.weight.detach() - matrix.mean(0)
    torch.testing.assert_close(centred @ directions[:5].T @ directions[:5], centred, rtol=1e-3, atol=1e-4)
    assert torch.linalg.matrix_rank(centred, atol=1e-3) == 5


def test_focus_without_translations_draws_from_what_occurs_in_the_text(backbone):
    examples = [Example(f"ߛߣߍ house {word} the", translation=None) for word in LEXICON] * 4
    part, _ = build(backbone, "focus", examples, pieces=60)
    assert bool(part.embeddings.weight.isfinite().all())
    with pytest.raises(DataError, match="none of the backbone's pieces occurs"):
        build(backbone, {"name": "focus", "minimum_count": 10_000}, examples, pieces=60)


def test_a_dictionary_is_read_and_its_mistakes_are_said(backbone, tmp_path):
    lines = "".join(f"{word}\t{english}\n" for word, english in LEXICON.items())
    (tmp_path / "words.tsv").write_text(lines, encoding="utf-8")
    untranslated = [Example(example.text) for example in EXAMPLES]
    settings = {"name": "dictionary", "path": "words.tsv", "dimensions": 16}
    part, _ = build(backbone, settings, untranslated, folder=tmp_path)
    assert bool(part.embeddings.weight.isfinite().all())
    (tmp_path / "words.tsv").write_text(lines + "alone\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"words\.tsv, line {len(LEXICON) + 1}: .*write word<TAB>translation"):
        build(backbone, settings, untranslated, folder=tmp_path)
    (tmp_path / "words.tsv").write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(DataError, match="the dictionary has 0 words of the training texts"):
        build(backbone, settings, untranslated, folder=tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        build(backbone, {**settings, "path": "none.tsv"}, untranslated, folder=tmp_path)
    with pytest.raises(DataError, match="neither a dictionary nor a training row with a translation"):
        build(backbone, "dictionary", untranslated)


def test_a_plugins_initialiser_is_used_and_held_to_its_shape(backbone):
    class Empty(Config):
        pass

    def constant(_config, new):
        return torch.full((len(new.tokens), new.backbone.hidden_size), 0.5)

    known = {"half": InitialiserSpec("half", "s", Empty, constant)}
    part, _ = build(backbone, "half", known=known)
    assert bool((part.embeddings.weight == 0.5).all())
    known = {"half": InitialiserSpec("half", "s", Empty, lambda _config, new: torch.zeros(2, 2))}
    with pytest.raises(PluginError, match=r'initialiser "half" gave \(2, 2\)'):
        build(backbone, "half", known=known)


def test_what_is_misspelt_is_said(backbone):
    with pytest.raises(RecipeError, match='there is no initialiser "fokus"; did you mean "focus"'):
        build(backbone, "fokus")
    with pytest.raises(RecipeError, match=r"initialise\.dimension"):
        build(backbone, {"name": "focus", "dimension": 3})
    with pytest.raises(ValidationError):
        VocabularyConfig(initialise=3)


def test_sparsemax_is_the_projection_onto_the_simplex():
    """Martins and Astudillo 2016: two equal scores share; one ahead by more than one takes all."""
    scores = torch.tensor([[1.0, 1.0, -3.0], [2.0, 0.5, 0.0], [0.6, 0.4, 0.0]])
    expected = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.6, 0.4, 0.0]])
    torch.testing.assert_close(sparsemax(scores), expected)


def test_what_keeps_like_company_lies_near_in_a_static_space():
    # 1 and 2 stand between 10 and 11, 3 between 20 and 21.
    texts = [[10, 1, 11], [10, 2, 11], [20, 3, 21]] * 5
    space = static_space(texts, 4, 2)
    one, two, three = (space.vectors[row] for row in space.rows([1, 2, 3]))
    assert one @ two > 0.95 and abs(one @ three) < 0.2
    assert space.rows([1, 99]).tolist() == [space.rows([1])[0], -1]
