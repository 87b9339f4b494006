"""AdapterHub folders: what `adapters` saves gives the same outputs here, and what we write gives the same there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import ComponentError
from lect.host import Host
from lect.storage.exchange import ImportOptions, export_component, import_folder
from lect.storage.library import Library
from lect.storage.restore import restore
from lect.storage.store import read_component, write_component
from lect.testing.backbones import save_tiny_backbone, tiny_backbone

pytestmark = [pytest.mark.adapters, pytest.mark.models]

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
CONFIGS = (
    "seq_bn",
    "double_seq_bn",
    "par_bn",
    "scaled_par_bn",
    "seq_bn_inv",
    "double_seq_bn_inv",
    "compacter[reduction_factor=4]",
    "compacter++[reduction_factor=4]",
    "pfeiffer+inv[reduction_factor=2]",
    "houlsby",
    "seq_bn[ln_before=True,ln_after=True]",
    "seq_bn[scaling='channel',non_linearity='gelu']",
    "seq_bn[leave_out=[0],residual_before_ln=False]",
    "compacter[reduction_factor=4,shared_W_phm=True]",
    "compacter++[reduction_factor=4,factorized_phm_rule=True]",
)


@pytest.fixture(scope="module")
def host():
    return Host.load()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with tiny backbones by family, made when they are first asked for."""
    monkeypatch.chdir(tmp_path)

    def backbone(family):
        if not Path(family).is_dir():
            save_tiny_backbone(family, family)
        return tiny_backbone(family)

    return backbone


def library_model(family, backbone, *, plain=False):
    """A model of `adapters` with the backbone's weights."""
    import adapters

    if plain:
        from transformers import AutoModel

        model = AutoModel.from_pretrained(family)
        adapters.init(model)
    else:
        model = adapters.AutoAdapterModel.from_pretrained(family)
    # adapters 1.3.0 gives ModernBERT's bias-free query-key-value projection a random bias.
    for module in model.modules():
        if type(module).__name__ == "LoRAMergedLinear" and family == "modernbert":
            module.bias = None
    model.eval()
    return model


def fill(model, name, seed=3):
    """Values that matter, for every tensor of an adapter or head."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if f".{name}." in f".{key}":
                parameter.normal_(std=0.2)


def saved_by_library(family, backbone, config, folder, *, plain=False, **options):
    """An adapter that `adapters` made, saved, with the outputs it gives: hidden states."""
    model = library_model(family, backbone, plain=plain)
    model.add_adapter("jav", config=config)
    fill(model, "jav")
    model.save_adapter(str(folder), "jav", **options)
    return theirs(model, backbone, "jav")


@torch.no_grad()
def theirs(model, backbone, name):
    rows = RowEncoder(RoutedModel(backbone)).encode(TEXTS, [()] * len(TEXTS))
    model.set_active_adapters(name)
    model.eval()
    base = getattr(model, "base_model", model)
    output = base(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0]
    return output[rows.attention_mask.bool()]


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
    return states, logits[0].logits if logits else None


def distance(one, other):
    return float((one - other).abs().max())


# --------------------------------------------------------------------------------------------------- both ways, exactly


@pytest.mark.parametrize("config", CONFIGS)
def test_both_ways(place, host, config):
    backbone = place("xlm-roberta")
    expected = saved_by_library("xlm-roberta", backbone, config, Path("hub"))
    library = Library((Path("components"),))
    done = import_folder(Path("hub"), host, library, ImportOptions(backbone="xlm-roberta", role="lang"))
    assert done.notices == ()
    states, _ = ours(backbone, done.folder, host)
    assert distance(states, expected) <= 1e-6
    export_component("lang:jav", "adapters", Path("back"), host, library)
    for plain in (False, True):
        model = library_model("xlm-roberta", backbone, plain=plain)
        name = model.load_adapter("back")
        if plain and config.startswith("compacter"):
            continue
        assert name == "jav"
        assert distance(theirs(model, backbone, name), states) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "distilbert", "deberta-v2", "roberta", "electra"])
@pytest.mark.parametrize("config", ["seq_bn", "double_seq_bn"])
def test_every_family_both_ways(place, host, family, config):
    backbone = place(family)
    expected = saved_by_library(family, backbone, config, Path("hub"))
    library = Library((Path("components"),))
    done = import_folder(Path("hub"), host, library, ImportOptions(role="task"))
    assert done.manifest.backbone.name == family, "the folder says which model"
    states, _ = ours(backbone, done.folder, host)
    assert distance(states, expected) <= 1e-6
    export_component("task:jav", "adapters", Path("back"), host, library)
    model = library_model(family, backbone)
    model.load_adapter("back")
    assert distance(theirs(model, backbone, "jav"), states) <= 1e-6


@pytest.mark.parametrize("options", [{"use_safetensors": True}, {}], ids=["safetensors", "pickle"])
@pytest.mark.parametrize("plain", [True, False], ids=["plain model", "adapter model"])
def test_files_of_every_kind(place, host, options, plain):
    backbone = place("bert")
    expected = saved_by_library("bert", backbone, "seq_bn_inv", Path("hub"), plain=plain, **options)
    done = import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions())
    assert (done.manifest.role, done.manifest.languages) == ("lang", ("jav",))
    assert distance(ours(backbone, done.folder, host)[0], expected) <= 1e-6


# ---------------------------------------------------------------------------------------------- the layout of MAD-X


def madx(folder, age, family):
    """Rewrite a folder of today into the layout of the published MAD-X adapters of that age."""
    stated = json.loads((folder / "adapter_config.json").read_text())
    own = stated["config"]
    kept = ("adapter_residual_before_ln", "ln_after", "ln_before", "mh_adapter", "non_linearity", "original_ln_after",
            "original_ln_before", "output_adapter", "reduction_factor", "residual_before_ln")  # fmt: skip
    config = {name: own[name] for name in kept}
    stated["model_class"] = "XLMRobertaModel" if family == "xlm-roberta" else "BertModel"
    weights = torch.load(folder / "pytorch_adapter.bin", weights_only=True)
    if age == "2.0":
        del stated["version"]
        config |= {"inv_adapter": "nice", "inv_adapter_reduction_factor": 2, "cross_adapter": False}
    else:
        del stated["version"]
        stated["type"] = "text_lang"
        stated["config_id"] = "9076f36a74755ac4"
        config |= {
            "attention_type": "sent-lvl-dynamic",
            "new_attention_norm": False,
            "invertible_adapter": {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2},
        }
        weights = {
            key.replace(".output.adapters.", ".output.layer_text_lang_adapters.").replace(
                "invertible_adapters", "invertible_lang_adapters"
            ): value
            for key, value in weights.items()
        }
        if age == "0.1":
            names = {"ln_after": "LN_after", "ln_before": "LN_before", "mh_adapter": "MH_Adapter"}
            config = {
                {**names, "output_adapter": "Output_Adapter"}.get(key, key): value for key, value in config.items()
            }
    stated["config"] = config
    (folder / "adapter_config.json").write_text(json.dumps(stated, indent=2, sort_keys=True))
    torch.save(weights, folder / "pytorch_adapter.bin")
    return config


@pytest.mark.parametrize("family", ["xlm-roberta", "bert"])
@pytest.mark.parametrize("age", ["0.1", "1.0", "2.0"])
def test_published_language_adapters_of_mad_x(place, host, family, age):
    backbone = place(family)
    expected = saved_by_library(family, backbone, "pfeiffer+inv[reduction_factor=2]", Path("hub"))
    madx(Path("hub"), age, family)
    done = import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions())
    assert (done.manifest.key, done.manifest.languages, done.notices) == ("lang:jav", ("jav",), ())
    assert done.manifest.parts[0].config == {"preset": "seq_bn_inv", "reduction_factor": 2}
    states, _ = ours(backbone, done.folder, host)
    assert distance(states, expected) <= 1e-6
    if age != "0.1":
        # The oldest one is too old for the library itself.
        model = library_model(family, backbone)
        model.load_adapter("hub")
        assert distance(theirs(model, backbone, "jav"), states) <= 1e-6


def test_the_first_language_adapters_have_an_activation_of_their_own_in_the_invertible_part(place, host):
    # Their configuration is that of AdapterHub's "2544b31b29c6067d": gelu, and relu in the invertible part.
    from adapters.methods.modeling import Activation_Function_Class
    from adapters.utils import get_adapter_config_hash

    backbone = place("bert")
    model = library_model("bert", backbone)
    model.add_adapter("jav", config="pfeiffer+inv[reduction_factor=2,non_linearity='gelu_new']")
    fill(model, "jav")
    model.save_adapter("hub", "jav")
    checkpoint_layers = theirs(model, backbone, "jav")
    block = model.base_model.invertible_adapters["jav"]
    block.F[1] = block.G[1] = Activation_Function_Class("relu")
    expected = theirs(model, backbone, "jav")
    assert distance(checkpoint_layers, expected) > 1e-4
    config = madx(Path("hub"), "1.0", "bert")
    stated = json.loads(Path("hub/adapter_config.json").read_text())
    stated["config"]["non_linearity"] = config["non_linearity"] = "gelu"
    Path("hub/adapter_config.json").write_text(json.dumps(stated))
    hashed = {name: value for name, value in config.items() if name != "attention_type"}
    assert get_adapter_config_hash(hashed) == "2544b31b29c6067d"
    library = Library((Path("components"),))
    done = import_folder(Path("hub"), host, library, ImportOptions())
    assert ['"relu", as it was trained' in notice for notice in done.notices] == [True]
    assert distance(ours(backbone, done.folder, host)[0], expected) <= 1e-6
    with pytest.raises(ComponentError, match=r'runs with "relu", which adapters 1\.3\.0 cannot say'):
        export_component("lang:jav", "adapters", Path("back"), host, library)


def test_an_invertible_part_that_the_configuration_does_not_name(place, host):
    backbone = place("bert")
    saved_by_library("bert", backbone, "seq_bn_inv", Path("hub"))
    stated = json.loads(Path("hub/adapter_config.json").read_text())
    stated["config"]["inv_adapter"] = None
    Path("hub/adapter_config.json").write_text(json.dumps(stated))
    model = library_model("bert", backbone)
    model.load_adapter("hub")
    done = import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions(role="lang"))
    assert ["left out the invertible part" in notice for notice in done.notices] == [True]
    assert distance(ours(backbone, done.folder, host)[0], theirs(model, backbone, "jav")) <= 1e-6


def test_an_old_task_adapter_names_an_invertible_part_that_it_does_not_have(place, host):
    backbone = place("xlm-roberta")
    expected = saved_by_library("xlm-roberta", backbone, "pfeiffer", Path("hub"))
    madx(Path("hub"), "1.0", "xlm-roberta")
    stated = json.loads(Path("hub/adapter_config.json").read_text())
    Path("hub/adapter_config.json").write_text(json.dumps({**stated, "type": "text_task"}))
    done = import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions())
    assert done.manifest.key == "task:jav"
    assert distance(ours(backbone, done.folder, host)[0], expected) <= 1e-6


def test_old_names_of_activations_mean_what_they_meant(place, host):
    backbone = place("bert")
    expected = saved_by_library("bert", backbone, "pfeiffer[non_linearity='gelu_new']", Path("hub"))
    stated = json.loads(Path("hub/adapter_config.json").read_text())
    del stated["version"]
    stated["config"]["non_linearity"] = "gelu"
    Path("hub/adapter_config.json").write_text(json.dumps(stated))
    done = import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions(role="task"))
    assert distance(ours(backbone, done.folder, host)[0], expected) <= 1e-6


def test_a_configuration_by_name(place, host):
    backbone = place("bert")
    expected = saved_by_library("bert", backbone, "pfeiffer", Path("hub"))
    stated = json.loads(Path("hub/adapter_config.json").read_text())
    Path("hub/adapter_config.json").write_text(json.dumps({**stated, "config": "pfeiffer"}))
    done = import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions(role="task"))
    assert distance(ours(backbone, done.folder, host)[0], expected) <= 1e-6


# ---------------------------------------------------------------------------------------------------- heads, embeddings


@torch.no_grad()
def head_logits(model, backbone):
    rows = RowEncoder(RoutedModel(backbone)).encode(TEXTS, [()] * len(TEXTS))
    return model(input_ids=rows.input_ids, attention_mask=rows.attention_mask).logits


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("xlm-roberta", {}),
        ("xlm-roberta", {"layers": 1}),
        ("xlm-roberta", {"activation_function": "gelu"}),
        ("xlm-roberta", {"bias": False}),
        ("distilbert", {}),
        ("bert", {"layers": 1}),
    ],
    ids=str,
)
def test_a_classification_head_both_ways(place, host, family, options):
    backbone = place(family)
    model = library_model(family, backbone)
    model.add_adapter("mood", config="seq_bn")
    head = {"num_labels": 3, "id2label": {0: "bad", 1: "fine", 2: "good"}, **options}
    if "bias" in options:
        from adapters.heads import ClassificationHead

        del head["bias"]
        model.add_prediction_head(ClassificationHead(model, "mood", bias=False, **head))
    else:
        model.add_classification_head("mood", **head)
    fill(model, "mood")
    model.save_adapter("hub", "mood")
    model.set_active_adapters("mood")
    model.active_head = "mood"
    expected = head_logits(model.eval(), backbone)
    library = Library((Path("components"),))
    done = import_folder(Path("hub"), host, library, ImportOptions())
    assert (done.manifest.key, done.manifest.head.labels) == ("task:mood", ("bad", "fine", "good"))
    _, logits = ours(backbone, done.folder, host)
    assert distance(logits, expected) <= 1e-6
    assert export_component("task:mood", "adapters", Path("back"), host, library).notices == ()
    again = library_model(family, backbone)
    again.load_adapter("back", set_active=True)
    assert again.active_head == "mood"
    assert again.get_labels() == ["bad", "fine", "good"]
    assert distance(head_logits(again, backbone), logits) <= 1e-6


def test_a_head_of_transformers_own_classifier(place, host):
    import adapters
    from transformers import AutoModelForSequenceClassification

    backbone = place("xlm-roberta")
    model = AutoModelForSequenceClassification.from_pretrained("xlm-roberta", num_labels=3)
    adapters.init(model)
    model.add_adapter("mood", config="seq_bn", set_active=True)
    fill(model, "mood")
    model.save_adapter("hub", "mood", with_head=True)
    done = import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions())
    assert done.manifest.head.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert distance(ours(backbone, done.folder, host)[1], head_logits(model.eval(), backbone)) <= 1e-6


def test_a_head_that_cannot_be_ours_is_said_by_name(place, host):
    backbone = place("xlm-roberta")
    model = library_model("xlm-roberta", backbone)
    model.add_adapter("jav", config="seq_bn_inv")
    model.add_masked_lm_head("jav")
    model.save_adapter("hub", "jav")
    done = import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions())
    assert done.manifest.role == "lang"
    (notice,) = done.notices
    assert notice.startswith('left out the head "masked_lm": ')


def test_embeddings_with_new_tokens_both_ways(place, host):
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from lect_vocabulary.pieces import BaseTokenizer, LearnedPieces, splice

    backbone = place("xlm-roberta")
    text = "the qzqz house"
    base = BaseTokenizer(backbone.tokenizer.backend_tokenizer.to_str())
    new = LearnedPieces("Unigram", base.digest, ("▁qzqz", "qz"), scores=(-3.0, -4.0))
    longer, first = splice(base, new), base.size
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(longer), **backbone.tokenizer.special_tokens_map
    )
    model = library_model("xlm-roberta", backbone)
    model.add_adapter("jav", config="seq_bn_inv")
    fill(model, "jav")
    table = torch.nn.Embedding(first + 2, backbone.hidden_size)
    with torch.no_grad():
        table.weight[:first] = backbone.model.get_input_embeddings().weight[:first]
    model.loaded_embeddings["new"] = table
    model.set_active_embeddings("new")
    model.save_adapter("hub", "jav")
    model.save_embeddings("hub", "new", tokenizer)
    model.set_active_adapters("jav")
    ids = torch.tensor([Tokenizer.from_str(longer).encode(text).ids])
    assert int(ids.max()) >= first
    with torch.no_grad():
        expected = model.eval().base_model(input_ids=ids)[0]
    library = Library((Path("components"),))
    done = import_folder(Path("hub"), host, library, ImportOptions())
    assert done.manifest.methods == ("vocabulary", "bottleneck")
    routed = RoutedModel(backbone)
    routed.attach(restore("own", read_component(done.folder), backbone, host))
    rows = RowEncoder(routed.eval()).encode([text], [("own",)])
    assert torch.equal(rows.input_ids, ids)
    with torch.no_grad():
        states = routed(rows)
    assert distance(states, expected) <= 1e-6
    routed.detach_all()
    exported = export_component("lang:jav", "adapters", Path("back"), host, library)
    assert ["model.load_embeddings" in notice for notice in exported.notices] == [True]
    again = library_model("xlm-roberta", backbone)
    again.load_adapter("back", set_active=True)
    read = again.load_embeddings("back", "new")
    assert read(text)["input_ids"] == ids[0].tolist()
    with torch.no_grad():
        assert distance(again.base_model(input_ids=ids)[0], states) <= 1e-6
    # A component of our own keeps the new tokens alone; what is exported has the whole tokenizer.
    stored = read_component(done.folder)
    manifest = stored.manifest.model_copy(update={"name": "short"})
    write_component(library.save_folder("lang", "short"), manifest, stored.tensors, new.to_json(), "")
    export_component("lang:short", "adapters", Path("short"), host, library)
    whole = Tokenizer.from_file("short/tokenizer/tokenizer.json")
    assert whole.encode(text).ids == ids[0].tolist()


def test_embeddings_in_place_of_the_backbones_are_refused(place, host):
    backbone = place("xlm-roberta")
    saved_by_library("xlm-roberta", backbone, "seq_bn_inv", Path("hub"))
    torch.save(torch.nn.Parameter(torch.randn(50, 32)), "hub/embedding.pt")
    with pytest.raises(ComponentError, match=r"embedding\.pt: these embeddings cannot be .*; move embedding\.pt away"):
        import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions())


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("dora", "DoRA of adapters 1.3.0 scales the projection's bias too"),
        ("lora[use_gating=True]", "its gate is a mean over the padding too"),
        ("prefix_tuning", 'of architecture "prefix_tuning"'),
        ("mam", "union of prefix_tuning and bottleneck, and prefix_tuning cannot be a part: prefix tuning"),
        ("unipelt", "union of prefix_tuning and bottleneck and lora, and prefix_tuning cannot be a part"),
        ("seq_bn[use_gating=True]", "use_gating: should be false"),
        ("seq_bn[original_ln_after=False,residual_before_ln=False]", "original_ln_after: should be true"),
    ],
)
def test_methods_that_are_no_bottleneck_of_ours(place, host, config, message):
    backbone = place("xlm-roberta")
    model = library_model("xlm-roberta", backbone)
    model.add_adapter("jav", config=config)
    model.save_adapter("hub", "jav")
    with pytest.raises(ComponentError, match=message) as caught:
        import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions(role="lang"))
    assert "adapter_config.json" in str(caught.value)
    assert not Path("components").exists()


def test_a_pre_norm_model_where_the_library_means_another_residual(place, host):
    backbone = place("modernbert")
    saved_by_library("modernbert", backbone, "seq_bn", Path("hub"), plain=True)
    with pytest.raises(ComponentError, match="takes what comes out of the norm"):
        import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions(role="lang"))
    expected = saved_by_library("modernbert", backbone, "double_seq_bn", Path("other"), plain=True)
    library = Library((Path("components"),))
    done = import_folder(Path("other"), host, library, ImportOptions(role="lang"))
    states, _ = ours(backbone, done.folder, host)
    assert distance(states, expected) <= 1e-6
    export_component("lang:jav", "adapters", Path("back"), host, library)
    model = library_model("modernbert", backbone, plain=True)
    model.load_adapter("back")
    assert distance(theirs(model, backbone, "jav"), states) <= 1e-6


def test_shared_parameters_that_a_plain_model_does_not_save(place, host):
    backbone = place("bert")
    saved_by_library("bert", backbone, "compacter[reduction_factor=4]", Path("hub"), plain=True)
    with pytest.raises(ComponentError, match=r'lacks "shared_parameters\.jav\.phm_rule"; save it from an AutoAdapter'):
        import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions(role="lang"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda saved: saved.popitem(), "lacks "),
        (lambda saved: saved.update(extra=torch.ones(1)), '"extra" belongs to no place'),
        (lambda saved: saved.update({next(iter(saved)): torch.ones(3, 3)}), "do not fit backbone"),
    ],
)
def test_weights_that_do_not_fit_the_configuration(place, host, change, message):
    backbone = place("xlm-roberta")
    saved_by_library("xlm-roberta", backbone, "seq_bn", Path("hub"))
    saved = dict(torch.load("hub/pytorch_adapter.bin", weights_only=True))
    change(saved)
    torch.save(saved, "hub/pytorch_adapter.bin")
    with pytest.raises(ComponentError, match=message):
        import_folder(Path("hub"), host, Library((Path("components"),)), ImportOptions(role="lang"))
    assert not Path("components").exists()
