"""Language adapters by masked language modelling: `lect` beside `adapters.AdapterTrainer`.

The same backbone (e5-small), text, tokens, epochs, batch (16 rows of at most 128 tokens), learning rate, bottleneck
with its invertible block (`seq_bn_inv`) and frozen head over tokens, each side in a process of its own::

    python tests/bench/mlm.py --folder mlm-bench
    python tests/bench/mlm.py --folder mlm-bench --languages bam --seeds 0 --rows 64
    python tests/bench/mlm.py --folder gpu --random-backbone --batch 64 --sides adapters "adapters bf16" lect

The last is for a GPU: a backbone of XLM-R-base's size with random weights, e5-small's tokens, and more rows a step.

The peer works as `run_mlm.py` does: texts joined and cut into blocks of 128 (`group_texts`), its collator's masks,
logits of every position over the whole vocabulary, its defaults otherwise (float32 on a CPU). Both sides are scored by
one function here: the cross-entropy over the whole vocabulary at the same hidden tokens of the same held-out rows. The
head, which e5-small comes without, is trained once by `lect` on the training rows, before either side starts.
Tokens a second are of the steps after the first tenth; memory is the process's, or the GPU's where there is one.

What lies in the folder already is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any

from figures import cell, machine, peak_anywhere
from random_backbone import write_random

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LECT_DATA", ROOT.parent / "shared/data"))
TEXTS = {
    "bam": DATA / "nllb-seed/bam_Latn/train.txt",
    "ace": DATA / "nllb-seed/ace_Latn/train.txt",
    "sun": DATA / "nusaparagraph-raw/sun/train.txt",
}
LENGTH, HELD_OUT = 128, 20
#: What each side sets: of `TrainingArguments`, or of the table ``[training]``.
SIDES: dict[str, dict[str, Any]] = {
    "adapters": {},
    "adapters bf16": {"bf16": True},
    "lect": {},
    "lect float32": {"precision": "float32"},
    "lect compiled": {"compile": True},
}
SHARED = ("epochs", "rate", "batch", "head_steps", "backbone")


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("mlm-bench"))
    parser.add_argument("--languages", nargs="+", default=["bam", "sun"], choices=sorted(TEXTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=int, help="training rows; all if absent")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--head-steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sides", nargs="+", default=["adapters", "lect"], choices=list(SIDES))
    parser.add_argument("--backbone", default="e5-small")
    parser.add_argument(
        "--random-backbone", action="store_true", help="of XLM-R-base's size, random, as fast as a real one"
    )
    parser.add_argument("--only", choices=(*SIDES, "head"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    if options.only:
        write_result(options)
        return
    if options.random_backbone:
        options.backbone = str(write_random(options.folder / "random-backbone", backbone(options.backbone).tokenizer))
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    for language in options.languages:
        write_rows(options, language)
        run_aside(options, language, 0, "head")
        for seed in options.seeds:
            for side in options.sides:
                results.setdefault((language, side), []).append(run_aside(options, language, seed, side))
    print(table(results, options))


def run_aside(options: argparse.Namespace, language: str, seed: int, side: str) -> dict[str, float]:
    """One side's figures, from a process of its own."""
    path = options.folder / language / f"{side.replace(' ', '-')}-{seed}.json"
    if not path.exists():
        chosen = ["--only", side, "--languages", language, "--seeds", str(seed), "--folder", str(options.folder)]
        same = [word for name in SHARED for word in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]
        print(f"{language}, seed {seed}: {side}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, __file__, *chosen, *same], check=True, stdout=subprocess.DEVNULL)
    return json.loads(path.read_text())


def write_result(options: argparse.Namespace) -> None:
    """Run one side and write its figures."""
    (language,), (seed,) = options.languages, options.seeds
    folder = options.folder / language
    work = {"lect": lect_side, "adapters": adapters_side, "head": head_side}[options.only.split()[0]]
    figures = work(options, folder, seed)
    (folder / f"{options.only.replace(' ', '-')}-{seed}.json").write_text(json.dumps(figures, indent=1))


# ------------------------------------------------------------------------------------------------------- the text


def write_rows(options: argparse.Namespace, language: str) -> None:
    """Join sentences into rows of nearly 128 tokens, of which each twentieth is held out."""
    folder = options.folder / language
    if (folder / "held-out.tsv").exists():
        return
    tokenizer = backbone(options.backbone).tokenizer.backend_tokenizer
    lines = [" ".join(line.split()) for line in TEXTS[language].read_text("utf-8").splitlines() if line.strip()]
    # Paragraphs are cut at the ends of their sentences.
    sentences = [part for line in lines for part in line.replace(". ", ".\n").splitlines()]
    rows: list[str] = []
    current, count = "", 0
    for sentence, encoding in zip(sentences, tokenizer.encode_batch(sentences, add_special_tokens=False), strict=True):
        own = len(encoding.ids)
        if own > LENGTH - 2:
            continue
        if count + own > LENGTH - 2:
            rows.append(current)
            current, count = "", 0
        current, count = f"{current} {sentence}".strip(), count + own
    held_out = rows[::HELD_OUT]
    train = [row for number, row in enumerate(rows) if number % HELD_OUT and row not in set(held_out)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.tsv").write_text("\n".join(["text", *train[: options.rows]]) + "\n", "utf-8")
    (folder / "held-out.tsv").write_text("\n".join(["text", *held_out[: options.rows]]) + "\n", "utf-8")


def read_rows(path: Path) -> list[str]:
    """The rows of a file that `write_rows` wrote."""
    return path.read_text("utf-8").splitlines()[1:]


# ------------------------------------------------------------------------------------------------------ the sides


def head_side(options: argparse.Namespace, folder: Path, seed: int) -> dict[str, float]:
    """Train the head over tokens and keep it; its score is that of the bare backbone."""
    prepared = prepare(options, folder, seed)
    return {"loss": held_out_loss(folder, prepared, lect_states(prepared, ()))}


def lect_side(options: argparse.Namespace, folder: Path, seed: int) -> dict[str, float]:
    """`lect train` on the rows."""
    from rich.console import Console

    from lect.training.run import execute_run

    prepared = prepare(options, folder, seed)
    (trained,) = execute_run(prepared, console=Console(stderr=True))
    memory = peak_anywhere()
    log = [json.loads(line) for line in (prepared.folder / "metrics.jsonl").read_text().splitlines()]
    steady = [line for line in log if "pieces" in line]
    steady = steady[len(steady) // 10 :]
    prepared.setup.model.attach(prepared.components[0].component)
    loss = held_out_loss(folder, prepared, lect_states(prepared, prepared.components[0].stack))
    return {
        "tokens": sum(line["pieces"] for line in steady[1:]),
        "seconds": steady[-1]["seconds"] - steady[0]["seconds"],
        "whole": trained.result.seconds,
        "memory": memory,
        "loss": loss,
        "parameters": trained.parameters,
        "steps": log[-1]["step"],
    }


def adapters_side(options: argparse.Namespace, folder: Path, seed: int) -> dict[str, float]:
    """`AdapterTrainer`, as `run_mlm.py` of the library `adapters` uses it."""
    import adapters
    import torch
    from datasets import Dataset
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        DataCollatorForLanguageModeling,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    class Watch(TrainerCallback):
        """When each step ended."""

        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

    watch = Watch()
    set_seed(seed)
    own = backbone(options.backbone)
    head = lect_head(folder, own)
    model = BertForMaskedLM(BertConfig.from_dict(own.model.config.to_dict()))
    model.bert.load_state_dict(own.model.state_dict())
    predictions = model.cls.predictions
    predictions.transform.dense.load_state_dict(head.transform.dense.state_dict())
    predictions.transform.LayerNorm.load_state_dict(head.transform.norm.state_dict())
    predictions.bias.data.copy_(head.bias)
    predictions.decoder.bias.data.copy_(head.bias)
    predictions.decoder.weight = model.bert.embeddings.word_embeddings.weight
    tokenizer = own.tokenizer
    del own
    adapters.init(model)
    model.add_adapter("language", config="seq_bn_inv")
    model.train_adapter("language")
    predictions.requires_grad_(False)

    def group_texts(examples: dict[str, list]) -> dict[str, list]:
        joined = {key: list(chain.from_iterable(values)) for key, values in examples.items()}
        total = len(joined["input_ids"]) // LENGTH * LENGTH
        return {key: [ids[i : i + LENGTH] for i in range(0, total, LENGTH)] for key, ids in joined.items()}

    rows = Dataset.from_dict({"text": read_rows(folder / "train.tsv")})
    cut_rows = rows.map(
        lambda batch: tokenizer(batch["text"], return_special_tokens_mask=True), batched=True, remove_columns=["text"]
    )
    blocks = cut_rows.map(group_texts, batched=True)
    trainer = adapters.AdapterTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder / "adapters-run"),
            per_device_train_batch_size=options.batch,
            num_train_epochs=options.epochs,
            learning_rate=options.rate,
            seed=seed,
            save_strategy="no",
            report_to=[],
            **SIDES[options.only],
        ),
        train_dataset=blocks,
        callbacks=[watch],
        data_collator=DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15),
    )
    done = trainer.train()
    memory = peak_anywhere()
    first = len(watch.ends) // 10
    model.eval()

    @torch.no_grad()
    def states(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return model.bert(input_ids=ids, attention_mask=mask)[0]

    return {
        # The last batch of an epoch may have fewer rows; it counts as a share of a step.
        "tokens": len(blocks) * LENGTH * options.epochs * (len(watch.ends) - 1 - first) / len(watch.ends),
        "seconds": watch.ends[-1] - watch.ends[first],
        "whole": done.metrics["train_runtime"],
        "memory": memory,
        "loss": held_out_loss(folder, prepare(options, folder, seed), states),
        "parameters": sum(value.numel() for value in model.parameters() if value.requires_grad),
        "steps": done.global_step,
    }


# -------------------------------------------------------------------------------------------------- what both need


def backbone(name: str) -> Any:
    """The backbone, without a prefix."""
    from lect.host import Host
    from lect.host.backbones import load_backbone

    return load_backbone(name, host=Host.load(report=print), prefix="")


def cut(own: Any, texts: list[str]) -> list[list[int]]:
    """The tokens of each text, special ones included."""
    return [encoding.ids[:LENGTH] for encoding in own.tokenizer.backend_tokenizer.encode_batch(texts)]


def prepare(options: argparse.Namespace, folder: Path, seed: int) -> Any:
    """The run of `lect`."""
    from lect.host import Host
    from lect.recipes.recipe import load_recipe
    from lect.storage.library import Library
    from lect.training.prepare import prepare_run

    name = f"{folder.name}-{(options.only or 'lect').replace(' ', '-')}-{seed}"
    recipe = folder / f"{name}.toml"
    own = SIDES[options.only] if (options.only or "").startswith("lect") else {}
    settings = "\n".join(f"{key} = {json.dumps(value)}" for key, value in own.items())
    recipe.write_text(
        f"""
component = {{ name = "{name}", role = "lang" }}
backbone = {{ name = "{options.backbone}", prefix = "" }}
objective = {{ name = "masked-lm", head_text = "train.tsv", head_steps = {options.head_steps} }}
data = {{ train = {{ reader = "tsv", path = "train.tsv", text = "text" }} }}
output = {{ folder = "{folder / f"run-{name}"}" }}

[[parts]]
method = "bottleneck"
preset = "seq_bn_inv"

[training]
seed = {seed}
epochs = {options.epochs}
batch_size = {options.batch}
max_length = {LENGTH}
learning_rate = {options.rate}
warmup = 0.0
log_every = 1
{settings}
"""
    )
    return prepare_run(load_recipe(recipe), Host.load(report=print), Library((folder / "components",)))


def lect_head(folder: Path, own: Any) -> Any:
    """The head over tokens that `head_side` has trained."""
    from lect.language_model.trained_head import read_head

    (path,) = (folder / "cache" / "heads").glob("masked-lm-*/weights.safetensors")
    return read_head(path.parent, own)


def lect_states(prepared: Any, stack: tuple[str, ...]) -> Any:
    """Hidden states of the bare backbone or a stack."""
    import torch

    from lect.composition.routes import Routes
    from lect.composition.rows import EncodedRows

    model = prepared.setup.model.eval()

    @torch.no_grad()
    def states(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return model(EncodedRows(ids, mask, None, Routes.uniform(stack, len(ids))))

    return states


def held_out_loss(folder: Path, prepared: Any, states: Any) -> float:
    """The mean cross-entropy over the whole vocabulary at 15 % of the held-out tokens, the same for every side."""
    import torch

    own, device = prepared.setup.model.backbone, "cuda" if torch.cuda.is_available() else "cpu"
    prepared.setup.model.to(device)
    head = lect_head(folder, own)
    mask_id = own.tokenizer.mask_token_id
    generator = torch.Generator().manual_seed(0)
    losses = []
    for ids in cut(own, read_rows(folder / "held-out.tsv")):
        row = torch.tensor([ids])
        hidden = torch.rand(row.shape, generator=generator) < 0.15
        hidden[:, [0, -1]] = False
        if not hidden.any():
            continue
        row, hidden = row.to(device), hidden.to(device)
        found = head.transform(states(row.masked_fill(hidden, mask_id), torch.ones_like(row))[hidden])
        logits = found @ head.matrix.T + head.bias
        losses.append(torch.nn.functional.cross_entropy(logits, row[hidden], reduction="none"))
    return float(torch.cat(losses).double().mean())


def table(results: dict[tuple[str, str], list[dict[str, float]]], options: argparse.Namespace) -> str:
    """The figures, mean ± deviation over the seeds."""
    lines = [
        "| text | side | steps | tokens/s | | peak memory, GB | held-out loss | trained |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for language in options.languages:
        bare = json.loads((options.folder / language / "head-0.json").read_text())["loss"]
        lines.append(f"| {language} | bare backbone, with the head | | | | | {bare:.3f} | |")
        base: float | None = None
        for side in options.sides:
            own = results[language, side]
            speeds = [one["tokens"] / one["seconds"] for one in own]
            base = base or statistics.median(speeds)
            cells = [f"{own[0]['steps']:,.0f}", cell(speeds, 0), f"{statistics.median(speeds) / base:.1f} ×"]
            cells += [cell([one["memory"] for one in own], 2), cell([one["loss"] for one in own], 3)]
            lines.append(f"| {language} | {side} | {' | '.join(cells)} | {own[0]['parameters']:,.0f} |")
    return "\n".join([*lines, "", machine()])


if __name__ == "__main__":
    # Each language's head lies with its text, so that both sides start from the same one.
    if "--only" in sys.argv:
        where = Path(sys.argv[sys.argv.index("--folder") + 1]) / sys.argv[sys.argv.index("--languages") + 1]
        backbones = Path(os.environ.get("LECT_CACHE", Path.home() / ".cache/lect")) / "backbones"
        (where / "cache").mkdir(parents=True, exist_ok=True)
        if backbones.is_dir() and not (where / "cache/backbones").exists():
            (where / "cache/backbones").symlink_to(backbones.resolve())
        os.environ["LECT_CACHE"] = str(where / "cache")
    main()
