"""A stack read with digests: what is read is what they say, and one content never has two keys."""

from __future__ import annotations

import hashlib

import pytest
import torch
from small_library import Bench

from lect.composition.encode import RowEncoder
from lect.composition.stack import parse_stack
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.engine.prepared import attach_to_engine, compute_rows, detach_from_engine, prepare_rows
from lect.errors import ComponentError
from lect.storage import digests
from lect.storage.assemble import assemblies
from lect.storage.digests import content_digest, file_states, read_with_digests


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.write("lang:a", "lora", {"r": 2})
    bench.write("lang:b", "lora", {"r": 2})
    return bench


def read(bench, text):
    return read_with_digests(parse_stack(text), bench.library, bench.host)


def keys_of(bench, text):
    found = read(bench, text)
    planned = assemblies(found.stack, found.stored, bench.backbone, bench.host, named=found.key)
    return [assembly.key for assembly in planned]


def test_a_digest_is_what_anyone_can_compute(bench):
    folder = bench.folder / "lang/a"
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("component.toml", "weights.safetensors")
    ]
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert content_digest(folder) == expected == read(bench, "lang:a").digests[folder]
    assert keys_of(bench, "lang:a") == [f"lang:a#{expected}"]


def test_keys_change_with_the_content_of_any_component_that_is_named(bench):
    texts = ["lang:a", "0.5*lang:a", "avg(lang:a, lang:b)", "(lang:a + lang:b)", "lang:b"]
    before = {text: keys_of(bench, text) for text in texts}
    state = file_states(bench.folder / "lang/a")
    bench.write("lang:a", "lora", {"r": 2}, seed=99)
    assert file_states(bench.folder / "lang/a") != state
    after = {text: keys_of(bench, text) for text in texts}
    assert [text for text in texts if before[text] == after[text]] == ["lang:b"]


def test_what_changes_while_it_is_read_is_read_again(bench, monkeypatch):
    folder, content = bench.folder / "lang/a", digests.content_digest
    once = []

    def changing(stored, known, weights, digest=digests._digest):
        found = digest(stored, known, weights)
        if not once:
            once.append(found)
            bench.write("lang:a", "lora", {"r": 2}, seed=7)
        return found

    monkeypatch.setattr(digests, "_digest", changing)
    found = read(bench, "lang:a")
    assert once[0] != found.digests[folder] == content(folder)
    monkeypatch.undo()
    alone = read(bench, "lang:a")
    for name, tensor in found.stored[0].tensors.items():
        assert torch.equal(tensor, alone.stored[0].tensors[name])


def test_what_never_stops_changing_and_what_is_not_there_is_said(bench, monkeypatch):
    monkeypatch.setattr(digests, "_is_settled", lambda state: False)
    monkeypatch.setattr(digests, "_PATIENCE", 0)
    with pytest.raises(ComponentError, match="changes while it is read"):
        read(bench, "lang:a")
    with pytest.raises(ComponentError, match="there is no component"):
        read(bench, "lang:none")


@pytest.mark.parametrize("stack", ["lang:a", "avg(lang:a, 0.5*lang:b)"])
def test_two_contents_of_one_name_go_through_one_batch(bench, stack):
    engine = Engine(bench.model, RowEncoder(bench.model))
    rows, expected = [], []
    for seed in (1, 2):
        bench.write("lang:a", "lora", {"r": 2}, seed=seed)
        found = read(bench, stack)
        planned = assemblies(found.stack, found.stored, bench.backbone, bench.host, named=found.key)
        for assembly in planned:
            attach(engine, assembly)
        keys = tuple(assembly.key for assembly in planned)
        rows.append((Example(f"text {seed}"), keys))
        expected.append(engine.embed([f"text {seed}"], keys)[0])
    assert rows[0][1] != rows[1][1]
    together = compute_rows(engine, prepare_rows(engine, rows, vectors=True))
    torch.testing.assert_close(torch.stack(together), torch.stack(expected), atol=1e-5, rtol=1e-5)
    for key in list(engine.model.components):
        detach_from_engine(engine, key)
    assert not engine.model.components


def attach(engine, assembly):
    """Attach an assembly and those that it stands on; the component."""
    components = [attach(engine, beneath) for beneath in assembly.stands_on]
    if assembly.key not in engine.model.components:
        attach_to_engine(engine, assembly.make(components))
    return engine.model.components[assembly.key]
