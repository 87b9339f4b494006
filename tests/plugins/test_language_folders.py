"""AdapterHub folders without the library `adapters`: written, read again, and what its tables say of them."""

from __future__ import annotations

import json

import pytest
import torch

from lect.errors import ComponentError
from lect.exchange.contents import Contents, HeadContents, PartContents
from lect.testing.backbones import tiny_backbone
from lect_language.config import BottleneckConfig
from lect_language.formats.config import member_configs, read_config
from lect_language.formats.embeddings import read_embeddings
from lect_language.formats.folder import read_folder, write_folder
from lect_language.part import build_bottleneck

pytestmark = pytest.mark.models


def contents(backbone, head=None, **config):
    part = build_bottleneck(BottleneckConfig(**config), backbone)
    torch.manual_seed(1)
    tensors = {name: torch.randn_like(parameter) for name, parameter in part.named_parameters()}
    return Contents("jav", "lang", (PartContents("bottleneck", config, tensors),), head)


def stated(folder, **fields):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.mark.parametrize(
    ("family", "config", "tensor"),
    [
        ("xlm-roberta", {"preset": "seq_bn_inv"}, "roberta.invertible_adapters.jav.F.0.weight"),
        ("bert", {"preset": "compacter", "reduction_factor": 4}, "bert.shared_parameters.jav.phm_rule"),
        ("electra", {"preset": "seq_bn_inv", "inv_adapter_before_projection": True},
         "electra.encoder.layer.1.output.adapters.jav.adapter_up.bias"),
        ("distilbert", {"preset": "double_seq_bn", "ln_before": True},
         "distilbert.transformer.layer.0.attention_adapters.adapters.jav.adapter_down.0.weight"),
        ("qwen3", {"preset": "double_seq_bn"},
         "model.layers.0.attention_adapters.adapters.jav.adapter_up.weight"),
        ("mbart", {"preset": "seq_bn_inv", "original_ln_before": False},
         "model.decoder.layers.0.output_adapters.adapters.jav.adapter_up.weight"),
        ("t5", {"preset": "double_seq_bn_inv"}, "transformer.encoder.invertible_adapters.jav.G.2.bias"),
        ("t5", {"preset": "seq_bn"}, "transformer.decoder.block.1.layer.2.adapters.jav.adapter_up.weight"),
    ],
)  # fmt: skip
def test_what_is_written_is_read(tmp_path, family, config, tensor):
    backbone = tiny_backbone(family, generates=family in ("mbart", "t5"))
    given = contents(backbone, **config)
    assert write_folder(given, backbone, tmp_path) == []
    assert tensor in torch.load(tmp_path / "pytorch_adapter.bin", weights_only=True)
    found = read_folder(tmp_path, backbone)
    assert (found.name, found.notices) == ("jav", ())
    (part,) = found.parts
    assert part.config == config
    assert part.tensors.keys() == given.parts[0].tensors.keys()
    assert all(torch.equal(part.tensors[name], tensor) for name, tensor in given.parts[0].tensors.items())


def test_the_configuration_is_that_of_the_library(tmp_path):
    backbone = tiny_backbone("xlm-roberta")
    write_folder(contents(backbone, preset="seq_bn_inv", reduction_factor=2), backbone, tmp_path)
    written = json.loads((tmp_path / "adapter_config.json").read_text())
    config = written.pop("config")
    assert written == {
        "hidden_size": 32,
        "model_class": "XLMRobertaAdapterModel",
        "model_name": backbone.identity,
        "model_type": "xlm-roberta",
        "name": "jav",
        "version": "adapters.1.3.0",
    }
    told = {"mh_adapter": False, "output_adapter": True, "reduction_factor": 2, "non_linearity": "relu",
            "original_ln_before": True, "original_ln_after": True, "inv_adapter": "nice",
            "inv_adapter_reduction_factor": 2.0, "leave_out": [], "scaling": 1.0}  # fmt: skip
    assert told.items() <= config.items()
    assert len(config) == 33


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("pfeiffer", {"preset": "seq_bn"}),
        ("houlsby+inv", {"preset": "double_seq_bn_inv"}),
        ("scaled_parallel", {"preset": "scaled_par_bn"}),
        ("compacter++", {"preset": "compacter++"}),
    ],
)
def test_a_configuration_by_its_name(tmp_path, name, values):
    read = read_config({"config": name, "version": "3"}, tmp_path / "adapter_config.json", has_invertible=True)
    assert read.changes == values


def test_a_head_both_ways(tmp_path):
    backbone = tiny_backbone("bert")
    shapes = {"hidden.weight": (32, 32), "hidden.bias": (32,), "output.weight": (3, 32), "output.bias": (3,)}
    tensors = {name: torch.randn(shape) for name, shape in shapes.items()}
    config = {"dropout": 0.2, "pooling": "first", "layers": 2, "activation": "tanh"}
    head = HeadContents("classification", config, ("bad", "fine", "good"), tensors)
    assert write_folder(contents(backbone, head), backbone, tmp_path) == []
    found = read_folder(tmp_path, backbone).head
    assert (found.kind, dict(found.config), found.labels) == ("classification", config, head.labels)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize(
    ("model_class", "layers", "notice"),
    [
        ("DistilBertForSequenceClassification", ("pre_classifier", "classifier"), None),
        ("BertForMaskedLM", (), 'left out the head "masked_lm": lect predicts'),
        ("BertForSomethingElse", (), 'left out the head of a "BertForSomethingElse": lect has no head like it'),
    ],
)
def test_heads_of_models_of_transformers(tmp_path, model_class, layers, notice):
    backbone = tiny_backbone("distilbert")
    write_folder(contents(backbone), backbone, tmp_path)
    (tmp_path / "head_config.json").write_text(json.dumps({"model_class": model_class, "num_labels": 2, "name": None}))
    sizes = dict(zip(layers, (32, 2), strict=False))
    tensors = {f"{layer}.weight": torch.randn(size, 32) for layer, size in sizes.items()}
    tensors |= {f"{layer}.bias": torch.randn(size) for layer, size in sizes.items()}
    torch.save(tensors, tmp_path / "pytorch_model_head.bin")
    found = read_folder(tmp_path, backbone)
    if notice is None:
        assert (found.head.kind, found.head.labels) == ("classification", ("LABEL_0", "LABEL_1"))
        assert torch.equal(found.head.tensors["hidden.weight"], tensors["pre_classifier.weight"])
        assert torch.equal(found.head.tensors["output.bias"], tensors["classifier.bias"])
    else:
        assert found.head is None
        assert found.notices[0].startswith(notice)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("camembert", 'adapters has no place for bottlenecks in models of type "camembert"; name a backbone'),
        ("gemma3_text", 'in models of type "gemma3_text" adapters has bottlenecks before the norm that ends a block'),
    ],
)
def test_families_of_which_the_library_has_no_folder_that_gives_the_same(tmp_path, family, message):
    backbone = tiny_backbone(family)
    with pytest.raises(ComponentError, match=message):
        write_folder(contents(backbone, preset="double_seq_bn"), backbone, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{" + b" " * 1000 + b"}", "larger than 100 bytes"),
        (b"{}", "no tokenizer"),
        (b'{"model": 1, "added_tokens": []}', "no tokenizer"),
        (b'{"model": {"vocab": []}, "added_tokens": [{}]}', "no tokenizer"),
        (b"\xff", "not valid JSON"),
    ],
)
def test_embeddings_whose_tokenizer_is_none(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr("lect.exchange.contents.MAX_JSON_BYTES", 100)
    torch.save(torch.randn(50, 32), tmp_path / "embedding.pt")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer/tokenizer.json").write_bytes(content)
    with pytest.raises(ComponentError, match=message):
        read_embeddings(tmp_path, tiny_backbone("bert"))


# ----------------------------------------------------------------------------------------- tables beside the library's


@pytest.mark.adapters
def test_configurations_by_name_are_those_of_the_library(tmp_path):
    from adapters.configuration import ADAPTER_CONFIG_MAP

    file = tmp_path / "adapter_config.json"
    for name, library in ADAPTER_CONFIG_MAP.items():
        config = library.to_dict()
        if config.get("architecture") in (None, "bottleneck") and "r" not in config:
            by_name, whole = (
                read_config({"config": given, "version": "3"}, file, has_invertible=True) for given in (name, config)
            )
            assert by_name == whole, name
        elif config["architecture"] == "lora":
            (ours,) = member_configs({"config": name}, file)
            assert ours.items() <= config.items()
            unsaid = {"r": 8, "alpha": 8, "composition_mode": "add", "use_dora": False, "vera_d": None, "vera_b": None}
            assert {**unsaid, **ours}.items() <= config.items(), name
        else:
            for given in (name, config):
                with pytest.raises(ComponentError, match=r"of architecture|union of"):
                    [read_config({"config": each}, file, has_invertible=False)
                     for each in member_configs({"config": given}, file)]  # fmt: skip


@pytest.mark.adapters
def test_heads_of_models_are_those_of_the_library():
    from adapters.head_utils import STATIC_TO_FLEX_HEAD_MAP, get_head_config_and_rename_list

    from lect_language.formats.model_heads import head_of_class

    families = [
        "Bert",
        "Deberta",
        "DistilBert",
        "Electra",
        "GPT2",
        "Llama",
        "MBart",
        "MT5",
        "Mistral",
        "Roberta",
        "T5",
        "XLMRoberta",
    ]
    labels = {"a": 0, "b": 1, "c": 2}
    for name in STATIC_TO_FLEX_HEAD_MAP:
        if not name.startswith((*families, "XLMRoberta")) or name.startswith("BertGeneration"):
            continue
        theirs, renamed = get_head_config_and_rename_list(name, "jav", labels)
        config, places = head_of_class(name, labels, None)
        assert config["head_type"] == theirs["head_type"], name
        if places:
            # What is left out is what heads of adapters have by themselves.
            assert {**config, "bias": config.get("bias", True), "use_pooler": config.get("use_pooler", False)} == {
                **theirs,
                "bias": theirs.get("bias", True),
                "use_pooler": theirs.get("use_pooler", False),
            }, name
        for layer, place in places.items():
            assert renamed(f"{layer}.weight") == f"heads.jav.{place}.weight", name
