"""Mixed batches side by side: `lect`, `adapters` (BatchSplit) and `peft` (adapter_names), time and error per row.

The same random bottlenecks (or LoRAs), the same 32 rows of 32 tokens on e5-small, in one process, the candidates taking
turns; the median of the repeats as a multiple of the bare backbone's time::

    python tests/bench/routing.py

The error of a row is the largest difference between what it gives in the mixed batch and what the same library gives
for it alone with its own stack, in float32.
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lect import MethodSpec
from lect.composition.component import Component
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.specs import BuildContext
from lect.storage.assemble import weighted

ROWS, LENGTH = 32, 32
LANGUAGES = [f"l{index}" for index in range(8)]
TASKS = [f"t{index}" for index in range(8)]
#: Every row another pair of language and task.
PAIRS = [(LANGUAGES[row % 8], TASKS[(row // 8 + row) % 8]) for row in range(ROWS)]

#: Where `peft` puts LoRA in such models if nothing is said; `lect` puts it on every projection inside the layers.
LORA_TARGETS = ["query", "value"]

Run = Callable[[], Tensor]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--backbone", default="e5-small")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    host = Host.load(report=lambda line: None)
    bare = load_backbone(options.backbone, host=host)
    bare.model.to(options.device)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, bare.model.config.vocab_size, (ROWS, LENGTH), generator=generator).to(options.device)
    mask = torch.ones_like(ids)
    runs: dict[str, tuple[Run, Run | None]] = {"bare backbone": (lambda: bare.model(ids, mask)[0], None)}
    runs |= (
        with_lect(host, options.backbone, ids, mask)
        | with_adapters(bare.model, ids, mask)
        | with_peft(bare.model, ids, mask)
    )
    with torch.inference_mode():
        errors = {
            name: None if solo is None else float((run() - solo()).abs().max()) for name, (run, solo) in runs.items()
        }
        columns = {}
        for precision in (torch.float32, torch.bfloat16):
            with torch.autocast(options.device, torch.bfloat16, enabled=precision == torch.bfloat16):
                columns[precision] = timed({name: run for name, (run, _) in runs.items()}, options)
    print("| 32 rows of 32 tokens | float32 | bfloat16 | largest error of a row |")
    print("| --- | ---: | ---: | ---: |")
    for name in runs:
        cells = [f"{columns[precision][name] / columns[precision]['bare backbone']:.2f} ×" for precision in columns]
        error = "" if errors[name] is None else f"{errors[name]:.1e}"
        print(f"| {name} | {cells[0]} | {cells[1]} | {error} |")
    seconds = ", ".join(f"{values['bare backbone'] * 1000:.1f} ms" for values in columns.values())
    gpu = f"{torch.cuda.get_device_name()}, " if options.device == "cuda" else ""
    print(
        f"\nThe bare backbone takes {seconds}; {gpu}{platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}."
    )


def timed(runs: dict[str, Run], options: argparse.Namespace) -> dict[str, float]:
    """The median time of each, in seconds; they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(options.repeats + 2):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if options.device == "cuda":
                torch.cuda.synchronize()
            if repeat > 1:
                taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in taken.items()}


def with_lect(host: Host, backbone: str, ids: Tensor, mask: Tensor) -> dict[str, tuple[Run, Run | None]]:
    """One stack, eight languages, eight languages by eight tasks, and eight LoRAs."""
    model = RoutedModel(load_backbone(backbone, host=host)).eval()
    for method, settings, names in (
        ("bottleneck", {}, LANGUAGES + TASKS),
        ("lora", {"target_modules": LORA_TARGETS}, [f"r{index}" for index in range(8)]),
        ("lora", {}, [f"a{index}" for index in range(8)]),
    ):
        spec = host.spec(MethodSpec, method)
        config = host.configured(MethodSpec, method, settings, "bench").config
        for name in names:
            part = spec.build(config, BuildContext(model.backbone))
            scatter(part)
            model.attach(Component(name, "lang", {method: part}, None))
    for name in LANGUAGES:
        # As gates let languages act.
        model.attach(weighted(f"half {name}", 0.5, [model.components[name]]))
    model.to(ids.device).eval()

    def forward(stacks: list[tuple[str, ...]]) -> Run:
        routes = Routes.of(stacks).to(ids.device)
        return lambda: model(EncodedRows(ids, mask, None, routes))

    def alone(stacks: list[tuple[str, ...]]) -> Run:
        def run() -> Tensor:
            return torch.cat(
                [
                    model(
                        EncodedRows(
                            ids[row : row + 1], mask[row : row + 1], None, Routes.of([stacks[row]]).to(ids.device)
                        )
                    )
                    for row in range(ROWS)
                ]
            )

        return run

    languages = [(language,) for language, _ in PAIRS]
    gated = [(f"half {language}", task) for language, task in PAIRS]
    loras = [(f"r{row % 8}",) for row in range(ROWS)]
    everywhere = [(f"a{row % 8}",) for row in range(ROWS)]
    return {
        "lect: no stack": (forward([()] * ROWS), None),
        "lect: one stack": (forward([PAIRS[0]] * ROWS), None),
        "lect: 8 languages": (forward(languages), alone(languages)),
        "lect: 8 languages × 8 tasks": (forward(list(PAIRS)), alone(list(PAIRS))),
        "lect: 8 languages at half their strength × 8 tasks": (forward(gated), alone(gated)),
        "lect: 8 LoRAs": (forward(loras), alone(loras)),
        "lect: 8 LoRAs on all projections": (forward(everywhere), alone(everywhere)),
    }


def with_adapters(bare: torch.nn.Module, ids: Tensor, mask: Tensor) -> dict[str, tuple[Run, Run | None]]:
    """The same compositions as `adapters` writes them."""
    import adapters
    from adapters.composition import BatchSplit, Stack

    model = copy.deepcopy(bare).eval()
    adapters.init(model)
    for name in LANGUAGES + TASKS:
        model.add_adapter(name, config="seq_bn")
    scatter_named(model, "adapters.")
    model.to(ids.device)

    def run_with(setup: object) -> Run:
        def run() -> Tensor:
            model.active_adapters = setup
            return model(ids, mask)[0]

        return run

    def alone(stacks: list[object]) -> Run:
        def run() -> Tensor:
            outputs = []
            for row, stack in enumerate(stacks):
                model.active_adapters = stack
                outputs.append(model(ids[row : row + 1], mask[row : row + 1])[0])
            return torch.cat(outputs)

        return run

    languages: list[object] = [language for language, _ in PAIRS]
    pairs: list[object] = [Stack(*pair) for pair in PAIRS]

    def loop() -> Tensor:
        return alone(pairs)()

    ones = [1] * ROWS
    return {
        "adapters: Stack": (run_with(Stack(*PAIRS[0])), None),
        "adapters: BatchSplit of 8 languages": (run_with(BatchSplit(*languages, batch_sizes=ones)), alone(languages)),
        "adapters: BatchSplit of 32 Stacks": (run_with(BatchSplit(*pairs, batch_sizes=ones)), alone(pairs)),
        "adapters: a loop over 32 stacks": (loop, alone(pairs)),
    }


def with_peft(bare: torch.nn.Module, ids: Tensor, mask: Tensor) -> dict[str, tuple[Run, Run | None]]:
    """Eight LoRAs by row; `peft` has no stacks."""
    from peft import LoraConfig, get_peft_model

    names = [f"r{index}" for index in range(8)]
    config = LoraConfig(target_modules=LORA_TARGETS)
    model = get_peft_model(copy.deepcopy(bare), config, adapter_name=names[0]).eval()
    for name in names[1:]:
        model.add_adapter(name, config)
    scatter_named(model, "lora_")
    model.to(ids.device)
    chosen = [names[row % 8] for row in range(ROWS)]

    def alone() -> Tensor:
        outputs = []
        for row, name in enumerate(chosen):
            model.set_adapter(name)
            outputs.append(model(input_ids=ids[row : row + 1], attention_mask=mask[row : row + 1])[0])
        return torch.cat(outputs)

    def mixed() -> Tensor:
        return model(input_ids=ids, attention_mask=mask, adapter_names=chosen)[0]

    return {"peft: 8 LoRAs by adapter_names": (mixed, alone)}


@torch.no_grad()
def scatter(module: torch.nn.Module) -> None:
    """Move the weights away from where a new part changes nothing."""
    for parameter in module.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.02)


@torch.no_grad()
def scatter_named(model: torch.nn.Module, marker: str) -> None:
    """The same for the parameters that a library added."""
    for name, parameter in model.named_parameters():
        if marker in name:
            parameter.add_(torch.randn_like(parameter) * 0.02)


if __name__ == "__main__":
    main()
