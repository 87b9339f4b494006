"""What was written once is read for ever: an artefact of every schema version, as it was written then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from sharing import Machine

from lect.auditing.card import read_audit
from lect.registry.check import check_registry
from lect.registry.folder import read_folder_registry
from lect.registry.lock import read_lock
from lect.registry.model import content_hash
from lect.registry.rebuild import starter_recipe
from lect.storage.store import read_component

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def schema_1(tmp_path):
    """A copy, so that nothing is ever written there."""
    return Path(shutil.copytree(GOLDEN / "schema-1", tmp_path / "golden"))


def check(component):
    assert component.manifest.key == "task:mood"
    assert component.manifest.version == "1.2.0"
    assert component.manifest.head.labels == ("bad", "good")
    assert component.manifest.training.data[0].licence == "CC0-1.0"
    assert component.manifest.results[0].without == 0.25
    assert torch.equal(component.tensors["bottleneck.down"], torch.arange(6.0).reshape(2, 3))
    assert component.tensors["head.weight"].dtype is torch.float16


def test_a_component_of_schema_1(schema_1):
    check(read_component(schema_1 / "registry/components/task/mood/1.2.0"))


def test_a_registry_of_schema_1(schema_1, tmp_path):
    assert list(check_registry(schema_1 / "registry")) == []
    there = Machine(tmp_path / "there")
    result = there.lect("pull", "task:mood", "--registry", schema_1 / "registry")
    assert result.exit_code == 0, result.stderr
    check(read_component(there.folder / "home/components/task/mood@1.2.0"))


def test_an_archive_of_schema_1(schema_1, tmp_path):
    there = Machine(tmp_path / "there")
    assert there.lect("components", "unpack", schema_1 / "mood.lect.tar").exit_code == 0
    check(read_component(there.folder / "home/components/task/mood@1.2.0"))


def test_a_lock_of_schema_1(schema_1, tmp_path):
    lock = read_lock(schema_1 / "lect.lock")
    assert lock.stack == "task:mood@1.2.0"
    [listed] = read_folder_registry(schema_1 / "registry").components
    assert content_hash(lock.components[0].entry) == content_hash(listed)
    there = Machine(tmp_path / "there")
    result = there.lect("pull", "--locked", schema_1 / "lect.lock", "--registry", schema_1 / "registry")
    assert result.exit_code == 0, result.stderr


def test_packing_gives_the_bytes_that_it_gave_then(schema_1, tmp_path):
    there = Machine(tmp_path / "there")
    packed = there.lect("components", "pack", schema_1 / "registry/components/task/mood/1.2.0", tmp_path / "again.tar")
    assert packed.exit_code == 0, packed.stderr
    assert (tmp_path / "again.tar").read_bytes() == (schema_1 / "mood.lect.tar").read_bytes()


def test_cards_audits_and_starters_of_schema_1(tmp_path):
    """What was added to schema 1 later: the author's part of a card, the audit beside the weights, starters."""
    registry = Path(shutil.copytree(GOLDEN / "schema-1-cards/registry", tmp_path / "registry"))
    assert list(check_registry(registry)) == []
    component = read_component(registry / "components/task/mood/1.2.0")
    check(component)
    assert component.manifest.card is not None
    assert component.manifest.card.citation == "@misc{mood, title = {Moods}}"
    assert component.manifest.card.intended_use == "Reviews.\n\nNot letters."
    assert component.manifest.card.licence_reason == "The authors agreed"
    audit = read_audit(component.folder / "audit.json", component.manifest, component.folder)
    assert audit.parity[0].gap == 0.25
    assert audit.counterfactuals[0].groups[0].examples == (("she sings", "good", "he sings", "bad"),)
    [starter] = read_folder_registry(registry).starters
    assert (starter.key, starter.weights) == ("lang:first", "c" * 64)
    assert starter_recipe(starter, registry).card.citation == "Nobody, 2026"
