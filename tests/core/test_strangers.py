"""Components that mean harm: patterns and tokenizers that never end, and fusions of fusions without end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lect.composition.panics import no_panic
from lect.composition.stack import parse_stack
from lect.errors import ComponentError, RecipeError, StackError
from lect.exchange.patterns import matches
from lect.exchange.tokenizer import check_tokenizer
from lect.storage import members as members_module
from lect.storage.manifest import MemberEntry, PartEntry
from lect.storage.members import read_with_members
from lect.storage.restore import restore
from lect.storage.store import read_component, write_component

ENDLESS = r"(?:[a-z]|[a-z.]|[\d.]|[a-z])*[A-Z]"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target_modules": ENDLESS}, "target_modules.*takes longer than"),
        ({"rank_pattern": {ENDLESS: 2}}, "rank_pattern.*takes longer than"),
        ({"alpha_pattern": {ENDLESS: 2}}, "alpha_pattern.*takes longer than"),
        ({"exclude_modules": ENDLESS}, "exclude_modules.*takes longer than"),
        ({"layers_to_transform": [0], "layers_pattern": ENDLESS}, "layers_pattern"),
        ({"target_modules": "(((a{99}){99}){99})"}, "more often than any path has letters"),
        ({"target_modules": "(" * 600}, "is not a regular expression"),
        ({"rank_pattern": {"[": 2}}, "is not a regular expression"),
    ],
)
def test_patterns_that_never_end(new_bench, settings, said):
    bench = new_bench()
    bench.write("lang:one", "lora", {"r": 2})
    stored = read_component(bench.folder / "lang/one")
    lying = stored.manifest.model_copy(update={"parts": (PartEntry(method="lora", config={"r": 2, **settings}),)})
    with pytest.raises(RecipeError, match=said):
        restore("lang:one", replace(stored, manifest=lying), bench.backbone, bench.host)


def test_patterns_mean_what_they_mean_to_peft(new_bench):
    bench = new_bench()
    config = {"r": 4, "target_modules": r".*(query|key|value)", "exclude_modules": r".*layer\.1.*key"}
    config["rank_pattern"] = {"^encoder.layer.0.attention.self.query": 1, "query": 2, r"layer\.1.*value": 3}
    part = bench.write("lang:one", "lora", config)
    ranks = {name: tensor.shape[0] for name, tensor in part.state_dict().items() if "lora_A" in name}
    assert sorted((name.split("layer.")[1].partition(".lora")[0], rank) for name, rank in ranks.items()) == [
        ("0.attention.self.key", 4), ("0.attention.self.query", 1), ("0.attention.self.value", 4),
        ("1.attention.self.query", 2), ("1.attention.self.value", 3),
    ]  # fmt: skip
    assert bench.output("lang:one").shape[1] == 32


def test_a_pattern_that_is_well_behaved():
    assert matches(r"encoder\.layer\.\d{1,2}\.\w+", ["encoder.layer.11.query", "encoder.layer.x.query"]) == [
        True,
        False,
    ]


def replacing(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


@pytest.mark.parametrize(
    ("field", "step"),
    [
        ("normalizer", replacing({"Regex": "(a+)+$"}, "")),
        ("normalizer", replacing({"String": "a"}, "aa")),
        ("normalizer", {"type": "Sequence", "normalizers": [{"type": "ByteLevel"}] * 30}),
        ("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 100}),
        ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        ("pre_tokenizer", {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": False}),
        ("pre_tokenizer", {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}] * 30}),
        ("post_processor", {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}),
        ("decoder", replacing({"Regex": "(a+)+$"}, "")),
        ("normalizer", {"type": ["NFC"]}),
        ("normalizer", "NFC"),
    ],
)
def test_steps_of_a_tokenizer_that_may_do_harm(new_bench, field, step, monkeypatch):
    bench = new_bench()
    own = json.loads(bench.backbone.tokenizer.backend_tokenizer.to_str())
    check_tokenizer(json.dumps(own), bench.backbone, "here")
    with pytest.raises(ComponentError, match="LECT_TRUST_TOKENIZERS") as caught:
        check_tokenizer(json.dumps({**own, field: step}), bench.backbone, "here")
    assert field in str(caught.value)
    if step == replacing({"String": "a"}, "aa"):
        monkeypatch.setenv("LECT_TRUST_TOKENIZERS", "1")
        check_tokenizer(json.dumps({**own, field: step}), bench.backbone, "here")


def test_steps_that_do_no_harm(new_bench):
    bench = new_bench()
    own = json.loads(bench.backbone.tokenizer.backend_tokenizer.to_str())
    for field, step in (("normalizer", {"type": "NFKC"}), ("pre_tokenizer", {"type": "WhitespaceSplit"})):
        check_tokenizer(json.dumps({**own, field: step}), bench.backbone, "here")


def test_a_tokenizer_that_is_none_or_numbers_otherwise(new_bench):
    bench = new_bench()
    own = json.loads(bench.backbone.tokenizer.backend_tokenizer.to_str())
    with pytest.raises(ComponentError, match="cannot be used"):
        check_tokenizer(json.dumps({**own, "model": {"type": "Unigram", "vocab": 3}}), bench.backbone, "here")
    token = {**own["added_tokens"][-1], "content": "one more", "id": 0}
    with pytest.raises(ComponentError, match="numbers tokens otherwise"):
        check_tokenizer(json.dumps({**own, "added_tokens": [*own["added_tokens"], token]}), bench.backbone, "here")
    bench.write("lang:one")
    stored = replace(read_component(bench.folder / "lang/one"), tokenizer_json=json.dumps({**own, "normalizer": {}}))
    with pytest.raises(ComponentError, match=r"tokenizer\.json"):
        restore("lang:one", stored, bench.backbone, bench.host)


def test_a_panic_is_an_error():
    class Panic(BaseException):
        pass

    with pytest.raises(ComponentError, match="index out of bounds"), no_panic("here"):
        raise Panic("index out of bounds")
    with pytest.raises(KeyboardInterrupt), no_panic("here"):
        raise KeyboardInterrupt


@pytest.fixture
def standing(new_bench):
    """Writes components that stand on others."""
    bench = new_bench()
    bench.write("lang:base")
    base = read_component(bench.folder / "lang/base")

    def write(name, *over):
        entries = tuple(
            MemberEntry(component=f"lang:{each}", version="1.0.0", weights=members_module.weights_hash(place(each)))
            for each in over
        )
        manifest = base.manifest.model_copy(update={"name": name, "members": entries})
        write_component(place(name), manifest, base.tensors, None, "")

    def place(name):
        return bench.folder / "lang" / name

    return bench, write


def read(bench, name):
    return read_with_members(parse_stack(f"lang:{name}").parts[0], bench.library.find)


def test_a_diamond_of_fusions_is_read_once(standing, monkeypatch):
    bench, write = standing
    write("level0", "base")
    for level in range(1, 7):
        write(f"left{level}", f"level{level - 1}")
        write(f"level{level}", f"level{level - 1}", f"left{level}")
    count = []
    read_one = members_module.read_component
    monkeypatch.setattr(members_module, "read_component", lambda folder: count.append(folder) or read_one(folder))
    assert set(read(bench, "level6").members) == {"lang:level5", "lang:left6"}
    assert len(count) == 14


def test_a_diamond_that_could_not_be_run(standing):
    bench, write = standing
    write("level0", "base")
    for level in range(1, 12):
        write(f"left{level}", f"level{level - 1}")
        write(f"level{level}", f"level{level - 1}", f"left{level}")
    with pytest.raises(StackError, match="more than 256 others"):
        read(bench, "level11")


def test_a_long_chain(standing):
    bench, write = standing
    write("link0", "base")
    for link in range(1, 60):
        write(f"link{link}", f"link{link - 1}")
    assert read(bench, "link20").manifest.key == "lang:link20"
    with pytest.raises(StackError, match="more than 32 deep"):
        read(bench, "link59")
