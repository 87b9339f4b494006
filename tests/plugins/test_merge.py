"""Merged folders: `transformers` alone gives from them what the stack gives, to 1e-5."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from lect.composition.component import Component
from lect.engine.merge import merge_stack
from lect.engine.open import open_stack
from lect.errors import BackboneError, StackError, UserError
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.specs import BuildContext, Corpus
from lect.storage.library import Library
from lect.storage.manifest import BackboneEntry, HeadEntry, Manifest, PartEntry
from lect.storage.restore import build_head, build_part
from lect.storage.store import read_component, write_component
from lect.testing.backbones import save_tiny_backbone, tiny_backbone

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
LIBRARY = Library((Path("components"),))
PARTS = {
    "lora": {"r": 4},
    "dora": {"r": 4},
    "pissa": {"r": 4},
    "vera": {"r": 4},
    "adalora": {"init_r": 4, "target_r": 2},
    "ia3": {},
    "full": {},
    "peft": {"type": "oft", "oft_block_size": 4, "r": 0},
}
#: Others of peft that are linear; the last two compute with a changed weight of their own.
OTHERS = ({"type": "loha", "r": 4}, {"type": "lokr", "r": 4}, {"type": "hra", "r": 4}, {"type": "shira", "r": 2})


@pytest.fixture(scope="module")
def host():
    return Host.load()


@pytest.fixture
def make(tmp_path, monkeypatch, host):
    """Writes a component of these parts, with weights that matter, on the tiny backbone in the working folder."""
    monkeypatch.chdir(tmp_path)

    def component(key, parts, labels=(), family="xlm-roberta", examples=()):
        role, name = key.split(":")
        if not Path("tiny").is_dir():
            save_tiny_backbone("tiny", family)
        backbone = load_backbone("tiny", host=host)
        torch.manual_seed(len(key))
        context = BuildContext(backbone, Corpus(examples))
        built = {method: build_part(host, method, config, context, "test") for method, config in parts}
        head = build_head(host, "classification", {}, backbone, labels, "test") if labels else None
        made = Component(key, role, built, head)
        with torch.no_grad():
            for tensor in made.tensor_references().values():
                if isinstance(tensor, torch.nn.Parameter) and tensor.requires_grad:
                    tensor.add_(torch.randn_like(tensor) * 0.05)
        manifest = Manifest(
            name=name,
            role=role,
            backbone=BackboneEntry(name="tiny", identity="tiny", fingerprint=backbone.fingerprint, hidden_size=32),
            parts=tuple(PartEntry(method=method, config=config) for method, config in parts),
            head=HeadEntry(kind="classification", labels=labels) if labels else None,
        )
        write_component(LIBRARY.save_folder(role, name), manifest, made.tensors(), made.saved_tokenizer, "")

    return component


@torch.no_grad()
def of_stack(text, host, texts=TEXTS, library=LIBRARY, backbone=None):
    """Each text's hidden states, and logits where there is a head."""
    opened = open_stack(text, host, library, backbone)
    found = []
    for one in texts:
        rows = opened.engine.encoder.encode([one], [opened.keys])
        hidden = opened.engine.model(rows)
        logits = opened.engine.model.logits(hidden, rows)
        found.append((rows.input_ids[0].tolist(), hidden[0], logits[0].logits if logits else None))
    return found


@torch.no_grad()
def of_transformers(folder, texts=TEXTS):
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = []
    for one in texts:
        encoded = tokenizer(one, return_tensors="pt")
        states = model(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"])[0][0]
        found.append((encoded["input_ids"][0].tolist(), states))
    return found


def largest(stack, merged):
    assert [tokens for tokens, *_ in stack] == [tokens for tokens, *_ in merged]
    return max(float((one[1] - other[1]).abs().max()) for one, other in zip(stack, merged, strict=True))


@pytest.mark.parametrize("stack", ["0.5*lang:a", "mix(0.5*lang:a, -0.25*lang:bb) + task:c"])
def test_weighted_outputs(make, host, stack):
    for key in ("lang:a", "lang:bb", "task:c"):
        make(key, [("lora", {"r": 4})])
    done = merge_stack(stack, Path("merged"), host, LIBRARY)
    assert done.difference <= 1e-5
    assert largest(of_stack(stack, host), of_transformers("merged")) <= 1e-5
    assert largest(of_stack("lang:a", host), of_transformers("merged")) > 1e-4


@pytest.mark.parametrize(("method", "config"), [*PARTS.items(), *(("peft", other) for other in OTHERS)], ids=str)
def test_one_part(make, host, method, config):
    make("task:one", [(method, config)])
    done = merge_stack("task:one", Path("merged"), host, LIBRARY)
    assert done.difference <= 1e-5
    expected = of_stack("task:one", host)
    assert largest(expected, of_transformers("merged")) <= 1e-5
    assert largest(expected, of_transformers("tiny")) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("family", ["distilbert", "deberta-v2", "modernbert", "electra"])
def test_every_family(make, host, family):
    make("task:one", [("dora", {"r": 4})], family=family)
    merge_stack("task:one", Path("merged"), host, LIBRARY)
    assert largest(of_stack("task:one", host), of_transformers("merged")) <= 1e-5


@pytest.mark.models
def test_parts_that_stand_on_each_other(make, host):
    make("lang:below", [("full", {})])
    make("lang:middle", [("lora", {"r": 4, "lora_bias": True})])
    make("task:scaled", [("ia3", {})])
    make("task:above", [("dora", {"r": 4})])
    stack = "lang:below + lang:middle + task:scaled + task:above"
    merge_stack(stack, Path("merged"), host, LIBRARY)
    assert largest(of_stack(stack, host), of_transformers("merged")) <= 1e-5
    other = "lang:below + lang:middle + task:above + task:scaled"
    assert largest(of_stack(other, host), of_transformers("merged")) > 1e-4, "the order counts"


def test_what_takes_the_modules_place_stands_below_the_others_wherever_it_is_written(make, host):
    make("lang:lora", [("lora", {"r": 4})])
    make("task:full", [("full", {})])
    merge_stack("lang:lora + task:full", Path("merged"), host, LIBRARY)
    assert largest(of_stack("lang:lora + task:full", host), of_transformers("merged")) <= 1e-5
    assert largest(of_stack("task:full", host), of_transformers("merged")) > 1e-4, "the language is not lost"


@pytest.mark.models
def test_new_tokens_become_rows_of_the_embedding(make, host):
    from lect import Example

    examples = tuple(Example(f"qzqz zqzq {word}", translation=word) for word in ("house", "day", "good", "word"))
    make("lang:nqo", [("vocabulary", {"pieces": 20}), ("lora", {"r": 4})], examples=examples)
    done = merge_stack("lang:nqo", Path("merged"), host, LIBRARY)
    assert done.tokens > 0
    texts = ["qzqz zqzq house", *TEXTS]
    expected = of_stack("lang:nqo", host, texts)
    before = AutoModel.from_pretrained("tiny").get_input_embeddings().weight.shape[0]
    assert max(expected[0][0]) >= before
    assert largest(expected, of_transformers("merged", texts)) <= 1e-5


@pytest.mark.models
def test_the_head_lies_beside_and_works_on_the_merged_folder(make, host):
    make("lang:jav", [("lora", {"r": 4})])
    make("task:mood", [("dora", {"r": 4})], labels=("bad", "good"))
    done = merge_stack("lang:jav + task:mood", Path("merged"), host, LIBRARY)
    assert done.head.key == "task:mood"
    expected = of_stack("lang:jav + task:mood", host)
    beside = Library((Path("merged/components"),))
    again = of_stack("task:mood", host, library=beside)
    assert max(float((a[2] - b[2]).abs().max()) for a, b in zip(expected, again, strict=True)) <= 1e-5
    stored = read_component(Path("merged/components/task/mood"))
    assert stored.manifest.methods == ()
    assert stored.manifest.backbone.fingerprint == done.fingerprint


def test_pooling_and_prefix_go_with_the_folder(make, host, monkeypatch):
    from lect.engine import open as opening

    make("task:one", [("lora", {"r": 4})])
    monkeypatch.setattr(
        opening,
        "load_backbone",
        lambda *names, **options: load_backbone(*names, **{**options, "pooling": "first", "prefix": "query: "}),
    )
    merge_stack("task:one", Path("merged"), host, LIBRARY)
    merged = load_backbone("merged", host=host)
    assert (merged.pooling, merged.prefix) == ("first", "query: ")


def test_wrong_settings_of_a_folder_are_named(make, host):
    make("task:one", [("lora", {"r": 4})])
    Path("tiny/lect.toml").write_text('poling = "first"')
    with pytest.raises(BackboneError, match=r'lect\.toml, poling: unknown field "poling"; did you mean "pooling"'):
        load_backbone("tiny", host=host)


def test_a_bottleneck_is_refused_by_name(make, host):
    make("lang:jav", [("bottleneck", {"preset": "seq_bn_inv"})])
    make("task:one", [("lora", {"r": 4})])
    with pytest.raises(StackError, match='could do what "bottleneck" of "lang:jav" does') as caught:
        merge_stack("lang:jav + task:one", Path("merged"), host, LIBRARY)
    assert str(caught.value).startswith('stack "lang:jav + task:one": ')
    assert not Path("merged").exists()


def test_a_method_that_does_not_say_how_it_folds_is_refused_by_name(make, host):
    make("lang:jav", [("affine", {})])
    make("task:one", [("affine", {}), ("lora", {"r": 4})])
    with pytest.raises(StackError, match='what "affine" of "lang:jav" and "affine" of "task:one" does'):
        merge_stack("lang:jav + task:one", Path("merged"), host, LIBRARY)


def test_a_layer_of_peft_that_is_not_linear_says_so(host):
    backbone = tiny_backbone("bert")
    with torch.random.fork_rng():
        # A plain LoRA would not go through the layer's own `forward`.
        settings = {"r": 4, "lora_bias": True}
        part = build_part(host, "lora", settings, BuildContext(backbone, Corpus()), "test").eval()
    site = next(iter(part.sites()))
    module = backbone.module(site)
    parameters = dict(module.named_parameters())
    folded = part.fold(site, parameters)
    assert torch.equal(folded["weight"], module.weight), "LoRA starts as nothing"
    part.linears.get_submodule(site).register_forward_hook(lambda layer, inputs, output: output.relu())
    assert part.fold(site, parameters) is None


def test_a_bias_that_the_module_has_no_place_for_is_refused(make, host):
    make("task:one", [("lora", {"r": 4, "lora_bias": True})], family="modernbert")
    with pytest.raises(StackError, match='"lora" of "task:one"'):
        merge_stack("task:one", Path("merged"), host, LIBRARY)


def test_a_place_that_is_taken(make, host):
    make("task:one", [("lora", {"r": 4})])
    Path("merged").mkdir()
    Path("merged/thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds something already; add --overwrite"):
        merge_stack("task:one", Path("merged"), host, LIBRARY)
    with pytest.raises(UserError, match="holds something else, which --overwrite does not replace"):
        merge_stack("task:one", Path("merged"), host, LIBRARY, overwrite=True)
    merge_stack("task:one", Path("other"), host, LIBRARY)
    with pytest.raises(UserError, match="holds something already"):
        merge_stack("task:one", Path("other"), host, LIBRARY)
    merge_stack("task:one", Path("other"), host, LIBRARY, overwrite=True)
    assert Path("merged/thesis.tex").exists()


def test_nothing_to_merge(make, host):
    with pytest.raises(UserError, match="nothing to merge"):
        merge_stack("", Path("merged"), host, LIBRARY, backbone=str(save_tiny_backbone("tiny")))
