"""What `auto` costs the server's process, beside the same requests with their stacks named.

    python tests/bench/automatic.py [--data /work/shared/data]

CPU time of the whole process, one thread, minima of rounds that alternate, for a tiny model, of which the model itself
is a small share; about two minutes. Texts are those of FLORES-200 devtest, of the 32 languages of `identify.py`, each
with a component and a profile of training text. Requests are of one text, and of 64 texts of all languages.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import torch
from identify import training_texts
from served import Shop

from lect import Example, StackError
from lect.languages.profiles import profile_of, profiles_bytes
from lect.languages.tags import normalise
from lect.serving import AutomaticStacks
from lect.storage.store import PROFILES
from lect_serve.access import Client
from lect_serve.service import Service


def main() -> None:
    """Build a library, answer, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("/work/shared/data"))
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shop, texts = Shop(Path(folder)), {}
        for code, lines in training_texts(given.data).items():
            tag = normalise(code.replace("_", "-"))
            profile = profile_of(tag, lines[:2000])
            component = shop.write(f"lang:{code}", languages=(tag,))
            (component / PROFILES).write_bytes(profiles_bytes([profile] if profile else []))
            texts[code] = (given.data / "flores200" / code / "devtest.txt").read_text("utf-8").splitlines()
        shop.write("task:mood", method=None, labels=("bad", "good"), languages=())
        asyncio.run(measure(shop, texts, given.rounds))


STACK = "lang:auto + task:mood"


async def measure(shop: Shop, texts: dict[str, list[str]], rounds: int) -> None:
    """Print the milliseconds of a request, with its stack named and with `auto`."""
    limits = {"queued_seconds": 600, "seconds": 600}
    service = shop.service(stacks=["task:mood"], memory={"megabytes": 8192}, limits=limits)
    await service.start()
    try:
        chooser = AutomaticStacks(shop.library, shop.host, shop.backbone)
        chooser.prepare_identifier()
        print(f"{best(chooser.refresh, 5):.1f} ms to look at a library of {len(texts)} language components anew")
        pairs = [(code, line) for code, lines in texts.items() for line in lines[:20]]
        pairs = [pair for pair in pairs if _is_chosen(chooser, pair[1])]
        chosen = best(lambda: [chooser.choose(STACK, text) for _, text in pairs], rounds) / len(pairs)
        print(f"{1000 * chosen:.0f} μs to choose for a text")
        for rows in (1, 64):
            await measure_requests(service, pairs, rows, rounds)
    finally:
        await service.stop()


async def measure_requests(service: Service, pairs: list[tuple[str, str]], rows: int, rounds: int) -> None:
    """The same for requests of so many texts."""
    client, draw = Client("bench", False), random.Random(1)

    async def ask(named: bool) -> None:
        given = []
        for _ in range(rows):
            code, text = draw.choice(pairs)
            given.append((Example(text, origin="text 1"), f"lang:{code} + task:mood" if named else "auto"))
        await service.answers(client, given)

    requests = max(4, 256 // rows)
    found = {"named": float("inf"), "auto": float("inf")}
    for number in range(rounds + 1):
        for way in found:
            began = time.process_time()
            await asyncio.gather(*(ask(way == "named") for _ in range(requests)))
            seconds = time.process_time() - began
            # The first round loads what is needed.
            found[way] = min(found[way], seconds) if number else found[way]
    named, auto = (1000 * seconds / requests for seconds in found.values())
    more = 1000 * (auto - named) / rows
    print(f"{rows} texts a request: {named:.2f} ms of CPU named, {auto:.2f} ms with auto, {more:.0f} μs more a text")


def _is_chosen(chooser: AutomaticStacks, text: str) -> bool:
    """Whether a component is chosen for a text; some are not known for certain."""
    try:
        return chooser.choose(STACK, text).component is not None
    except StackError:
        return False


def best(action: Callable[[], object], rounds: int) -> float:
    """Milliseconds of CPU of the quickest of several calls."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        action()
        found.append(time.process_time() - began)
    return 1000 * min(found)


if __name__ == "__main__":
    main()
