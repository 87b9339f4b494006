"""The plugins of this repository, as far as they are installed: what the host says of them is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from waiting import PATIENCE

from lect import HeadSpec, ReaderSpec
from lect.host import Host
from lect.host.bundled import bundled
from lect.host.records import SPECS

pytestmark = pytest.mark.models

HEAVY = ("torch", "transformers", "peft", "adapters", "accelerate", "sklearn")


def test_every_one_that_is_installed_works():
    ours = {"lect", *bundled().values()}
    plugins = [plugin for plugin in Host.load(tolerant=True).plugins if plugin.distribution in ours]
    assert [(plugin.name, plugin.error) for plugin in plugins if plugin.status != "ok"] == []


def test_the_table_of_what_to_install_is_complete_and_true():
    host = Host.load(tolerant=True)
    installed = {plugin.distribution for plugin in host.plugins}
    promised = {key: name for key, name in bundled().items() if name in installed}
    distributions = set(bundled().values())
    provided = {
        (kind.kind, name): spec.plugin.distribution
        for kind in SPECS
        for name, spec in host.specs(kind).items()
        if spec.plugin.distribution in distributions
    }
    provided |= {
        ("ending", ending): reader.plugin.distribution
        for reader in host.specs(ReaderSpec).values()
        for ending in reader.spec.endings
        if reader.plugin.distribution in distributions
    }
    assert provided == promised


def test_every_head_says_what_the_hub_calls_its_task():
    host = Host.load(tolerant=True)
    # https://huggingface.co/tasks
    tasks = {"text-classification", "token-classification", "question-answering", "multiple-choice"}
    tasks |= {"sentence-similarity", "translation"}
    assert {name: head.spec.pipeline_tag in tasks for name, head in host.specs(HeadSpec).items()} == dict.fromkeys(
        host.specs(HeadSpec), True
    )


@pytest.mark.processes
def test_loading_every_plugin_imports_nothing_heavy():
    program = f"""
import json, sys
from lect import HeadSpec, ReaderSpec
from lect.host import Host
Host.load()
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    environment = {name: value for name, value in os.environ.items() if name != "LECT_PLUGINS"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
