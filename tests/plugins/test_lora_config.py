"""Configurations of LoRA and its relatives: `peft`'s fields, checked by `peft`, refused in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lect.errors import RecipeError
from lect.testing.backbones import tiny_backbone
from lect.validation import validate_model
from lect_lora.build import build_part
from lect_lora.plugin import lect_register_methods

CONFIGS = {spec.name: spec.config for spec in lect_register_methods()}


def built(method, **config):
    checked = validate_model(CONFIGS[method], config, "recipe.toml, parts[0]")
    return build_part(checked, tiny_backbone(), fresh=True)


def test_the_default_is_every_projection_of_the_layers():
    assert set(built("lora").sites()) == set(tiny_backbone().anatomy.linears)


@pytest.mark.parametrize(
    ("targets", "count"),
    [(["query"], 2), (["query", "value"], 4), (["attention.output.dense"], 2), (r".*layer\.0\..*dense", 3)],
    ids=str,
)
def test_targets_are_ends_of_paths_or_a_regular_expression(targets, count):
    assert len(built("lora", target_modules=targets).sites()) == count


@pytest.mark.parametrize("family", ["xlm-roberta", "llama", "t5"])
@pytest.mark.parametrize("method", ["lora", "vera"])
def test_layers_are_those_of_the_backbone(family, method):
    backbone = tiny_backbone(family)
    within = {path for path in backbone.anatomy.linears if path.startswith(f"{backbone.anatomy.layer_paths[1]}.")}
    for named in ({}, {"layers_pattern": backbone.anatomy.layer_paths[1].split(".")[-2]}):
        config = validate_model(CONFIGS[method], {"layers_to_transform": [1], **named}, "recipe.toml, parts[0]")
        assert set(build_part(config, backbone, fresh=True).sites()) == within


def test_factors_for_inputs_stand_where_feed_forward_blocks_end():
    part = built("ia3")
    assert {site for site in part.sites() if part.reads_input(site)} == {
        layer.feed_forward.output for layer in tiny_backbone().anatomy.layers
    }


@pytest.mark.parametrize(
    ("method", "config", "message"),
    [
        ("lora", {"rr": 4}, 'recipe.toml, parts[0]: unknown field "rr"; did you mean "r"?'),
        ("lora", {"lora_alfa": 4}, 'did you mean "lora_alpha"?'),
        ("lora", {"r": "many"}, '"r": input should be a valid integer'),
        ("lora", {"r": 0}, "positive integer"),
        ("lora", {"target_modules": ["qeury"]}, '"qeury" is the end of no projection\'s path; did you mean "query"?'),
        ("lora", {"target_modules": "qeury"}, 'no projection\'s path is "qeury" as a whole'),
        ("lora", {"target_modules": "(query"}, "is not a regular expression"),
        ("lora", {"target_modules": []}, "no projection is named"),
        (
            "lora",
            {"layers_to_transform": [2]},
            'layers_to_transform: "tiny-xlm-roberta" has no layer 2; its layers are',
        ),
        (
            "lora",
            {"layers_to_transform": [1], "layers_pattern": "blocks"},
            "none of target_modules lies in these layers",
        ),
        ("lora", {"rank_pattern": {"qeury": 2}}, "qeury"),
        ("lora", {"bias": "all"}, "the biases of the backbone stay frozen"),
        ("lora", {"modules_to_save": ["dense"]}, "a head is a part of its own"),
        ("lora", {"task_type": "SEQ_CLS"}, "lect sets it"),
        ("lora", {"init_lora_weights": "eva"}, "needs a pass over data"),
        ("lora", {"init_lora_weights": "pisa"}, "init_lora_weights"),
        ("dora", {"use_dora": False}, 'use the method "lora"'),
        ("pissa", {"init_lora_weights": True}, 'should be "pissa" or "pissa_niter_16"'),
        ("adalora", {"total_step": 9}, "the run's length sets it"),
        ("adalora", {"tinit": 0.6, "tfinal": 0.5}, "leave no steps between them"),
        ("adalora", {"tinit": 1.5}, "a whole number of steps"),
        ("adalora", {"init_r": 4, "target_r": 4}, "should be less than init_r"),
        ("peft", {}, "recipe.toml, parts[0].type: this field is missing"),
        ("peft", {"type": "lohaa"}, 'peft has no method "lohaa"; did you mean "loha"?'),
        ("peft", {"type": "prompt_tuning"}, "it puts trained vectors before the text"),
        ("peft", {"type": "lily"}, "a row's result depends on the others"),
        ("peft", {"type": "ln_tuning"}, "layer norms"),
        ("peft", {"type": "boft", "boft_block_size": 7}, "peft refuses it for this backbone"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_line(method, config, message):
    with pytest.raises(RecipeError) as caught:
        built(method, **config)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.processes
def test_registering_loads_neither_torch_nor_peft():
    program = (
        "import sys, lect_lora.plugin as p; p.lect_register_methods(); print({'torch', 'peft'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
