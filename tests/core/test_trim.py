"""Trimmed backbones: smaller, and the same on texts of kept tokens; components of the whole one work on them."""

from __future__ import annotations

import pytest
import torch

from lect import MethodSpec
from lect.backbones.vocabulary import Tokens, count_tokens, scripts_of, trim_tokenizer
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import BackboneError, ComponentError, DataError
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.selection.trim import trim_backbone
from lect.testing.backbones import save_tiny_backbone
from lect.testing.tokenizers import tiny_tokenizer

pytestmark = pytest.mark.models

TEXTS = ["the city and a long day", "yang dan di kota itu", "words, 12 of them!", "ünder the bridge"]


@pytest.fixture(scope="module")
def host():
    return Host.load(report=lambda line: None)


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS), "utf-8")
    return path


def states(backbone, texts=TEXTS):
    model = RoutedModel(backbone).eval()
    rows = RowEncoder(model).encode(texts, [()] * len(texts))
    with torch.no_grad():
        return rows.attention_mask, model(rows)


def trimmed(family, folder, host, texts, **options):
    save_tiny_backbone(folder / "whole", family, seed=1)
    report = trim_backbone(str(folder / "whole"), folder / "small", host, files=[texts], **options)
    whole, small = (load_backbone(str(folder / name), host=host) for name in ("whole", "small"))
    return report, whole, small


@pytest.mark.parametrize("family", ["xlm-roberta", "bert", "gemma", "llama", "qwen2", "deberta-v2", "gpt2"])
def test_every_familys_hidden_states_stay_to_the_bit(family, tmp_path, host, texts):
    report, whole, small = trimmed(family, tmp_path, host, texts)
    assert (report.texts, report.changed) == (4, 0)
    assert report.after.tokens == len(small.tokenizer) < report.before.tokens == len(whole.tokenizer)
    rows = small.module(small.anatomy.word_embedding).weight.shape[0]
    assert rows == small.model.config.vocab_size == report.after.tokens
    for before, after in zip(states(whole), states(small), strict=True):
        assert torch.equal(before, after)
    assert report.fingerprint == small.fingerprint != whole.fingerprint
    assert small.parent(whole.fingerprint).name == str(tmp_path / "whole")


def test_languages_alone_keep_every_token_of_their_scripts(tmp_path, host):
    save_tiny_backbone(tmp_path / "whole", "xlm-roberta", seed=1)
    report = trim_backbone(str(tmp_path / "whole"), tmp_path / "small", host, languages=["ru"])
    assert report.scripts == ("Cyrl",)
    small = load_backbone(str(tmp_path / "small"), host=host).tokenizer
    cut = tiny_tokenizer().tokenize
    assert small.tokenize("съешь ещё, 1!") == cut("съешь ещё, 1!")
    assert small.unk_token_id in small.encode("the"), "what is in no script of the languages is gone"
    assert report.after.tokens < report.before.tokens / 2


def test_single_characters_of_the_languages_scripts_are_kept_beside_the_texts(tmp_path, host, texts):
    _, whole, small = trimmed("xlm-roberta", tmp_path, host, texts, languages=["ru", "ar"])
    for text in ("съешь", "نص", "zebra"):
        assert whole.tokenizer.unk_token not in small.tokenizer.tokenize(text)
    assert "▁untuk" not in small.tokenizer.get_vocab(), "in no text"


def test_what_is_trimmed_twice_knows_all_it_came_from(tmp_path, host, texts):
    _, whole, small = trimmed("xlm-roberta", tmp_path, host, texts)
    texts.write_text(TEXTS[0], "utf-8")
    trim_backbone(str(tmp_path / "small"), tmp_path / "tiny", host, files=[texts])
    tiny = load_backbone(str(tmp_path / "tiny"), host=host)
    table = whole.module(whole.anatomy.word_embedding).weight
    own = tiny.module(tiny.anatomy.word_embedding).weight
    for parent in (small, whole):
        entry = tiny.parent(parent.fingerprint)
        assert entry.tokens == len(parent.tokenizer)
    assert torch.equal(own, table[tiny.trimmed.ids(entry)])


def test_one_that_was_changed_since_carries_nothing_of_its_parents(tmp_path, host, texts):
    _, whole, small = trimmed("xlm-roberta", tmp_path, host, texts)
    with torch.no_grad():
        small.model.embeddings.word_embeddings.weight[5] += 1
    small.__dict__.pop("fingerprint", None)
    assert small.parent(whole.fingerprint) is None


@pytest.mark.parametrize("method", ["full", "lora", "bottleneck", "vocabulary"])
def test_components_of_the_whole_backbone_give_the_same_on_the_small_one(method, new_bench, tmp_path, host, texts):
    if method not in host.specs(MethodSpec):
        pytest.skip(f"no plugin provides {method}")
    bench = new_bench()
    save_tiny_backbone(tmp_path / "whole", "xlm-roberta", seed=0)
    bench.backbone = load_backbone(str(tmp_path / "whole"), host=host)
    bench.model = RoutedModel(bench.backbone).eval()
    own_texts = list(TEXTS)
    if method == "vocabulary":
        own_texts = [*TEXTS[:2], "ߒߞߏ ߦߋ the ߓߟߏ", "ߓߟߏ and ߒߞߏ"]
        write_vocabulary(bench, own_texts)
    else:
        config = {"lora": {"target_modules": "all-linear"}}.get(method)
        bench.write("lang:one", method, config, seed=3)
    trim_backbone(str(tmp_path / "whole"), tmp_path / "small", host, files=[texts])
    before = bench.run(own_texts, ["lang:one"] * len(own_texts))
    bench.backbone = load_backbone(str(tmp_path / "small"), host=host)
    bench.model = RoutedModel(bench.backbone).eval()
    after = bench.run(own_texts, ["lang:one"] * len(own_texts))
    plain = bench.run(own_texts, [""] * len(own_texts))
    for ours, theirs in zip(after, before, strict=True):
        assert torch.equal(ours, theirs)
    assert after[-1].shape != plain[-1].shape or not torch.equal(after[-1], plain[-1])


def write_vocabulary(bench, texts):
    """A component with tokens of its own, learned from texts."""
    from lect.composition.component import Component
    from lect.data.examples import Example
    from lect.specs import BuildContext, Corpus
    from lect.storage.manifest import BackboneEntry, Manifest, PartEntry
    from lect.storage.restore import build_part
    from lect.storage.store import write_component

    config = {"pieces": 12, "initialise": "random"}
    context = BuildContext(bench.backbone, Corpus([Example(text) for text in texts]))
    part = build_part(bench.host, "vocabulary", config, context, "here")
    component = Component("lang:one", "lang", {"vocabulary": part})
    backbone = BackboneEntry(name="whole", identity="whole", fingerprint=bench.backbone.fingerprint, hidden_size=32)
    manifest = Manifest(
        name="one", role="lang", backbone=backbone, parts=(PartEntry(method="vocabulary", config=config),)
    )
    write_component(bench.folder / "lang/one", manifest, component.tensors(), component.tokenizer_json, "")


def test_a_component_that_may_hold_ids_is_refused(new_bench, tmp_path, host, texts):
    from dataclasses import replace

    from lect.storage.descent import cut_tokenizer
    from lect.storage.store import read_component

    bench = new_bench()
    bench.write("lang:one", "full")
    _, whole, small = trimmed("xlm-roberta", tmp_path, host, texts)
    stored = read_component(tmp_path / "lang/one")
    stored = replace(stored, tensors={**stored.tensors, "full.ids": torch.tensor([3])})
    with pytest.raises(ComponentError, match=r'"full.ids" holds whole numbers, which may be ids of tokens'):
        cut_tokenizer(stored, small, small.parent(whole.fingerprint))


def test_a_component_of_yet_another_backbone_is_refused(new_bench, tmp_path, host, texts):
    bench = new_bench()
    bench.write("lang:one", "full")
    _, _, small = trimmed("xlm-roberta", tmp_path, host, texts)  # of another seed
    bench.model = RoutedModel(small)
    with pytest.raises(ComponentError, match=r'"lang:one" was trained on the backbone "tiny"'):
        bench.open("lang:one")


@pytest.mark.parametrize("kind", ["unigram", "byte-level", "qwen", "sentencepiece"])
def test_texts_of_kept_tokens_are_cut_as_before(kind):
    from tokenizers import Tokenizer

    whole = tiny_tokenizer(kind).backend_tokenizer
    tokens = Tokens(whole.to_str())
    ids = sorted(tokens.with_parts(tokens.essential() | set(count_tokens(whole, TEXTS))))
    small = Tokenizer.from_str(trim_tokenizer(whole.to_str(), ids))
    assert len(ids) == small.get_vocab_size() < whole.get_vocab_size()
    for text in TEXTS:
        assert [ids[index] for index in small.encode(text).ids] == whole.encode(text).ids
        assert small.encode(text).tokens == whole.encode(text).tokens


def test_scripts_are_the_tags_own_or_the_likeliest():
    assert scripts_of(["su", "nqo", "ff-Adlm", "ja", "ff"]) == ("Latn", "Nkoo", "Adlm", "Hira", "Kana", "Hani")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, DataError, "nothing says what to keep"),
        ({"languages": ["xx-yy-zz"]}, DataError, "is not a language tag"),
        ({"files": ["missing.txt"]}, DataError, "missing.txt: the file cannot be read"),
        ({"files": ["empty.txt"]}, DataError, "empty.txt: there is no text in it"),
        ({"files": ["binary.txt"]}, DataError, "binary.txt, line 1: the file is in UTF-16"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(options, error, message, tmp_path, host, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    save_tiny_backbone(tmp_path / "whole", "bert")
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    files = [Path(file) for file in options.get("files", ())]
    with pytest.raises(error, match=message):
        trim_backbone("whole", tmp_path / "small", host, languages=options.get("languages", ()), files=files)
    assert not (tmp_path / "small").exists()


def test_an_encoder_decoder_is_refused(tmp_path, host, texts):
    save_tiny_backbone(tmp_path / "whole", "t5")
    with pytest.raises(BackboneError, match="is an encoder-decoder"):
        trim_backbone(str(tmp_path / "whole"), tmp_path / "small", host, files=[texts])
