"""Mixed batches with and without CUDA graphs, beside the bare backbone with and without: time and largest difference.

A backbone of e5-small's size with random weights, 32 rows of 32 tokens, bottlenecks of 8 languages under those of 8
tasks, and LoRAs on all projections, in bfloat16; time does not hang on what they have learned. The candidates take
turns; medians of the repeats::

    python tests/bench/graphs.py

takes about a minute on a GPU. The goals are 8 languages × 8 tasks with graphs in at most 1.5 × the time of the bare
backbone with graphs, and in no more than that of the bare backbone without. Where there is no GPU a tiny backbone is
taken in its place, whose layers are called again where a graph would be replayed: that shows that all of this runs,
and no speed.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from figures import machine
from routing import PAIRS, ROWS, scatter
from torch import Tensor

from lect import MethodSpec
from lect.backbones.backbone import Backbone
from lect.backbones.load import encoder_half
from lect.composition.component import Component
from lect.composition.graphs.recording import CallingRecorder, CudaRecorder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.host import Host
from lect.specs import BuildContext
from lect.testing.backbones import tiny_backbone
from lect.testing.tokenizers import tiny_tokenizer

BARE, GOAL = "bare backbone", "8 languages × 8 tasks"
MOST_OF_GRAPHED, MOST_OF_EAGER = 1.5, 1.0

Run = Callable[[], Tensor]


def main() -> None:
    """Print the table as Markdown, and whether the goals are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=51)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    backbone = backbone_of_size() if on_gpu else tiny_backbone("bert")
    runs = candidates(backbone, device, options.length)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bfloat16"):
        differences = {name: float((eager() - graphed()).abs().max()) for name, (eager, graphed) in runs.items()}
        taken = timed(runs, options.repeats, on_gpu)
    eager_bare, graphed_bare = taken[BARE]
    print(f"{machine()}; {ROWS} rows of {options.length} tokens in {options.precision}", end="\n\n")
    print("| stacks | without graphs | with graphs | of the bare backbone with graphs | largest difference |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, (eager, graphed) in taken.items():
        print(
            f"| {name} | {eager * 1000:.2f} ms | {graphed * 1000:.2f} ms | {graphed / graphed_bare:.2f} × "
            f"| {differences[name]:.1e} |"
        )
    of_graphed, of_eager = taken[GOAL][1] / graphed_bare, taken[GOAL][1] / eager_bare
    print(
        f"\n{GOAL} with graphs: {of_graphed:.2f} × the bare backbone with graphs (goal {MOST_OF_GRAPHED}), "
        f"{of_eager:.2f} × without (goal {MOST_OF_EAGER})"
        f"{'' if on_gpu else '; the layers were called again, and no graph was replayed'}."
    )


def backbone_of_size() -> Backbone:
    """A backbone of e5-small's size (Wang et al. 2024) with random weights; its tokens are not used."""
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=250_037, hidden_size=384, num_attention_heads=12, intermediate_size=1536)
    model = encoder_half(BertModel(config, add_pooling_layer=False))
    return Backbone("random", "random weights", model, tiny_tokenizer())


def candidates(backbone: Backbone, device: torch.device, length: int) -> dict[str, tuple[Run, Run]]:
    """By name, a batch's pass without graphs, and with."""
    host = Host.load(report=lambda line: None)
    torch.manual_seed(0)
    bare, model = copy.deepcopy(backbone.model).to(device), RoutedModel(backbone).eval()
    methods = {f"{role}{number}": ("bottleneck", {}) for role in "lt" for number in range(8)}
    methods |= {f"a{number}": ("lora", {}) for number in range(8)}
    for name, (method, settings) in methods.items():
        spec = host.spec(MethodSpec, method)
        part = spec.build(host.configured(MethodSpec, method, settings, "bench").config, BuildContext(backbone))
        scatter(part)
        model.attach(Component(name, "lang", {method: part}, None))
    model.to(device).eval()
    ids = torch.randint(10, int(backbone.model.config.vocab_size), (ROWS, length)).to(device)
    model.use_graphs(CudaRecorder() if device.type == "cuda" else CallingRecorder())
    graphs = model.graphs

    def passes(stacks: list[tuple[str, ...]]) -> tuple[Run, Run]:
        batch = EncodedRows(ids, torch.ones_like(ids), None, Routes.of(stacks).to(device))

        def eager() -> Tensor:
            model.graphs = None
            return model(batch)

        def graphed() -> Tensor:
            model.graphs = graphs
            return model(batch)

        return eager, graphed

    return {
        BARE: (lambda: bare(ids, torch.ones_like(ids))[0], passes([()] * ROWS)[1]),
        "one stack": passes([PAIRS[0]] * ROWS),
        "8 languages": passes([(language,) for language, _ in PAIRS]),
        GOAL: passes(list(PAIRS)),
        "8 LoRAs on all projections": passes([(f"a{row % 8}",) for row in range(ROWS)]),
    }


def timed(runs: dict[str, tuple[Run, Run]], repeats: int, on_gpu: bool) -> dict[str, tuple[float, float]]:
    """The median seconds of each, without graphs and with; they take turns."""
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in runs}
    for repeat in range(repeats + 2):
        for name, pair in runs.items():
            for run, own in zip(pair, taken[name], strict=True):
                started = time.perf_counter()
                run()
                if on_gpu:
                    torch.cuda.synchronize()
                if repeat > 1:
                    own.append(time.perf_counter() - started)
    return {name: (statistics.median(eager), statistics.median(graphed)) for name, (eager, graphed) in taken.items()}


if __name__ == "__main__":
    main()
