"""What holds for every test: no network, few threads, a home of its own, and no test that needs what is not there."""

from __future__ import annotations

import gc
import importlib.util
import ipaddress
import os
import socket
import subprocess
from collections import Counter

import profiles  # noqa: F401
import pytest

# Before torch and transformers are first imported. Two threads a worker would wait for each other's most of the time;
# workers inherit what is set here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# As `lect` itself does: else a fifth of the imports' time goes into looking for garbage among what they load.
gc.set_threshold(10_000, 10, 10)
for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ[variable] = "1"

LEFT_OUT = pytest.StashKey[Counter]()
"""How many tests were left out, by why."""
NEED_ADAPTERS, BY_MARKER = "adapters", "marker"
QUICK = "not slow and not processes"


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """An empty `LECT_HOME`; the cache stays, since converting `e5-small` takes half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LECT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("LECT_PLUGINS", raising=False)
        # Whatever language the machine is set to.
        patch.setenv("LECT_LOCALE", "en")
        yield


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Connections to anything but this machine fail."""
    connect = socket.socket.connect

    def refuse(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            raise OSError(f"tests have no network, and this one connects to {address[0]}")
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield


@pytest.fixture(autouse=True)
def no_processes(request, monkeypatch):
    """Only tests that are marked so start programs, since those are not among the quick ones."""
    if request.node.get_closest_marker("processes"):
        return

    start = subprocess.Popen.__init__

    def refuse(self, arguments, *others, **named):
        # Matplotlib asks for the machine's fonts by it, once: where no cache of them is there yet.
        if arguments[0] != "fc-list":
            raise AssertionError(f"this test starts {arguments}: mark it `processes`")
        start(self, arguments, *others, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


def pytest_configure(config):
    """Nothing has been left out yet."""
    config.stash[LEFT_OUT] = Counter()


def pytest_collection_modifyitems(config, items):
    """Leave out what needs the library `adapters` where it is not installed."""
    if _have_adapters():
        return
    left_out = [item for item in items if item.get_closest_marker("adapters")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("adapters")]


def pytest_collection_finish():
    """Look no more for garbage among what is loaded, which is half a million objects."""
    gc.freeze()


def pytest_deselected(items):
    """Count what the markers leave out."""
    for item in items:
        reason = NEED_ADAPTERS if item.get_closest_marker("adapters") and not _have_adapters() else BY_MARKER
        item.config.stash[LEFT_OUT][reason] += 1


def pytest_sessionfinish(session):
    """Workers tell the process that started them, which collects nothing itself."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash[LEFT_OUT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Every worker collects the same tests, so that one is enough."""
    node.config.stash[LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter, config):
    """Say how many tests were left out, why, and how to run them."""
    left_out = config.stash[LEFT_OUT]
    if left_out[NEED_ADAPTERS]:
        terminalreporter.write_line(f"{left_out[NEED_ADAPTERS]} tests need `adapters`, which is not installed")
    if left_out[BY_MARKER] and config.option.markexpr == QUICK:
        terminalreporter.write_line(
            f"{left_out[BY_MARKER]} tests that are slow or start processes were left to CI (bash .ci/run); "
            'run them alone with: .venv/bin/python -m pytest -n 2 -m "slow or processes"'
        )


def _have_adapters():
    return importlib.util.find_spec("adapters") is not None


def _is_local(host):
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
