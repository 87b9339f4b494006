"""Alignment of words: partners by mutual nearness or by a dictionary, and a loss that pulls them together."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from lect import Example, MethodSpec, MetricSpec
from lect.builtins.alignment import AlignmentObjective
from lect.builtins.configs import AlignmentConfig
from lect.builtins.word_alignment import WordAlignment, mutual_argmax
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import DataError, RecipeError
from lect.host import Host
from lect.objectives import ObjectiveContext
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import tiny_backbone
from lect.training.joint import JointLosses
from lect.validation import validate_model

CPU = torch.device("cpu")
# A language that is the other one's with new words, the second and the third word of each sentence changed round.
LEXICON = {
    "water": "yang",
    "house": "dan",
    "place": "untuk",
    "people": "tidak",
    "city": "dengan",
    "year": "mereka",
    "day": "kata",
    "word": "sangat",
}
_NOUNS = list(LEXICON)
SENTENCES = [[_NOUNS[(i * step + shift) % 8] for i in range(4)] for step in (1, 3) for shift in range(8)]
PARTNERS = [0, 2, 1, 3]


def row_of(a, b, c, d):
    return Example(" ".join(LEXICON[word] for word in (a, c, b, d)), translation=f"{a} {b}, {c} {d}.")


PAIRS = tuple(row_of(*words) for words in SENTENCES)


def objective_of(rows=PAIRS, prefix="", folder=Path(), target=(), **config):
    host = Host.load(report=lambda line: None)
    backbone = replace(tiny_backbone("xlm-roberta"), prefix=prefix)
    model = RoutedModel(backbone)
    translated = [Example(row.translation, translation=row.text) for row in rows]
    learning = (("lang:x", "full", {}, rows), *((key, "vocabulary", {"pieces": 12}, translated) for key in target))
    for key, name, options, corpus in learning:
        spec = host.spec(MethodSpec, name)
        torch.manual_seed(1)
        part = spec.build(spec.config(**options), BuildContext(backbone, Corpus(corpus)))
        model.attach(Component(key, "lang", {name: part}))
    metric = {name: provided.spec for name, provided in host.specs(MetricSpec).items()}
    encoder = RowEncoder(model)
    encoder.keep([row.text for row in rows], ("lang:x",))
    context = ObjectiveContext(model, encoder, ("lang:x",), target, rows, metric, folder=folder)
    return AlignmentObjective(AlignmentConfig(**config), context), context


def loss_of(objective, context, rows=PAIRS):
    batch = objective.batch(rows, CPU)
    return JointLosses(context.model, context.encoder, [objective])([batch])[0]


def partners_of(context, rows):
    """For each row the partners that the states give its words."""
    encoded = context.encoder.encode([row.text for row in rows], [("lang:x",)] * len(rows))
    words = WordAlignment(None, context).words(rows, encoded.length, CPU)
    with torch.no_grad():
        own, frozen = (
            means @ context.model(one) for means, one in ((words.own, encoded), (words.frozen, words.translations))
        )
    return mutual_argmax(own, frozen, words.own.any(-1), words.frozen.any(-1))


def test_partners_are_each_others_nearest():
    torch.manual_seed(0)
    other = normalize(torch.randn(2, 5, 16), dim=-1)
    own = 3.0 * other[:, [2, 0, 1, 4]] + 0.01 * torch.randn(2, 4, 16)
    is_own, is_other = torch.ones(2, 4, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)
    is_own[1, 3], is_other[1, 0] = False, False
    # Of two that are near the same one the nearer is its partner.
    own[0, 3] = other[0, 2] + 0.5 * other[0, 3]
    found = mutual_argmax(own, other, is_own, is_other)
    assert found[0].tolist() == [2, 0, 1, -1]
    assert found[1, 0] == 2 and found[1, 2] == 1 and found[1, 3] == -1


@pytest.mark.parametrize("prefix", ["", "query: "])
def test_a_text_is_aligned_with_itself(prefix):
    rows = tuple(Example(row.translation, translation=row.translation) for row in PAIRS)
    objective, context = objective_of(rows, prefix=prefix, tokens=1.0)
    loss = loss_of(objective, context, rows)
    assert loss.terms["aligned"] == 1.0
    assert float(loss.terms["tokens"]) == pytest.approx(0.0, abs=1e-9)


def test_a_words_state_is_the_mean_of_its_tokens():
    rows = (Example("mad, houses", translation="water"), Example("a", translation="the people's house of the city"))
    objective, context = objective_of(rows, prefix="query: ", tokens=1.0)
    words = objective.batch(rows, CPU).targets.words
    for row, example in enumerate(rows):
        encoding = context.encoder.tokenize([example.text], ("lang:x",))[0]
        spans = {tuple(mean.nonzero()[:, 0].tolist()) for mean in words.own[row] if mean.any()}
        texts = {"".join(encoding.tokens[place] for place in span).strip("▁") for span in spans}
        assert texts == ({"mad", "houses"} if row == 0 else {"a"})
    assert words.frozen.any(-1).sum(1).tolist() == [1, 6]
    torch.testing.assert_close(words.frozen.sum(-1), words.frozen.any(-1).float())


def test_the_dictionary_names_the_partners(tmp_path):
    (tmp_path / "lexicon.tsv").write_text("".join(f"{own.title()}\t{word}\n" for word, own in LEXICON.items()))
    objective, context = objective_of(folder=tmp_path, tokens=2.0, dictionary={"path": "lexicon.tsv"})
    words = objective.batch(PAIRS, CPU).targets.words
    assert words.linked.tolist() == [PARTNERS] * len(PAIRS)
    loss = loss_of(objective, context)
    assert loss.terms["aligned"] == 1.0
    terms = {name: float(value) for name, value in loss.terms.items()}
    expected = 100.0 * terms["distance"] + 0.2 * terms["contrast"] + 2.0 * terms["tokens"]
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_words_find_the_ones_that_translate_them(tmp_path):
    generator = random.Random(0)
    rows = tuple(row_of(*generator.sample(list(LEXICON), 4)) for _ in range(256))
    half = list(LEXICON.items())[:4]
    (tmp_path / "half.tsv").write_text("".join(f"{own}\t{word}\n" for word, own in half))

    def accuracy_after_training(**config):
        objective, context = objective_of(rows, folder=tmp_path, distance=1.0, contrast=1.0, **config)
        parameters = context.model.components["lang:x"].parts["full"].parameters()
        optimiser = torch.optim.Adam(parameters, lr=2e-3)
        context.model.encoder.requires_grad_(False)
        chosen = random.Random(0)
        for _ in range(150):
            optimiser.zero_grad()
            loss_of(objective, context, chosen.sample(rows, 32)).total.backward()
            optimiser.step()
        found = partners_of(context, rows[:64])
        return float((found == torch.tensor(PARTNERS)).float().mean())

    by_sentences = accuracy_after_training()
    by_words = accuracy_after_training(tokens=5.0)
    by_half_a_dictionary = accuracy_after_training(tokens=5.0, dictionary={"path": "half.tsv"})
    assert by_sentences < 0.35
    assert by_words > by_sentences + 0.05
    # More than the half of which it was told.
    assert by_half_a_dictionary > 0.6


def test_rows_whose_sentence_is_not_found_look_for_no_partners():
    objective, context = objective_of(tokens=1.0)
    batch = objective.batch(PAIRS, CPU)
    hidden = context.model(batch.rows)
    none = torch.zeros(len(PAIRS), dtype=torch.bool)
    alignment = WordAlignment(None, context)
    loss, share = alignment.loss(context.model, hidden, batch.targets.words, none)
    assert (float(loss.detach()), share) == (0.0, 0.0)
    loss, some = alignment.loss(context.model, hidden, batch.targets.words, ~none)
    assert float(loss.detach()) > 0 and some > 0


def test_the_target_may_be_a_stack_with_a_vocabulary_of_its_own():
    objective, context = objective_of(target=("lang:other",), tokens=1.0)
    texts = [row.translation for row in PAIRS]
    rows = context.encoder.encode(texts, [("lang:other",)] * len(texts))
    bare = context.encoder.encode(texts, [()] * len(texts))
    assert rows.tokens < bare.tokens
    with torch.no_grad():
        hidden = context.model(rows)
        expected = context.model.pool(hidden, rows.attention_mask)
    torch.testing.assert_close(objective.batch(PAIRS, CPU).targets.vectors, expected, atol=1e-5, rtol=1e-4)
    loss = loss_of(objective, context)
    loss.total.backward()
    beneath = context.model.components["lang:other"].parts["vocabulary"]
    assert all(parameter.grad is None for parameter in beneath.parameters())
    assert context.model.training and loss.terms["aligned"] > 0


def test_mistakes(tmp_path):
    with pytest.raises(RecipeError, match="dictionary is of no use without tokens"):
        validate_model(AlignmentConfig, {"dictionary": {"path": "x.tsv"}}, "here")
    with pytest.raises(DataError, match=r"none\.tsv"):
        objective_of(folder=tmp_path, tokens=1.0, dictionary={"path": "none.tsv"})
    (tmp_path / "phrases.tsv").write_text("a b\tc\nd\te f\n")
    with pytest.raises(RecipeError, match=r"phrases\.tsv: the dictionary has no entry of one word"):
        objective_of(folder=tmp_path, tokens=1.0, dictionary={"path": "phrases.tsv"})
