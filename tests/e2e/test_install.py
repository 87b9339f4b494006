"""Plugins into and out of an environment of their own: from a folder, a wheel and a registry."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from sharing import changed, serving
from waiting import PATIENCE

from lect.errors import PluginError
from lect.files import hash_of
from lect.registry.opened import open_registries
from lect.registry.pip import preview
from lect.registry.plugins import Requirement, resolve

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A fresh environment that sees the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    python = folder / "venv/bin/python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    ).stdout.strip()
    seen = [path for path in sys.path if "site-packages" in path] + [site.getusersitepackages(), str(ROOT / "core")]
    (Path(packages) / "host.pth").write_text("\n".join(seen))
    return folder


def run(environment, *arguments):
    """The command line in the environment; pip finds nothing but what is here."""
    variables = {
        "LECT_HOME": str(environment / "home"), "LECT_CACHE": str(environment / "cache"),
        "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1",
    }  # fmt: skip
    return subprocess.run(
        [environment / "venv/bin/python", "-m", "lect", *map(str, arguments)],
        env={**os.environ, **variables}, cwd=environment, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plugin(environment):
    """A plugin that nobody has installed yet."""
    folder = environment / "source"
    package = folder / "lect_zigzag"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling>=1.27"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "lect-zigzag"\nversion = "0.3.0"\n'
        '[project.entry-points."lect.v1"]\nzigzag = "lect_zigzag.plugin"\n'
    )
    (package / "__init__.py").write_text('"""An example."""\n')
    (package / "plugin.py").write_text(
        "from lect import MetricSpec, hookimpl\n\n\n@hookimpl\ndef lect_register_metrics():\n"
        '    return [MetricSpec("zigzag", "a test", lambda truth, said: {"z": 1.0}, main="z")]\n'
    )
    return folder


@pytest.fixture(scope="module")
def wheel(environment, plugin):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", environment, plugin],
        check=True,
    )
    return next(environment.glob("lect_zigzag-*.whl"))


@pytest.fixture(scope="module")
def registry(environment, wheel):
    folder = environment / "registry"
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins" / wheel.name).write_bytes(wheel.read_bytes())
    (folder / "registry.toml").write_text(
        'schema = 1\n[[plugin]]\nname = "zigzag"\ndistribution = "lect-zigzag"\nversion = "0.3.0"\napi = 1\n'
        f'source = "plugins/{wheel.name}"\nsha256 = "{hash_of(wheel)}"\n'
    )
    return folder


def names(environment):
    """The plugins that are installed, without the time that loading them takes."""
    code = "from importlib import metadata; print(*(point.name for point in metadata.entry_points(group='lect.v1')))"
    return subprocess.run([environment / "venv/bin/python", "-c", code], capture_output=True, text=True).stdout.split()


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "wheel", "registry", "folder of wheels"])
def test_installed_used_and_removed(environment, plugin, wheel, registry, kind):
    arguments = {
        "folder": [plugin],
        "wheel": [wheel],
        "registry": ["zigzag", "--registry", registry],
        "folder of wheels": ["lect-zigzag", "--find-links", wheel.parent],
    }[kind]
    looked = run(environment, "install", *arguments, "--dry-run")
    assert looked.returncode == 0, looked.stderr
    assert "lect-zigzag" in looked.stdout
    assert "zigzag" not in names(environment)
    done = run(environment, "install", *arguments, "--yes")
    assert done.returncode == 0, done.stderr
    assert "a plugin is code" in done.stderr
    assert "zigzag" in names(environment)
    if kind == "registry":
        listed = json.loads(run(environment, "plugins", "--json").stdout)["plugins"]
        assert [each["status"] for each in listed if each["name"] == "zigzag"] == ["ok"]
    done = run(environment, "uninstall", "zigzag", "--yes")
    assert (done.returncode, done.stdout) == (0, "removed lect-zigzag\n"), done.stderr
    assert "zigzag" not in names(environment)


@pytest.mark.processes
@pytest.mark.slow
def test_a_wheel_that_was_exchanged_is_not_installed(environment, registry, wheel):
    path = registry / "plugins" / wheel.name
    path.write_bytes(path.read_bytes() + b"\0")
    refused = run(environment, "install", "zigzag", "--registry", registry, "--yes")
    path.write_bytes(wheel.read_bytes())
    assert refused.returncode == 1
    assert "is not the file that the registry lists" in refused.stderr
    assert "zigzag" not in names(environment)


@pytest.mark.processes
@pytest.mark.slow
def test_from_a_server_only_the_file_that_is_listed(environment, registry, wheel):
    with serving(registry) as server:
        asked = ("install", "zigzag", "--registry", server.url, "--yes")
        server.faults[".whl"] = changed(lambda content: content + b"\0")
        refused = run(environment, *asked)
        assert refused.returncode == 1
        assert "HASH" in refused.stderr.upper()
        assert "Traceback" not in refused.stderr
        assert "zigzag" not in names(environment)
        server.faults.clear()
        done = run(environment, *asked)
        assert done.returncode == 0, done.stderr
        assert "zigzag" in names(environment)
    assert run(environment, "uninstall", "zigzag", "--yes").returncode == 0


@pytest.mark.processes
@pytest.mark.slow
def test_what_was_looked_at_is_what_is_installed(environment, wheel, plugin):
    """A wheel that is exchanged between question and answer is refused by pip, by its hash."""
    script = f"""
from lect.errors import PluginError
from lect.registry.pip import install, preview
from lect.registry.plugins import Requirement
from pathlib import Path
[change] = preview([Requirement({str(wheel)!r})])
print(change.sha256)
wheel = Path({str(wheel)!r})
content = wheel.read_bytes()
wheel.write_bytes(content + b"\\0")
try:
    install([change])
except PluginError as error:
    print(error)
finally:
    wheel.write_bytes(content)
"""
    variables = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1"}
    done = subprocess.run(
        [environment / "venv/bin/python", "-c", script], env={**os.environ, **variables}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    digest, message = done.stdout.splitlines()
    assert digest == hash_of(wheel)
    assert "DO NOT MATCH THE HASHES" in message
    assert "zigzag" not in names(environment)


REPORTED = {
    "wheel": (
        {"url": "file:///x/lect_x-1.0-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "a" * 64}}}, True,
        ("lect_x @ file:///x/lect_x-1.0-py3-none-any.whl", "a" * 64),
    ),
    "index": (
        {"url": "https://files.example.org/x.whl", "archive_info": {"hashes": {"sha256": "b" * 64}}}, False,
        ("lect_x==1.0", "b" * 64),
    ),
    "folder": ({"url": "file:///x", "dir_info": {}}, True, ("lect_x @ file:///x", None)),
    "git": (
        {"url": "https://example.org/x", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}, "subdirectory": "plugin"},
        True, ("lect_x @ git+https://example.org/x@c0ffee#subdirectory=plugin", None),
    ),
}  # fmt: skip


@pytest.fixture
def pip(monkeypatch):
    """A pip that reports what it is told to, and keeps what it was asked."""

    class Pip:
        source, direct, asked = REPORTED["index"][0], False, ()

        def run(self, command, **_):
            self.asked = tuple(command)
            item = {"metadata": {"name": "lect_x", "version": "1.0"}, "download_info": self.source}
            report = {"install": [{**item, "is_direct": self.direct}]}
            Path(command[command.index("--report") + 1]).write_text(json.dumps(report))
            return subprocess.CompletedProcess(command, 0, "", "")

    fake = Pip()
    monkeypatch.setattr(subprocess, "run", fake.run)
    return fake


@pytest.mark.parametrize("kind", REPORTED)
def test_what_pip_reports_is_what_it_is_asked_for(pip, kind):
    pip.source, pip.direct, (requirement, sha256) = REPORTED[kind]
    (change,) = preview([Requirement("x")])
    assert (change.requirement, change.sha256, change.before) == (requirement, sha256, None)


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """What the plugin "x" of a registry resolves to, where the registry says this of it."""
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))

    def resolved(**more):
        entry = {"name": "x", "distribution": "lect-x", "version": "1.0", "api": 1, **more}
        lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        (tmp_path / "registry.toml").write_text("\n".join(["schema = 1", "[[plugin]]", *lines]))
        return resolve("x", open_registries([str(tmp_path)], offline=True, report=print))

    return resolved


@pytest.mark.parametrize(
    ("sha256", "said"),
    [("c" * 64, "its SHA-256 is " + "c" * 64), (None, "it comes in no file that has one"), ("d" * 64, None)],
)
def test_the_file_is_the_one_that_the_registry_lists(pip, offered, sha256, said):
    requirement = offered(sha256="d" * 64)
    pip.source = {"url": "https://example.org/x.whl"} | (
        {"archive_info": {"hashes": {"sha256": sha256}}} if sha256 else {}
    )
    if said is None:
        (change,) = preview([requirement])
        assert change.sha256 == sha256
    else:
        with pytest.raises(PluginError, match=said):
            preview([requirement])
    # Nothing that would have to be built, which runs its code, before its hash is known.
    assert pip.asked[-2:] == ("--only-binary=lect-x", "lect-x==1.0")


def test_a_url_carries_the_hash(offered):
    requirement = offered(source="https://example.org/x.whl", sha256="d" * 64)
    assert requirement.argument == "https://example.org/x.whl#sha256=" + "d" * 64


@pytest.mark.parametrize("name", ["--index-url=http://evil", "nosuch", "./nosuch", "nosuch.whl"])
def test_names_that_are_no_plugins(name):
    with pytest.raises(PluginError) as caught:
        resolve(name, [])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"api": 2}, "is written for API 2, and this lect has API 1; upgrade lect"),
        ({"yanked": "it leaks"}, "was withdrawn: it leaks"),
    ],
)
def test_plugins_that_are_refused(offered, change, said):
    with pytest.raises(PluginError, match=said):
        offered(**change)


@pytest.mark.processes
@pytest.mark.slow
def test_the_doctor_finds_what_is_wrong_and_how_to_mend_it(environment):
    found = json.loads(run(environment, "doctor", "--json").stdout)
    assert {"versions", "plugins", "hardware", "precision", "components"} <= {each["subject"] for each in found}
    broken = environment / "home/components/lang/mad"
    broken.mkdir(parents=True)
    done = run(environment, "doctor", "--json")
    assert done.returncode == 1
    [wrong] = [each for each in json.loads(done.stdout) if each["subject"] == "component"]
    assert "there is no component.toml in it" in wrong["what"]
    assert wrong["fix"].startswith("lect components remove lang:mad")


@pytest.mark.processes
@pytest.mark.slow
def test_a_new_plugin_passes_its_own_tests(environment):
    pytest.importorskip("copier")
    written = run(environment, "plugins", "new", "my-shift", "--author", 'A "quoted" name')
    assert written.returncode == 0, written.stderr
    assert run(environment, "install", "./lect-my-shift", "--yes").returncode == 0
    tested = subprocess.run(
        [environment / "venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "lect-my-shift"],
        cwd=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    assert "passed" in tested.stdout
    again = run(environment, "plugins", "new", "my-shift")
    assert (again.returncode, "something lies there already" in again.stderr) == (1, True)
