"""PEFT folders of whole models, as `peft` itself saves them: heads, patterns, both halves, and the true reasons of
what cannot be a component."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import peft
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    T5EncoderModel,
)

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import ComponentError
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.selection.trim import trim_backbone
from lect.storage.exchange import ImportOptions, export_component, import_folder
from lect.storage.library import Library
from lect.storage.restore import restore
from lect.storage.store import read_component
from lect.testing.backbones import save_tiny_backbone

pytestmark = pytest.mark.models

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
ATTENTION = ["query", "value"]
LIBRARY = Library((Path("components"),))


@pytest.fixture(scope="module")
def host():
    return Host.load()


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    return tmp_path_factory.mktemp("backbones")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, backbones):
    monkeypatch.chdir(tmp_path)
    Path("shared").symlink_to(backbones)


def placed(family, generates=False):
    """The tiny backbone of a family in the working folder, made once for all tests."""
    if not Path(family).exists():
        made = Path("shared").resolve() / f"{family}{'-writing' if generates else ''}"
        if not made.is_dir():
            save_tiny_backbone(made, family, generates=generates)
        Path(family).symlink_to(made)


def lora(targets=ATTENTION, **options):
    return peft.LoraConfig(r=4, lora_alpha=8, target_modules=targets, **options)


def saved(family, config, kind=AutoModel, change=None, folder="hub", generates=False, **options):
    """A model of `peft` with values that matter, and its folder."""
    placed(family, generates)
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind.from_pretrained(family, **options)
        if change is not None:
            change(model)
        model = peft.get_peft_model(model, config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        model.save_pretrained(folder)
    return model.eval()


def rows_of(model, stack):
    return RowEncoder(model).encode(TEXTS, [stack] * len(TEXTS))


@torch.no_grad()
def theirs(model, backbone):
    rows = rows_of(RoutedModel(backbone), ())
    output = model.eval()(input_ids=rows.input_ids, attention_mask=rows.attention_mask)
    if hasattr(output, "start_logits"):
        return torch.stack([output.start_logits, output.end_logits], -1)
    return output.logits if hasattr(output, "logits") else output[0]


@torch.no_grad()
def ours(done, backbone, host):
    model = RoutedModel(backbone)
    model.attach(restore("own", read_component(done.folder), backbone, host))
    model.eval()
    rows = rows_of(model, ("own",))
    hidden = model(rows)
    logits = model.logits(hidden, rows)
    model.detach_all()
    return (logits[0].logits if logits else hidden), rows.attention_mask.bool()


def distance(one, other, mask):
    """The largest difference, of what is given for each token where there is one."""
    if one.dim() == 3:
        one, other = one[mask], other[mask]
    return float((one - other).abs().max())


def both_ways(host, family, model, kind, **options):
    """Import, compare with the library, export, and compare what the library then gives."""
    backbone = load_backbone(family, host=host)
    done = import_folder(
        Path("hub"), host, LIBRARY, ImportOptions(backbone=family, name="it", labels=options.pop("names", ()))
    )
    given, mask = ours(done, backbone, host)
    assert distance(given, theirs(model, backbone), mask) <= 1e-6
    written = export_component(done.manifest.key, "peft", Path("back"), host, LIBRARY)
    again = peft.PeftModel.from_pretrained(kind.from_pretrained(family, **options), "back")
    assert distance(theirs(again, backbone), given, mask) <= 1e-6
    return done, written


# ------------------------------------------------------------------------------------------------ patterns and scalings


@pytest.mark.parametrize("anchored", [True, False])
@pytest.mark.parametrize("field", ["alpha_pattern", "rank_pattern"])
def test_patterns_over_whole_paths(host, anchored, field):
    pattern = r"^roberta\.encoder\.layer\.1\..*value" if anchored else r"roberta\.encoder\.layer\.1\..*value"
    config = lora(task_type="SEQ_CLS", **{field: {pattern: 16}})
    kind = AutoModelForSequenceClassification
    model = saved("xlm-roberta", config, kind, num_labels=3)
    both_ways(host, "xlm-roberta", model, kind, num_labels=3)


def test_patterns_of_modules_that_no_component_has_are_of_no_consequence(host):
    config = lora(rank_pattern={"query": 2, "pooler.dense": 3}, alpha_pattern={"pooler.*": 5})
    model = saved("xlm-roberta", config)
    backbone = load_backbone("xlm-roberta", host=host)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    given, mask = ours(done, backbone, host)
    assert distance(given, theirs(model, backbone), mask) <= 1e-6
    assert done.manifest.parts[0].config["rank_pattern"].keys() == {
        f"encoder.layer.{layer}.attention.self.query" for layer in range(2)
    }


def test_pissa_of_a_search_by_chance_is_refused(host):
    saved("xlm-roberta", lora(init_lora_weights="pissa_niter_4"))
    with pytest.raises(ComponentError, match=r"pissa_niter_4.* the folder does not hold them; convert it to LoRA"):
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    assert not Path("components").exists()


def test_pissa_that_peft_converted_to_lora(host):
    placed("xlm-roberta")
    torch.manual_seed(3)
    config = lora(init_lora_weights="pissa_niter_4", rank_pattern={"value": 2})
    model = peft.get_peft_model(AutoModel.from_pretrained("xlm-roberta"), config)
    model.peft_config["default"].init_lora_weights = True
    model.save_pretrained("start")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained("hub", path_initial_model_for_weight_conversion="start")
    backbone = load_backbone("xlm-roberta", host=host)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    given, mask = ours(done, backbone, host)
    assert distance(given, theirs(model, backbone), mask) <= 5e-6


@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_what_starts_in_the_weights_is_written_as_lora_of_twice_the_rank(host, start):
    config = lora(init_lora_weights=start, alpha_pattern={"value": 16}, rank_pattern={"layer.1.*.query": 2})
    model = saved("xlm-roberta", config)
    backbone = load_backbone("xlm-roberta", host=host)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="it", role="lang"))
    (notice,) = export_component("lang:it", "peft", Path("back"), host, LIBRARY).notices
    assert notice.startswith("written as LoRA of twice its rank (8)")
    assert json.loads(Path("back/adapter_config.json").read_text())["init_lora_weights"] is True
    again = peft.PeftModel.from_pretrained(AutoModel.from_pretrained("xlm-roberta"), "back")
    given, mask = ours(done, backbone, host)
    assert distance(theirs(again, backbone), given, mask) <= 5e-6
    assert distance(theirs(model, backbone), given, mask) <= 5e-6


# --------------------------------------------------------------------------------------------------------------- heads

SEQUENCE, TOKENS, QUESTIONS = (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoModelForQuestionAnswering,
)


@pytest.mark.parametrize(
    ("family", "kind", "task", "head"),
    [
        ("xlm-roberta", TOKENS, "TOKEN_CLS", "pos"),
        ("deberta-v2", TOKENS, "TOKEN_CLS", "pos"),
        ("distilbert", TOKENS, "TOKEN_CLS", "pos"),
        ("bert", QUESTIONS, "QUESTION_ANS", "qa"),
        ("xlm-roberta", QUESTIONS, "QUESTION_ANS", "qa"),
        ("qwen3", SEQUENCE, "SEQ_CLS", "classification"),
        ("gemma3_text", SEQUENCE, "SEQ_CLS", "classification"),
    ],
)
def test_heads_both_ways(host, family, kind, task, head):
    targets = {"distilbert": ["q_lin"], "deberta-v2": ["query_proj"], "qwen3": ["q_proj", "down_proj"]}
    targets["gemma3_text"] = targets["qwen3"]
    options = {} if kind is QUESTIONS else {"num_labels": 3}
    model = saved(family, lora(targets.get(family, ATTENTION), task_type=task), kind, **options)
    done, written = both_ways(host, family, model, kind, **options)
    assert (done.manifest.key, done.manifest.head.kind) == ("task:it", head)
    assert written.notices == ()


@pytest.mark.parametrize("family", ["bert", "deberta-v2"])
def test_classifiers_over_a_pooler_that_the_folder_holds(host, family):
    config = lora(["query" if family == "bert" else "query_proj"], task_type="SEQ_CLS",
                  modules_to_save=["pooler", "classifier"])  # fmt: skip
    model = saved(family, config, SEQUENCE, num_labels=3)
    both_ways(host, family, model, SEQUENCE, num_labels=3)


def test_a_classifier_over_the_pooler_of_the_checkpoint(host):
    from transformers import BertModel

    save_tiny_backbone("bert", "bert")
    BertModel.from_pretrained("bert").save_pretrained("bert")
    model = saved("bert", lora(task_type="SEQ_CLS"), SEQUENCE, num_labels=3)
    both_ways(host, "bert", model, SEQUENCE, num_labels=3)


def test_a_number(host):
    model = saved("xlm-roberta", lora(task_type="SEQ_CLS"), SEQUENCE, num_labels=1)
    done, _ = both_ways(host, "xlm-roberta", model, SEQUENCE, num_labels=1)
    assert done.manifest.head.kind == "regression"


@pytest.mark.parametrize(
    ("labels", "kind", "scheme"),
    [
        (("O", "B-PER", "I-PER"), "tagging", None),
        (("O", "S-PER", "E-PER"), "tagging", "bioes"),
        (("NOUN", "VERB", "ADP"), "pos", None),
    ],
)
def test_labels_say_what_a_head_of_words_is(host, labels, kind, scheme):
    saved("xlm-roberta", lora(task_type="TOKEN_CLS"), TOKENS, num_labels=3)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(labels=labels))
    head = done.manifest.head
    assert (head.kind, head.labels, head.config.get("scheme"), done.notices) == (kind, labels, scheme, ())


@pytest.mark.parametrize(
    ("labels", "message"), [(("a", "b"), "2 labels are given, and the head has 3 outputs"), (("a", "a", "b"), "twice")]
)
def test_labels_that_do_not_fit(host, labels, message):
    saved("xlm-roberta", lora(task_type="TOKEN_CLS"), TOKENS, num_labels=3)
    with pytest.raises(ComponentError, match=message):
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(labels=labels))


@pytest.mark.parametrize(
    ("family", "kind", "options", "reason"),
    [
        ("modernbert", SEQUENCE, {"task_type": "SEQ_CLS"}, "a norm stands behind its hidden layer"),
        ("bert", SEQUENCE, {"task_type": "SEQ_CLS"}, 'neither in the folder nor in the checkpoint of "bert"'),
        ("deberta-v2", SEQUENCE, {"task_type": "SEQ_CLS"}, "peft saves it where modules_to_save"),
        ("bert", TOKENS, {"modules_to_save": ["classifier"]}, "does not say whether it is for texts, words or"),
        ("llama", AutoModelForCausalLM, {"modules_to_save": ["lm_head"]}, "it predicts tokens"),
    ],
)
def test_true_reasons_why_a_head_is_left_out(host, family, kind, options, reason):
    targets = {"modernbert": ["Wqkv"], "deberta-v2": ["query_proj"], "llama": ["q_proj"]}
    more = {} if kind is AutoModelForCausalLM else {"num_labels": 3}
    saved(family, lora(targets.get(family, ATTENTION), **options), kind, generates=family == "llama", **more)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(backbone=family, role="task"))
    assert done.manifest.head is None
    (notice,) = done.notices
    assert notice.startswith("left out ")
    assert reason in notice


def test_onto_a_trimmed_backbone_it_goes_with_components_of_the_whole_one(host):
    saved("xlm-roberta", lora())
    Path("texts.txt").write_text("\n".join(TEXTS))
    trim_backbone("xlm-roberta", Path("small"), host, files=[Path("texts.txt")])
    whole = import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="whole", role="lang")).manifest
    small = import_folder(
        Path("hub"), host, LIBRARY, ImportOptions(backbone="small", name="small", role="lang")
    ).manifest
    assert small.backbone.trimmed_from == (whole.backbone.fingerprint,)
    assert small.backbone.goes_with(whole.backbone)


# ------------------------------------------------------------------------------------------------------- both halves


@torch.no_grad()
def written_by_them(model, backbone):
    rows = rows_of(RoutedModel(backbone), ())
    ids, mask = rows.input_ids, rows.attention_mask
    given = model.eval()(input_ids=ids, attention_mask=mask, decoder_input_ids=ids, decoder_attention_mask=mask,
                         output_hidden_states=True)  # fmt: skip
    return given.decoder_hidden_states[-1][mask.bool()]


@torch.no_grad()
def written_by_us(done, backbone, host):
    model = RoutedModel(backbone)
    model.attach(restore("own", read_component(done.folder), backbone, host))
    model.eval()
    rows = rows_of(model, ("own",))
    hidden = model(rows)
    states = model.decode(rows.input_ids, rows.attention_mask, hidden, rows)
    model.detach_all()
    return states[rows.attention_mask.bool()]


@pytest.mark.parametrize("family", ["m2m_100", "mbart", "t5", "mt5"])
def test_both_halves_both_ways(host, family):
    targets = ["q", "v", "wo"] if family.endswith("t5") else ["q_proj", "v_proj", "fc2"]
    config = lora(targets, task_type="SEQ_2_SEQ_LM", rank_pattern={r".*decoder.*(q|q_proj)": 2})
    model = saved(family, config, AutoModelForSeq2SeqLM, generates=True)
    backbone = load_backbone(family, host=host, generates=True)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="it", role="task"))
    assert done.manifest.backbone.reads == backbone.reading.fingerprint
    assert done.manifest.head.kind == "translation"
    given = written_by_us(done, backbone, host)
    assert float((given - written_by_them(model, backbone)).abs().max()) <= 1e-6
    export_component("task:it", "peft", Path("back"), host, LIBRARY)
    again = peft.PeftModel.from_pretrained(AutoModelForSeq2SeqLM.from_pretrained(family), "back")
    assert float((written_by_them(again, backbone) - given).abs().max()) <= 1e-6


@pytest.mark.parametrize(("family", "kind"), [("t5", T5EncoderModel), ("m2m_100", AutoModel)])
def test_an_encoder_alone_both_ways(host, family, kind):
    targets = ["q", "v"] if family == "t5" else r".*encoder\.layers.*self_attn\.q_proj"
    model = saved(family, lora(targets), kind, generates=family != "t5")
    backbone = load_backbone(family, host=host)
    done = import_folder(Path("hub"), host, LIBRARY, ImportOptions(name="it", role="lang"))
    assert done.manifest.backbone.reads is None
    given, mask = ours(done, backbone, host)
    rows = rows_of(RoutedModel(backbone), ())
    export_component("lang:it", "peft", Path("back"), host, LIBRARY)
    again = peft.PeftModel.from_pretrained(kind.from_pretrained(family), "back")
    for each in (model, again):
        with torch.no_grad():
            states = each.get_encoder()(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0]
        assert distance(given, states, mask) <= 1e-6


# -------------------------------------------------------------------------------------------- what is refused, and why


def resize(model):
    model.resize_token_embeddings(model.config.vocab_size + 7, mean_resizing=False)


@pytest.mark.parametrize(
    ("family", "config", "change", "reason"),
    [
        ("bert", lora(bias="all"), None, 'bias = "all": it trained biases of the model'),
        ("bert", lora(bias="lora_only"), None, 'bias = "lora_only"'),
        ("bert", lora(modules_to_save=["LayerNorm"]), None, r'it trained "[\w.]*LayerNorm" of the model as a whole'),
        ("bert", lora(modules_to_save=["word_embeddings"]), None, "whole table of embeddings"),
        ("bert", lora(trainable_token_indices=[3, 4]), None, "it trained embeddings of some tokens"),
        ("bert", lora([*ATTENTION, "word_embeddings"]), None, "it changes the embeddings of the model"),
        ("llama", lora(["q_proj"], layer_replication=[[0, 2], [1, 2]]), None, "it repeats layers"),
        ("llama", lora(["q_proj"], target_parameters=["mlp.up_proj.weight"]), None, "parameters that are no projec"),
        ("xlm-roberta", lora(), resize, r"embeddings were resized: they have 303 rows, and the model's 296"),
        ("gpt2", lora(["c_attn"], fan_in_fan_out=True), None, "Conv1D, transposed"),
    ],
)
def test_true_reasons_of_folders_that_cannot_be_a_component(host, family, config, change, reason):
    saved(family, config, change=change)
    with pytest.raises(ComponentError, match=reason) as caught:
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
    assert str(caught.value).startswith("hub/adapter_")
    assert not Path("components").exists()


@pytest.mark.parametrize(("version", "refused"), [("0.17.1", True), (None, True), ("0.18.0", False)])
def test_oft_of_a_version_that_computed_it_otherwise(host, version, refused):
    saved("xlm-roberta", peft.OFTConfig(r=0, oft_block_size=4, target_modules=ATTENTION, use_cayley_neumann=True))
    file = Path("hub/adapter_config.json")
    stated = json.loads(file.read_text())
    stated.pop("peft_version")
    file.write_text(json.dumps({**stated, **({"peft_version": version} if version else {})}))
    if not refused:
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
        return
    with pytest.raises(ComponentError, match="another version of peft"):
        import_folder(Path("hub"), host, LIBRARY, ImportOptions(role="lang"))
