"""Backbones that write: as transformers writes, and every row of a mixed batch as it writes alone."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from lect import Example, MethodSpec, MetricSpec
from lect.backbones.quiet import quiet_transformers
from lect.backbones.weights import hold_weights
from lect.builtins.generation import GenerationObjective
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.errors import RecipeError, StackError
from lect.generation.logits import RoutedLogits, generation_head
from lect.generation.predictions import generate_predictions
from lect.generation.rows import Phrasing
from lect.heads import Decoding, GenerationHead, GenerationRequest
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.objectives import ObjectiveContext
from lect.specs import BuildContext, Corpus
from lect.storage.restore import build_part
from lect.testing.backbones import save_tiny_backbone, tiny_backbone

pytestmark = pytest.mark.models

TEXTS = (
    "the old house",
    "a day",
    "it was on the way to the water and more than that",
    "good people",
    "you",
    "in a city",
)
ROWS = tuple(Example(text, translation=f"yang {text} dan") for text in TEXTS)
CODES = {"m2m_100": ("__en__", "__id__"), "mbart": ("en_XX", "id_ID")}
FAMILIES = ("llama", "gemma2", "t5", "mbart", "m2m_100")
KINDS = {
    "llama": "AutoModelForCausalLM",
    "gpt2": "AutoModelForCausalLM",
    "gemma2": "AutoModelForCausalLM",
    "qwen2": "AutoModelForCausalLM",
}


class Echo(GenerationHead):
    """Demands a text's translation behind a prompt, if there is one."""

    def __init__(self, backbone, beams=1, longest=8, penalty=1.0, prompt=("", ""), codes=None):
        super().__init__()
        self.decoding = Decoding(longest=longest, beams=beams, length_penalty=penalty, one_line=False)
        self.prompt, self.codes = prompt, codes or CODES.get(backbone.model.config.model_type, (None, None))

    def request(self, example):
        return GenerationRequest(example.text, *self.prompt, *self.codes)

    def target(self, example):
        return example.translation


@cache
def loaded_host():
    return Host.load(report=lambda line: None)


@pytest.fixture
def host():
    return loaded_host()


def model_of(host, family, methods=("full", "lora", "bottleneck")):
    """A model with a component of each method, each of which changes a lot."""
    backbone = tiny_backbone(family, generates=True)
    model, configs = RoutedModel(backbone), {"lora": {"target_modules": "all-linear"}, "vocabulary": {"pieces": 20}}
    for seed, method in enumerate(methods):
        torch.manual_seed(seed)
        corpus = Corpus((Example("ߛߣߍ߬ ߞߎߘߊ dog", translation="new dog"), Example("ߝߟߐ ߞߎߘߊ", translation="old dog")))
        part = build_part(host, method, configs.get(method, {}), BuildContext(backbone, corpus), method)
        with torch.no_grad():
            for parameter in part.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        model.attach(Component(f"task:{method}", "task", {method: part}))
    return model.eval()


def stacks_of(methods):
    return [(), *((f"task:{method}",) for method in methods), tuple(f"task:{method}" for method in methods[1:])]


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_of_a_mixed_batch_writes_what_it_writes_alone(host, family, beams):
    methods = ("full", "lora") if not host_has(host, "bottleneck") else ("full", "lora", "bottleneck")
    model = model_of(host, family, methods)
    encoder, head = RowEncoder(model), Echo(model.backbone, beams)
    own = stacks_of(methods)
    stacks = [own[index % len(own)] for index in range(len(ROWS))]
    together = [each.value for each in generate_predictions(encoder, stacks, head, ROWS)]
    alone = [
        generate_predictions(encoder, [stack], head, [row])[0].value for stack, row in zip(stacks, ROWS, strict=True)
    ]
    assert together == alone
    bare = [each.value for each in generate_predictions(encoder, [()] * len(ROWS), head, ROWS)]
    changed = [index for index, stack in enumerate(stacks) if stack]
    assert sum(together[index] != bare[index] for index in changed) >= len(changed) - 1
    assert [together[index] for index in range(len(ROWS)) if index not in changed] == [
        bare[index] for index in range(len(ROWS)) if index not in changed
    ]


def host_has(host, method):
    return method in host.specs(MethodSpec)


def saved_whole(folder, family, tied):
    """A folder as transformers saves a whole model with a head over tokens, that model, and the backbone of it."""
    import transformers

    save_tiny_backbone(folder, family, generates=True)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.tie_word_embeddings = tied
    kind = getattr(transformers, KINDS.get(family, "AutoModelForSeq2SeqLM"))
    torch.manual_seed(3)
    with quiet_transformers():
        whole = kind.from_config(config).eval()
        for name, parameter in whole.named_parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3 if "embed" not in name and "shared" not in name else 1.0)
        if hasattr(whole, "final_logits_bias"):
            torch.nn.init.normal_(whole.final_logits_bias)
        whole.save_pretrained(folder)
        whole = kind.from_pretrained(folder).eval()
        whole.generation_config.forced_eos_token_id = None
    return whole, load_backbone(str(folder), host=loaded_host(), generates=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "tied"),
    [("llama", True), ("llama", False), ("gpt2", True), ("gemma2", True), ("t5", True), ("mt5", False),
     ("mbart", True), ("m2m_100", True)],
)  # fmt: skip
def test_the_bare_backbone_writes_and_scores_as_transformers_does(tmp_path, family, tied):
    whole, backbone = saved_whole(tmp_path / "model", family, tied)
    model = RoutedModel(backbone).eval()
    encoder = RowEncoder(model)
    phrasing = Phrasing(encoder, (), Decoding(longest=12, one_line=False))
    for beams in (1, 4):
        head = Echo(backbone, beams, longest=12)
        for row, answer in zip(ROWS[:4], generate_predictions(encoder, [()] * 4, head, ROWS[:4]), strict=True):
            source = phrasing.source(head.request(row))
            named = {"input_ids": torch.tensor([source.ids]), "attention_mask": torch.ones(1, len(source.ids)).long()}
            if source.forced:
                named |= forced_as_transformers_does(source.forced)
            with quiet_transformers():
                # A forced second token is one of those that are written.
                longest = 12 + max(0, len(source.forced) - 1)
                (ids,) = whole.generate(
                    **named,
                    max_new_tokens=longest,
                    num_beams=beams,
                    do_sample=False,
                    eos_token_id=phrasing.end,
                    pad_token_id=backbone.padding_id,
                )
            begun = len(source.forced) or len(source.ids)
            assert answer.value == phrasing.text(ids[begun:].tolist()), (beams, row.text)
    # The loss of answers is the one that transformers gives for the same labels.
    objective = objective_of(model, head)
    for row in ROWS[:3]:
        batch = objective.batch([row], torch.device("cpu"))
        read = batch.rows
        hidden = model(read)
        loss = objective.loss(model, hidden, batch).total
        source, target = phrasing.source(head.request(row)), phrasing.target(row.translation, head.request(row))
        if source.forced:
            given = torch.tensor([[*source.forced, *target[:-1]]])
            labels = torch.tensor([[*(-100,) * (len(source.forced) - 1), *target]])
            outputs = whole(input_ids=read.input_ids, decoder_input_ids=given)
            expected = torch.nn.functional.cross_entropy(outputs.logits[0], labels[0])
        else:
            ids = torch.tensor([[*source.ids, *target]])
            labels = torch.tensor([[*(-100,) * len(source.ids), *target]])
            expected = whole(input_ids=ids, labels=labels).loss
        torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)


def forced_as_transformers_does(forced):
    if len(forced) == 1:
        return {"decoder_start_token_id": forced[0]}
    return {"decoder_start_token_id": forced[0], "forced_bos_token_id": forced[1]}


def objective_of(model, head, stack=(), examples=ROWS):
    host = loaded_host()
    if not stack:
        # Something to train, which changes nothing.
        torch.manual_seed(0)
        part = build_part(host, "full", {}, BuildContext(model.backbone, Corpus(examples)), "full")
        model.attach(Component("task:same", "task", {"full": part}))
        stack = ("task:same",)
    metric = {name: provided.spec for name, provided in host.specs(MetricSpec).items()}
    context = ObjectiveContext(model, RowEncoder(model), stack, (), examples, metric, ("translation",))
    return GenerationObjective(context, head)


@pytest.mark.parametrize("family", ["llama", "gemma2", "t5", "mbart", "m2m_100"])
@torch.no_grad()
def test_what_is_kept_from_token_to_token_is_what_a_whole_pass_computes(host, family):
    model = model_of(host, family, ("lora",))
    encoder, stack, head = RowEncoder(model), ("task:lora",), Echo(model.backbone, longest=6)
    phrasing, tokens = Phrasing(encoder, stack, head.decoding), generation_head(model.backbone)
    routes = Routes.uniform(stack, 1)
    for row in ROWS[:3]:
        source = phrasing.source(head.request(row))
        read = torch.tensor([source.ids])
        written: list[int] = []
        while len(written) < 6 and phrasing.end not in written:
            if source.forced:
                given = torch.tensor([[*source.forced, *written]])
                rows = EncodedRows(read, torch.ones_like(read), None, routes)
                states = model.decode(given, torch.ones_like(given), model(rows), rows)
            else:
                given = torch.tensor([[*source.ids, *written]])
                states = model(EncodedRows(given, torch.ones_like(given), None, routes))
            written.append(int(RoutedLogits(model, tokens, routes)(states[:, -1:]).argmax()))
        (answer,) = generate_predictions(encoder, [stack], head, [row])
        assert answer.value == phrasing.text(written)


@pytest.mark.parametrize("family", ["llama", "mt5", "mbart", "m2m_100"])
def test_padding_and_neighbours_change_no_loss_and_prompts_are_not_learned(host, family):
    model = model_of(host, family, ("lora",))
    objective = objective_of(model, Echo(model.backbone), ("task:lora",))

    def loss_of(rows):
        batch = objective.batch(rows, torch.device("cpu"))
        read = batch.rows
        hidden = model(read)
        return objective.loss(model, hidden, batch).total, len(batch.targets.labels)

    alone = [loss_of([row]) for row in ROWS]
    total = sum(loss * count for loss, count in alone) / sum(count for _, count in alone)
    together, count = loss_of(ROWS)
    torch.testing.assert_close(together, total, atol=1e-5, rtol=1e-5)
    phrasing = Phrasing(RowEncoder(model), ("task:lora",), Echo(model.backbone).decoding)
    assert count == sum(len(phrasing.target(row.translation, GenerationRequest(row.text))) for row in ROWS)


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("family", ["t5", "mbart"])
def test_gradients_reach_both_halves(host, family, forgets):
    model = model_of(host, family, ("lora",))
    model.checkpoints_layers = forgets
    objective = objective_of(model, Echo(model.backbone), ("task:lora",))
    batch = objective.batch(ROWS, torch.device("cpu"))
    hidden = model(batch.rows)
    objective.loss(model, hidden, batch).total.backward()
    named = dict(model.components["task:lora"].parts["lora"].named_parameters())
    moved = {name for name, parameter in named.items() if parameter.grad is not None and parameter.grad.abs().sum() > 0}
    assert moved == set(named)
    assert any("writer" in name for name in named) and any("writer" not in name for name in named)
    assert all(parameter.grad is None for parameter in model.backbone.model.parameters())


def test_each_row_writes_only_tokens_of_its_own_stack(host):
    model = model_of(host, "llama", ("vocabulary", "lora"))
    routes = Routes.of([(), ("task:vocabulary",), ("task:lora",)])
    tokens = RoutedLogits(model, generation_head(model.backbone), routes)
    logits = tokens(torch.randn(3, 2, model.backbone.hidden_size))
    backbone = model.backbone.module(model.backbone.anatomy.word_embedding).weight.shape[0]
    assert logits.shape == (3, 2, tokens.width) and tokens.width > backbone
    assert torch.isinf(logits[[0, 2], :, backbone:]).all() and torch.isfinite(logits[1]).all()


def test_new_tokens_are_read_and_written_by_a_decoder_and_refused_by_an_encoder_decoder(host):
    model = model_of(host, "llama", ("vocabulary", "lora"))
    stacks = [("task:vocabulary",), ("task:lora",), ("task:vocabulary", "task:lora"), ()]
    rows = [Example(f"ߞߎߘߊ {row.text}", translation="x") for row in ROWS[:4]]
    for beams in (1, 2):
        head = Echo(model.backbone, beams)
        together = generate_predictions(RowEncoder(model), stacks, head, rows)
        for stack, row, answer in zip(stacks, rows, together, strict=True):
            assert generate_predictions(RowEncoder(model), [stack], head, [row])[0].value == answer.value
    taught = [Example("a new dog", translation="ߛߣߍ߬ ߞߎߘߊ")]
    objective = objective_of(model, Echo(model.backbone, longest=40), ("task:lora", "task:vocabulary"), taught)
    batch = objective.batch(taught, torch.device("cpu"))
    first = model.components["task:vocabulary"].parts["vocabulary"].new_tokens().first
    assert (batch.targets.labels >= first).any()
    hidden = model(batch.rows)
    objective.loss(model, hidden, batch).total.backward()
    learned = dict(model.components["task:vocabulary"].parts["vocabulary"].named_parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in learned.values())
    model = model_of(host, "mbart", ("vocabulary",))
    with pytest.raises(StackError, match="tokens of its own"):
        generate_predictions(RowEncoder(model), [("task:vocabulary",)], Echo(model.backbone), ROWS[:1])


def test_a_component_of_the_encoder_alone_fits_the_whole_model(host):
    alone, whole = tiny_backbone("mbart"), tiny_backbone("mbart", generates=True)
    assert whole.fingerprint != whole.reading.fingerprint
    assert {path for path, _ in alone.named_modules()} < {path for path, _ in whole.named_modules()}
    assert len(whole.anatomy.layers) == len(alone.anatomy.layers) + 1
    assert set(alone.anatomy.linears) < set(whole.anatomy.linears)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_weights_held_in_half_the_memory_give_nearly_the_same_loss(host, family):
    losses = []
    for weights in ("float32", "bfloat16"):
        model = model_of(host, family, ())
        hold_weights(model.backbone, weights, torch.device("cpu"))
        part = build_part(
            host, "lora", {"target_modules": "all-linear"}, BuildContext(model.backbone, Corpus()), "lora"
        )
        model.attach(Component("task:lora", "task", {"lora": part}))
        objective = objective_of(model, Echo(model.backbone), ("task:lora",))
        batch = objective.batch(ROWS, torch.device("cpu"))
        hidden = model(batch.rows)
        losses.append(float(objective.loss(model, hidden, batch).total.detach()))
        assert len(generate_predictions(RowEncoder(model), [("task:lora",)], Echo(model.backbone), ROWS[:1])) == 1
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.02)


def test_an_encoder_is_refused_with_what_would_write(host):
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    with pytest.raises(RecipeError, match="cannot write any; use a decoder"):
        generate_predictions(RowEncoder(model), [()], Echo(model.backbone), ROWS[:1])


def test_a_long_text_is_cut_and_its_prompt_is_whole():
    backbone = tiny_backbone("llama", generates=True)
    model = RoutedModel(backbone)
    encoder = RowEncoder(model, 48)
    phrasing = Phrasing(encoder, (), Decoding(longest=16))
    request = GenerationRequest("the people " * 40, "Read: ", "\nSay:")
    source = phrasing.source(request)
    read = encoder.tokenizer(()).decode(list(source.ids))
    assert source.truncated and len(source.ids) <= 48 - 16
    assert read.startswith("Read: the people") and read.endswith("\nSay:")
    long, short = phrasing.target("the people " * 40, request), phrasing.target("the people", request)
    assert len(long) == 16 and phrasing.end not in long and short[-1] == phrasing.end
    with pytest.raises(RecipeError, match="no room for the text"):
        phrasing.source(GenerationRequest("the people", "word " * 60, ""))
    # Several tokens a character, and none of it in half.
    for count in range(8, 24):
        whole = "ߛߣߍ߬ ߞߎߘߊ " * count
        source = phrasing.source(GenerationRequest(whole, "Read: ", "\nSay:"))
        read = encoder.tokenizer(()).decode(list(source.ids)).removeprefix("Read: ").removesuffix("\nSay:")
        assert source.truncated and read and whole.startswith(read.strip())


@pytest.mark.parametrize(("family", "token"), [("llama", "Ċ"), ("gemma2", "<0x0A>")])
def test_an_answer_of_a_decoder_ends_with_its_line(family, token):
    backbone = tiny_backbone(family, generates=True)
    model = RoutedModel(backbone)
    encoder = RowEncoder(model)
    end, line = backbone.tokenizer.eos_token_id, encoder.tokenizer(()).token_to_id(token)
    phrasing = Phrasing(encoder, (), Decoding())
    assert phrasing.ends == (end, line)
    words = encoder.tokenizer(()).encode("the house\nand more", add_special_tokens=False).ids
    assert phrasing.text(words) == "the house"
    assert Phrasing(encoder, (), Decoding(one_line=False)).text(words) == "the house and more"


def test_codes_that_a_backbone_does_not_have_are_refused():
    model = RoutedModel(tiny_backbone("m2m_100", generates=True))
    encoder = RowEncoder(model)

    def source(*codes):
        return Phrasing(encoder, (), Decoding()).source(GenerationRequest("a day", "", "", *codes))

    assert source("__id__", "__en__").ids[0] == encoder.tokenizer(()).token_to_id("__id__")
    assert source("__id__", "__en__").forced == (model.backbone.start_id, encoder.tokenizer(()).token_to_id("__en__"))
    with pytest.raises(RecipeError, match='has no token "__xx__"; it has __en__, __id__'):
        source("__en__", "__xx__")
    with pytest.raises(RecipeError, match="must be told which language"):
        source()
    model = RoutedModel(tiny_backbone("t5", generates=True))
    with pytest.raises(RecipeError, match="no tokens that stand for languages"):
        Phrasing(RowEncoder(model), (), Decoding()).source(GenerationRequest("a day", "", "", None, "id_ID"))
