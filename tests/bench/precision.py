"""int8 and bfloat16 beside float32 on a CPU: rows a second, what each kernel takes, and how near vectors stay.

The same rows through the same model in one process, the formats taking turns, the least CPU time of the repeats, since
another program's load only ever adds; a minute::

    python tests/bench/precision.py
    python tests/bench/precision.py --rows 32 --length 128 --repeats 20

The second table has what int8 could be computed with: oneDNN's kernel with a scale for each token (what `lect` takes),
`torch.ao`'s dynamic linear, which is to be removed and has one scale for the whole tensor, so that a row hangs on its
neighbours, `torch._int_mm`, and torchao's, which stands on that, where it is installed. What `auto` takes on this
processor stands below. Scores: ``lect eval … --precision int8`` beside the same without.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import torch
from figures import machine
from torch.nn import functional

import lect
from lect.backbones.int8 import Int8Rows, Int8Weight, largest_weight
from lect.backbones.precision import cpu_has_bfloat16, resolve_precision
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows

CPU = torch.device("cpu")
NARROW, WIDE = 384, 1536


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backbone", default="e5-small")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    whole_model(options)
    kernels(options)
    vnni = torch.cpu._is_vnni_supported()
    print(
        f"\nVNNI: {'yes' if vnni else 'no'} (weights to ±{largest_weight()}); bfloat16 in hardware: "
        f"{'yes' if cpu_has_bfloat16() else 'no'}; auto takes {resolve_precision('auto', CPU)}.\n{machine()}"
    )


@torch.no_grad()
def whole_model(options: argparse.Namespace) -> None:
    """Rows a second of the bare backbone, and the least cosine to what float32 gives."""
    generator = torch.Generator().manual_seed(0)
    with lect.load(backbone=options.backbone) as model:
        engine = model._engine
        ids = torch.randint(10, engine.backbone.vocabulary_size, (options.rows, options.length), generator=generator)
        rows = EncodedRows(ids, torch.ones_like(ids), None, Routes.uniform((), options.rows))
        formats = ("float32", "int8", *(("bfloat16",) if cpu_has_bfloat16() else ()))
        states = {}

        @contextmanager
        def computed(name: str) -> Iterator[None]:
            engine.precision = name
            with engine.computing():
                yield

        def run(name: str) -> Callable[[], None]:
            def once() -> None:
                with computed(name):
                    states[name] = engine.model(rows)

            return once

        times = least({name: run(name) for name in formats}, options.repeats)
        vectors = {name: engine.backbone.pool(each.float(), rows.attention_mask) for name, each in states.items()}
    print(f"| {options.rows} rows of {options.length} tokens | rows/s | × float32 | least cosine to float32 |")
    print("| --- | ---: | ---: | ---: |")
    for name in formats:
        cosine = functional.cosine_similarity(vectors[name], vectors["float32"]).min()
        speed, factor = options.rows / times[name], times["float32"] / times[name]
        print(f"| {name} | {speed:.1f} | {factor:.2f} | {float(cosine):.5f} |")


@torch.no_grad()
def kernels(options: argparse.Namespace) -> None:
    """What a projection up and one down take, with what is needed to quantise."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(options.rows * options.length, NARROW, generator=generator)
    up, down = torch.randn(WIDE, NARROW, generator=generator), torch.randn(NARROW, WIDE, generator=generator)
    weights = [Int8Weight.of(weight) for weight in (up, down)]

    def ours() -> None:
        weights[1].product(Int8Rows.of(weights[0].product(Int8Rows.of(inputs), None)), None)

    layers = torch.nn.Sequential(torch.nn.Linear(NARROW, WIDE, bias=False), torch.nn.Linear(WIDE, NARROW, bias=False))
    runs: dict[str, Callable[[], object]] = {"float32": lambda: layers(inputs), "oneDNN, a scale a token (lect)": ours}
    for engine in ("fbgemm", "onednn"):
        if engine in torch.backends.quantized.supported_engines:
            torch.backends.quantized.engine = engine
            dynamic = torch.ao.quantization.quantize_dynamic(layers, {torch.nn.Linear}, torch.qint8)
            runs[f"torch.ao's {engine}, a scale a tensor"] = lambda dynamic=dynamic: dynamic(inputs)
    integers = [(weight / weight.abs().max() * 127).round().to(torch.int8).T for weight in (up, down)]
    narrow, wide = inputs.clamp(-4, 4).mul(31).to(torch.int8), torch.ones(len(inputs), WIDE, dtype=torch.int8)
    runs["torch._int_mm, the product alone"] = lambda: (
        torch._int_mm(narrow, integers[0]),
        torch._int_mm(wide, integers[1]),
    )
    if find_spec("torchao"):
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

        theirs = torch.nn.Sequential(torch.nn.Linear(NARROW, WIDE), torch.nn.Linear(WIDE, NARROW))
        quantize_(theirs, Int8DynamicActivationInt8WeightConfig())
        runs["torchao, eager"] = lambda: theirs(inputs)
    times = least(runs, min(options.repeats, 5))
    print(f"\n| two projections, {len(inputs)} tokens | ms | × float32 |")
    print("| --- | ---: | ---: |")
    for name, seconds in times.items():
        print(f"| {name} | {seconds * 1000:.1f} | {times['float32'] / seconds:.2f} |")


def least(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The least seconds of each; they take turns."""
    best = dict.fromkeys(runs, float("inf"))
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            started = time.process_time()
            run()
            if repeat:
                best[name] = min(best[name], time.process_time() - started)
    return best


if __name__ == "__main__":
    main()
