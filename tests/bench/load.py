"""How `lect serve` holds under load, over real connections, with the client here, on the same cores.

    python tests/bench/load.py throughput    # 1 stack and 1,024, concurrency 1 to 64, then Poisson arrivals; 4 minutes
    python tests/bench/load.py peers         # the same beside adapters, peft and sentence-transformers; 5 minutes
    python tests/bench/load.py overload      # 5 times as much as it can; 2 minutes
    python tests/bench/load.py connections   # 10,000 idle connections beside requests; 1 minute

By default on e5-small with 64 languages (a bottleneck each, 4 of them a new vocabulary) × 16 tasks (a bottleneck and a
head), of random weights, in a folder that is kept: the first run takes a minute more. `--backbone tiny` is for trying
it out. What is killed under load is in `soak.py --kills`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from figures import machine
from http_load import Connection, Outcome, arrivals, at_concurrency, request_of
from many_stacks import texts, write_library
from server_process import ServerProcess, free_port, serve_command

LEVELS = (1, 2, 4, 8, 16, 32, 64)
SHARE = 0.85
TABLE = """| {} | concurrency | requests/s | p50, ms | p95, ms | p99, ms | client's CPU |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |"""


class Load:
    """The library, and the servers over it."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.folder = given.folder / f"{given.backbone}-{given.vocabularies}"
        self.folder.mkdir(parents=True, exist_ok=True)
        named = None if given.backbone == "tiny" else given.backbone
        self.stacks = write_library(self.folder, named, given.stacks, given.vocabularies)
        self.backbone = named or str(self.folder / "backbone")
        self.texts = texts(4096)

    @contextmanager
    def lect(self, **limits: float) -> Iterator[ServerProcess]:
        """A block in which `lect serve` runs."""
        lines = [f'backbone = "{self.backbone}"', f'stacks = ["{self.stacks[0]}"]', "[memory]", "megabytes = 8192"]
        lines += ["[limits]", *(f"{name} = {value}" for name, value in limits.items())]
        settings = self.folder / "serve.toml"
        settings.write_text("\n".join(lines) + "\n", "utf-8")
        port = free_port()
        with self._running(serve_command(port, self.folder / "components", settings), port, "lect") as server:
            yield server

    @contextmanager
    def peer(self, name: str) -> Iterator[ServerProcess]:
        """A block in which a peer runs."""
        port = free_port()
        command = [sys.executable, str(Path(__file__).with_name("peers.py")), name]
        command += ["--port", str(port), "--stacks", str(self.given.stacks)]
        with self._running(command, port, name) as server:
            yield server

    @contextmanager
    def _running(self, command: Sequence[str], port: int, name: str) -> Iterator[ServerProcess]:
        server = ServerProcess(command, port, self.folder / f"{name}.log")
        print(f"{name}: ready after {server.start():.1f} s", flush=True)
        try:
            yield server
        finally:
            server.kill()

    def requests(self, stacks: Sequence[str], path: str = "/v1/predict", seed: int = 0) -> Iterator[bytes]:
        """Requests of one text each, through one of the stacks at random; made before they are needed."""
        draw = random.Random(seed)
        if path == "/v1/embeddings":
            made = [request_of(path, {"input": text, "model": "bare"}) for text in self.texts]
        else:
            made = [request_of(path, {"inputs": text, "stack": draw.choice(stacks)}) for text in self.texts]
        return itertools.cycle(made)

    async def warm(self, server: ServerProcess) -> None:
        """Ask once through every stack."""
        connection = await Connection.open(server.port)
        for stack in self.stacks:
            status, body = await connection.ask(request_of("/v1/predict", {"inputs": self.texts[0], "stack": stack}))
            assert status == 200, body
        connection.close()
        tokens = json.loads(body).get("usage", {}).get("tokens")
        print(f"{len(self.stacks):,} stacks asked once; {tokens} tokens a text; {server.memory:,.0f} MB", flush=True)


def row(name: str, concurrency: object, found: Outcome) -> str:
    """A row of a table."""
    figures = [f"{found.percentile(share):.0f}" for share in (0.5, 0.95, 0.99)]
    busy = f"{found.cpu / found.seconds:.0%}"
    refused = "".join(f", {count} × {status}" for status, count in found.statuses.items() if status != 200)
    return f"| {name} | {concurrency} | {found.rate:.1f} | {' | '.join(figures)} | {busy} |{refused}"


async def levels(
    server: ServerProcess, kinds: dict[str, Iterator[bytes]], given: argparse.Namespace, rounds: int = 2
) -> dict[str, float]:
    """Print a table at each concurrency, the kinds taking turns; the most requests a second of each."""
    best = dict.fromkeys(kinds, 0.0)
    for concurrency in given.concurrency:
        found = {name: Outcome() for name in kinds}
        for _ in range(rounds):
            for name, asked in kinds.items():
                found[name] += await at_concurrency(server.port, asked, concurrency, given.seconds)
        for name, outcome in found.items():
            best[name] = max(best[name], outcome.rate)
            print(row(name, concurrency, outcome), flush=True)
    return best


async def throughput(load: Load) -> None:
    """No cliff: one stack beside all of them."""
    given, many = load.given, f"{len(load.stacks):,} stacks"
    with load.lect() as server:
        await load.warm(server)
        kinds = {"1 stack": load.requests(load.stacks[:1]), many: load.requests(load.stacks)}
        print(TABLE.format("lect serve"))
        best = await levels(server, kinds, given)
        for name, asked in kinds.items():
            rate = SHARE * best[name]
            found = await arrivals(server.port, asked, rate, 8 * given.seconds)
            print(row(name, f"Poisson, {rate:.0f}/s", found), flush=True)
        print(f"\nthroughput with {many} is {best[many] / best['1 stack']:.0%} of that with one")
        print(f"the server took {server.cpu:.0f} s of CPU, and has {server.memory:,.0f} MB")


async def peers(load: Load) -> None:
    """The same client against other libraries behind the same kind of server."""
    given = load.given
    with load.lect() as server:
        await load.warm(server)
        print(TABLE.format("server"))
        await levels(server, {"lect": load.requests(load.stacks)}, given, rounds=1)
        await levels(server, {"lect, bare": load.requests([""], "/v1/embeddings")}, given, rounds=1)
    for name in ("adapters", "peft", "sentence-transformers"):
        try:
            with load.peer(name) as server:
                await levels(server, {name: load.requests(load.stacks)}, given, rounds=1)
        except RuntimeError as error:
            print(f"{name} is skipped: {error}")


async def overload(load: Load) -> None:
    """Five times as much as can be answered, whether it is answered or not."""
    given = load.given
    limits = {} if given.queued_seconds is None else {"queued_seconds": given.queued_seconds}
    asked = load.requests(load.stacks)
    print(TABLE.format("lect serve"))
    # Who comes again at once where he is refused would measure refusals: the peak is that of a server that lets wait.
    with load.lect() as server:
        await load.warm(server)
        unloaded = await at_concurrency(server.port, asked, 1, 2 * given.seconds)
        print(row("unloaded", 1, unloaded), flush=True)
        peak = await at_concurrency(server.port, asked, 32, 4 * given.seconds)
        print(row("peak", 32, peak), flush=True)
    with load.lect(**limits) as server:
        await load.warm(server)
        busy = await arrivals(server.port, asked, SHARE * peak.rate, 4 * given.seconds)
        print(row("85 %", f"Poisson, {SHARE * peak.rate:.0f}/s", busy), flush=True)
        over = await arrivals(server.port, asked, 5 * peak.rate, 8 * given.seconds)
        print(row("5 times", f"Poisson, {5 * peak.rate:.0f}/s", over), flush=True)
        after = await at_concurrency(server.port, asked, 1, 2 * given.seconds)
        print(row("afterwards", 1, after), flush=True)
    print(f"\ngoodput {over.rate / peak.rate:.0%} of peak; {over.statuses[429] / over.statuses.total():.0%} got 429")
    for name, other in (("unloaded", unloaded), ("at peak", peak), ("at 85 %", busy)):
        print(f"p99 of what was accepted is {over.percentile(0.99) / other.percentile(0.99):.1f} times that {name}")


async def connections(load: Load) -> None:
    """Idle connections beside requests: some that never sent anything, and some that sent half a request."""
    given = load.given
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(given.connections, hard - 500)
    with load.lect() as server:
        asked = load.requests(load.stacks[:1])
        before, memory = await at_concurrency(server.port, asked, 8, 2 * given.seconds), server.memory
        half = request_of("/v1/predict", {"inputs": "a"})[:60]
        idle = []
        for number in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            if number % 2:
                writer.write(half)
            idle.append((reader, writer))
        beside = await at_concurrency(server.port, asked, 8, 2 * given.seconds)
        print(TABLE.format("lect serve"))
        print(row("no others open", 8, before))
        print(row(f"{count:,} others open", 8, beside))
        open_still = sum(not reader.at_eof() for reader, _ in idle)
        print(f"\nlimit of open files {hard:,}; {open_still:,} still open; {server.memory - memory:+.0f} MB")
        for _, writer in idle:
            writer.transport.abort()


SCENARIOS = {"throughput": throughput, "peers": peers, "overload": overload, "connections": connections}


def main() -> None:
    """Make the library, start servers, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=SCENARIOS)
    parser.add_argument("--backbone", default="e5-small")
    parser.add_argument("--stacks", type=int, default=1024)
    parser.add_argument("--vocabularies", type=int, default=4, help="of the languages; each takes 240 MB on e5-small")
    parser.add_argument("--seconds", type=float, default=4, help="of one measurement")
    parser.add_argument("--concurrency", type=int, nargs="+", default=LEVELS)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--queued-seconds", type=float, default=None, help="of overload; the server's own by default")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "lect-load")
    given = parser.parse_args()
    asyncio.run(SCENARIOS[given.what](Load(given)))
    print(machine())


if __name__ == "__main__":
    main()
