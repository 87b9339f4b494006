"""Masked, translation and causal language modelling on tiny backbones: heads, rows, scores."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lect import Example, MethodSpec
from lect.backbones.quiet import quiet_transformers
from lect.builtins.language_modelling.causal import CausalObjective
from lect.builtins.language_modelling.config import CausalConfig, MaskedConfig
from lect.builtins.language_modelling.masked import MaskedObjective
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import BackboneError, RecipeError
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.language_model.stored_head import stored_causal_head, stored_masked_head
from lect.objectives import ObjectiveContext
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import save_tiny_backbone, tiny_backbone

ROWS = tuple(
    Example(f"the old house on the {word}", translation=f"yang dan di {word}")
    for word in ("water", "day", "way", "year", "city", "place")
)
HIDDEN_OFTEN = {"masked": 0.5, "head_steps": 5}
NEW = tuple(Example(f"ߒߞߏ ߞߊ߲ {word}", translation=word) for word in ("ߊ߲", "ߓߊ߲", "ߞߏ", "ߒߞߏ"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def context_of(backbone, examples=ROWS, method="full", config=None, **named):
    host = Host.load(report=lambda line: None)
    spec = host.spec(MethodSpec, method)
    torch.manual_seed(0)
    part = spec.build(spec.config(**(config or {})), BuildContext(backbone, Corpus(examples)))
    model = RoutedModel(backbone)
    model.attach(Component("lang:x", "lang", {method: part}))
    return ObjectiveContext(model, RowEncoder(model), ("lang:x",), (), examples, {}, **named)


def masked_of(backbone, examples=ROWS, translations=False, method="full", method_config=None, folder=Path(), **config):
    context = context_of(backbone, examples, method, method_config, folder=folder)
    return MaskedObjective(MaskedConfig(**{**HIDDEN_OFTEN, **config}), context, translations), context


def hidden_of(model, batch):
    rows = batch.rows
    return model(rows)


def save_with_head(folder, family, kind, **changes):
    """A folder as transformers saves a model with its head; returns that model too."""
    import transformers

    save_tiny_backbone(folder, family)
    config = transformers.AutoConfig.from_pretrained(folder)
    for name, value in changes.items():
        setattr(config, name, value)
    torch.manual_seed(3)
    with quiet_transformers():
        whole = getattr(transformers, kind)(config).eval()
        for name, parameter in whole.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter)
        whole.save_pretrained(folder)
    return whole, load_backbone(str(folder), host=Host.load(report=lambda line: None))


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("bert", "BertForMaskedLM"),
        ("xlm-roberta", "XLMRobertaForMaskedLM"),
        ("distilbert", "DistilBertForMaskedLM"),
        ("modernbert", "ModernBertForMaskedLM"),
        ("electra", "ElectraForMaskedLM"),
        ("deberta-v2", "DebertaV2ForMaskedLM"),
    ],
)
def test_a_checkpoint_gives_its_own_head(tmp_path, family, kind):
    whole, backbone = save_with_head(tmp_path / "model", family, kind)
    head = stored_masked_head(backbone)
    encoded = RowEncoder(RoutedModel(backbone)).encode([ROWS[0].text], [()])
    named = {"input_ids": encoded.input_ids, "attention_mask": encoded.attention_mask}
    with torch.no_grad():
        states = head.transform(backbone.model(**named)[0])
        found = head.logits(states[0], head.matrix, head.bias)
        torch.testing.assert_close(found, whole(**named).logits[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_a_decoder_gives_its_own_head(tmp_path, tied):
    whole, backbone = save_with_head(tmp_path / "model", "llama", "LlamaForCausalLM", tie_word_embeddings=tied)
    context = context_of(backbone)
    objective = CausalObjective(CausalConfig(), context)
    batch = objective.batch(ROWS[:1], torch.device("cpu"))
    loss = objective.loss(context.model, hidden_of(context.model, batch), batch).total
    ids = batch.rows.input_ids
    expected = whole(input_ids=ids, labels=ids).loss
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    scores = objective.scores(context.model, ROWS)
    assert 0 < scores["likelihood"] < 1 and scores == objective.scores_without(context.model, ROWS)


def test_a_decoder_without_its_head_is_refused(tmp_path):
    backbone = tiny_backbone("llama")
    backbone.model.config.tie_word_embeddings = False
    with pytest.raises(BackboneError, match="without the head"):
        stored_causal_head(backbone)


def test_rows_of_unequal_length_predict_no_padding():
    backbone = tiny_backbone("gpt2")
    rows = (Example("one"), Example("the old house on the way to the water"))
    context = context_of(backbone, rows)
    objective = CausalObjective(CausalConfig(), context)
    losses = []
    for own in ([rows[0]], [rows[1]], list(rows)):
        batch = objective.batch(own, torch.device("cpu"))
        losses.append((objective.loss(context.model, hidden_of(context.model, batch), batch).total, batch))
    counts = [len(batch.targets.labels) for _, batch in losses]
    assert counts[2] == counts[0] + counts[1]
    together = (losses[0][0] * counts[0] + losses[1][0] * counts[1]) / counts[2]
    torch.testing.assert_close(losses[2][0], together, atol=1e-5, rtol=1e-5)


def test_a_head_is_trained_once_and_taken_again(cache):
    first, context = masked_of(tiny_backbone("xlm-roberta"))
    (folder,) = (cache / "heads").glob("masked-lm-*[0-9a-f]")
    written = (folder / "weights.safetensors").stat().st_mtime_ns
    # Another language's run takes it.
    second, _ = masked_of(tiny_backbone("xlm-roberta"), NEW)
    assert (folder / "weights.safetensors").stat().st_mtime_ns == written
    assert second.scores(context.model, ROWS) == first.scores(context.model, ROWS)
    # One that asks for a longer training does not.
    masked_of(tiny_backbone("xlm-roberta"), head_steps=9)
    assert '"trained": 9' in (folder / "made_from.json").read_text()
    masked_of(tiny_backbone("xlm-roberta", seed=1))
    assert len(list((cache / "heads").glob("masked-lm-*[0-9a-f]"))) == 2


def test_a_head_is_trained_on_the_text_that_the_user_names(cache, tmp_path):
    (tmp_path / "text.txt").write_text("many some other most know\n\nplace good bad\n", encoding="utf-8")
    masked_of(tiny_backbone("xlm-roberta"), folder=tmp_path, head_text="text.txt")
    (made,) = (cache / "heads").glob("masked-lm-*/made_from.json")
    assert '"rows": 2' in made.read_text()
    with pytest.raises(RecipeError, match=r"head_text, none\.txt: the file cannot be read"):
        masked_of(tiny_backbone("xlm-roberta"), folder=tmp_path, head_text="none.txt")


def test_training_a_head_leaves_the_random_state_alone():
    torch.manual_seed(7)
    backbone = tiny_backbone("xlm-roberta")
    context = context_of(backbone)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    MaskedObjective(MaskedConfig(**HIDDEN_OFTEN), context)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_trained_head_predicts_better_than_an_untrained_one(cache):
    losses = []
    for steps, seed in ((1, 0), (60, 0)):
        objective, context = masked_of(tiny_backbone("xlm-roberta", seed=seed), head_steps=steps)
        losses.append(objective.scores(context.model, ROWS)["loss"])
        for path in sorted((cache / "heads").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    assert losses[1] < losses[0] - 0.5


def test_what_is_to_be_predicted_is_never_seen():
    objective, context = masked_of(tiny_backbone("xlm-roberta"), masked=0.9)
    mask = context.model.backbone.tokenizer.mask_token_id
    torch.manual_seed(0)
    batch = objective.batch(ROWS, torch.device("cpu"))
    original = context.encoder.encode([row.text for row in ROWS], [("lang:x",)] * len(ROWS)).input_ids
    places = batch.targets.places
    assert torch.equal(original[places], batch.targets.labels)
    elsewhere = torch.ones_like(original, dtype=torch.bool)
    elsewhere[places] = False
    assert torch.equal(batch.rows.input_ids[elsewhere], original[elsewhere])
    seen = batch.rows.input_ids[places]
    assert 0.6 < float((seen == mask).float().mean()) < 0.95
    special = torch.tensor(context.model.backbone.tokenizer.all_special_ids)
    assert not torch.isin(original[places], special).any()


def test_the_prefix_is_not_predicted():
    from dataclasses import replace

    backbone = replace(tiny_backbone("xlm-roberta"), prefix="query: ")
    objective, _ = masked_of(backbone, masked=0.95)
    # Each token that may be hidden is hidden in one of so many batches.
    hidden = {}
    for _ in range(20):
        targets = objective.batch(ROWS[:1], torch.device("cpu")).targets
        hidden |= dict(zip(targets.places[1].tolist(), targets.labels.tolist(), strict=True))
    shown = backbone.tokenizer.convert_ids_to_tokens([hidden[place] for place in sorted(hidden)])
    assert "".join(shown).replace("▁", " ").strip() == ROWS[0].text


def test_the_loss_is_that_of_transformers_over_the_hidden_tokens(tmp_path):
    whole, backbone = save_with_head(tmp_path / "model", "xlm-roberta", "XLMRobertaForMaskedLM")
    objective, context = masked_of(backbone, candidates="all")
    torch.manual_seed(1)
    batch = objective.batch(ROWS, torch.device("cpu"))
    labels = torch.full_like(batch.rows.input_ids, -100)
    labels[batch.targets.places] = batch.targets.labels
    found = objective.loss(context.model, hidden_of(context.model, batch), batch).total
    expected = whole(input_ids=batch.rows.input_ids, attention_mask=batch.rows.attention_mask, labels=labels).loss
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_scores_are_the_same_in_any_order_and_leave_the_random_state_alone():
    objective, context = masked_of(tiny_backbone("xlm-roberta"))
    before = torch.get_rng_state()
    scores = objective.scores(context.model, ROWS)
    assert torch.equal(torch.get_rng_state(), before)
    assert objective.scores(context.model, ROWS[::-1]) == pytest.approx(scores, rel=1e-5)
    assert scores["likelihood"] == pytest.approx(float(torch.tensor(-scores["loss"]).exp()), rel=1e-5)


def test_a_translation_is_read_together_with_its_sentence_and_hidden_too():
    objective, context = masked_of(tiny_backbone("bert"), translations=True, masked=0.9)
    tokenizer = context.model.backbone.tokenizer
    batch = objective.batch(ROWS[:2], torch.device("cpu"))
    places, original = batch.targets.places, batch.rows.input_ids.clone()
    original[places] = batch.targets.labels
    for row, example in enumerate(ROWS[:2]):
        ids = original[row]
        assert "".join(tokenizer.convert_ids_to_tokens(ids)).replace("▁", " ").count(example.translation) == 1
        middle = (ids == tokenizer.sep_token_id).nonzero()[0]
        hidden = places[1][places[0] == row]
        assert (hidden < middle).any() and (hidden > middle).any()
    assert objective.scores(context.model, ROWS)["likelihood"] > 0


@pytest.mark.parametrize("translations", [False, True])
def test_new_tokens_of_a_language_are_hidden_and_learned(translations):
    objective, context = masked_of(
        tiny_backbone("xlm-roberta"), NEW, translations, "vocabulary", {"pieces": 12}, masked=0.8
    )
    part = context.model.components["lang:x"].parts["vocabulary"]
    first = part.new_tokens().first
    for parameter in part.parameters():
        parameter.requires_grad_(True)
    torch.manual_seed(0)
    batch = objective.batch(NEW, torch.device("cpu"))
    assert (batch.targets.labels >= first).any()
    objective.loss(context.model, hidden_of(context.model, batch), batch).total.backward()
    assert part.bias.grad.abs().sum() > 0 and part.embeddings.weight.grad.abs().sum() > 0
    assert 0 < objective.scores(context.model, NEW)["likelihood"] < 1
    assert objective.scores_without(context.model, NEW) == {}


@pytest.mark.parametrize(("family", "objective"), [("gpt2", "masked-lm"), ("t5", "masked-lm"), ("bert", "causal-lm")])
def test_a_backbone_that_reads_otherwise_is_refused(family, objective):
    context = context_of(tiny_backbone(family))
    with pytest.raises(RecipeError, match=f'"{objective}"'):
        if objective == "causal-lm":
            CausalObjective(CausalConfig(), context)
        else:
            MaskedObjective(MaskedConfig(), context)


def test_a_batch_without_hidden_tokens_trains_nothing_and_fails_not():
    objective, context = masked_of(tiny_backbone("xlm-roberta"), masked=1e-9)
    batch = objective.batch(ROWS[:1], torch.device("cpu"))
    loss = objective.loss(context.model, hidden_of(context.model, batch), batch).total
    assert loss.requires_grad and loss.item() == 0
