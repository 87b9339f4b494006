"""`lect serve`, or any other server, in a process of its own: started, looked at, killed and started again."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve_command(port: int, library: Path, settings: Path, *arguments: str) -> list[str]:
    """The command line of `lect serve`."""
    own = [sys.executable, "-m", "lect", "serve", "--port", str(port), "--components", str(library)]
    return [*own, "--config", str(settings), *arguments]


@dataclass
class ServerProcess:
    """A server as a process.

    Args:
        command: that starts it.
        log: where its output goes.
        health: the path that answers 200 when it is ready.
    """

    command: Sequence[str]
    port: int
    log: Path
    health: str = "/health"
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, patience: float = 300) -> float:
        """Start it; the seconds until it was ready."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)
        while time.monotonic() - began < patience:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}; {self.log} says why")
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}{self.health}", timeout=5).status_code == 200:
                    return time.monotonic() - began
            except httpx.HTTPError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"the server was not ready in {patience} seconds; {self.log} says why")

    @property
    def lives(self) -> bool:
        """Whether the process goes on."""
        return self._process is not None and self._process.poll() is None

    @property
    def memory(self) -> float:
        """The megabytes of memory that it has."""
        return float(psutil.Process(self._pid).memory_info().rss) / 2**20

    @property
    def cpu(self) -> float:
        """The processor seconds that it has taken."""
        times = psutil.Process(self._pid).cpu_times()
        return float(times.user + times.system)

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(120)

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid
