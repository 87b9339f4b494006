"""AdapterHub folders of other methods, heads and families, as `adapters` itself saves them: the same outputs here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.storage.exchange import ImportOptions, export_component, import_folder
from lect.storage.library import Library
from lect.storage.restore import restore
from lect.storage.store import read_component
from lect.testing.backbones import save_tiny_backbone

pytestmark = [pytest.mark.adapters, pytest.mark.models]

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
LIBRARY = Library((Path("components"),))


@pytest.fixture(scope="module")
def host():
    return Host.load()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def library_model(family, generates=False):
    import adapters

    if not Path(family).is_dir():
        save_tiny_backbone(family, family, generates=generates)
    return adapters.AutoAdapterModel.from_pretrained(family).eval()


def fill(model, name="jav"):
    torch.manual_seed(3)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if f".{name}." in f".{key}":
                parameter.normal_(std=0.2)


def rows_of(model, stack):
    return RowEncoder(model).encode(TEXTS, [stack] * len(TEXTS))


def attached(done, backbone, host):
    model = RoutedModel(backbone)
    model.attach(restore("own", read_component(done.folder), backbone, host))
    return model.eval(), rows_of(model, ("own",))


@torch.no_grad()
def states(model, rows):
    """What is read, and in a model of two halves what is written."""
    if isinstance(model, RoutedModel):
        hidden = model(rows)
        if model.decoder is not None:
            hidden = model.decode(rows.input_ids, rows.attention_mask, hidden, rows)
    else:
        more = {"decoder_input_ids": rows.input_ids, "decoder_attention_mask": rows.attention_mask}
        named = {"input_ids": rows.input_ids, "attention_mask": rows.attention_mask}
        two_halves = model.config.is_encoder_decoder
        hidden = model.eval().base_model(**named, **(more if two_halves else {}))[0]
    return hidden[rows.attention_mask.bool()]


def distance(one, other):
    return float((one - other).abs().max())


def union():
    from adapters import ConfigUnion, LoRAConfig, SeqBnConfig

    return ConfigUnion(LoRAConfig(r=4, alpha=8, output_lora=True), SeqBnConfig(reduction_factor=4))


@pytest.mark.parametrize(
    ("config", "methods"),
    [
        ("lora[r=4,alpha=8]", ("lora",)),
        ("lora[r=2,leave_out=[0],intermediate_lora=True,output_lora=True,attn_matrices=['k','v']]", ("lora",)),
        ("ia3", ("ia3",)),
        (union, ("lora", "bottleneck")),
    ],
)
def test_methods_that_are_those_of_peft(host, config, methods):
    model = library_model("xlm-roberta")
    model.add_adapter("jav", config=config() if callable(config) else config)
    fill(model)
    model.save_adapter("hub", "jav")
    backbone = load_backbone("xlm-roberta", host=host)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    assert done.manifest.methods == methods
    routed, rows = attached(done, backbone, host)
    model.set_active_adapters("jav")
    expected = states(model, rows)
    assert distance(states(routed, rows), expected) <= 1e-6
    model.set_active_adapters(None)
    assert distance(states(model, rows), expected) > 1e-3


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("mbart", "double_seq_bn"),
        ("mbart", "seq_bn_inv"),
        ("mbart", "lora"),
        ("mt5", "double_seq_bn"),
        ("t5", "seq_bn"),
        ("electra", "seq_bn_inv"),
    ],
)
def test_families_both_ways(host, family, config):
    model = library_model(family, generates=family != "electra")
    model.add_adapter("jav", config=config)
    fill(model)
    model.save_adapter("hub", "jav")
    model.set_active_adapters("jav")
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    backbone = load_backbone(family, host=host, generates=True)
    routed, rows = attached(done, backbone, host)
    given = states(routed, rows)
    routed.detach_all()
    assert distance(given, states(model, rows)) <= 1e-6
    if config == "lora":
        return
    assert export_component("lang:jav", "adapters", Path("back"), host, LIBRARY).notices == ()
    again = library_model(family)
    again.load_adapter("back", set_active=True)
    assert distance(given, states(again, rows)) <= 1e-6


@pytest.mark.parametrize(
    ("kind", "options", "ours"),
    [
        ("tagging", {"num_labels": 3, "id2label": {0: "O", 1: "B-PER", 2: "I-PER"}}, "tagging"),
        ("tagging", {"num_labels": 2, "id2label": {0: "NOUN", 1: "VERB"}}, "pos"),
        ("qa", {}, "qa"),
        ("multilabel", {"num_labels": 3, "multilabel": True, "id2label": {0: "a", 1: "b", 2: "c"}}, "multi-label"),
        ("multiple_choice", {"num_choices": 2}, "multiple-choice"),
        ("multiple_choice", {"num_choices": 2, "layers": 1}, "multiple-choice"),
        ("number", {"num_labels": 1}, "regression"),
    ],
)
def test_heads_both_ways(host, kind, options, ours):
    def add(model):
        method = {"multilabel": "classification", "number": "classification"}.get(kind, kind)
        getattr(model, f"add_{method}_head")("jav", **options)

    @torch.no_grad()
    def logits(model, rows):
        model.set_active_adapters("jav")
        model.active_head = "jav"
        given = model.eval()(input_ids=rows.input_ids, attention_mask=rows.attention_mask)
        if kind == "qa":
            return torch.stack([given.start_logits, given.end_logits], -1)
        return given.logits.reshape(-1, 1) if kind == "multiple_choice" else given.logits

    model = library_model("xlm-roberta")
    model.add_adapter("jav", config="seq_bn")
    add(model)
    fill(model)
    model.save_adapter("hub", "jav")
    backbone = load_backbone("xlm-roberta", host=host)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions())
    assert (done.manifest.key, done.manifest.head.kind, done.notices) == ("task:jav", ours, ())
    assert done.manifest.head.labels == (tuple(options["id2label"].values()) if "id2label" in options else ())
    routed, rows = attached(done, backbone, host)
    with torch.no_grad():
        hidden = routed(rows)
        (output,) = routed.logits(hidden, rows)
    routed.detach_all()
    mask = rows.attention_mask.bool() if output.logits.dim() == 3 else slice(None)
    assert distance(output.logits[mask], logits(model, rows)[mask]) <= 1e-6
    assert export_component("task:jav", "adapters", Path("back"), host, LIBRARY).notices == ()
    again = library_model("xlm-roberta")
    again.load_adapter("back", set_active=True)
    assert distance(output.logits[mask], logits(again, rows)[mask]) <= 1e-6


def test_a_parser_that_cannot_be_ours_is_said_with_the_reason(host):
    model = library_model("xlm-roberta")
    model.add_adapter("jav", config="seq_bn")
    model.add_dependency_parsing_head("jav", num_labels=3)
    model.save_adapter("hub", "jav")
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="task"))
    (notice,) = done.notices
    assert notice.startswith('left out the head "dependency_parsing": it scores means of each word')


def test_a_classifier_over_the_pooler_of_the_checkpoint(host):
    import adapters
    from transformers import AutoModelForSequenceClassification, BertModel

    save_tiny_backbone("bert", "bert")
    BertModel.from_pretrained("bert").save_pretrained("bert")
    model = AutoModelForSequenceClassification.from_pretrained("bert", num_labels=3)
    adapters.init(model)
    model.add_adapter("jav", config="seq_bn", set_active=True)
    fill(model)
    model.save_adapter("hub", "jav", with_head=True)
    backbone = load_backbone("bert", host=host)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions())
    routed, rows = attached(done, backbone, host)
    with torch.no_grad():
        hidden = routed(rows)
        (output,) = routed.logits(hidden, rows)
        given = model.eval()(input_ids=rows.input_ids, attention_mask=rows.attention_mask).logits
    assert distance(output.logits, given) <= 1e-6
