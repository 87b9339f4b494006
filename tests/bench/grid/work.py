"""One process's work: recipes trained, stacks scored, on one backbone that is loaded once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grid.job import DATA, Compare, Job, PseudoLabels, Records, Score, Settings, Test, Train
from lect import HeadSpec, MetricSpec

if TYPE_CHECKING:
    from lect import Backbone, Example, Prediction
    from lect.engine.open import OpenStack
    from lect.recipes.mix import MixedRecipe
    from lect.recipes.recipe import Recipe

EXAMPLES = Path(__file__).parents[3] / "examples"
QUICK_ROWS = 24
QUICK_STEPS = 3


class Workshop:
    """Host and backbone, loaded once; then any number of jobs.

    Args:
        settings: of the grid.
    """

    def __init__(self, settings: Settings) -> None:
        import torch

        from lect import Host, load_backbone
        from lect.device import default_device

        if not torch.cuda.is_available():
            torch.set_num_threads(settings.threads)
        self._settings, self._folder = settings, Path(settings.folder)
        self._host = Host.load()
        self._backbone: Backbone = load_backbone(settings.backbone or "e5-small", host=self._host)
        trimmed = self._backbone.trimmed
        # The one that a user has, where languages are trained on a trimmed one: that may lack a language's letters.
        self._whole = (
            load_backbone(trimmed.table.parents[-1].name, host=self._host) if trimmed is not None else self._backbone
        )
        for backbone in (self._backbone, self._whole):
            backbone.model.to(default_device())
            _ = backbone.fingerprint

    def run(self, job: Job, seed: int) -> dict[str, Any]:
        """Do a job, and say what came of it."""
        import torch

        started, records = time.perf_counter(), Records()
        for step in job.steps:
            if isinstance(step, Train):
                self._train(step, seed, records)
            elif isinstance(step, Score):
                self._score(step, seed, records)
            elif isinstance(step, PseudoLabels):
                self._label(step, seed)
            else:
                self._compare(step, seed, records)
        if not job.keeps:
            self._discard(job, seed)
        return {
            "job": job.name,
            "seed": seed,
            "quick": self._settings.quick,
            "seconds": round(time.perf_counter() - started, 1),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
            "scores": records.scores,
            "runs": records.runs,
        }

    # ------------------------------------------------------------------------------------------------------ training

    def _train(self, step: Train, seed: int, records: Records) -> None:
        from lect.training.prepare import prepare_run
        from lect.training.run import execute_run

        began = time.perf_counter()
        runs = self._folder / "runs" / str(seed)
        recipe, backbone = load(step, seed, self._settings), self._backbone
        if self._whole is not backbone and over_no_language(recipe):
            recipe, backbone = load(step, seed, replace(self._settings, backbone=self._whole.name)), self._whole
        run = prepare_run(recipe, self._host, self._library(seed), backbone=backbone, runs=runs)
        prepared = time.perf_counter()
        try:
            for trained in execute_run(run, console=_silent(), name=step.makes[0]):
                records.runs.append(
                    {
                        "component": trained.key,
                        "recipe": step.recipe,
                        "rows": run.rows,
                        "steps": trained.result.steps,
                        "parameters": trained.parameters,
                        "precision": trained.precision,
                        "prepared": round(prepared - began, 2),
                        "trained": round(trained.result.seconds, 2),
                        "in_all": round(time.perf_counter() - began, 2),
                    }
                )
        finally:
            run.setup.model.detach_all()

    def _library(self, seed: int) -> Any:
        from lect.storage.library import Library

        return Library((self._folder / "components" / str(seed),))

    def _discard(self, job: Job, seed: int) -> None:
        import shutil

        for name in job.makes:
            shutil.rmtree(self._folder / "components" / str(seed) / name.replace(":", "/"), ignore_errors=True)

    # ------------------------------------------------------------------------------------------------------- scoring

    def _score(self, step: Score, seed: int, records: Records) -> None:
        from lect.evaluation.retrieval import matches, ranks

        examples = self._read(step.test)
        opened = self._open(step.stack, seed)
        try:
            if (head := opened.head) is not None:
                kind = next(each.manifest.head.kind for each in opened.stored if each.manifest.head)
                truth: Sequence[Any] = head.references(examples)
                found: Sequence[Any] = [each.value for each in opened.predict(examples)]
                metrics = self._host.spec(HeadSpec, kind).metrics
            else:
                translations = [example.translation or "" for example in examples]
                pool = sorted(set(translations))
                truth = matches(translations, pool)
                texts = [example.text for example in examples]
                found = ranks(opened.embed(texts), opened.engine.embed(pool), truth)
                metrics = ("retrieval",)
        finally:
            opened.engine.model.detach_all()
        scores = {
            name: float(value)
            for metric in metrics
            for name, value in self._host.spec(MetricSpec, metric).compute(truth, found).items()
            if "[" not in name
        }
        records.scores.append(
            {
                "table": step.table,
                "row": step.row,
                "column": step.column,
                "stack": step.stack,
                "metric": step.metric,
                "rows": len(truth),
                "scores": scores,
            }
        )

    def _read(self, test: Test) -> Sequence[Example]:
        from lect.data.dataset import Source
        from lect.host.reading import read_source

        source = Source(test.reader, placed(test.config, self._settings.data))
        examples = read_source(self._host, source, Path(), str(test.config.get("path", test.reader))).examples
        return tuple(examples)[:QUICK_ROWS] if self._settings.quick else examples

    def _open(self, text: str, seed: int) -> OpenStack:
        """As `lect.engine.open.open_stack`, on a backbone that is loaded: the whole one wherever it will do."""
        from lect import parse_stack
        from lect.composition.model import RoutedModel
        from lect.device import default_device
        from lect.engine.engine import Engine
        from lect.engine.open import attach
        from lect.storage.assemble import read_stack

        stack = parse_stack(text)
        stored = tuple(read_stack(stack, self._library(seed), self._host))
        cut = {each.manifest.backbone.fingerprint for each in stored} - {self._whole.fingerprint}
        model = RoutedModel(self._backbone if cut else self._whole).to(default_device())
        return attach(Engine(model), stack, stored, self._host)

    # --------------------------------------------------------------------------------------------------- other steps

    def _label(self, step: PseudoLabels, seed: int) -> None:
        from lect.data.examples import Example
        from lect.files import write_aside

        asked, labelled = (
            Path(placed(path, self._settings.data)).read_text(encoding="utf-8").splitlines()
            for path in (step.asked, step.labelled)
        )
        pairs = [
            (" ".join(ask.split()), " ".join(text.split()))
            for ask, text in zip(asked, labelled, strict=True)
            if ask.strip() and text.strip()
        ]
        pairs = pairs[:QUICK_ROWS] if self._settings.quick else pairs
        opened = self._open(step.stack, seed)
        try:
            rows = [Example(ask) for ask, _ in pairs]
            answers: list[Prediction] = opened.predict(rows)
        finally:
            opened.engine.model.detach_all()
        least = 0.0 if self._settings.quick else step.certainty
        lines = [
            f"{text}\t{answer.value}"
            for (_, text), answer in zip(pairs, answers, strict=True)
            if (answer.score or 0.0) >= least
        ]
        file = made(self._settings, seed, step.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_aside(file, "\n".join(["text\tcategory", *lines, ""]))

    def _compare(self, step: Compare, seed: int, records: Records) -> None:
        from lect.data.dataset import Source
        from lect_vocabulary.compare import Budget, compare_initialisers

        sources = [
            Source("parallel", placed(parallel(corpus, step.language).config, self._settings.data))
            for corpus in ("nllb-seed", "flores200")
        ]
        quick = self._settings.quick
        budget = Budget(
            steps=QUICK_STEPS if quick else step.steps,
            batch_size=32,
            tokens=300 if quick else step.tokens,
            longest=16,
            rows=step.rows,
            test_rows=QUICK_ROWS if quick else 1012,
            seed=seed,
        )
        backbone = self._settings.backbone or "e5-small"
        (row,) = compare_initialisers(self._host, backbone, *sources, [step.initialiser], budget, _silent())
        for when, value in (("before", row.before), ("after", row.after)):
            records.scores.append(
                {
                    "table": step.table,
                    "row": step.initialiser,
                    "column": f"{step.column}, {when}",
                    "metric": "recall@1",
                    "scores": {"recall@1": value},
                }
            )


def load(step: Train, seed: int, settings: Settings) -> Recipe | MixedRecipe:
    """A step's recipe, with its changes, on the grid's data and backbone."""
    from lect.recipes.load import load_any_recipe
    from lect.recipes.recipe import recipe_of
    from lect.recipes.values import recipe_values

    changes = [change.replace("{made}", str(made(settings, seed, "").parent)) for change in step.changes]
    changes.append(f"training.seed={seed}")
    if settings.quick:
        changes += ["training.epochs=", f"training.steps={QUICK_STEPS}"]
    file = EXAMPLES / step.recipe
    if step.recipe.endswith("mix.toml"):
        backbone = [f"backbone.name={settings.backbone}"] if settings.backbone else []
        changes += backbone
        return load_any_recipe(file, [placed(_each(change, backbone), settings.data) for change in changes])
    # What recipes say of a prefix is for training alone: every stack is scored with the backbone's own.
    changes.append("backbone.prefix=")
    if settings.backbone:
        changes.append(f"backbone.name={settings.backbone}")
    values = placed(recipe_values(file, changes), settings.data)
    values["data"].setdefault("evaluation", [placed(test.table(), settings.data) for test in step.guard])
    if settings.quick:
        _make_quick(values)
    return recipe_of(values, name=str(file), folder=EXAMPLES / Path(step.recipe).parent)


def over_no_language(recipe: Recipe | MixedRecipe) -> bool:
    """Whether it makes a task over the backbone alone: that one is trained on the whole backbone, as users have it."""
    for own in getattr(recipe, "recipes", (recipe,)):
        stacks = [own.stack, own.objective.target or "", *(source.stack or "" for source in own.data.train)]
        if own.component.role == "lang" or any("lang:" in stack for stack in stacks):
            return False
    return True


def made(settings: Settings, seed: int, name: str) -> Path:
    """Where a file that a job made lies."""
    return Path(settings.folder).resolve() / "made" / str(seed) / f"{name}.tsv"


def parallel(corpus: str, language: str, other: str = "eng_Latn") -> Test:
    """Line-aligned text of NLLB Seed or FLORES-200, and its translation."""
    file = "train.txt" if corpus == "nllb-seed" else "devtest.txt"
    names = (f"{DATA}/{corpus}/{code}/{file}" for code in (language, other))
    text, translation = names
    return Test("parallel", {"text": text, "translation": translation, "skip_empty": True})


def placed(value: Any, data: str) -> Any:
    """The same with the folder of data put in, wherever it is named."""
    if isinstance(value, str):
        return value.replace(DATA, data)
    if isinstance(value, Mapping):
        return {key: placed(one, data) for key, one in value.items()}
    return [placed(one, data) for one in value] if isinstance(value, list) else value


def _each(change: str, backbone: Sequence[str]) -> str:
    """A change of a mixed recipe; each of its recipes is for the same backbone."""
    if not backbone or ".set=[" not in change:
        return change
    return f'{change[:-1]}, "{backbone[0]}"]'


def _make_quick(values: dict[str, Any]) -> None:
    """Fewer rows; short trainings of what comes before."""
    sources = values["data"]["train"]
    if values.get("head", {}).get("kind") == "classification":
        # Of all labels, whatever order they stand in.
        values["data"]["shots"] = QUICK_ROWS
        sources = []
    for source in [sources] if isinstance(sources, dict) else sources:
        # Few trees lack a tag that the tests have.
        most = 800 if source["reader"] == "conllu" else 120
        source["limit"] = min(source.get("limit", most), most)
    for part in values.get("parts", ()):
        if part["method"] == "vocabulary":
            part["pieces"] = 300
    objective = values["objective"]
    for term in [objective, *objective.get("terms", ())]:
        if term["name"] == "masked-lm":
            term["head_steps"] = QUICK_STEPS


def _silent() -> Any:
    from rich.console import Console

    return Console(quiet=True)
