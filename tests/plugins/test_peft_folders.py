"""PEFT folders: what `peft` saves gives the same outputs here, and what we write gives the same there."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import ComponentError, RecipeError
from lect.host import Host
from lect.storage.exchange import ImportOptions, export_component, import_folder
from lect.storage.library import Library
from lect.storage.restore import restore
from lect.storage.store import read_component
from lect.testing.backbones import save_tiny_backbone, tiny_backbone

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
ATTENTION = ["query", "value"]
ALL = r".*layer\.\d+\..*(query|key|value|dense)"
NAMED = {
    "lora": (peft.LoraConfig(r=4, target_modules=ATTENTION), "lora"),
    "lora everywhere": (peft.LoraConfig(r=4, target_modules=ALL), "lora"),
    "lora, some layers": (peft.LoraConfig(r=4, target_modules=ATTENTION, layers_to_transform=[1]), "lora"),
    "lora by pattern": (
        peft.LoraConfig(
            r=4,
            target_modules=ATTENTION,
            rank_pattern={"query": 2},
            alpha_pattern={"layer.0.attention.self.query": 32},
            use_rslora=True,
        ),
        "lora",
    ),
    "gaussian": (peft.LoraConfig(r=4, target_modules=ATTENTION, init_lora_weights="gaussian"), "lora"),
    "olora": (peft.LoraConfig(r=4, target_modules=ATTENTION, init_lora_weights="olora"), "lora"),
    "dora": (peft.LoraConfig(r=4, target_modules=ATTENTION, use_dora=True), "dora"),
    "pissa": (peft.LoraConfig(r=4, target_modules=ATTENTION, init_lora_weights="pissa"), "pissa"),
    "vera": (peft.VeraConfig(r=4, target_modules=ATTENTION), "vera"),
    "adalora": (peft.AdaLoraConfig(init_r=4, target_r=2, total_step=10, target_modules=ATTENTION), "adalora"),
    "ia3": (peft.IA3Config(target_modules=["key", "output.dense"], feedforward_modules=["output.dense"]), "ia3"),
    "ia3 elsewhere": (peft.IA3Config(target_modules=["key", "value"], feedforward_modules=["value"]), "ia3"),
    "loha": (peft.LoHaConfig(r=4, target_modules=ATTENTION), "peft"),
    "lokr": (peft.LoKrConfig(r=4, target_modules=ATTENTION), "peft"),
    "oft": (peft.OFTConfig(r=0, oft_block_size=4, target_modules=ATTENTION), "peft"),
    "hra": (peft.HRAConfig(r=4, target_modules=ATTENTION), "peft"),
    "fourierft": (peft.FourierFTConfig(n_frequency=20, target_modules=ATTENTION), "peft"),
    "randlora": (peft.RandLoraConfig(r=4, target_modules=ATTENTION), "peft"),
    "shira": (peft.ShiraConfig(r=2, target_modules=ATTENTION), "peft"),
    "vblora": (peft.VBLoRAConfig(r=2, num_vectors=16, vector_length=8, target_modules=ATTENTION), "peft"),
}


@pytest.fixture(scope="module")
def host():
    return Host.load()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def backbone(family):
        save_tiny_backbone(family, family)
        return tiny_backbone(family)

    return backbone


def perturb(model):
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)


@torch.no_grad()
def theirs(model, backbone):
    rows = RowEncoder(RoutedModel(backbone)).encode(TEXTS, [()] * len(TEXTS))
    output = model.eval()(input_ids=rows.input_ids, attention_mask=rows.attention_mask)
    return output.logits if hasattr(output, "logits") else output[0][rows.attention_mask.bool()]


@torch.no_grad()
def ours(backbone, folder, host):
    model = RoutedModel(backbone)
    model.attach(restore("own", read_component(folder), backbone, host))
    model.eval()
    rows = RowEncoder(model).encode(TEXTS, [("own",)] * len(TEXTS))
    hidden = model(rows)
    logits = model.logits(hidden, rows)
    states = hidden[rows.attention_mask.bool()]
    model.detach_all()
    return logits[0].logits if logits else states


def distance(one, other):
    return float((one - other).abs().max())


def saved_by_library(family, backbone, config, folder="hub", kind=AutoModel, **options):
    model = peft.get_peft_model(kind.from_pretrained(family, **options), config)
    perturb(model)
    expected = theirs(model, backbone)
    model.save_pretrained(folder)
    return expected


LIBRARY = Library((Path("components"),))


@pytest.mark.parametrize("name", NAMED)
def test_both_ways(place, host, name):
    config, method = NAMED[name]
    backbone = place("xlm-roberta")
    expected = saved_by_library("xlm-roberta", backbone, config)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="jav", role="lang"))
    assert done.manifest.methods == (method,)
    assert done.notices == ()
    # Where the library rewrites the weight and we subtract, sums are rounded in another order.
    bound = 5e-6 if name in ("pissa", "olora") else 1e-6
    states = ours(backbone, done.folder, host)
    assert distance(states, expected) <= bound
    assert distance(states, theirs(backbone.model, backbone)) > 1e-4
    notices = export_component("lang:jav", "peft", Path("back"), host, LIBRARY).notices
    assert ["twice its rank" in notice for notice in notices] == [True] * (name in ("pissa", "olora"))
    again = peft.PeftModel.from_pretrained(AutoModel.from_pretrained("xlm-roberta"), "back")
    assert distance(theirs(again, backbone), states) <= bound


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "kind"),
    [("bert", "lora"), ("distilbert", "dora"), ("deberta-v2", "ia3"), ("deberta-v2", "lora"), ("electra", "ia3")],
)
def test_every_family_both_ways(place, host, family, kind):
    backbone = place(family)
    linears = backbone.anatomy.linears
    if kind == "ia3":
        config = peft.IA3Config(target_modules=list(linears), feedforward_modules=[linears[-1]])
    else:
        config = peft.LoraConfig(r=2, target_modules=list(linears), use_dora=kind == "dora")
    expected = saved_by_library(family, backbone, config)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="jav", role="lang"))
    assert "target_modules" not in done.manifest.parts[0].config
    states = ours(backbone, done.folder, host)
    assert distance(states, expected) <= 1e-6
    export_component("lang:jav", "peft", Path("back"), host, LIBRARY)
    again = peft.PeftModel.from_pretrained(AutoModel.from_pretrained(family), "back")
    assert distance(theirs(again, backbone), states) <= 1e-6


def test_a_pickle_of_tensors_alone(place, host):
    backbone = place("bert")
    expected = saved_by_library("bert", backbone, NAMED["lora"][0])
    torch.save(load_file("hub/adapter_model.safetensors"), "hub/adapter_model.bin")
    Path("hub/adapter_model.safetensors").unlink()
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="task"))
    assert done.manifest.key == "task:hub"
    assert distance(ours(backbone, done.folder, host), expected) <= 1e-6


def test_adalora_without_the_ranks_that_training_took_away(place, host):
    backbone = place("bert")
    config = NAMED["adalora"][0]
    model = peft.get_peft_model(AutoModel.from_pretrained("bert"), config)
    perturb(model)
    inner = model.base_model
    pattern = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_E." in name:
                parameter[1] = 0
                pattern[name.removeprefix("base_model.model.")] = [True, False, True, True]
    inner.peft_config["default"].rank_pattern = pattern
    expected = theirs(model, backbone)
    model.save_pretrained("hub")
    assert {len(tensor) for name, tensor in load_file("hub/adapter_model.safetensors").items() if "lora_E" in name} == {
        3
    }
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="jav", role="lang"))
    states = ours(backbone, done.folder, host)
    assert distance(states, expected) <= 1e-6


def test_what_it_adds_to_the_pooler_is_said(place, host):
    backbone = place("bert")
    expected = saved_by_library("bert", backbone, peft.LoraConfig(r=2, target_modules="all-linear"))
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    assert ["pooler" in notice for notice in done.notices] == [True]
    assert distance(ours(backbone, done.folder, host), expected) <= 1e-6


@pytest.mark.models
@pytest.mark.parametrize("family", ["xlm-roberta", "distilbert", "electra"])
def test_a_classifier_both_ways(place, host, family):
    backbone = place(family)
    classifiers = ["pre_classifier", "classifier"] if family == "distilbert" else None
    targets = ["q_lin", "v_lin"] if family == "distilbert" else ATTENTION
    config = peft.LoraConfig(r=2, target_modules=targets, task_type="SEQ_CLS", modules_to_save=classifiers)
    kind = AutoModelForSequenceClassification
    expected = saved_by_library(family, backbone, config, kind=kind, num_labels=3)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions())
    assert (done.manifest.key, done.manifest.head.labels) == ("task:hub", ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert ["labels" in notice for notice in done.notices] == [True]
    logits = ours(backbone, done.folder, host)
    assert distance(logits, expected) <= 1e-6
    assert export_component("task:hub", "peft", Path("back"), host, LIBRARY).notices == ()
    again = peft.PeftModel.from_pretrained(kind.from_pretrained(family, num_labels=3), "back")
    assert distance(theirs(again, backbone), logits) <= 1e-6


def test_a_classifier_over_the_pooler_is_said(place, host):
    backbone = place("bert")
    config = peft.LoraConfig(r=2, target_modules=ATTENTION, task_type="SEQ_CLS")
    saved_by_library("bert", backbone, config, kind=AutoModelForSequenceClassification, num_labels=3)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions())
    assert done.manifest.head is None
    (notice,) = done.notices
    assert notice.startswith("left out classifier: ")


# ------------------------------------------------------------------------------------------------------ what is refused


def changed(**fields):
    file = Path("hub/adapter_config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "puts trained vectors before the text"),
        ({"peft_type": "LORO"}, 'peft has no method "loro"; did you mean "lora"'),
        ({"bias": "all"}, "biases of the backbone stay frozen"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"r": "eight"}, '"r": '),
        ({"r": 3}, "has shape"),
    ],
)
def test_configurations_that_cannot_be_a_component(place, host, fields, message):
    backbone = place("bert")
    saved_by_library("bert", backbone, NAMED["lora"][0])
    changed(**fields)
    with pytest.raises(ComponentError, match=message) as caught:
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    assert str(caught.value).startswith("hub/adapter_")
    assert not Path("components").exists()


ENDLESS = r"(?:[a-z]|[a-z.]|[\d.]|[a-z])*[A-Z]"


@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
def test_a_pattern_that_never_ends_is_refused_on_both_ways(place, host, field):
    backbone = place("bert")
    saved_by_library("bert", backbone, NAMED["lora"][0])
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="jav", role="lang"))
    manifest = done.folder / "component.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace("r = 4\n", f"r = 4\n{field} = {{ '{ENDLESS}' = 2 }}\n"))
    assert manifest.read_text() != text
    with pytest.raises((ComponentError, RecipeError), match=f"{field}.*takes longer than"):
        export_component("lang:jav", "peft", Path("back"), host, LIBRARY)
    assert not Path("back").exists()
    changed(**{field: {ENDLESS: 2}})
    with pytest.raises(ComponentError, match=f"{field}.*takes longer than"):
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="mad", role="lang"))
    assert not Path("components/lang/mad").exists()


def test_a_field_of_another_version_is_said(place, host):
    backbone = place("bert")
    saved_by_library("bert", backbone, NAMED["lora"][0])
    changed(use_magic=True, use_nothing=None)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    assert ['"use_magic" = True' in notice for notice in done.notices] == [True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda saved: saved.popitem(), "lacks "),
        (
            lambda saved: saved.update({"base_model.model.embeddings.word_embeddings.lora_A": torch.ones(1)}),
            "embeddings",
        ),
        (lambda saved: saved.update({f"{next(iter(saved))}.extra": torch.ones(1)}), "is no tensor of this method"),
    ],
)
def test_tensors_that_do_not_fit(place, host, change, message):
    backbone = place("bert")
    saved_by_library("bert", backbone, NAMED["lora"][0])
    saved = load_file("hub/adapter_model.safetensors")
    change(saved)
    save_file(saved, "hub/adapter_model.safetensors")
    with pytest.raises(ComponentError, match=message):
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    assert not Path("components").exists()


def test_another_backbone(place, host):
    backbone = place("bert")
    saved_by_library("bert", backbone, NAMED["lora"][0])
    save_tiny_backbone("wide", "bert", hidden=48)
    save_tiny_backbone("other", "distilbert")
    with pytest.raises(ComponentError, match=r'has shape \(4, 32\), and "wide" .* takes \(4, 48\)'):
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang", backbone="wide"))
    with pytest.raises(ComponentError, match='none of its tensors belongs to a projection of backbone "other"'):
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang", backbone="other"))
