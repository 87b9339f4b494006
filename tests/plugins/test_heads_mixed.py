"""Rows of different heads, stacks and vocabularies in one batch: each gives what it gives alone."""

from __future__ import annotations

from itertools import zip_longest

import pytest
import torch

from lect.composition.component import Component
from lect.composition.encode import RowEncoder, StackTokenizer
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.data.examples import Example, Span
from lect.engine.engine import Engine
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.storage.restore import build_head, build_part
from lect.testing.backbones import tiny_backbone

LONG = " ".join(["the old house on the way home where people made good days"] * 6)
CONTEXT = f"{LONG} in Yogyakarta {LONG}"
ROWS = {
    "classification": [
        Example("that is great", label="good"),
        Example("a dark one", label="bad", text_pair="and more"),
    ],
    "multi-label": [Example("one more bright and happy day", labels=("a", "c")), Example("short", labels=())],
    "regression": [Example("two of a kind", value=0.5)],
    "tagging": [
        Example("Budi Santoso di Jakarta", words=("Budi", "Santoso", "di", "Jakarta"), tags=("B-P", "I-P", "O", "B-L")),
        Example(LONG, words=tuple(LONG.split()), tags=("O",) * len(LONG.split())),
    ],
    "pos": [Example("好日子 x", words=("好", "日子", "x"), tags=("A", "N", "X"))],
    "qa": [
        Example(CONTEXT, question="where was it?", answers=(Span("Yogyakarta", CONTEXT.index("Yogyakarta")),)),
        Example("in a small house", question="when?", answers=()),
    ],
    "multiple-choice": [
        Example("it was dark", question="cause", choices=("night", "the sun shone", "no one knows"), label="0"),
        Example("he fell", question="effect", choices=("it hurt", "it rained"), label="0"),
    ],
    "retrieval": [
        Example("where is it", text_pair="in a small house", negatives=("one more day",)),
        Example("who fell", text_pair="he fell and it hurt"),
    ],
    "parsing": [
        Example("the dog barks", words=("the", "dog", "barks"), heads=(2, 3, 0), relations=("det", "nsubj", "root")),
        Example(LONG, words=tuple(LONG.split()), heads=(0, *(1,) * 71), relations=("root", *("det",) * 71)),
    ],
}
LABELS = {
    "classification": ["bad", "good"],
    "multi-label": ["a", "b", "c"],
    "tagging": ["O", "B-P", "I-P", "B-L", "I-L"],
    "pos": ["A", "N", "X"],
    "parsing": ["det", "nsubj", "root"],
}
CONFIGS = {
    "qa": {"no_answer": True, "overlap": 8},
    "parsing": {"arc": 12, "relation": 8},
    "tagging": {"overlap": 4},
    "retrieval": {"projection": 16, "learned": True},
}


@pytest.fixture(scope="module")
def host():
    return Host.load()


def model_of(host, family):
    """A model with a head of each kind, over a language of its own for some, one of which has its own tokens."""
    model = RoutedModel(tiny_backbone(family))
    for seed, (key, method, config) in enumerate(
        [("lang:plain", "full", {}), ("lang:new", "vocabulary", {"pieces": 30})]
    ):
        torch.manual_seed(seed)
        corpus = Corpus(
            (Example("ߛߣߍ߬ ߞߎߘߊ dog", translation="new dog"), Example("ߝߟߐ ߞߎߘߊ dog", translation="old dog"))
        )
        part = build_part(host, method, config, BuildContext(model.backbone, corpus), key)
        with torch.no_grad():
            for parameter in part.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
        model.attach(Component(key, "lang", {method: part}))
    stacks = {}
    for seed, kind in enumerate(ROWS):
        torch.manual_seed(10 + seed)
        head = build_head(host, kind, CONFIGS.get(kind, {}), model.backbone, LABELS.get(kind, []), kind)
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.5)
        model.attach(Component(f"task:{kind}", "task", {}, head))
        beneath = [(), ("lang:plain",), ("lang:new",)][seed % 3]
        stacks[kind] = (*beneath, f"task:{kind}")
    return model.eval(), stacks


@pytest.mark.parametrize("family", ["xlm-roberta", "bert"])
def test_each_row_of_a_mixed_batch_gets_its_own_head_and_what_it_gives_alone(host, family):
    model, stacks = model_of(host, family)
    encoder = RowEncoder(model, 40)
    heads = {kind: model.components[f"task:{kind}"].head for kind in ROWS}
    layouts = {kind: heads[kind].layout(rows, StackTokenizer(encoder, stacks[kind])) for kind, rows in ROWS.items()}
    assert (
        layouts["qa"].counts[0] > 3 and layouts["tagging"].counts[1] > 1 and layouts["multiple-choice"].counts[0] == 3
    )
    batches = [
        encoder.assemble(layout.rows, Routes.uniform(stacks[kind], len(layout.rows)))
        for kind, layout in layouts.items()
    ]
    # Rows of all kinds, not one kind below the other.
    joined = encoder.join(batches)
    with torch.no_grad():
        hidden = model(joined)
        outputs = {id(output.head): output for output in model.logits(hidden, joined)}
        assert len(outputs) == len(ROWS)
        for kind, examples in ROWS.items():
            together = heads[kind].decode(outputs[id(heads[kind])].logits, examples, layouts[kind])
            for place, example in enumerate(examples):
                (alone,) = Engine(model, encoder).predict([example], stacks[kind])
                mixed = together[place]
                if kind in ("regression", "retrieval"):
                    assert mixed.value == pytest.approx(alone.value, abs=1e-4)
                else:
                    assert mixed.value == alone.value
                    assert mixed.score == pytest.approx(alone.score, abs=1e-4)
                assert mixed.scores == pytest.approx(alone.scores, abs=1e-4)
                # The loss of a row alone is that of the row in the batch.
            rows = outputs[id(heads[kind])].logits
            loss = heads[kind].loss(rows, heads[kind].targets(examples, layouts[kind]))
            assert torch.isfinite(loss)
    mixed = [
        (example, stacks[kind])
        for rows in zip_longest(*ROWS.values())
        for kind, example in zip(ROWS, rows, strict=True)
        if example
    ]
    engine = Engine(model, encoder)
    for (example, stack), prediction in zip(mixed, engine.predictions(mixed), strict=True):
        (alone,) = engine.predict([example], stack)
        assert prediction.scores == pytest.approx(alone.scores, abs=1e-4)


@torch.no_grad()
def test_a_head_above_several_languages_gives_each_row_its_own(host):
    """The head's rows of one language do not lie side by side in the batch."""
    model, stacks = model_of(host, "xlm-roberta")
    encoder, head = RowEncoder(model, 40), stacks["classification"][-1]
    texts = ["that is great", "a dark one", "one more bright day", "short"]
    languages = [("lang:plain", head), (head,), ("lang:plain", head), (head,)]

    def logits(texts, languages):
        rows = encoder.encode(texts, languages)
        (output,) = model.logits(model(rows), rows)
        return dict(zip(output.rows.tolist(), output.logits, strict=True))

    together = logits(texts, languages)
    assert sorted(together) == [0, 1, 2, 3]
    for place, (text, stack) in enumerate(zip(texts, languages, strict=True)):
        torch.testing.assert_close(together[place], logits([text], [stack])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ROWS)
def test_a_head_learns_its_rows_by_heart_and_only_its_own_parameters_move(host, kind):
    model = RoutedModel(tiny_backbone())
    torch.manual_seed(0)
    head = build_head(host, kind, CONFIGS.get(kind, {}), model.backbone, LABELS.get(kind, []), kind)
    full = build_part(host, "full", {}, BuildContext(model.backbone, Corpus(())), kind)
    component = Component("task:x", "task", {"full": full}, head)
    model.attach(component)
    encoder = RowEncoder(model, 128)
    examples, stack = ROWS[kind], ("task:x",)
    layout = head.layout(examples, StackTokenizer(encoder, stack))
    rows = encoder.assemble(layout.rows, Routes.uniform(stack, len(layout.rows)))
    targets = head.targets(examples, layout)
    optimiser = torch.optim.Adam([*head.parameters(), *full.parameters()], lr=1e-2)
    head.eval()
    losses = []
    for _ in range(60):
        (output,) = model.logits(model(rows), rows)
        loss = head.loss(output.logits, targets)
        optimiser.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in head.parameters())
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    answers = [prediction.value for prediction in Engine(model, encoder).predict(examples, stack)]
    if kind == "regression":
        assert answers == pytest.approx(head.references(examples), abs=0.1)
    elif kind == "qa":
        assert answers == ["Yogyakarta", ""]
    elif kind == "parsing":
        # The long one is 72 times the same word under the first.
        assert answers[0] == head.references(examples)[0]
    elif kind == "retrieval":
        predictions = Engine(model, encoder).predict(examples, stack)
        assert [str(ranked) for ranked in head.compared(predictions, examples)] == ["1", "1"]
    else:
        assert answers == head.references(examples)
