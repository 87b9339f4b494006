"""`lect import`, `lect export` and `lect merge` as a user sees them, and what users get wrong with them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sharing import Machine, serving
from waiting import PATIENCE


@pytest.fixture(scope="session")
def saved(template, tmp_path_factory):
    """A folder that `peft` saved for the backbone of the workspace: LoRA with a classifier of two labels."""
    import peft
    from transformers import AutoModelForSequenceClassification

    folder = tmp_path_factory.mktemp("saved") / "mood"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(template / "backbone", num_labels=2)
        config = peft.LoraConfig(r=2, target_modules=["query", "value"], task_type="SEQ_CLS", init_lora_weights=False)
        peft.get_peft_model(model, config).save_pretrained(folder)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": "backbone"}))
    return folder


@pytest.fixture
def mood(workspace, saved):
    shutil.copytree(saved, workspace.folder / "mood")
    return workspace.folder / "mood"


@pytest.fixture
def madx(workspace):
    """A language adapter in the old layout of AdapterHub, written by hand."""
    folder = workspace.folder / "madx"
    folder.mkdir()
    config = {
        "attention_type": "sent-lvl-dynamic",
        "invertible_adapter": {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2},
        "ln_after": False, "ln_before": False, "mh_adapter": False, "new_attention_norm": False,
        "non_linearity": "relu", "original_ln_after": True, "original_ln_before": True, "output_adapter": True,
        "reduction_factor": 2, "residual_before_ln": True, "adapter_residual_before_ln": False,
    }  # fmt: skip
    stated = {"config": config, "hidden_size": 32, "model_class": "XLMRobertaModel", "model_name": "backbone",
              "model_type": "xlm-roberta", "name": "sw", "type": "text_lang"}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(stated))
    shapes = {f"invertible_lang_adapters.sw.{half}.{place}": (16, 8) for half in "FG" for place in (0, 2)}
    tensors = {}
    for name in shapes:
        down = name.endswith("0")
        tensors |= {f"roberta.{name}.weight": torch.ones((8, 16) if down else (16, 8))}
        tensors |= {f"roberta.{name}.bias": torch.ones(8 if down else 16)}
    for layer in range(2):
        inside = f"roberta.encoder.layer.{layer}.output.layer_text_lang_adapters.sw"
        tensors |= {
            f"{inside}.adapter_down.0.weight": torch.ones(16, 32),
            f"{inside}.adapter_down.0.bias": torch.ones(16),
        }
        tensors |= {f"{inside}.adapter_up.weight": torch.ones(32, 16), f"{inside}.adapter_up.bias": torch.ones(32)}
    torch.save(tensors, folder / "pytorch_adapter.bin")
    return folder


def refused(workspace, *arguments):
    result = workspace.lect(*arguments)
    assert result.exit_code == 1, result.stdout + result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    assert not list(workspace.folder.glob("components/*/*"))
    assert not list(workspace.folder.glob(".*.partial"))
    return line


def change(folder, **fields):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


# ------------------------------------------------------------------------------------------------------- what works


def test_a_missing_licence_is_said(workspace, mood):
    result = workspace.lect("import", "mood", "--name", "feeling")
    assert result.exit_code == 0, result.stderr
    assert "lect components card task:feeling --licence CC-BY-4.0" in result.stderr
    result = workspace.lect("components", "card", "task:feeling", "--licence", "CC-BY-4.0")
    assert result.exit_code == 0, result.stderr


def test_import_predict_export_and_merge(workspace, mood):
    result = workspace.lect("import", "mood", "--name", "feeling", "--language", "ind", "--licence", "MIT", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert (record["component"], record["format"], record["parts"]) == ("task:feeling", "peft", ["lora"])
    assert (record["head"], record["languages"]) == ("classification", ["ind"])
    assert ["labels" in notice for notice in record["notices"]] == [True]
    answers = workspace.lect("predict", "-s", "task:feeling", "fine day", "sad", "--json")
    assert answers.exit_code == 0, answers.stderr
    card = (workspace.folder / "components/task/feeling/README.md").read_text()
    assert "Imported from the peft folder mood" in card

    result = workspace.lect("export", "task:feeling", "out", "--to", "peft")
    assert result.exit_code == 0, result.stderr
    assert "peft: lora, head classification, for backbone" in result.stdout
    before, after = (load_file(workspace.folder / name / "adapter_model.safetensors") for name in ("mood", "out"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)

    result = workspace.lect("merge", "task:feeling", "merged")
    assert result.exit_code == 0, result.stderr
    assert "lect predict --components merged/components" in result.stderr
    again = workspace.lect(
        "predict", "--components", "merged/components", "-s", "task:feeling", "fine day", "sad", "--json"
    )
    assert again.exit_code == 0, again.stderr
    for one, other in zip(answers.stdout.splitlines(), again.stdout.splitlines(), strict=True):
        assert json.loads(one)["answer"] == json.loads(other)["answer"]
        assert json.loads(one)["score"] == pytest.approx(json.loads(other)["score"], abs=2e-5)


def test_a_published_language_adapter(workspace, madx):
    result = workspace.lect("import", "madx")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("warning: lang:sw has no licence") and result.stderr.count("\n") == 1
    assert result.stdout.splitlines() == ["lang:sw  components/lang/sw", "adapters: bottleneck, for backbone"]
    shown = workspace.lect("components", "show", "lang:sw")
    assert "Swahili (sw)" in shown.stdout
    result = workspace.lect("export", "lang:sw", "out", "--to", "adapters", "--json")
    assert json.loads(result.stdout)["notices"] == []
    assert "roberta.encoder.layer.0.output.adapters.sw.adapter_up.bias" in torch.load(
        workspace.folder / "out/pytorch_adapter.bin", weights_only=True
    )


@pytest.mark.processes
def test_imported_published_pulled_and_stacked(workspace, mood, madx, tmp_path_factory):
    """A folder of AdapterHub and one of PEFT, given to a registry, and stacked in a clean environment elsewhere."""
    for folder, name in (("madx", "sw"), ("mood", "mood")):
        result = workspace.lect("import", folder, "--name", name, "--language", "sw", "--licence", "CC-BY-4.0")
        assert result.exit_code == 0, result.stderr
    for reference in ("lang:sw", "task:mood"):
        result = workspace.lect("push", reference, "--to", "registry")
        assert result.exit_code == 0, result.stderr
    checked = workspace.lect("registry", "check", "registry")
    assert checked.stdout == "registry/registry.toml  is sound\n"
    here = workspace.lect("predict", "-s", "lang:sw + task:mood", "siku njema", "baridi", "--json")
    assert here.exit_code == 0, here.stderr

    there = Machine(tmp_path_factory.mktemp("there"))
    (there.folder / "backbone").symlink_to((workspace.folder / "backbone").resolve())
    with serving(workspace.folder / "registry") as server:
        assert there.lect("registry", "add", server.url, "--name", "ours").exit_code == 0
        [found] = json.loads(there.lect("search", "--language", "sw", "--role", "lang", "--json").stdout)
        assert (found["name"], found["licence"], found["methods"]) == ("sw", "CC-BY-4.0", ["bottleneck"])
        pulled = there.lect("pull", "lang:sw", "task:mood")
        assert pulled.exit_code == 0, pulled.stderr
    assert there.lect("verify").exit_code == 0
    process = there.start("predict", "-s", "lang:sw + task:mood", "siku njema", "baridi", "--json")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert out == here.stdout
    alone = workspace.lect("predict", "-s", "task:mood", "siku njema", "baridi", "--json")
    assert alone.stdout != here.stdout


def test_what_is_left_out_is_warned_of(workspace, mood):
    result = workspace.lect("import", "mood", "--role", "lang")
    assert result.exit_code == 0, result.stderr
    assert 'warning: left out the head "classification"' in result.stderr


def test_labels_are_named(workspace, mood):
    result = workspace.lect("import", "mood", "--labels", "sad,glad", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert (record["labels"], record["notices"]) == (["sad", "glad"], [])
    answers = workspace.lect("predict", "-s", "task:mood", "fine day", "--json")
    assert json.loads(answers.stdout)["answer"] in ("sad", "glad")


@pytest.mark.parametrize("labels", ["sad", "sad,glad,mad", "sad,sad", "sad,,glad"])
def test_labels_that_do_not_fit(workspace, mood, labels):
    assert "--labels: " in refused(workspace, "import", "mood", "--labels", labels)


# ------------------------------------------------------------------------------------------------------ bad folders


def test_folders_of_no_format(workspace, mood):
    assert "nowhere: there is no such folder" in refused(workspace, "import", "nowhere")
    assert "is a file, not a folder" in refused(workspace, "import", "task.toml")
    (workspace.folder / "empty").mkdir()
    assert "empty: is in no format that is known here (" in refused(workspace, "import", "empty")
    (mood / "adapter_config.json").unlink()
    assert "mood: is in no format" in refused(workspace, "import", "mood")


def test_a_component_of_lect_itself(workspace, mood):
    assert workspace.lect("import", "mood").exit_code == 0
    result = workspace.lect("import", "components/task/mood")
    assert result.exit_code == 1
    assert 'is a component of lect already; write it in a stack as "./components/task/mood"' in result.stderr


def test_a_format_whose_plugin_is_missing(workspace, madx, monkeypatch):
    monkeypatch.setenv("LECT_PLUGINS", "lora,heads")
    assert "install the plugin for adapters (pip install lect-language)" in refused(workspace, "import", "madx")


@pytest.mark.parametrize("content", ["{", "[1]", "\ufeff", '{"peft_type": '])
def test_a_configuration_that_is_none(workspace, mood, content):
    (mood / "adapter_config.json").write_text(content, encoding="utf-8")
    assert "mood/adapter_config.json: is not " in refused(workspace, "import", "mood")


def test_weights_that_are_cut_short(workspace, mood):
    weights = mood / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    assert "mood/adapter_model.safetensors: is cut short" in refused(workspace, "import", "mood")
    weights.unlink()
    assert "there are no weights in it" in refused(workspace, "import", "mood")


class Trap:
    def __reduce__(self):
        return (os.mkdir, ("sprung",))


def test_a_pickle_with_code_is_refused_and_never_run(workspace, mood):
    (mood / "adapter_model.safetensors").unlink()
    torch.save({"base_model.model.x": torch.ones(1), "trap": Trap()}, mood / "adapter_model.bin")
    line = refused(workspace, "import", "mood")
    assert "mood/adapter_model.bin: is a pickle with code in it (" in line
    assert "mkdir" in line
    (mood / "adapter_model.bin").write_bytes(b"\x80\x04garbage")
    assert "mood/adapter_model.bin: cannot be read as tensors" in refused(workspace, "import", "mood")
    torch.save([torch.ones(1)], mood / "adapter_model.bin")
    assert "holds something else than tensors by name" in refused(workspace, "import", "mood")
    assert not Path("sprung").exists()


def test_a_pickle_with_code_in_an_old_folder(workspace, madx):
    torch.save({"trap": Trap()}, madx / "pytorch_adapter.bin")
    assert "is a pickle with code in it" in refused(workspace, "import", "madx")
    weights = torch.zeros(1)
    torch.save(weights, madx / "pytorch_adapter.bin")
    content = (madx / "pytorch_adapter.bin").read_bytes()
    (madx / "pytorch_adapter.bin").write_bytes(content[: len(content) // 2])
    assert "pytorch_adapter.bin: cannot be read as tensors" in refused(workspace, "import", "madx")
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hidden_size": 768}, ["of hidden size 768", "of hidden size 32; name the model", "--backbone"]),
        ({"model_type": "bert"}, ["of family bert", '"backbone" is of family xlm-roberta']),
        ({"model_name": "gone"}, ['the model it was trained on, "gone", cannot be loaded', "--backbone"]),
        ({"model_name": None}, ["does not say what model it is for", "--backbone"]),
        ({"config": {"architecture": "flux"}}, ['adapters knows no architecture "flux"']),
        ({"config": "pfeifer"}, ['adapters knows no configuration "pfeifer"']),
        ({"config": {"mh_adapter": True}}, ["lacks output_adapter"]),
        ({"config": None}, ['has no table "config"']),
        ({"name": "../x"}, ["names an invertible part, and the weights hold none"]),
    ],
    ids=str,
)
def test_a_configuration_that_does_not_fit(workspace, madx, fields, expected):
    change(madx, **fields)
    line = refused(workspace, "import", "madx")
    for part in expected:
        assert part in line


def test_tensors_of_another_width(workspace, madx):
    from lect.testing.backbones import save_tiny_backbone

    save_tiny_backbone(workspace.folder / "wide", "xlm-roberta", hidden=48)
    change(madx, hidden_size=48)
    line = refused(workspace, "import", "madx", "--backbone", "wide")
    assert 'do not fit backbone "wide"' in line
    assert "has shape (16, 32), not (24, 48)" in line


# -------------------------------------------------------------------------------------------------- other mistakes


def test_what_is_there_already_stays(workspace, mood):
    assert workspace.lect("import", "mood").exit_code == 0
    weights = workspace.folder / "components/task/mood/weights.safetensors"
    before = weights.read_bytes()
    result = workspace.lect("import", "mood")
    assert result.exit_code == 1
    assert 'there is a component "task:mood" already; add --overwrite' in result.stderr
    assert weights.read_bytes() == before
    assert workspace.lect("import", "mood", "--overwrite").exit_code == 0
    assert workspace.lect("export", "task:mood", "out", "--to", "peft").exit_code == 0
    result = workspace.lect("export", "task:mood", "out", "--to", "peft")
    assert (result.exit_code, "holds something already; add --overwrite" in result.stderr) == (1, True)
    assert workspace.lect("export", "task:mood", "out", "--to", "peft", "--overwrite").exit_code == 0
    result = workspace.lect("export", "task:mood", "backbone", "--to", "peft", "--overwrite")
    assert "holds something else, which --overwrite does not replace" in result.stderr


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--role", "lng"], 'there is no role "lng"; did you mean "lang"?'),
        (["--name", "a/b"], "name"),
        (["--language", "javanees"], 'did you mean "jv"'),
        (["--licence", "Apachee"], "SPDX"),
        (["--backbone", "bakcbone"], "bakcbone"),
    ],
)
def test_options_that_are_wrong(workspace, mood, options, expected):
    assert expected in refused(workspace, "import", "mood", *options)


def test_a_folder_that_does_not_tell_its_role(workspace, mood):
    change(mood, task_type=None, modules_to_save=None)
    weights = load_file(mood / "adapter_model.safetensors")
    from safetensors.torch import save_file

    save_file({name: t for name, t in weights.items() if "classifier" not in name}, mood / "adapter_model.safetensors")
    assert "add --role lang or --role task" in refused(workspace, "import", "mood")


def test_exports_that_cannot_be(workspace, trained):
    def line(*arguments):
        result = workspace.lect("export", "--components", str(trained), *arguments)
        assert result.exit_code == 1, result.output
        assert not (workspace.folder / "out").exists()
        return result.stderr

    assert 'no plugin provides format "pefft"; did you mean "peft"' in line("task:mood", "out", "--to", "pefft")
    assert 'its part "full" cannot be a PEFT adapter; use lect merge' in line("task:mood", "out", "--to", "peft")
    assert "names 2 components, not one" in line("lang:cipher + task:mood", "out", "--to", "peft")
    assert 'did you mean "task:mood"' in line("task:moood", "out", "--to", "peft")


def test_each_library_is_told_its_own(workspace, mood, madx, trained):
    assert workspace.lect("import", "mood").exit_code == 0
    assert workspace.lect("import", "madx").exit_code == 0
    result = workspace.lect("export", "task:mood", "out", "--to", "adapters")
    assert (
        'its part "lora" cannot be an AdapterHub adapter; export LoRA and its relatives with --to peft' in result.stderr
    )
    result = workspace.lect("export", "lang:sw", "out", "--to", "peft")
    assert 'its part "bottleneck" cannot be a PEFT adapter; export bottlenecks with --to adapters' in result.stderr
    result = workspace.lect("merge", "lang:sw + task:mood", "out")
    assert 'could do what "bottleneck" of "lang:sw" does' in result.stderr
    assert not (workspace.folder / "out").exists()


def test_a_head_that_the_other_library_has_not(workspace, mood):
    assert workspace.lect("import", "mood").exit_code == 0
    manifest = workspace.folder / "components/task/mood/component.toml"
    manifest.write_text(manifest.read_text().replace('pooling = "first"', 'pooling = "mean"'))
    result = workspace.lect("export", "task:mood", "out", "--to", "peft")
    assert result.exit_code == 0, result.stderr
    assert 'warning: left out the head "classification": it takes the mean' in result.stderr
    assert not [name for name in load_file(workspace.folder / "out/adapter_model.safetensors") if "classifier" in name]
