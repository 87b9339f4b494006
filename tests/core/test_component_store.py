"""Components on disk: bit-equal round trips, and everything that is refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lect.errors import ComponentError, UserError
from lect.storage import store
from lect.storage.manifest import BackboneEntry, HeadEntry, Manifest, PartEntry
from lect.storage.store import StoredComponent, check_backbone, read_component, write_component

FINGERPRINT = "a" * 64
TOKENIZER = '{"model": {"type": "Unigram"}}'
MANIFEST = Manifest(
    name="topic",
    role="task",
    backbone=BackboneEntry(name="tiny", identity="org/tiny", fingerprint=FINGERPRINT, hidden_size=8),
    parts=(PartEntry(method="bottleneck", config={"reduction": 2}),),
    head=HeadEntry(kind="classification", labels=("no", "yes")),
)
TENSORS = {"bottleneck.down": torch.arange(12.0).reshape(3, 4), "head.weight": torch.ones(2, 8)}


def write(folder: Path, tensors: dict[str, Tensor] | None = None, tokenizer: str | None = None) -> Path:
    return write_component(folder, MANIFEST, TENSORS if tensors is None else tensors, tokenizer, "# card\n")


@pytest.fixture
def component(tmp_path: Path) -> Path:
    return write(tmp_path / "topic")


def refusal(folder: Path) -> str:
    with pytest.raises(ComponentError) as caught:
        read_component(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def test_round_trip_is_bit_equal_for_every_type(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    wild = torch.randn(5, 7, generator=generator) * 1e30
    wild[0, 0], wild[0, 1], wild[0, 2] = float("inf"), -0.0, 1e-45
    tensors = {
        f"bottleneck.{str(dtype).removeprefix('torch.')}": wild.to(dtype)
        for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64)
    }
    tensors |= {
        f"head.{str(dtype).removeprefix('torch.')}": torch.randint(0, 100, (3, 3), generator=generator).to(dtype)
        for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    }
    tensors |= {"head.scalar": torch.tensor(3), "head.empty": torch.empty(0, 4), "head.view": wild.T[1:]}
    tensors |= {"head.tied": tensors["head.view"]}
    stored = read_component(write(tmp_path / "topic", tensors, TOKENIZER))
    assert stored.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert stored.tensors[name].dtype == tensor.dtype
        assert stored.tensors[name].shape == tensor.shape
        assert bits(stored.tensors[name]) == bits(tensor)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    folder = write(tmp_path / "lib" / "task" / "topic", tokenizer=TOKENIZER)
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md",
        "component.toml",
        "tokenizer.json",
        "weights.safetensors",
    ]
    stored = read_component(folder)
    assert isinstance(stored, StoredComponent)
    assert stored.manifest == MANIFEST.model_copy(update={"own_tokenizer": True})
    assert (stored.tokenizer_json, stored.folder) == (TOKENIZER, folder)
    assert (folder / "README.md").read_text() == "# card\n"
    header = (folder / "weights.safetensors").read_bytes()
    metadata = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]
    assert json.loads(metadata["lect"]) == {"schema": 1, "name": "topic", "role": "task", "backbone": FINGERPRINT}


def test_the_same_component_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, tokenizer=TOKENIZER) for name in ("first", "second"))
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name


def test_a_component_is_replaced_whole(component: Path) -> None:
    write(component, tokenizer=TOKENIZER)
    write(component, {"head.weight": torch.zeros(1)})
    stored = read_component(component)
    assert list(stored.tensors) == ["head.weight"]
    assert stored.tokenizer_json is None
    assert [path.name for path in component.parent.iterdir()] == ["topic"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ComponentError, match="holds something else than a component"):
        write(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


# ------------------------------------------------------------------------------------------------ what is refused


def test_folders_that_hold_no_component(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "nothing")
    assert "there is no component.toml in it" in refusal(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "a component of another library" in refusal(tmp_path)
    assert "is a file, not a component's folder" in refusal(tmp_path / "adapter_config.json")


class Trap:
    def __reduce__(self) -> Any:
        return (os.mkdir, (os.environ["LECT_TEST_TRAP"],))


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    sprung = tmp_path / "sprung"
    monkeypatch.setenv("LECT_TEST_TRAP", str(sprung))
    yield pickle.dumps(Trap())
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter.pt", "weights.pkl", "model.ckpt"])
def test_pickles_beside_missing_weights(component: Path, trap: bytes, name: str) -> None:
    (component / "weights.safetensors").unlink()
    (component / name).write_bytes(trap)
    assert f"{name} is a pickle, which can run code when it is read; lect never opens one" in refusal(component)


def test_a_pickle_in_the_place_of_weights(component: Path, trap: bytes) -> None:
    weights = component / "weights.safetensors"
    weights.write_bytes(trap)
    assert "is a pickle" in refusal(component)
    weights.write_bytes(pickle.dumps({"head.weight": [1.0] * 1000}, protocol=2))
    assert "is a pickle" in refusal(component)
    torch.save(TENSORS, weights)
    assert "is a zip archive, as torch.save writes pickles; lect never opens one" in refusal(component)
    weights.write_bytes(pickle.dumps(Trap(), protocol=0))
    assert "is not a safetensors file" in refusal(component)


def test_missing_weights(component: Path) -> None:
    (component / "weights.safetensors").unlink()
    assert "there is no weights.safetensors in it" in refusal(component)


def test_truncated_at_every_length(component: Path) -> None:
    weights = component / "weights.safetensors"
    whole = weights.read_bytes()
    for length in range(len(whole)):
        weights.write_bytes(whole[:length])
        assert "weights.safetensors: " in refusal(component)
    assert "is cut short" in refusal(component)
    weights.write_bytes(whole + b"\0")
    assert "has 1 bytes that belong to no tensor" in refusal(component)


def with_header(header: Any, data: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(**changes: Any) -> dict[str, Any]:
    return {"head.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        ((2**62).to_bytes(8, "little") + b"{}", "is not a safetensors file"),
        ((2**63 + 5).to_bytes(8, "little") + b"{}", "is not a safetensors file"),
        (with_header(b"[1, 2, 3]"), "is not a safetensors file"),
        (with_header(b"{" * 1000), "its header is not valid JSON"),
        (with_header(b'{"a":' * 50_000), "its header is not valid JSON"),
        (with_header({"head.weight": 3}), "is not described by dtype, shape and data_offsets"),
        (with_header(entry(dtype="F31")), "is of an unknown type"),
        (with_header(entry(dtype=["F32"])), "is of an unknown type"),
        (with_header(entry(shape=[2**62, 2**62])), "which its shape"),
        (with_header(entry(shape=[-2])), "has no valid shape or place"),
        (with_header(entry(shape=[2.0])), "has no valid shape or place"),
        (with_header(entry(shape=[True, 2])), "has no valid shape or place"),
        (with_header(entry(data_offsets=[8, 0])), "which its shape"),
        (with_header(entry(data_offsets=[0, 8, 16])), "has no valid shape or place"),
        (with_header(entry(shape=[2**40], data_offsets=[0, 2**42])), "is cut short"),
        (with_header({**entry(), "head.b": entry()["head.weight"]}), "overlaps another"),
        (with_header(entry(data_offsets=[8, 16]), b"\0" * 16), "leaves a gap"),
        (with_header({"stranger.weight": entry()["head.weight"]}), "belongs to no part of the manifest"),
        (with_header({"weight": entry()["head.weight"]}), "belongs to no part of the manifest"),
        (with_header({"__metadata__": {"a": 1}, **entry()}), "its metadata is not a table of texts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_headers_that_lie(component: Path, content: bytes, message: str) -> None:
    (component / "weights.safetensors").write_bytes(content)
    assert message in refusal(component)


def test_values_that_are_not_numbers(component: Path, tmp_path: Path) -> None:
    spoilt = {"head.weight": torch.tensor([1.0, float("nan")])}
    save_file(spoilt, component / "weights.safetensors")
    assert 'the tensor "head.weight" holds values that are not numbers (NaN)' in refusal(component)
    with pytest.raises(ComponentError, match="not numbers"):
        write(tmp_path / "new", spoilt)
    assert not (tmp_path / "new").exists()


def test_tensors_of_no_part_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match=r"'lora\.a' belongs to no part of the manifest \(bottleneck, head\)"):
        write(tmp_path / "new", {"lora.a": torch.ones(1)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["component.toml", "weights.safetensors", "tokenizer.json"])
def test_links_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "topic", tokenizer=TOKENIZER)
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert f"{name}: is a link that leaves the folder" in refusal(folder)


def test_a_link_inside_the_folder_and_a_linked_folder_are_fine(component: Path, tmp_path: Path) -> None:
    (component / "weights.safetensors").rename(component / "v1.safetensors")
    (component / "weights.safetensors").symlink_to("v1.safetensors")
    (tmp_path / "alias").symlink_to(component, target_is_directory=True)
    assert read_component(tmp_path / "alias").manifest == MANIFEST


def test_a_pipe_in_the_place_of_weights_does_not_hang(component: Path) -> None:
    (component / "weights.safetensors").unlink()
    os.mkfifo(component / "weights.safetensors")
    assert "is no plain file" in refusal(component)


def test_tokenizers_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "topic", tokenizer=TOKENIZER)
    file = folder / "tokenizer.json"
    for content in (b"", b"[1]", b"{", b'{"a": \xff}', b'{"a":' * 100_000):
        file.write_bytes(content)
        assert "tokenizer.json: is not a tokenizer in JSON" in refusal(folder)
    monkeypatch.setattr(store, "MAX_TOKENIZER_BYTES", 10)
    file.write_text(TOKENIZER)
    assert "is larger than 10 bytes" in refusal(folder)
    file.unlink()
    assert "there is no tokenizer.json in it" in refusal(folder)


def test_a_tokenizer_that_the_manifest_does_not_know(component: Path) -> None:
    (component / "tokenizer.json").write_text(TOKENIZER)
    assert "tokenizer.json: lies there though component.toml does not say own_tokenizer = true" in refusal(component)


def test_another_backbone_is_refused_with_both_fingerprints() -> None:
    check_backbone(MANIFEST, FINGERPRINT)
    with pytest.raises(ComponentError) as caught:
        check_backbone(MANIFEST, "b" * 64, name="other", where="components/task/topic")
    assert str(caught.value) == (
        f'components/task/topic: "task:topic" was trained on the backbone "tiny" (org/tiny) with fingerprint '
        f'{FINGERPRINT}, but "other" has {"b" * 64}; load "tiny", or train the component again on this one'
    )


# ------------------------------------------------------------------------------------------------------ a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.processes
def test_a_full_disk_leaves_what_was_there(small_disk: Path) -> None:
    folder = write(small_disk / "topic")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for tensors, tokenizer in (
        ({"head.weight": torch.ones(1_000_000)}, None),
        (TENSORS, json.dumps({"vocab": ["x"] * 200_000})),
    ):
        with pytest.raises(UserError) as caught:
            write(folder, tensors, tokenizer)
        assert "the disk is full" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
        assert [path.name for path in small_disk.iterdir()] == ["topic"]
    assert read_component(folder).manifest == MANIFEST


def test_a_write_that_fails_half_way_leaves_what_was_there(component: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_component(component)

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="the disk is full"):
        write(component, {"head.weight": torch.zeros(1)})
    monkeypatch.undo()
    assert bits(read_component(component).tensors["head.weight"]) == bits(before.tensors["head.weight"])
    assert [path.name for path in component.parent.iterdir()] == ["topic"]
