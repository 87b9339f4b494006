"""Tasks with labels: `lect` beside `peft` and the Hugging Face `Trainer` in its defaults.

The same backbone (e5-small, with its prefix), rows, epochs, batch size, learning rate and LoRA (r 16, all linear
layers), each side in a process of its own; `lect` with a bottleneck beside it, with both in the last three layers
alone, and with the bottleneck in the last two or the last. Topics and sentiment are scored on two further languages,
which no side has seen labels or a language part of::

    python tests/bench/supervised.py --folder supervised-bench
    python tests/bench/supervised.py --folder supervised-bench --tasks nusax --seeds 0 --rows 32 --epochs 1
    python tests/bench/supervised.py --folder chosen --judge validation --sides "lect bottleneck, last 3 layers"

The peer is what its documentation shows: `AutoModelForSequenceClassification` (whose pooler, which e5-small comes
without, is trained with the classifier) or `AutoModelForTokenClassification`, `get_peft_model`, a padding collator,
rows in random order. Where other programs run beside it, the ratio of CPU times says more than that of tokens a
second. `ud` is parts of speech of the English Web Treebank, scored by words. What lies in the folder
already is not run again. Settings are chosen by `--judge validation`, which scores validation rows; figures in
BENCHMARKS.md are of the test rows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import cell, machine, peak_anywhere

from lect import BackboneSpec
from lect.cache import cache_folder

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LECT_DATA", ROOT.parent / "shared/data"))


@dataclass(frozen=True)
class Task:
    """Where rows with labels are: a text's label, or with `label` None the tags of its words.

    Args:
        judged: paths of test and validation rows, in which ``{}`` stands for the language.
        languages: what stands there, the one of the training rows first.
    """

    reader: str
    train: Path
    judged: dict[str, str]
    languages: tuple[str, ...]
    label: str | None = None
    prefix: str = "query: "

    def rows_to_judge(self, split: str) -> dict[str, Path]:
        """The file of each language."""
        return {language: DATA / self.judged[split].format(language) for language in self.languages}

    @property
    def head(self) -> str:
        """The kind of `lect`'s head."""
        return "classification" if self.label else "pos"


TASKS = {
    "sib200": Task(
        "csv",
        DATA / "sib200/eng_Latn/train.tsv",
        {"test": "sib200/{}_Latn/test.tsv", "validation": "sib200/{}_Latn/dev.tsv"},
        ("eng", "jav", "sun"),
        "category",
    ),
    "nusax": Task(
        "csv",
        DATA / "nusax-senti/ind/train.csv",
        {"test": "nusax-senti/{}/test.csv", "validation": "nusax-senti/{}/valid.csv"},
        ("ind", "jav", "sun"),
        "label",
    ),
    "ud": Task(
        "conllu",
        DATA / "ud/eng/en_ewt-ud-train-part.conllu",
        {"test": "ud/{}/en_ewt-ud-test.conllu"},
        ("eng",),
        prefix="",
    ),
}
LORA = 'method = "lora"\nr = 16\nlora_alpha = 32\ntarget_modules = "all-linear"'
PARTS = {
    "lect lora": LORA,
    "lect bottleneck": 'method = "bottleneck"\nreduction_factor = 16',
    "lect lora, last 3 layers": f'{LORA}\nlayers = "last 3"',
    "lect bottleneck, last 3 layers": 'method = "bottleneck"\nreduction_factor = 4\nlayers = "last 3"',
    "lect bottleneck, last 2 layers": 'method = "bottleneck"\nreduction_factor = 4\nlayers = "last 2"',
    "lect bottleneck, last layer": 'method = "bottleneck"\nreduction_factor = 4\nlayers = "last 1"',
}
SIDES = ("peft lora", *PARTS)


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
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES, help="the first is compared with")
    parser.add_argument("--judge", choices=("test", "validation"), default="test")
    parser.add_argument("--only", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    if unjudged := [task for task in options.tasks if options.judge not in TASKS[task].judged]:
        parser.error(f"{unjudged[0]} has no {options.judge} rows: leave it out of --tasks")
    if options.only:
        (task,), (seed,) = options.tasks, options.seeds
        work = peft_side if options.only.startswith("peft") else lect_side
        path_of(options, task, seed, options.only).write_text(json.dumps(work(options, task, seed), indent=1))
        return
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    for task in options.tasks:
        for seed in options.seeds:
            for side in options.sides:
                results.setdefault((task, side), []).append(run_aside(options, task, seed, side))
    print(table(results, options))


def run_aside(options: argparse.Namespace, task: str, seed: int, side: str) -> dict[str, float]:
    """One side's figures, from a process of its own."""
    path = path_of(options, task, seed, side)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        chosen = ["--only", side, "--tasks", task, "--seeds", str(seed), "--folder", str(options.folder)]
        same = ["--epochs", str(options.epochs), "--rate", str(options.rate), "--batch", str(options.batch)]
        same += ["--backbone", options.backbone, "--judge", options.judge]
        same += ["--rows", str(options.rows)] if options.rows else []
        print(f"{task}, seed {seed}: {side}", file=sys.stderr, flush=True)
        with cache_without_states() as cache:
            environment = {**os.environ, "LECT_CACHE": cache}
            command = [sys.executable, __file__, *chosen, *same]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return json.loads(path.read_text())


@contextmanager
def cache_without_states() -> Iterator[str]:
    """A cache with all that the usual one has but hidden states of earlier runs, so that each run computes its own."""
    (cache_folder() / "backbones").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for entry in cache_folder().iterdir():
            if entry.name != "states":
                (Path(folder) / entry.name).symlink_to(entry.absolute())
        yield folder


def path_of(options: argparse.Namespace, task: str, seed: int, side: str) -> Path:
    """Where a side's figures lie."""
    return options.folder / task / f"{side.replace(', ', '-').replace(' ', '-')}-{seed}.json"


def read(task: Task, path: Path, limit: int | None = None) -> Sequence[Any]:
    """The rows of a file, by `lect`'s reader: `Example`s."""
    from lect.data.dataset import Source
    from lect.host import Host
    from lect.host.reading import read_source

    config: dict[str, Any] = {"path": str(path)}
    config |= {"label": task.label} if task.label else {}
    config |= {"limit": limit} if limit else {}
    return read_source(Host.load(report=print), Source(task.reader, config), Path(), str(path)).examples


# ------------------------------------------------------------------------------------------------------ the sides


def lect_side(options: argparse.Namespace, task: str, seed: int) -> dict[str, float]:
    """`lect train`, then the test rows."""
    from rich.console import Console

    from lect.engine.engine import Engine
    from lect.host import Host
    from lect.recipes.recipe import load_recipe
    from lect.storage.library import Library
    from lect.training.prepare import prepare_run
    from lect.training.run import execute_run

    this = TASKS[task]
    name = options.only.replace(", ", "-").replace(" ", "-")
    own = options.folder / task
    recipe = own / f"{name}-{seed}.toml"
    limit = f"limit = {options.rows}" if options.rows else ""
    recipe.write_text(
        f"""
component = {{ name = "{name}-{seed}", role = "task" }}
backbone = {{ name = "{options.backbone}", prefix = "{this.prefix}" }}
head = {{ kind = "{this.head}" }}
objective = {{ name = "supervised" }}
output = {{ folder = "{own / f"run-{name}-{seed}"}" }}

[[parts]]
{PARTS[options.only]}

[data.train]
reader = "{this.reader}"
path = "{this.train}"
{f'label = "{this.label}"' if this.label else ""}
{limit}

[training]
seed = {seed}
epochs = {options.epochs}
batch_size = {options.batch}
learning_rate = {options.rate}
"""
    )
    run = prepare_run(load_recipe(recipe), Host.load(report=print), Library((own / "components",)))
    began = time.process_time()
    (trained,) = execute_run(run, console=Console(stderr=True))
    used = time.process_time() - began
    memory = peak_anywhere()
    model, [component] = run.setup.model, run.components
    model.attach(component.component)
    engine = Engine(model, run.setup.encoder)

    def answers(rows: Sequence[Any]) -> list[Any]:
        return [each.value for each in engine.predict(rows, component.stack)]

    seen = tokens(model.backbone.tokenizer, this, read(this, this.train, options.rows)) * options.epochs
    return {
        "tokens": seen,
        "seconds": trained.result.seconds,
        "cpu": used,
        "memory": memory,
        "parameters": trained.parameters,
        **scores(this, options.judge, answers),
    }


def peft_side(options: argparse.Namespace, task: str, seed: int) -> dict[str, float]:
    """`peft` and `Trainer`, as their documentation shows."""
    from datasets import Dataset
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import (
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from lect.host import Host

    set_seed(seed)
    folder = Path(options.backbone)
    if not folder.is_dir():
        folder = Host.load(report=print).spec(BackboneSpec, options.backbone).prepare(lambda what, share: None)
    this = TASKS[task]
    examples = read(this, this.train, options.rows)
    names = sorted({label for example in examples for label in (example.tags or [example.label])})
    numbers = {name: number for number, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    kind = AutoModelForSequenceClassification if this.label else AutoModelForTokenClassification
    model = kind.from_pretrained(folder, num_labels=len(names))
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS if this.label else TaskType.TOKEN_CLS,
        r=16,
        lora_alpha=32,
        target_modules="all-linear",
        modules_to_save=["classifier", "pooler"] if this.label else ["classifier"],
        exclude_modules=["pooler.dense", "bert.pooler.dense"] if this.label else None,
    )
    model = get_peft_model(model, config)

    def cut(rows: Sequence[Any]) -> Dataset:
        if this.label:
            found = dict(tokenizer([f"{this.prefix}{row.text}" for row in rows], truncation=True))
            return Dataset.from_dict({**found, "labels": [numbers[row.label] for row in rows]})
        found = tokenizer([list(row.words) for row in rows], is_split_into_words=True, truncation=True)
        # A word's tag stands at its first token.
        labels = []
        for index, row in enumerate(rows):
            words = found.word_ids(index)
            first = [word is not None and word not in words[:place] for place, word in enumerate(words)]
            labels.append(
                [numbers.get(row.tags[word], 0) if own else -100 for word, own in zip(words, first, strict=True)]
            )
        return Dataset.from_dict({**found, "labels": labels})

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
        train_dataset=cut(examples),
        data_collator=(DataCollatorWithPadding if this.label else DataCollatorForTokenClassification)(tokenizer),
    )
    began = time.process_time()
    done = trainer.train()
    used = time.process_time() - began
    memory = peak_anywhere()

    def answers(rows: Sequence[Any]) -> list[Any]:
        found = trainer.predict(cut(rows))
        best = found.predictions.argmax(-1)
        if this.label:
            return [names[number] for number in best]
        return [
            [names[number] for number in own[labels != -100]] for own, labels in zip(best, found.label_ids, strict=True)
        ]

    return {
        "tokens": tokens(tokenizer, this, examples) * options.epochs,
        "seconds": done.metrics["train_runtime"],
        "cpu": used,
        "memory": memory,
        "parameters": sum(value.numel() for value in model.parameters() if value.requires_grad),
        **scores(this, options.judge, answers),
    }


# -------------------------------------------------------------------------------------------------- what both need


def tokens(tokenizer: Any, task: Task, examples: Sequence[Any]) -> int:
    """The tokens of all texts, padding not counted."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    return sum(len(encoding.ids) for encoding in backend.encode_batch([f"{task.prefix}{e.text}" for e in examples]))


def scores(task: Task, split: str, answers: Callable[[Sequence[Any]], list[Any]]) -> dict[str, float]:
    """The score in each language, by its name."""
    found = {language: read(task, path) for language, path in task.rows_to_judge(split).items()}
    return {language: score(rows, answers(rows)) for language, rows in found.items()}


def score(examples: Sequence[Any], answers: Sequence[Any]) -> float:
    """The mean of the labels' F1; of tags the share of words that have the right one."""
    from sklearn.metrics import f1_score

    if examples[0].tags is None:
        return float(f1_score([example.label for example in examples], answers, average="macro"))
    pairs = [pair for one, own in zip(examples, answers, strict=True) for pair in zip(one.tags, own, strict=False)]
    return sum(wanted == found for wanted, found in pairs) / sum(len(one.tags) for one in examples)


def table(results: dict[tuple[str, str], list[dict[str, float]]], options: argparse.Namespace) -> str:
    """The figures, mean ± deviation over the seeds."""
    lines = [
        "| task | side | tokens/s | times the first | – by CPU time | memory, GB | trained | macro-F1, or accuracy |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for task in options.tasks:
        speeds = {side: [one["tokens"] / one["seconds"] for one in results[task, side]] for side in options.sides}
        used = {side: [one["cpu"] / one["tokens"] for one in results[task, side]] for side in options.sides}
        for side in options.sides:
            own = results[task, side]
            times = statistics.mean(speeds[side]) / statistics.mean(speeds[options.sides[0]])
            by_cpu = statistics.mean(used[options.sides[0]]) / statistics.mean(used[side])
            cells = [
                cell(speeds[side], 0),
                f"{times:.2f} ×",
                f"{by_cpu:.2f} ×",
                cell([one["memory"] for one in own], 2),
            ]
            cells.append(f"{own[0]['parameters']:,.0f}")
            judged = [f"{name} {cell([100 * one[name] for one in own], 1)}" for name in TASKS[task].languages]
            lines.append(f"| {task} | {side} | {' | '.join([*cells, ', '.join(judged)])} |")
    return "\n".join([*lines, "", machine()])


if __name__ == "__main__":
    main()
