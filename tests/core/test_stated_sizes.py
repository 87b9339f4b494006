"""Sizes that strangers' files state are held against what these files hold, before anything is built."""

from __future__ import annotations

import json
import resource
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from lect.errors import ComponentError
from lect.storage.allocation import bounded_allocation
from lect.storage.exchange import ImportOptions, import_folder
from lect.storage.manifest import HeadEntry, PartEntry
from lect.storage.restore import restore
from lect.storage.store import read_component
from lect.testing.backbones import save_tiny_backbone

METHODS = {
    "lora": ("lora", {"r": 2}, {"r": 8_000_000}),
    "lora by pattern": ("lora", {"r": 2}, {"r": 2, "rank_pattern": {"query": 8_000_000}}),
    "many small ones": ("lora", {"r": 2}, {"r": 100_000}),
    "vera": ("vera", {"r": 2}, {"r": 8_000_000}),
    "adalora": ("adalora", {"init_r": 4, "target_r": 2}, {"init_r": 8_000_000, "target_r": 2}),
    "loha": ("peft", {"type": "loha", "r": 2}, {"type": "loha", "r": 8_000_000}),
    "bottleneck": ("bottleneck", {}, {"reduction_factor": 1e-6}),
    "bottleneck of a layer": ("bottleneck", {}, {"reduction_factor": {"1": 1e-6, "default": 16}}),
    "invertible": (
        "bottleneck",
        {"preset": "seq_bn_inv"},
        {"preset": "seq_bn_inv", "inv_adapter_reduction_factor": 1e-7},
    ),
}


BOTTLENECK = {"mh_adapter": False, "output_adapter": True, "reduction_factor": 1e-6, "non_linearity": "relu"}


@contextmanager
def little_memory(more=2**30):
    """What asks for more than so many bytes beside what is taken already fails, and does not take the machine."""
    taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: PTH123, SIM115
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("name", METHODS)
def test_a_part_of_another_size_than_its_weights(new_bench, name):
    method, config, stated = METHODS[name]
    bench = new_bench()
    bench.write("lang:one", method, config)
    stored = read_component(bench.folder / "lang/one")
    lying = stored.manifest.model_copy(update={"parts": (PartEntry(method=method, config=stated),)})
    with little_memory(), pytest.raises(ComponentError, match="sizes that its weights do not have") as caught:
        restore("lang:one", replace(stored, manifest=lying), bench.backbone, bench.host)
    assert "component.toml, parts[0]" in str(caught.value)


@pytest.mark.parametrize("kind", ["classification", "multiple-choice"])
def test_a_head_of_another_size_than_its_weights(new_bench, kind):
    bench = new_bench()
    bench.write("task:one")
    stored = read_component(bench.folder / "task/one")
    head = HeadEntry(kind=kind, config={"hidden": 400_000_000}, labels=("no", "yes"))
    lying = stored.manifest.model_copy(update={"head": head})
    with little_memory(), pytest.raises(ComponentError, match=r"400000000.*its weights hold"):
        restore("task:one", replace(stored, manifest=lying), bench.backbone, bench.host)


def test_tokens_of_numbers_that_no_table_has(new_bench):
    bench = new_bench()
    own = json.loads(bench.backbone.tokenizer.backend_tokenizer.to_str())
    own["added_tokens"].append({**own["added_tokens"][-1], "id": 2**31, "content": "new"})
    bench.write("lang:one")
    stored = read_component(bench.folder / "lang/one")
    lying = stored.manifest.model_copy(update={"parts": (PartEntry(method="vocabulary"),)})
    with little_memory(), pytest.raises(ComponentError, match="sizes that its weights do not have"):
        restore("lang:one", replace(stored, manifest=lying, tokenizer_json=json.dumps(own)), bench.backbone, bench.host)


@pytest.mark.parametrize(
    ("stated", "weights"),
    [
        (
            {"peft_type": "LORA", "r": 10**8, "target_modules": ["query"]},
            {
                "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight": (2, 32),
                "base_model.model.encoder.layer.0.attention.self.query.lora_B.weight": (32, 2),
            },
        ),
        (
            {"config": BOTTLENECK, "name": "x", "hidden_size": 32},
            {"roberta.encoder.layer.0.output.adapters.x.adapter_up.weight": (32, 2)},
        ),
    ],
)
def test_folders_of_other_libraries(new_bench, tmp_path, stated, weights):
    bench = new_bench()
    save_tiny_backbone(tmp_path / "backbone")
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(stated))
    name = "adapter_model.safetensors" if "peft_type" in stated else "adapter.safetensors"
    tensors = {key: torch.zeros(shape) for key, shape in weights.items()}
    save_file(tensors, folder / name)
    wishes = ImportOptions(backbone=str(tmp_path / "backbone"), name="one", role="lang")
    with little_memory(), pytest.raises(ComponentError, match="sizes that its weights do not have") as caught:
        import_folder(folder, bench.host, bench.library, wishes)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.FloatTensor(3000, 3000, 3000),
        lambda: torch.eye(10**6),
        lambda: torch.zeros(1).repeat(10**6, 10**6),
        lambda: torch.zeros(1).new_full((10**6, 10**6), 0.0),
        lambda: torch.randint(0, 5, (10**6, 10**6)),
        lambda: torch.arange(0, 10**12),
        lambda: torch.randperm(10**12),
        lambda: torch.normal(0.0, 1.0, (10**6, 10**6)),
    ],
)
def test_every_way_to_make_a_tensor(new_bench, make):
    with little_memory(), pytest.raises(ComponentError), bounded_allocation(0, new_bench().backbone, "here"):
        make()
