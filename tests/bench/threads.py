"""What several runs beside each other get done together, beside one alone: OpenMP's threads wait spinning or asleep.

    python tests/bench/threads.py [--seconds 6] [--repeat 3] [--at-once 1 2 4] [--spins 1000 2000 10000]

Each run trains the upper layers of an encoder of e5-small's size (12 layers of 384 hidden units, random, 16 rows of 32
tokens). They begin together, for so many seconds, with as many threads each as

- *as torch comes*: the machine has cores, spinning while they wait;
- *as `lect` sets it*: the machine has cores, asleep while they wait, as any command of `lect` runs;
- *divided*: their share of the cores, as `lect fleet --at-once` and `lect launch` set it;
- *N spins*: the machine has cores, spinning N times before they sleep.

The settings take turns within each repeat. The table has the medians of the sum of steps a second, and its ratio to one
run alone as torch comes. Takes (seconds + about 6) × repeat × numbers × settings: 3 minutes on two quiet cores without
`--spins`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from lect.threads import WAITING, cores, threads_of_each

OURS = ("OMP_NUM_THREADS", *WAITING, "KMP_BLOCKTIME")
AS_IT_COMES, AS_LECT_SETS_IT, DIVIDED = "as torch comes", "as `lect` sets it", "divided"


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--spins", type=int, nargs="*", default=[])
    parser.add_argument("--train", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.train is not None:
        train(asked.train)
        return
    outer = {name: value for name, value in os.environ.items() if name not in OURS}
    found: dict[tuple[int, str], list[float]] = {}
    for _ in range(asked.repeat):
        for count in asked.at_once:
            for setting, own in settings(count, asked.spins).items():
                found.setdefault((count, setting), []).append(together(count, {**outer, **own}, asked.seconds))
    alone = statistics.median(found[asked.at_once[0], AS_IT_COMES]) / asked.at_once[0]
    print(f"{cores()} cores, load {os.getloadavg()[0]:.1f} at the end; steps a second of all together (× one alone)\n")
    names = list(settings(1, asked.spins))
    print(f"| at once | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for count in asked.at_once:
        sums = [statistics.median(found[count, setting]) for setting in names]
        print(f"| {count} | {' | '.join(f'{each:.2f} (× {each / alone:.2f})' for each in sums)} |")


def settings(count: int, spins: list[int]) -> dict[str, dict[str, str]]:
    """The environments that are compared, where so many run at once."""
    whole = {"OMP_NUM_THREADS": str(cores())}
    return {
        AS_IT_COMES: whole,
        AS_LECT_SETS_IT: {**whole, **WAITING},
        DIVIDED: threads_of_each(count, {}),
        **{f"{each} spins": {**whole, **WAITING, "GOMP_SPINCOUNT": str(each)} for each in spins},
    }


def together(count: int, environment: dict[str, str], seconds: float) -> float:
    """The sum of the steps a second of so many runs that begin at once."""
    command = [sys.executable, __file__, "--train", str(seconds)]
    runs = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for run in runs:
        assert run.stdout is not None
        run.stdout.readline()
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("begin\n")
        run.stdin.flush()
    return sum(float(run.communicate()[0]) for run in runs)


def train(seconds: float) -> None:
    """Train for so long, once told to begin, and say how many steps a second that were."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(384, 12, 1536, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
    upper = [parameter for block in model.layers[-3:] for parameter in block.parameters()]
    model.requires_grad_(False)
    for parameter in upper:
        parameter.requires_grad_(True)
    optimizer, batch = torch.optim.AdamW(upper), torch.randn(16, 32, 384)

    def step() -> None:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()

    step()
    print("ready", flush=True)
    sys.stdin.readline()
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        step()
        steps += 1
    print(steps / (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
