"""What holds for every test: no network, few threads, a home of its own, and no test that needs what is not there."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket

import pytest
from hypothesis import HealthCheck, settings

# Before torch and transformers are first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ[variable] = "1"

DESELECTED = pytest.StashKey[int]()

# How fast a machine is, and what else it does, is no property of the code.
settings.register_profile("lect", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lect")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """An empty `LECT_HOME`; the cache stays, since converting `e5-small` takes half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LECT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("LECT_PLUGINS", raising=False)
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


def pytest_collection_modifyitems(config, items):
    """Leave out what needs the library `adapters` where it is not installed."""
    if importlib.util.find_spec("adapters") is not None:
        return
    left_out = [item for item in items if item.get_closest_marker("adapters")]
    if left_out:
        config.stash[DESELECTED] = len(left_out)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("adapters")]


def pytest_terminal_summary(terminalreporter, config):
    """Say how many tests were left out, and why."""
    count = config.stash.get(DESELECTED, 0)
    if count:
        terminalreporter.write_line(f"{count} tests need `adapters` and were deselected")


def _is_local(host):
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
