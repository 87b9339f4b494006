"""Texts that were cut into tokens once: the same tokens as anew, and a cache that is never believed blindly."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE

from lect.composition import encode as encode_module
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.stored_tokens import StoredEncoding, text_keys
from lect.errors import UserError
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models

TEXTS = ["a short one", "", "the old house on the way " * 30, "a short one", "bright and happy", "ߒߞߏ ߞߊ߲ 𞤆𞤵𞤤𞤢𞤪"]
PAIRS = ["b", "the way", "", "c", "b", "one of a kind " * 30]


@pytest.fixture(scope="module")
def model():
    return RoutedModel(tiny_backbone("bert"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(encode_module, "ROWS_IN_MEMORY", 1)
    return tmp_path / "cache" / "pieces"


def said(encodings):
    return [(list(one.ids), list(one.type_ids), bool(one.overflowing)) for one in encodings]


def never(*_):
    raise AssertionError("cut again")


@pytest.mark.parametrize("pairs", [None, PAIRS])
@pytest.mark.parametrize("in_file", [False, True])
def test_kept_tokens_are_those_that_would_be_cut(model, cache, monkeypatch, pairs, in_file):
    if not in_file:
        monkeypatch.setattr(encode_module, "ROWS_IN_MEMORY", 1000)
    fresh, encoder = RowEncoder(model, 16), RowEncoder(model, 16)
    kept = encoder.keep(TEXTS, (), pairs)
    assert in_file == bool(list(cache.glob("*/tokens.arrow")))
    assert list(kept.truncated()) == [row for row, one in enumerate(fresh.tokens(TEXTS, (), pairs)) if one.overflowing]
    assert list(kept.truncated())
    with monkeypatch.context() as patched:
        patched.setattr(encoder, "tokenize", never)
        assert said(encoder.tokens(TEXTS, (), pairs)) == said(fresh.tokens(TEXTS, (), pairs))
        order = [4, 0, 2]
        some, seconds = [TEXTS[row] for row in order], None if pairs is None else [PAIRS[row] for row in order]
        rows, again = encoder.encode(some, [()] * 3, seconds), fresh.encode(some, [()] * 3, seconds)
        assert rows.input_ids.equal(again.input_ids)
        assert rows.token_type_ids.equal(again.token_type_ids)
        assert rows.truncated == again.truncated
    # Others are cut as before, also where a text is known, but not in this pair.
    others = ["never seen", *TEXTS[:1]]
    assert said(encoder.tokens(others, ())) == said(fresh.tokens(others, ()))
    assert said(encoder.tokens(TEXTS[:1], (), ["z"])) == said(fresh.tokens(TEXTS[:1], (), ["z"]))


def test_a_second_run_finds_them_and_other_texts_or_lengths_have_files_of_their_own(model, cache, monkeypatch):
    RowEncoder(model, 16).keep(TEXTS, ())
    again = RowEncoder(model, 16)
    monkeypatch.setattr(again, "tokenize", never)
    again.keep(TEXTS, ())
    assert all(isinstance(one, StoredEncoding) for one in again.tokens(TEXTS, ()))
    assert len(list(cache.glob("*/tokens.arrow"))) == 1
    for length, texts, pairs in ((12, TEXTS, None), (16, TEXTS[:-1], None), (16, TEXTS, PAIRS)):
        RowEncoder(model, length).keep(texts, (), pairs)
    assert len(list(cache.glob("*/tokens.arrow"))) == 4


@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_a_spoilt_file_is_made_again(model, cache, harm):
    expected = said(RowEncoder(model, 16).tokens(TEXTS, ()))
    RowEncoder(model, 16).keep(TEXTS, ())
    (path,) = cache.glob("*/tokens.arrow")
    whole = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        middle = len(whole) // 2
        changed = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
        path.write_bytes(whole[:middle] if harm == "cut" else changed)
    encoder = RowEncoder(model, 16)
    encoder.keep(TEXTS, ())
    assert said(encoder.tokens(TEXTS, ())) == expected
    assert path.read_bytes() == whole
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["made_from.json", "tokens.arrow"]


def _keep(queue, folder):
    import os

    os.environ["LECT_CACHE"] = folder
    encode_module.ROWS_IN_MEMORY = 1
    encoder = RowEncoder(RoutedModel(tiny_backbone("bert")), 16)
    cuts = []
    cut = encoder.tokenize
    encoder.tokenize = lambda *arguments: cuts.append(1) or cut(*arguments)
    encoder.keep([f"{text} {row}" for row in range(3000) for text in TEXTS], ())
    queue.put(len(cuts))


@pytest.mark.processes
def test_of_two_runs_at_once_one_makes_the_file(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    runs = [context.Process(target=_keep, args=(queue, str(tmp_path))) for _ in range(2)]
    for run in runs:
        run.start()
    cuts = sorted(queue.get(timeout=PATIENCE) for _ in runs)
    for run in runs:
        run.join()
    assert cuts[0] == 0
    assert cuts[1] > 1
    assert len(list((tmp_path / "pieces").glob("*/tokens.arrow"))) == 1


def test_where_the_cache_cannot_be_written_they_are_kept_in_memory(model, cache, monkeypatch):
    def refuse(*_):
        raise UserError("the cache cannot be written", where="there")

    monkeypatch.setattr("lect.composition.stored_tokens.make_once", refuse)
    encoder = RowEncoder(model, 16)
    encoder.keep(TEXTS, ())
    monkeypatch.setattr(encoder, "tokenize", never)
    assert said(encoder.tokens(TEXTS, ())) == said(RowEncoder(model, 16).tokens(TEXTS, ()))
    assert not Path(cache).exists()


@given(st.lists(st.tuples(st.text(), st.none() | st.text()), max_size=20))
def test_keys_differ_where_texts_do(rows):
    keys = {}
    for text, pair in rows:
        key = tuple(text_keys([text], None if pair is None else [pair])[0].tolist())
        assert keys.setdefault(key, (text, pair)) == (text, pair)
