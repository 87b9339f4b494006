"""What `deploy/` holds, without Docker or systemd's manager: each file says what there is, and its command serves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from waiting import wait_for

from lect.errors import PluginError
from lect.toml import read_toml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "lect-serve.service"


def instructions():
    """The Dockerfile's instructions, each with the rest of its line."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text("utf-8"))
    lines = (line.strip() for line in text.splitlines())
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


def values(kind):
    return [rest for name, rest in instructions() if name == kind]


def settings_of(unit):
    """A unit's settings, by name."""
    pairs = (line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    return dict(pairs)


def test_the_image_is_built_of_what_there_is_and_of_pinned_versions():
    ignored = {line.strip("*/") for line in (ROOT / ".dockerignore").read_text("utf-8").split()}
    for copied in values("COPY"):
        if "--from=" not in copied:
            *sources, _ = copied.split()
            assert all((ROOT / source).exists() and source not in ignored for source in sources), copied
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line)
    runs = " ".join(values("RUN"))
    named = re.findall(r"([\w-]+)==([\w.]+)", runs)
    assert named and all(pins[name] == version for name, version in named)
    assert all(re.search(r":\d+\.\d+-", image) for image in values("FROM"))
    built = [ROOT / place for place in re.findall(r"\./plugins/[\w-]+", runs)]
    assert built and all((place / "pyproject.toml").is_file() for place in built)
    assert "--constraint /tmp/constraints.txt" in runs
    # No index has what it needs of this repository.
    projects = [read_toml(place / "pyproject.toml", PluginError)["project"] for place in (ROOT, *built)]
    needed = {name for each in projects for name in re.findall(r"\blect(?:-\w+)?\b", " ".join(each["dependencies"]))}
    assert needed <= {each["name"] for each in projects}


def test_the_image_runs_as_a_user_who_owns_its_volume():
    (user,), (volume,) = values("USER"), values("VOLUME")
    assert user != "root" and f"--owner {user}" in " ".join(values("RUN"))
    environment = dict(pair.split("=", 1) for rest in values("ENV") for pair in rest.split())
    (entry,) = map(json.loads, values("ENTRYPOINT"))
    written = [environment["LECT_HOME"], environment["LECT_CACHE"], environment["HF_HOME"]]
    assert all(Path(place).is_relative_to(volume) for place in [*written, entry[entry.index("--components") + 1]])
    assert [name for name, _ in instructions()].index("USER") < [name for name, _ in instructions()].index("ENTRYPOINT")


@pytest.mark.processes
def test_the_images_entry_point_serves_and_its_health_check_agrees(tmp_path):
    pytest.importorskip("uvicorn")
    from served import Shop

    shop = Shop(tmp_path / "shop")
    shop.write("task:mood", labels=("bad", "good"))
    data = tmp_path / "data"
    shutil.copytree(shop.library.folders[0], data / "components")
    port = "18080"
    here = {"/data/components": str(data / "components"), "0.0.0.0": "127.0.0.1", "8080": port}
    (entry,), (default,) = map(json.loads, values("ENTRYPOINT")), map(json.loads, values("CMD"))
    assert entry[0] == "lect"
    words = [here.get(word, word) for word in [*entry[1:], *default]]
    # The tiny backbone of the tests in the place of the one that would be downloaded.
    command = [sys.executable, "-m", "lect", *words, "-s", "task:mood", "--backbone", str(shop.backbone_folder)]
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "OMP_NUM_THREADS") if name in os.environ}
    for pair in (pair for rest in values("ENV") for pair in rest.split()):
        name, _, value = pair.partition("=")
        environment[name] = value.replace("/data", str(data))
    (check,) = [rest for name, rest in instructions() if name == "HEALTHCHECK"]
    asked = json.loads(check[check.index("[") :])
    asking = [sys.executable, *(word.replace("8080", port) for word in asked[1:])]

    def is_healthy():
        return subprocess.run(asking, capture_output=True, check=False).returncode == 0

    assert not is_healthy()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=data, env=environment
    ) as process:
        try:
            wait_for(is_healthy, process, every=0.5)
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/predict", json={"inputs": ["a text"]}, timeout=60)
            assert answer.json()["results"][0]["answer"] in ("bad", "good")
            process.send_signal(getattr(signal, values("STOPSIGNAL")[0]))
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_the_compose_file_builds_the_image_and_keeps_what_it_writes():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert compose.keys() == {"services", "volumes"}
    (service,) = compose["services"].values()
    known = {
        "build", "image", "command", "ports", "volumes", "read_only", "tmpfs", "cap_drop", "security_opt", "restart",
        "stop_grace_period",
    }  # fmt: skip
    assert service.keys() <= known
    context = (DEPLOY / service["build"]["context"]).resolve()
    assert context == ROOT and (context / service["build"]["dockerfile"]).is_file()
    mounts = [mount.split(":") for mount in service["volumes"]]
    assert {place for _, place, *_ in mounts} >= set(values("VOLUME"))
    assert {source for source, *_ in mounts if not source.startswith(".")} == compose["volumes"].keys()
    assert all((DEPLOY / source).is_file() for source, *_ in mounts if source.startswith("."))
    assert service["command"][-1] in {place for _, place, *_ in mounts}
    from lect_serve.settings import read_settings

    drained = read_settings(DEPLOY / "serve.toml", {}).drain_seconds
    assert int(service["stop_grace_period"].rstrip("s")) > drained
    assert all(port.startswith("127.0.0.1:") and port.endswith(":8080") for port in service["ports"])


@pytest.mark.processes
def test_the_unit_is_one_and_waits_for_what_is_drained(tmp_path):
    from lect_serve.settings import ServeConfig

    settings = settings_of(UNIT.read_text("utf-8"))
    assert (settings["Type"], settings["KillSignal"]) == ("simple", "SIGTERM") and "ExecReload" not in settings
    assert float(settings["TimeoutStopSec"]) > ServeConfig().drain_seconds
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not here")
    # `verify` wants the program to be there.
    program = settings["ExecStart"].split()[0]
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace(f"ExecStart={program}", f"ExecStart={sys.executable}"), "utf-8")
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("words", [values("ENTRYPOINT"), [settings_of(UNIT.read_text("utf-8"))["ExecStart"]]])
def test_options_of_the_commands_are_options_of_lect_serve(words):
    from typer.testing import CliRunner

    from lect.commands.app import app

    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"}).output
    for option in re.findall(r"--[a-z-]+", words[0]):
        assert option in shown
