import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.engine.engine import Engine
from lect.errors import BackboneError, PluginError
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.testing.backbones import TINY_FAMILIES, save_tiny_backbone, tiny_backbone

pytestmark = pytest.mark.models

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def host():
    return Host.load(only=(), tolerant=True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_tiny_backbone(tmp_path_factory.mktemp("saved") / "tiny", "bert")


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "mine"))


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch):
    """An empty cache, and no connection."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def refusal(name, host, **options):
    with pytest.raises(BackboneError) as caught:
        load_backbone(str(name), host=host, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(path, **fields):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **fields}))


@pytest.mark.parametrize("family", TINY_FAMILIES)
def test_a_saved_backbone_loads_as_it_was(family, tmp_path, host):
    made = tiny_backbone(family, seed=3)
    save_tiny_backbone(tmp_path / "tiny", family, seed=3)
    loaded = load_backbone(str(tmp_path / "tiny"), host=host)
    assert loaded.fingerprint == made.fingerprint
    texts = ["the people", "a long day in the city"]
    vectors = [Engine(model, RowEncoder(model)).embed(texts) for model in map(RoutedModel, (loaded, made))]
    torch.testing.assert_close(*vectors)
    assert loaded.kind == made.kind
    assert loaded.padding_id == made.padding_id


def test_a_loaded_backbone_is_frozen_and_in_evaluation_mode(folder, host, capfd):
    backbone = load_backbone(str(folder), host=host)
    assert not backbone.model.training
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())
    assert {parameter.dtype for parameter in backbone.model.parameters()} == {torch.float32}
    assert backbone.tokenizer.is_fast
    assert (backbone.name, backbone.identity, backbone.revision) == (str(folder), str(folder), None)
    assert (backbone.pooling, backbone.prefix) == ("mean", "")
    assert capfd.readouterr() == ("", "")


def test_pooling_and_prefix_can_be_chosen(folder, host):
    backbone = load_backbone(str(folder), host=host, pooling="first", prefix="query: ")
    assert (backbone.pooling, backbone.prefix) == ("first", "query: ")


def test_half_precision_weights_are_read_in_float32(folder, host):
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value.to(torch.bfloat16) for name, value in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    change(folder / "config.json", dtype="bfloat16", torch_dtype="bfloat16")
    backbone = load_backbone(str(folder), host=host)
    assert {parameter.dtype for parameter in backbone.model.parameters()} == {torch.float32}


def test_weights_of_a_whole_language_model_do(tmp_path, host):
    """The encoder is read out of a checkpoint with a head, whose weights are left aside."""
    from transformers import BertForMaskedLM

    made = tiny_backbone("bert")
    whole = BertForMaskedLM(made.model.config)
    whole.bert.load_state_dict(made.model.state_dict())
    whole.save_pretrained(tmp_path / "whole")
    made.tokenizer.save_pretrained(tmp_path / "whole")
    assert load_backbone(str(tmp_path / "whole"), host=host).fingerprint == made.fingerprint


# ------------------------------------------------------------------------------------------------------- broken folders


def test_a_missing_folder_is_named(host, tmp_path):
    assert refusal(tmp_path / "no", host).startswith(f'there is no folder "{tmp_path / "no"}"; name an existing folder')


def test_an_empty_folder_is_no_model(host, tmp_path):
    assert refusal(tmp_path, host) == (
        f"{tmp_path}: this folder holds no model; name one with config.json, model.safetensors and a tokenizer"
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": 3}', "\udcff"])
def test_a_broken_configuration_is_said(host, folder, text):
    (folder / "config.json").write_text(text, errors="surrogateescape")
    assert refusal(folder, host).startswith(f"{folder / 'config.json'}: it ")


def test_a_family_without_places_is_refused_before_anything_is_read(host, folder):
    (folder / "model.safetensors").unlink()
    change(folder / "config.json", model_type="mamba")
    assert 'models of type "mamba" cannot carry components yet' in refusal(folder, host)


def test_code_that_comes_with_a_model_is_never_run(host, folder):
    (folder / "own.py").write_text("raise SystemExit('it ran')")
    change(folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.C", "AutoModel": "own.M"})
    assert 'models of type "own"' in refusal(folder, host)
    change(folder / "config.json", model_type="bert")
    assert load_backbone(str(folder), host=host).model.config.model_type == "bert"


def test_pickled_weights_are_refused(host, folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "its weights are pickled, and unpickling can run any code; convert them to safetensors" in refusal(
        folder, host
    )


def test_absent_weights_are_said(host, folder):
    (folder / "model.safetensors").unlink()
    assert "this folder has no weights; put model.safetensors beside config.json" in refusal(folder, host)


@pytest.mark.parametrize("left", [0, 5, 100, 5000])
def test_truncated_weights_are_said(host, folder, left):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    line = refusal(folder, host)
    assert line.startswith(f"{path}: the file is damaged (")
    assert line.endswith("fetch or save the model again")


def test_weights_that_are_missing_are_never_random(host, folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    for name in ("encoder.layer.1.output.dense.weight", "encoder.layer.1.output.dense.bias"):
        del weights[name]
    save_file(weights, path, metadata={"format": "pt"})
    assert "its weights lack encoder.layer.1.output.dense.bias and 1 more, which would be random" in refusal(
        folder, host
    )


def test_weights_of_another_size_are_said(host, folder):
    change(folder / "config.json", intermediate_size=48)
    assert refusal(folder, host).startswith(f"{folder}: its weights ")


def test_an_absent_tokenizer_is_said(host, folder):
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    line = refusal(folder, host)
    assert "tokenizer" in line
    assert line.endswith("put its tokenizer.json beside config.json")


def test_a_broken_tokenizer_is_said(host, folder):
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model"')
    assert "its tokenizer cannot be read" in refusal(folder, host)


def test_a_tokenizer_of_another_model_is_said(host, folder, tmp_path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([f"more{index}" for index in range(5)])
    tokenizer.save(str(folder / "tokenizer.json"))
    assert "its tokenizer has tokens up to id 300, and its model 296 embeddings" in refusal(folder, host)


def test_a_folder_has_no_revisions(host, folder):
    assert "has no revisions; leave revision out" in refusal(folder, host, revision="main")


# ------------------------------------------------------------------------------------------------------- names and hub


def test_a_name_that_a_missing_plugin_would_provide(host):
    with pytest.raises(PluginError, match="e5-small"):
        load_backbone("e5-small", host=host)


def in_the_cache(hub_cache, saved, name):
    place = hub_cache / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(saved, place / "snapshots" / COMMIT))


def test_a_model_of_the_hub_is_taken_from_its_cache_with_its_commit(host, saved, hub_cache):
    in_the_cache(hub_cache, saved, "org/tiny.one")
    told = []
    backbone = load_backbone("org/tiny.one", host=host, progress=lambda what, share: told.append((what, share)))
    assert (backbone.identity, backbone.revision) == ("org/tiny.one", COMMIT)
    assert backbone.fingerprint == tiny_backbone("bert").fingerprint
    assert told == [("looking for org/tiny.one", 0.0), ("fetching org/tiny.one", 0.0), ("fetching org/tiny.one", 1.0)]
    again = load_backbone("org/tiny.one", host=host, revision=COMMIT)
    assert again.revision == COMMIT


def test_a_model_of_the_hub_without_safetensors_is_refused(host, saved, hub_cache):
    snapshot = in_the_cache(hub_cache, saved, "tiny")
    (snapshot / "model.safetensors").unlink()
    assert "tiny on the hub has no safetensors weights" in refusal("tiny", host)


def test_a_model_of_the_hub_of_another_family_is_refused_before_its_weights(host, saved, hub_cache):
    snapshot = in_the_cache(hub_cache, saved, "org/other")
    (snapshot / "model.safetensors").unlink()
    change(snapshot / "config.json", model_type="mamba")
    assert 'models of type "mamba"' in refusal("org/other", host)


@pytest.mark.parametrize("name", ["org/nothing", "bert-base-nothing"])
def test_without_a_connection_the_message_says_what_else_to_name(host, name):
    line = refusal(name, host)
    assert line.startswith(f'"{name}" is no known name and no folder, and the Hugging Face hub cannot be reached')
    assert "name a folder, or check the connection" in line


@pytest.mark.parametrize("name", ["", "a/b/c", "../up", "with space", "org/na--me"])
def test_what_can_be_no_hub_id_is_taken_for_a_folder(host, name):
    assert refusal(name, host).startswith(f'there is no folder "{name}"')


def hub_error(kind):
    from huggingface_hub import errors

    # Their constructors want a response of whichever HTTP library that version of the hub's client uses.
    error = getattr(errors, kind).__new__(getattr(errors, kind))
    error.args = ("told by the hub",)
    return error


def raising(error, cause=None):
    def download(*_arguments, **_named):
        raise error from cause

    return download


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("RepositoryNotFoundError", '"org/m" is no known name, no folder and no model on the Hugging Face hub'),
        ("GatedRepoError", "org/m is open only to those who accepted its terms; accept them at https://"),
        ("HfHubHTTPError", "org/m cannot be fetched (HfHubHTTPError: told by the hub"),
    ],
)
def test_refusals_of_the_hub(host, monkeypatch, kind, line):
    monkeypatch.setattr("huggingface_hub.snapshot_download", raising(hub_error(kind)))
    assert refusal("org/m", host).startswith(line)


def test_an_unknown_revision_is_said(host, monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    download = raising(LocalEntryNotFoundError("nothing here"), hub_error("RevisionNotFoundError"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert refusal("org/m", host, revision="v9") == 'org/m has no revision "v9" on the hub'
