"""What a request costs the server's process with many distinct stacks, beside the same requests through one.

    python tests/bench/serving.py --stacks 256

CPU time of the whole process, one thread, minima of rounds that alternate; two minutes for 256 stacks of a tiny model,
of which the model itself is a small share: what is measured is the server. `--backbone e5-small` measures both.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import torch
from served import Shop

from lect import Example
from lect_serve.access import Client
from lect_serve.service import Service

REQUESTS = 128
WORDS = ("a", "text", "of", "some", "sixteen", "tokens", "as", "people", "write", "them", "in", "hurry", "and", "send")


def main() -> None:
    """Build a library, answer, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stacks", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--backbone", default=None, help="a name; by default a tiny model")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder), named=given.backbone)
        for number in range(given.stacks):
            shop.write(f"lang:l{number}", seed=number)
        shop.write("task:mood", method=None, labels=("bad", "good"))
        asyncio.run(measure(shop, [f"lang:l{number} + task:mood" for number in range(given.stacks)], given.rounds))


async def measure(shop: Shop, stacks: list[str], rounds: int) -> None:
    """Print the milliseconds of a request, with one stack and with all."""
    service = shop.service(memory={"megabytes": 8192}, limits={"queued_seconds": 600, "seconds": 600})
    await service.start()
    try:
        await measure_ready(service, stacks, rounds)
    finally:
        await service.stop()


async def measure_ready(service: Service, stacks: list[str], rounds: int) -> None:
    """The same with a service that is ready."""
    began = time.process_time()
    for stack in stacks:
        service.parts.release(await service.parts.lease(stack))
    print(f"{1000 * (time.process_time() - began) / len(stacks):.2f} ms to read and attach a stack")
    client, generator = Client("bench", False), random.Random(0)

    async def ask(stack: str) -> None:
        # No two alike: rows of one text share what their stacks do.
        text = " ".join(generator.choices(WORDS, k=13))
        await service.answers(client, [(Example(text, origin="text 1"), stack)])

    best = {"one stack": float("inf"), f"{len(stacks)} stacks": float("inf")}
    for _ in range(rounds):
        for name, chosen in zip(best, ([stacks[0]], stacks), strict=True):
            asked = [generator.choice(chosen) for _ in range(REQUESTS)]
            began = time.process_time()
            await asyncio.gather(*map(ask, asked))
            best[name] = min(best[name], time.process_time() - began)
    for name, seconds in best.items():
        print(f"{1000 * seconds / REQUESTS:.2f} ms of CPU a request with {name}")
    one, many = best.values()
    print(f"throughput with {len(stacks)} stacks is {one / many:.0%} of that with one")


if __name__ == "__main__":
    main()
