"""The bi-encoder: its loss by its definition, whole and shared between processes; its vectors; its reader."""

from __future__ import annotations

import json

import pytest
import torch

from lect.composition.component import Component
from lect.composition.encode import RowEncoder, StackTokenizer
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.data.dataset import Source
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.errors import DataError
from lect.host import Host
from lect.host.reading import read_source
from lect.storage.restore import build_head
from lect.testing.backbones import tiny_backbone

ROWS = [
    Example("where is the house", text_pair="the house is on the way", negatives=("a dark day", "it was good")),
    Example("who fell", text_pair="he fell"),
    # The same question with another answer, and another question with an answer that is there already.
    Example("who fell", text_pair="a man fell down", negatives=("he fell",)),
    Example("what about the man", text_pair="he fell", negatives=("the sun shone",)),
]


@pytest.fixture(scope="module")
def host():
    return Host.load()


def model_with(host, **config):
    model = RoutedModel(tiny_backbone())
    torch.manual_seed(1)
    head = build_head(host, "retrieval", config, model.backbone, [], "head")
    model.attach(Component("task:find", "task", {}, head))
    return model.eval(), head, RowEncoder(model, 64)


def loss_of(model, head, encoder, layout, targets):
    stack = ("task:find",)
    rows = encoder.assemble(layout.rows, Routes.uniform(stack, len(layout.rows)))
    hidden = model(rows)
    (output,) = model.logits(hidden, rows)
    return head.loss(output.logits, targets)


def by_definition(model, encoder, scale):
    """The loss with a loop over texts."""
    vectors = {}
    for example in ROWS:
        for text in (example.text, example.text_pair, *(example.negatives or ())):
            vectors[text] = Engine(model, encoder).embed([text], ("task:find",))[0]
    candidates = [(each, text) for each in ROWS for text in (each.text_pair, *(each.negatives or ()))]
    total = 0.0
    for anchor in ROWS:
        matching = {each.text_pair for each in ROWS if each.text == anchor.text}
        own = float(vectors[anchor.text] @ vectors[anchor.text_pair]) * scale
        others = [float(vectors[anchor.text] @ vectors[text]) * scale for _, text in candidates if text not in matching]
        total += torch.logsumexp(torch.tensor([own, *others]), 0).item() - own
    return total / len(ROWS)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"pooling": "max", "temperature": 0.2},
        {"pooling": "first", "projection": 8},
        {"pooling": "last", "learned": True},
    ],
)
def test_the_loss_is_that_of_its_definition(host, config):
    model, head, encoder = model_with(host, **config)
    layout = head.layout(ROWS, StackTokenizer(encoder, ("task:find",)))
    assert layout.counts == (4, 2, 3, 3)
    loss = loss_of(model, head, encoder, layout, head.targets(ROWS, layout))
    assert loss.item() == pytest.approx(by_definition(model, encoder, 1 / config.get("temperature", 0.05)), abs=1e-4)
    (vector,) = Engine(model, encoder).embed(["one text"], ("task:find",))
    assert vector.shape == (config.get("projection", 32),)
    assert float(vector.norm()) == pytest.approx(1, abs=1e-5)
    assert {name for name, _ in head.named_parameters()} == {
        *(["projection.weight"] if "projection" in config else []),
        *(["scale"] if "learned" in config else []),
    }


def test_processes_that_share_a_batch_have_the_gradient_of_the_whole(host):
    model, head, encoder = model_with(host, projection=8, learned=True)
    tokenizer = StackTokenizer(encoder, ("task:find",))
    layout = head.layout(ROWS, tokenizer)
    loss_of(model, head, encoder, layout, head.targets(ROWS, layout)).backward()
    whole = [parameter.grad.clone() for parameter in head.parameters()]
    head.zero_grad()
    for own in ([2], [0, 3], [1]):
        shared, targets = head.share(ROWS, own, tokenizer)
        # Of the others' texts it has the matches and negatives alone.
        assert len(shared.rows) == 8 + len(own)
        (loss_of(model, head, encoder, shared, targets) * len(own) / len(ROWS)).backward()
    for parameter, expected in zip(head.parameters(), whole, strict=True):
        assert torch.allclose(parameter.grad, expected, atol=1e-5)


def test_a_projection_as_wide_as_the_backbone_leaves_cosines_as_they_are(host):
    plain, _, encoder = model_with(host)
    projected, _, other = model_with(host, projection=32)
    texts = ["the house", "a dark day", "he fell"]
    first, second = (
        Engine(model, own).embed(texts, ("task:find",)) for model, own in ((plain, encoder), (projected, other))
    )
    assert torch.allclose(first @ first.T, second @ second.T, atol=1e-5)


def test_a_learned_temperature_stays_above_a_hundredth_unless_it_began_lower(host):
    for begun, least in ((0.05, 0.01), (0.004, 0.004)):
        _, head, _ = model_with(host, temperature=begun, learned=True)
        vectors = torch.nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
        targets = head.targets([Example("a", text_pair="b"), Example("c", text_pair="d")], _Rows())
        with torch.no_grad():
            head.scale.fill_(20.0)
        cosines = vectors[[0, 2]] @ vectors[[1, 3]].T
        expected = torch.nn.functional.cross_entropy(cosines / least, torch.tensor([0, 1]))
        assert head.loss(vectors, targets).item() == pytest.approx(float(expected), rel=1e-4)


class _Rows:
    spans = (range(2), range(2, 4))


def test_texts_that_are_equal_have_their_matches_in_common(host):
    model, head, encoder = model_with(host)
    from lect.engine.engine import Engine

    predictions = Engine(model, encoder).predict(ROWS, ("task:find",))
    ranked = [each.value for each in head.compared(predictions, ROWS)]
    assert [len(each.places) for each in ranked] == [1, 2, 2, 1]
    assert ranked[1] == ranked[2]
    pool = ["the house is on the way", "a dark day", "it was good", "he fell", "a man fell down", "the sun shone"]
    vectors = Engine(model, encoder).embed(["where is the house", *pool], ("task:find",))
    order = (vectors[1:] @ vectors[0]).argsort(descending=True).tolist()
    assert ranked[0].places == ((1 + order.index(0), 1.0),)
    assert head.references(ROWS[1:2]) == [("he fell",)]
    with pytest.raises(DataError, match="no text that matches"):
        head.references([Example("a question", origin="line 3")])


def read(host, folder, name, **config):
    return read_source(host, Source("triples", {"path": name, **config}), folder, "here").examples


def test_triples_in_tables_and_json_lines(host, tmp_path):
    (tmp_path / "a.csv").write_text('anchor,positive,negative_2,negative_1\nx,"y, z",n2,n1\nu,v,,n3\n', "utf-8")
    (tmp_path / "b.tsv").write_text('id\tq\tp\n7\tx\t"y\n', "utf-8")
    lines = [{"anchor": "x", "positive": "y", "negatives": ["a", "b"]}, {"anchor": None, "positive": "z"}]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    first, second = read(host, tmp_path, "a.csv", language="en")
    assert (first.text, first.text_pair, first.negatives, first.language) == ("x", "y, z", ("n1", "n2"), "en")
    assert (second.negatives, second.origin) == (("n3",), "a.csv, line 3")
    (row,) = read(host, tmp_path, "b.tsv", text="q", text_pair="p", key="id")
    assert (row.text, row.text_pair, row.key, row.negatives) == ("x", '"y', "7", None)
    (row,) = read(host, tmp_path, "c.jsonl", skip_empty=True)
    assert row.negatives == ("a", "b")
    with pytest.raises(DataError, match=r'c\.jsonl, line 2: "anchor" holds null, not a string'):
        read(host, tmp_path, "c.jsonl")
    with pytest.raises(DataError, match='no column "nothing"'):
        read(host, tmp_path, "a.csv", negatives="nothing")
    (tmp_path / "d.csv").write_text("anchor,positive\nx, \n", "utf-8")
    with pytest.raises(DataError, match=r'd\.csv, line 2: the column "positive" is empty'):
        read(host, tmp_path, "d.csv")
    (tmp_path / "e.jsonl").write_text('{"anchor": "x", "positive": "y", "negatives": ["a", 3]}\n', "utf-8")
    with pytest.raises(DataError, match=r'e\.jsonl, line 1: "negatives" holds what is no text'):
        read(host, tmp_path, "e.jsonl")


def test_a_cosine_is_explained_with_the_heads_own_vectors(host):
    from lect.composition.stack import parse_stack
    from lect.engine.open import OpenStack
    from lect.errors import StackError
    from lect.explain.explain import explain

    model, _, encoder = model_with(host, projection=8)
    opened = OpenStack(parse_stack("task:find"), ("task:find",), (), Engine(model, encoder))
    found = explain(opened, "the house is dark", against="a dark day", steps=32)
    vectors = Engine(model, encoder).embed(["the house is dark", "a dark day"], ("task:find",))
    assert found.kind == "cosine"
    assert found.variants[0].score == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-4)
    with pytest.raises(StackError, match="gives vectors, so it answers nothing"):
        explain(opened, "the house is dark")
