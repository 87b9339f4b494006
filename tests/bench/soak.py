"""Whether every answer is of the very weights that it says, while components change, and whether the memory stays flat.

    python tests/bench/soak.py --requests 100000

`lect serve` in a process of its own answers random stacks over 200 components (bottlenecks, LoRA, new vocabularies,
heads), which meanwhile are replaced under their names by others, unloaded, removed and pulled. Each answer is compared
with what the contents whose digests it carries give alone, in this process. `--kills 3` kills the server thrice and
starts it again, while it is asked. The exit status is 1 where an answer is wrong or the server ended by itself.

How long it takes hangs on the processors: some minutes for each 20,000 requests of the tiny backbone on two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import numpy as np
import torch
from http_load import Connection, request_of
from served import WORDS, Shop
from server_process import ServerProcess, free_port, serve_command
from versions import Asked, Versions, digests_of, replace_folder

import lect
from lect import parse_stack

TOLERANCE = 1e-5
ASKS, ADMIN = {"authorization": "Bearer asks"}, {"authorization": "Bearer admin"}


@dataclass
class Seen:
    """What came of the requests so far."""

    requests: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    answers: dict[Asked, list[np.ndarray]] = field(default_factory=dict)
    rows: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)

    def note(self, asked: Asked, values: np.ndarray) -> None:
        """Keep the least and the greatest of each number that was answered to this."""
        self.rows += 1
        bounds = self.answers.get(asked)
        if bounds is None:
            self.answers[asked] = [values, values]
        else:
            self.answers[asked] = [np.minimum(bounds[0], values), np.maximum(bounds[1], values)]


class Soak:
    """The library, its versions, the server, and what is asked of it."""

    def __init__(self, folder: Path, given: argparse.Namespace) -> None:
        self.random = random.Random(given.seed)
        self.given, self.seen, self.folder = given, Seen(), folder
        self.shop = Shop(folder, named=given.backbone)
        self.versions = Versions(self.shop, folder / "versions")
        self.registry = folder / "registry"
        self.languages, self.tasks, self.registered = list[str](), list[str](), list[str]()
        self._write_components()
        self.stacks = self._stacks()
        self.texts = [" ".join(self.random.choices(WORDS, k=1 + 2 * number)) for number in range(8)]
        port = free_port()
        settings = self._write_settings()
        command = serve_command(port, self.shop.library.folders[0], settings)
        self.server = ServerProcess(command, port, folder / "server.log")
        self.is_over = False

    # ------------------------------------------------------------------------------------------------------- components

    def _write_components(self) -> None:
        """Write each component with two contents of which one lies in the library, and put some into a registry."""
        count, scale = self.given.components, 0.02 if self.given.backbone else 0.1
        methods = ["bottleneck", "bottleneck", "lora", "vocabulary"]
        self.registry.mkdir()
        vocabularies = 0
        for number in range(count * 7 // 10):
            key, method = f"lang:l{number}", methods[number % 4]
            vocabularies += method == "vocabulary"
            if method == "vocabulary" and vocabularies > self.given.vocabularies:
                method = "bottleneck"
            self.languages.append(key)
            for seed in (2 * number, 2 * number + 1):
                self.versions.keep(key, self.shop.write(key, method=method, seed=seed, scale=scale))
            if number % 5 == 0:
                self._register(key)
        for number in range(count - len(self.languages)):
            key, method = f"task:t{number}", [None, "lora", "bottleneck"][number % 3]
            self.tasks.append(key)
            for seed in (2 * number, 2 * number + 1):
                labels = ("bad", "good", "neither")[: 2 + number % 2]
                self.versions.keep(key, self.shop.write(key, method=method, labels=labels, seed=seed, scale=scale))

    def _register(self, key: str) -> None:
        """Give it to the registry; what is pulled from there is one more content of its name."""
        lect.SavedComponent.read(self.place(key)).push(self.registry)
        found = lect.pull(key, registry=str(self.registry), library=self.folder / "pulled")
        self.versions.keep(key, found.folder)
        self.registered.append(key)

    def _stacks(self) -> list[str]:
        draw, found = self.random, dict[str, None]()
        can_be_mixed = [key for number, key in enumerate(self.languages) if number % 4 < 2]
        while len(found) < self.given.stacks:
            task = draw.choice(self.tasks)
            kind = draw.random()
            if kind < 0.7:
                found[f"{draw.choice(self.languages)} + {task}"] = None
            elif kind < 0.8:
                one, other = draw.sample(can_be_mixed, 2)
                found[f"avg({one}, 0.5*{other}) + {task}"] = None
            elif kind < 0.9:
                found[draw.choice(self.languages)] = None
            else:
                found[task] = None
        return list(found)

    def place(self, key: str) -> Path:
        """Where a component lies in the library."""
        return self.shop.library.folders[0] / key.replace(":", "/")

    def _write_settings(self) -> Path:
        file = self.folder / "serve.toml"
        lines = [f'backbone = "{self.shop.backbone_folder}"', f'registries = ["{self.registry}"]']
        # So little that components are taken out all the time.
        lines += ["[memory]", f"megabytes = {self.given.megabytes}", "[limits]", "queued_texts_of_client = 8192"]
        for name in ("asks", "admin"):
            hashed = hashlib.sha256(name.encode()).hexdigest()
            lines += ["[[keys]]", f'name = "{name}"', f'sha256 = "{hashed}"', f"admin = {str(name == 'admin').lower()}"]
        file.write_text("\n".join(lines) + "\n", "utf-8")
        return file

    # ---------------------------------------------------------------------------------------------------------- asking

    async def run(self) -> None:
        """Ask until so many requests have been answered or refused."""
        given = self.given
        await asyncio.to_thread(self.server.start)
        asking = [asyncio.ensure_future(self._ask_on()) for _ in range(given.concurrency)]
        changing = asyncio.ensure_future(self._change())
        kills = [given.requests * (number + 1) // (given.kills + 1) for number in range(given.kills)]
        points = [given.requests * (number + 1) // 10 for number in range(10)]
        began = time.monotonic()
        while not all(task.done() for task in asking):
            await asyncio.sleep(0.05)
            if kills and self.seen.requests >= kills[0]:
                kills.pop(0)
                await asyncio.to_thread(self.server.kill)
                self.seen.restarts.append(await asyncio.to_thread(self.server.start))
            if not self.server.lives:
                break
            while points and self.seen.requests >= points[0]:
                self.seen.memory.append((points.pop(0), self.server.memory))
                at, size = self.seen.memory[-1]
                rate = self.seen.requests / (time.monotonic() - began)
                print(f"{at:>8,} requests: {size:7.1f} MB resident, {rate:5.0f} requests/s", flush=True)
        self.is_over = True
        await asyncio.gather(*asking, changing)
        if not self.server.lives:
            self.seen.wrong.append("the server ended by itself")

    async def _ask_on(self) -> None:
        connection: Connection | None = None
        while self.seen.requests < self.given.requests and not self.is_over:
            self.seen.requests += 1
            try:
                connection = connection or await Connection.open(self.server.port)
                await self._ask(connection)
            except OSError:
                # Not one of the requests: while the server is down, any number of them could be lost.
                self.seen.requests -= 1
                self.seen.refusals["connection lost"] += 1
                connection = None
                await asyncio.sleep(0.1)
        if connection:
            connection.close()

    async def _ask(self, connection: Connection) -> None:
        chosen = [
            (self.random.choice(self.stacks), self.random.choice(self.texts))
            for _ in range(self.random.choice((1, 1, 1, 2, 4)))
        ]
        if "task:" not in chosen[0][0]:
            stack, text = chosen[0]
            status, body = await connection.ask(request_of("/v1/embeddings", {"input": text, "model": stack}, **ASKS))
            answer = json.loads(body)
            if status == 200:
                self._note(stack, text, answer["made_by"], np.array(answer["data"][0]["embedding"]))
        else:
            rows = [(stack, text) for stack, text in chosen if "task:" in stack]
            asked = {"inputs": [text for _, text in rows], "stack": [stack for stack, _ in rows]}
            status, body = await connection.ask(request_of("/v1/predict", asked, **ASKS))
            answer = json.loads(body)
            for (stack, text), own in zip(rows, answer.get("results", ()), strict=status == 200):
                values = np.array([own["scores"][label] for label in sorted(own["scores"])])
                self._note(stack, text, answer["made_by"][stack], values)
        if status != 200:
            self.seen.refusals[f"{status} {answer['error']['type']}"] += 1
            if status >= 500 and status != 503:
                self.seen.wrong.append(f"{status}: {answer['error']['message']}")

    def _note(self, stack: str, text: str, made_by: dict[str, list[dict[str, str]]], values: np.ndarray) -> None:
        named = [each["component"] for each in made_by["components"]]
        digests = digests_of(made_by["components"])
        if named != [atom.key for atom in parse_stack(stack).atoms]:
            self.seen.wrong.append(f"{stack} was answered by {named}")
        elif not all(map(self.versions.knows, digests)):
            self.seen.wrong.append(f"{stack} was answered by a content that no component ever had")
        else:
            self.seen.note((stack, text, digests), values.astype(np.float64))

    # -------------------------------------------------------------------------------------------------------- changing

    async def _change(self) -> None:
        """Change a component after every few requests."""
        done = 0
        connection: Connection | None = None
        while not self.is_over:
            if self.seen.requests < done * self.given.every:
                await asyncio.sleep(0.005)
                continue
            done += 1
            key = self.random.choice(self.languages if self.random.random() < 0.7 else self.tasks)
            kind = self.random.choice(("replaced", "replaced", "unloaded", "removed", "pulled"))
            if kind == "pulled":
                key = self.random.choice(self.registered)
            try:
                if kind in ("unloaded", "pulled"):
                    connection = connection or await Connection.open(self.server.port)
                    path = "/v1/components/unload" if kind == "unloaded" else "/v1/components/pull"
                    status, _ = await connection.ask(request_of(path, {"component": key}, **ADMIN))
                    kind = kind if status == 200 else f"{kind}: {status}"
                elif kind == "removed":
                    await self._remove(key)
                else:
                    await asyncio.to_thread(
                        replace_folder, self.random.choice(self.versions.folders[key]), self.place(key)
                    )
            except OSError:
                connection = None
                await asyncio.sleep(0.1)
                continue
            self.seen.changes[kind] += 1
        if connection:
            connection.close()

    async def _remove(self, key: str) -> None:
        """Take it from the library; what no registry has comes back with another content, later."""
        for folder in self.place(key).parent.glob(f"{self.place(key).name}*"):
            if folder.name.partition("@")[0] == self.place(key).name:
                await asyncio.to_thread(shutil.rmtree, folder, True)
        if key not in self.registered:
            until = self.seen.requests + 5 * self.given.every
            while self.seen.requests < until and not self.is_over:
                await asyncio.sleep(0.005)
            await asyncio.to_thread(replace_folder, self.random.choice(self.versions.folders[key]), self.place(key))

    # ------------------------------------------------------------------------------------------------------- comparing

    def report(self) -> bool:
        """Print what came of it; whether all was right."""
        seen = self.seen
        alone = self.versions.alone(seen.answers)
        furthest = 0.0
        for asked, bounds in seen.answers.items():
            gap = max(float(np.abs(each - alone[asked]).max()) for each in bounds)
            furthest = max(furthest, gap)
            if not gap <= TOLERANCE:
                seen.wrong.append(f"{asked[0]}: off by {gap:.2g}")
        print(f"{seen.requests:,} requests, {seen.rows:,} rows answered: {len(alone):,} distinct")
        print(f"wrong: {len(seen.wrong)}; furthest from the solo run: {furthest:.2g}")
        print(f"refused: {dict(seen.refusals.most_common())}")
        print(f"changed meanwhile: {dict(seen.changes.most_common())}")
        if seen.restarts:
            print(f"killed and ready again after {', '.join(f'{each:.1f}' for each in seen.restarts)} s")
        if len(later := seen.memory[2:]) > 2 and not seen.restarts:
            slope = np.polyfit([at for at, _ in later], [size for _, size in later], 1)[0]
            print(f"resident memory after the first fifth: {1e5 * slope:+.1f} MB for each 100,000 requests")
        for line in seen.wrong[:10]:
            print(f"  {line}")
        return not seen.wrong


def main() -> None:
    """Write components, ask, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--components", type=int, default=200)
    parser.add_argument("--stacks", type=int, default=400)
    parser.add_argument("--vocabularies", type=int, default=35, help="of the components; each takes 240 MB on e5-small")
    parser.add_argument("--backbone", default=None, help="a name; by default a tiny model")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--every", type=int, default=40, help="requests from one change of a component to the next")
    parser.add_argument("--megabytes", type=int, default=8, help="of components in memory")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        soak = Soak(Path(folder), given)
        print(
            f"{given.components} components and {len(soak.stacks)} stacks in {time.monotonic() - began:.0f} s",
            flush=True,
        )
        try:
            asyncio.run(soak.run())
        finally:
            soak.server.kill()
            log = soak.server.log.read_text("utf-8", "replace")
            if "Traceback" in log or '"trace"' in log:
                print(log[-3000:])
        sys.exit(0 if soak.report() else 1)


if __name__ == "__main__":
    main()
