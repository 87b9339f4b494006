"""kill -9 at random moments of pushing and pulling: nothing wrong is loaded, nothing is lost, the next run succeeds."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from sharing import Machine, make_component, serving
from waiting import PATIENCE

from lect.registry.check import check_registry
from lect.registry.folder import read_folder_registry
from lect.registry.verify import problems_of
from lect.storage.store import read_component

COUNT = 12
KILLS = 5
PUSH = """
import sys
from pathlib import Path
from lect.registry.push import push
print("ready", flush=True)
for component in sorted((Path(sys.argv[1]) / "home/components/lang").iterdir()):
    push(component, Path(sys.argv[2]))
    print(component.name, flush=True)
"""
PULL = """
import sys
from lect.composition.references import Reference
from lect.registry.find import find
from lect.registry.opened import open_registries
from lect.registry.pull import pull
from lect.registry.settings import KnownRegistry
known = KnownRegistry(name="ours", source=sys.argv[1])
registries = open_registries([known], offline=False, report=print)
print("ready", flush=True)
for key in registries[0].index.keys():
    pull(find(Reference("lang", key.partition(":")[2], None), registries, report=print))
    print(key.partition(":")[2], flush=True)
"""


@pytest.fixture
def here(tmp_path):
    machine = Machine(tmp_path / "here")
    for number in range(COUNT):
        make_component(machine.folder / "home/components", name=f"part-{number:02}", fill=float(number), size=20_000)
    return machine


def run(machine, script, *arguments, kill_after=None):
    """What a script said it had done, and the seconds from being ready; it is killed after so many of these."""
    machine.folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, **machine.environment, "LECT_TIMEOUT": "20"}, cwd=machine.folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    ready = process.stdout.readline()
    began = time.perf_counter()
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    took = time.perf_counter() - began
    assert ready == "ready\n", err
    if kill_after is None:
        assert process.returncode == 0, err
    # The last line may have been cut off.
    return [line for line in out.splitlines(keepends=True) if line.endswith("\n")], took


def moments(took):
    """Random shares of the time that a whole run takes."""
    seed = random.randrange(10**9)
    generator = random.Random(seed)
    return seed, [generator.uniform(0, took) for _ in range(KILLS)]


@pytest.mark.processes
def test_killed_at_random_moments_of_pushing(here, tmp_path):
    _, took = run(here, PUSH, here.folder, tmp_path / "whole")
    seed, delays = moments(took)
    for number, delay in enumerate(delays):
        registry = tmp_path / f"registry-{number}"
        done, _ = run(here, PUSH, here.folder, registry, kill_after=delay)
        said = f"seed {seed}, killed after {delay:.4f} s, and {len(done)} pushed"
        listed = {entry.name for entry in read_folder_registry(registry).components} if done else set()
        assert {line.strip() for line in done} <= listed, said
        if (registry / "registry.toml").exists():
            problems = [problem for problem in check_registry(registry) if "does not list it" not in problem]
            assert problems == [], said
        run(here, PUSH, here.folder, registry)
        assert list(check_registry(registry)) == [], said
        assert len(read_folder_registry(registry).components) == COUNT, said
        assert not list(registry.rglob("*.partial")), said
        assert (registry / "registry.toml").read_bytes() == (tmp_path / "whole/registry.toml").read_bytes(), said


@pytest.mark.processes
def test_killed_at_random_moments_of_pulling(here, tmp_path):
    run(here, PUSH, here.folder, tmp_path / "registry")
    with serving(tmp_path / "registry") as server:
        _, took = run(Machine(tmp_path / "whole"), PULL, server.url)
        seed, delays = moments(took)
        for number, delay in enumerate(delays):
            there = Machine(tmp_path / f"there-{number}")
            done, _ = run(there, PULL, server.url, kill_after=delay)
            said = f"seed {seed}, killed after {delay:.4f} s, and {len(done)} pulled"
            assert {line.strip() for line in done} <= {name.partition("@")[0] for name in there.components}, said
            check(there, said)
            run(there, PULL, server.url)
            assert len(there.components) == COUNT, said
            check(there, said)
            assert there.unfinished == [], said
            left = [path.name for path in (there.folder / "home/components/lang").iterdir() if "partial" in path.name]
            assert left == [], said


def check(machine, said):
    """What stacks would find there is whole."""
    for name in machine.components:
        folder = machine.folder / "home/components/lang" / name
        assert problems_of(folder) == [], said
        component = read_component(folder)
        assert float(component.tensors["full.weight"][0]) == float(name[5:7]), said


def test_a_first_push_that_was_killed_among_its_files_is_no_strange_folder(here, tmp_path, monkeypatch):
    """The registry is there before the files that it will list."""
    from lect.registry import push as module

    def killed(*_):
        raise KeyboardInterrupt

    component = here.folder / "home/components/lang/part-00"
    monkeypatch.setattr(shutil, "copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        module.push(component, tmp_path / "registry")
    (tmp_path / "registry/components/left").mkdir(parents=True)
    monkeypatch.undo()
    assert not module.push(component, tmp_path / "registry").was_there
    assert len(read_folder_registry(tmp_path / "registry").components) == 1
