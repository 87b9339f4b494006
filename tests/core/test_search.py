"""Search and mining: exact on vectors whose answer is known, and refused where spaces differ."""

import json

import numpy as np
import pytest
import torch
from disks import small_disk
from hypothesis import given
from hypothesis import strategies as st

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.stack import Stack
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.engine.open import OpenStack
from lect.errors import DataError, UserError
from lect.retrieval.index import build_index, check_queries, check_weights, directions, read_index
from lect.retrieval.mining import mine
from lect.testing.backbones import tiny_backbone

__all__ = ["small_disk"]
TEXTS = ["the first text", "another one", "a third, with a comma", "ߊߋߌ"]


def bare(seed=0):
    model = RoutedModel(tiny_backbone(seed=seed)).eval()
    return OpenStack(Stack(), (), (), Engine(model, RowEncoder(model)))


def corpus():
    return [Example(text, key=f"key {place}", origin=f"line {place}") for place, text in enumerate(TEXTS, 1)]


def vectors_of(opened, texts):
    return opened.embed(texts)


def test_an_index_is_read_back_and_finds_each_text_by_itself(tmp_path):
    opened = bare()
    build_index(opened, corpus(), tmp_path / "index")
    index = read_index(tmp_path / "index")
    check_queries(index, opened, tmp_path)
    hits = index.search(vectors_of(opened, TEXTS), 10)
    assert [found[0].text for found in hits] == TEXTS
    assert [found[0].key for found in hits] == ["key 1", "key 2", "key 3", "key 4"]
    for found in hits:
        assert [hit.rank for hit in found] == [1, 2, 3, 4]
        assert found[0].score == pytest.approx(1, abs=1e-5)
        assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


def test_another_backbone_is_refused_with_both_fingerprints(tmp_path):
    build_index(bare(), corpus(), tmp_path / "index")
    index = read_index(tmp_path / "index")
    other = bare(seed=1)
    with pytest.raises(UserError) as caught:
        check_queries(index, other, tmp_path)
    assert index.facts.fingerprint[:12] in str(caught.value)
    assert other.backbone.fingerprint[:12] in str(caught.value)


def test_a_component_that_was_trained_anew_is_refused(tmp_path):
    facts = build_index(bare(), corpus(), tmp_path / "index").facts
    object.__setattr__(facts, "weights", {"lang:x": "a" * 64})
    check_weights(facts, {"lang:x": "a" * 64, "lang:y": "c" * 64}, tmp_path)
    check_weights(facts, {"lang:y": "c" * 64}, tmp_path)
    with pytest.raises(UserError, match='another "lang:x"'):
        check_weights(facts, {"lang:x": "b" * 64}, tmp_path)


def test_an_index_is_not_overwritten_unasked_and_a_damaged_one_is_refused(tmp_path):
    folder = tmp_path / "index"
    build_index(bare(), corpus(), folder)
    with pytest.raises(UserError, match="--overwrite"):
        build_index(bare(), corpus()[:2], folder)
    assert build_index(bare(), corpus()[:2], folder, overwrite=True).facts.rows == 2
    rows = (folder / "rows.jsonl").read_text(encoding="utf-8")
    (folder / "rows.jsonl").write_text(rows + rows.splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="do not belong together"):
        read_index(folder)
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    (folder / "vectors.faiss").write_bytes(b"")
    with pytest.raises(DataError, match="is no index"):
        read_index(folder)
    facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    (folder / "index.json").write_text(json.dumps({**facts, "schema": 2}), encoding="utf-8")
    with pytest.raises(DataError, match="another schema"):
        read_index(folder)


@given(st.integers(8, 30), st.integers(0, 10), st.integers(1, 7), st.integers(0, 1000))
def test_mining_finds_planted_pairs_whatever_the_order_and_the_block(count, extra, block, seed):
    # Of fewer texts the neighbours' mean may be about zero, and the ratio anything.
    generator = np.random.default_rng(seed)
    sources = generator.normal(size=(count, 64))
    order = generator.permutation(count)
    targets = np.concatenate([sources[order] + 0.05 * generator.normal(size=(count, 64)),
                              generator.normal(size=(extra, 64))])  # fmt: skip
    pairs = mine(sources, targets, block=block, threshold=0)
    assert {(pair.source, pair.target) for pair in pairs if pair.cosine > 0.9} == {
        (int(source), place) for place, source in enumerate(order)
    }
    assert [pair.margin for pair in pairs] == sorted((pair.margin for pair in pairs), reverse=True)
    assert len({pair.source for pair in pairs}) == len({pair.target for pair in pairs}) == len(pairs)


def test_the_margin_is_that_of_the_paper():
    generator = np.random.default_rng(0)
    sources, targets = generator.normal(size=(6, 8)) + 1, generator.normal(size=(9, 8)) + 1
    cosines = directions(sources) @ directions(targets).T
    for pair in mine(sources, targets, neighbours=4, threshold=0):
        forward = np.sort(cosines[pair.source])[-4:].sum() / (2 * 4)
        backward = np.sort(cosines[:, pair.target])[-4:].sum() / (2 * 4)
        assert pair.cosine == pytest.approx(cosines[pair.source, pair.target], abs=1e-6)
        assert pair.margin == pytest.approx(pair.cosine / (forward + backward), abs=1e-5)


def test_a_text_near_to_all_is_no_translation_of_any():
    hub = np.ones((1, 4))
    sources = np.eye(4)
    targets = np.concatenate([np.eye(4)[:3], hub])
    pairs = mine(sources, targets, threshold=1.06)
    assert [(pair.source, pair.target) for pair in pairs if pair.target < 3] == [(0, 0), (1, 1), (2, 2)]
    assert torch.tensor([pair.margin for pair in pairs]).min() >= 1.06


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((0, 3), (2, 3)), ((2, 3), (0, 3))])
def test_piles_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="do not fit"):
        mine(*(np.ones(shape) for shape in shapes))


@pytest.mark.processes
def test_a_disk_that_is_full_for_an_index_is_named_and_the_one_before_stays(small_disk, monkeypatch):
    opened, folder = bare(), small_disk.folder / "index"
    build_index(opened, corpus(), folder)
    wide = np.random.default_rng(0).normal(size=(len(TEXTS), 400_000)).astype(np.float32)
    monkeypatch.setattr(OpenStack, "embed", lambda *arguments: torch.from_numpy(wide))
    with pytest.raises(UserError, match=f"{folder}: the disk is full"):
        build_index(opened, corpus(), folder, overwrite=True)
    assert read_index(folder).facts.width != 400_000
    assert [path.name for path in small_disk.folder.iterdir()] == ["index"]
