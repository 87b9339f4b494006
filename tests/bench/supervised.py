"""Tasks with labels: `lect` beside `peft` and the Hugging Face `Trainer` in its defaults.

The same backbone (e5-small, with its prefix), rows, epochs, batch size, learning rate and LoRA (r 16, all linear
layers), each side in a process of its own; `lect` with a bottleneck beside it::

    python tests/bench/supervised.py --folder supervised-bench
    python tests/bench/supervised.py --folder supervised-bench --tasks nusax --seeds 0 --rows 32 --epochs 1

The peer is what its documentation shows: `AutoModelForSequenceClassification` (whose pooler, which e5-small comes
without, is trained with the classifier), `get_peft_model`, `DataCollatorWithPadding`, rows in random order. What lies
in the folder already is not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figures import cell, machine, peak_anywhere

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LECT_DATA", ROOT.parent / "shared/data"))
TASKS = {
    "sib200": ("tsv", DATA / "sib200/eng_Latn", ".tsv", "category"),
    "nusax": ("csv", DATA / "nusax-senti/ind", ".csv", "label"),
}
PARTS = {
    "lect lora": 'method = "lora"\nr = 16\nlora_alpha = 32\ntarget_modules = "all-linear"',
    "lect bottleneck": 'method = "bottleneck"\nreduction_factor = 16',
}
SIDES = ("peft lora", *PARTS)
PREFIX = "query: "


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("supervised-bench"))
    parser.add_argument("--tasks", nargs="+", default=sorted(TASKS), choices=sorted(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=int, help="training rows; all if absent")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--backbone", default="e5-small", help="a name, or a folder")
    parser.add_argument("--only", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    if options.only:
        (task,), (seed,) = options.tasks, options.seeds
        work = peft_side if options.only.startswith("peft") else lect_side
        path_of(options, task, seed, options.only).write_text(json.dumps(work(options, task, seed), indent=1))
        return
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    for task in options.tasks:
        for seed in options.seeds:
            for side in SIDES:
                results.setdefault((task, side), []).append(run_aside(options, task, seed, side))
    print(table(results, options))


def run_aside(options: argparse.Namespace, task: str, seed: int, side: str) -> dict[str, float]:
    """One side's figures, from a process of its own."""
    path = path_of(options, task, seed, side)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        chosen = ["--only", side, "--tasks", task, "--seeds", str(seed), "--folder", str(options.folder)]
        same = ["--epochs", str(options.epochs), "--rate", str(options.rate), "--batch", str(options.batch)]
        same += ["--backbone", options.backbone]
        same += ["--rows", str(options.rows)] if options.rows else []
        print(f"{task}, seed {seed}: {side}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, __file__, *chosen, *same], check=True, stdout=subprocess.DEVNULL)
    return json.loads(path.read_text())


def path_of(options: argparse.Namespace, task: str, seed: int, side: str) -> Path:
    """Where a side's figures lie."""
    return options.folder / task / f"{side.replace(' ', '-')}-{seed}.json"


def read(task: str, part: str, limit: int | None = None) -> tuple[list[str], list[str]]:
    """Texts and labels."""
    kind, folder, ending, label = TASKS[task]
    with (folder / f"{part}{ending}").open(encoding="utf-8", newline="") as file:
        quoting = csv.QUOTE_NONE if kind == "tsv" else csv.QUOTE_MINIMAL
        rows = list(csv.DictReader(file, delimiter="\t" if kind == "tsv" else ",", quoting=quoting))[:limit]
    return [row["text"] for row in rows], [row[label] for row in rows]


# ------------------------------------------------------------------------------------------------------ the sides


def lect_side(options: argparse.Namespace, task: str, seed: int) -> dict[str, float]:
    """`lect train`, then the test rows."""
    from rich.console import Console

    from lect import Example
    from lect.builtins.supervised import predict_rows
    from lect.components.library import Library
    from lect.host import Host
    from lect.recipes.load import load_recipe
    from lect.training.run import execute_run, prepare_run

    kind, folder, ending, label = TASKS[task]
    name = options.only.replace(" ", "-")
    own = options.folder / task
    recipe = own / f"{name}-{seed}.toml"
    limit = f"limit = {options.rows}" if options.rows else ""
    recipe.write_text(
        f"""
component = {{ name = "{name}-{seed}", role = "task" }}
backbone = {{ name = "{options.backbone}", prefix = "{PREFIX}" }}
head = {{ kind = "classification" }}
objective = {{ name = "supervised" }}
output = {{ folder = "{own / f"run-{name}-{seed}"}" }}

[[parts]]
{PARTS[options.only]}

[data.train]
reader = "{kind}"
path = "{folder / f"train{ending}"}"
text = "text"
label = "{label}"
{limit}

[training]
seed = {seed}
epochs = {options.epochs}
batch_size = {options.batch}
learning_rate = {options.rate}
"""
    )
    run = prepare_run(load_recipe(recipe), Host.load(report=print), Library((own / "components",)))
    (trained,) = execute_run(run, console=Console(stderr=True))
    memory = peak_anywhere()
    texts, truth = read(task, "test")
    run.model.attach(run.lessons[0].component)
    answers = predict_rows(run.model, run.encoder, run.lessons[0].stack, [Example(text) for text in texts])
    tokens = pieces(run.backbone.tokenizer, read(task, "train", options.rows)[0]) * options.epochs
    return {
        "tokens": tokens,
        "seconds": trained.result.seconds,
        "memory": memory,
        "score": macro_f1(truth, [answer.answer for answer in answers]),
        "parameters": trained.parameters,
    }


def peft_side(options: argparse.Namespace, task: str, seed: int) -> dict[str, float]:
    """`peft` and `Trainer`, as their documentation shows."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from lect.host import Host

    set_seed(seed)
    folder = Path(options.backbone)
    if not folder.is_dir():
        folder = Host.load(report=print).spec("backbone", options.backbone).prepare(lambda what, share: None)
    texts, labels = read(task, "train", options.rows)
    names = sorted(set(labels))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names))
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=16,
        lora_alpha=32,
        target_modules="all-linear",
        modules_to_save=["classifier", "pooler"],
        exclude_modules=["pooler.dense", "bert.pooler.dense"],
    )
    model = get_peft_model(model, config)

    def cut(batch: dict[str, Any]) -> dict[str, Any]:
        return dict(tokenizer([f"{PREFIX}{text}" for text in batch["text"]], truncation=True))

    rows = Dataset.from_dict({"text": texts, "labels": [names.index(label) for label in labels]})
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(options.folder / task / "peft-run"),
            per_device_train_batch_size=options.batch,
            num_train_epochs=options.epochs,
            learning_rate=options.rate,
            seed=seed,
            save_strategy="no",
            report_to=[],
        ),
        train_dataset=rows.map(cut, batched=True, remove_columns=["text"]),
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    done = trainer.train()
    memory = peak_anywhere()
    tested, truth = read(task, "test")
    found = trainer.predict(Dataset.from_dict({"text": tested}).map(cut, batched=True, remove_columns=["text"]))
    answers = torch.from_numpy(found.predictions).argmax(1).tolist()
    return {
        "tokens": pieces(tokenizer, texts) * options.epochs,
        "seconds": done.metrics["train_runtime"],
        "memory": memory,
        "score": macro_f1(truth, [names[answer] for answer in answers]),
        "parameters": sum(value.numel() for value in model.parameters() if value.requires_grad),
    }


# -------------------------------------------------------------------------------------------------- what both need


def pieces(tokenizer: Any, texts: Sequence[str]) -> int:
    """The pieces of all texts, padding not counted."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    return sum(len(encoding.ids) for encoding in backend.encode_batch([f"{PREFIX}{text}" for text in texts]))


def macro_f1(truth: Sequence[str], answers: Sequence[str]) -> float:
    """The mean of the labels' F1."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, answers, average="macro"))


def table(results: dict[tuple[str, str], list[dict[str, float]]], options: argparse.Namespace) -> str:
    """The figures, mean ± deviation over the seeds."""
    lines = [
        "| task | side | tokens/s | times peft | peak memory, GB | macro-F1 | trained |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for task in options.tasks:
        speeds = {side: [one["tokens"] / one["seconds"] for one in results[task, side]] for side in SIDES}
        for side in SIDES:
            own = results[task, side]
            times = statistics.mean(speeds[side]) / statistics.mean(speeds[SIDES[0]])
            cells = [cell(speeds[side], 0), f"{times:.2f} ×", cell([one["memory"] for one in own], 2)]
            cells += [cell([100 * one["score"] for one in own], 1), f"{own[0]['parameters']:,.0f}"]
            lines.append(f"| {task} | {side} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", machine()])


if __name__ == "__main__":
    main()
