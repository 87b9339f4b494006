"""What exact results cost: rows of mixed stacks through the engine as it is, and with the same bytes for a text always.

The same rows on e5-small in one process, taking turns; the least CPU time of the repeats, as a multiple of the engine's
as it is. Three minutes at most::

    python tests/bench/exact.py

The last columns are the share of the first eight rows whose vector differs in some bit from the row's alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from figures import machine
from routing import PAIRS, scatter

from lect import MethodSpec
from lect.composition.component import Component
from lect.composition.model import RoutedModel
from lect.engine.engine import Engine, Keys
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.specs import BuildContext

WORDS = "kata old house the on way warm bright day cold grim river walks market rain small big green song"


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    engine = engine_of_pairs()
    words = WORDS.split()
    generator = torch.Generator().manual_seed(0)

    def texts(lengths: list[int]) -> list[str]:
        picks = [torch.randint(len(words), (length,), generator=generator).tolist() for length in lengths]
        return [" ".join(words[pick] for pick in own) for own in picks]

    bare: list[Keys] = [()] * len(PAIRS)
    like, unlike = [22] * 32, [4 + row for row in range(32)]
    several = [5 + row % 30 for row in range(256)]
    print("| rows | as it is, ms | exact, ms | cost | differ as it is | differ exact |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, lengths, stacks in (
        ("32 of one length, no stack", like, bare),
        ("32 of one length, 8 languages × 8 tasks", like, list(PAIRS)),
        ("32 of 4 to 35 words, no stack", unlike, bare),
        ("32 of 4 to 35 words, 8 languages × 8 tasks", unlike, list(PAIRS)),
        ("256 of 5 to 34 words, one stack", several, [PAIRS[0]] * 256),
        ("one of 22 words, one stack", [22], [PAIRS[0]]),
    ):
        rows = list(zip(texts(lengths), stacks, strict=True))
        times = least({exact: run(engine, rows, exact) for exact in (False, True)}, options.repeats)
        differ = [f"{differing(engine, rows, exact):.0%}" for exact in (False, True)]
        cells = [f"{times[False] * 1000:.0f}", f"{times[True] * 1000:.0f}", f"{times[True] / times[False]:.2f} ×"]
        print(f"| {' | '.join([name, *cells, *differ])} |", flush=True)
    print(f"\n{machine()}, {options.threads} threads")


def engine_of_pairs() -> Engine:
    """e5-small with a bottleneck for each language and each task of the routing bench."""
    host = Host.load(report=lambda line: None)
    engine = Engine(RoutedModel(load_backbone("e5-small", host=host)).eval())
    spec = host.spec(MethodSpec, "bottleneck")
    for name in sorted({key for pair in PAIRS for key in pair}):
        part = spec.build(host.configured(MethodSpec, "bottleneck", {}, "bench").config, BuildContext(engine.backbone))
        scatter(part)
        engine.model.attach(Component(name, "lang", {"bottleneck": part}, None))
    return engine


def run(engine: Engine, rows: list[tuple[str, Keys]], exact: bool) -> Callable[[], None]:
    """Rows through the engine."""

    def once() -> None:
        engine.exact = exact
        list(engine.vectors(rows))

    return once


def differing(engine: Engine, rows: list[tuple[str, Keys]], exact: bool) -> float:
    """The share of rows whose vector is not to the bit what it is alone."""
    engine.exact = exact
    some = rows[:8]
    together = list(engine.vectors(rows))[: len(some)]
    alone = [engine.embed([text], keys)[0] for text, keys in some]
    return sum(not torch.equal(one, other) for one, other in zip(together, alone, strict=True)) / len(some)


def least(runs: dict[bool, Callable[[], None]], repeats: int) -> dict[bool, float]:
    """The least CPU seconds of each; they take turns."""
    best = dict.fromkeys(runs, float("inf"))
    for repeat in range(repeats + 1):
        for name, each in runs.items():
            started = time.process_time()
            each()
            if repeat:
                best[name] = min(best[name], time.process_time() - started)
    return best


if __name__ == "__main__":
    main()
