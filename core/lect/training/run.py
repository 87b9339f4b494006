"""From a recipe to a component: everything a run needs is put together, trained, and written."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from lect.backbones import Backbone, load_backbone
from lect.components.assemble import attach_component, attach_stack, build_head, build_part, finder, read_stack
from lect.components.library import Library
from lect.components.members import member_entries, read_members
from lect.components.store import StoredComponent
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.stack import Stack, parse_stack
from lect.data.read import Dataset, Source, read_source
from lect.device import default_device
from lect.errors import DataError, RecipeError
from lect.files import write_aside
from lect.recipes.load import recipe_text
from lect.recipes.schema import DataTable, Recipe
from lect.specs import BuildContext, Corpus, Outcome, Progress, RunInfo
from lect.training.checkpoint import checkpoints, load_checkpoint
from lect.training.loop import Interrupted, Result, Task, fit, total_steps
from lect.training.objective import Objective, ObjectiveContext
from lect.training.observe import MetricsFile, Notifier, Observers, ProgressLine
from lect.training.precision import choose_precision

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True)
class Run:
    """A recipe made concrete.

    Args:
        stack: keys of what the rows go through, the component that learns last.
        truncated: training texts longer than the backbone reads, by where they stand.
        members: what the new component stands on, where it stands on others.
        folder: checkpoints, `metrics.jsonl` and the recipe lie here.
    """

    recipe: Recipe
    host: Host
    backbone: Backbone
    model: RoutedModel
    component: Component
    stack: tuple[str, ...]
    encoder: RowEncoder
    objective: Objective
    train: tuple[Dataset, ...]
    validation: tuple[Dataset, ...]
    truncated: tuple[str, ...]
    folder: Path
    library: Library
    members: Mapping[str, StoredComponent] = field(default_factory=dict)

    @property
    def info(self) -> RunInfo:
        """What lifecycle hooks are told."""
        return RunInfo(
            name=self.recipe.component.name,
            role=self.recipe.component.role,
            backbone=self.backbone.name,
            folder=self.folder,
            total_steps=total_steps(sum(len(data.examples) for data in self.train), self.recipe.training),
            recipe=self.recipe.model_dump(mode="json"),
        )

    @property
    def identity(self) -> str:
        """Hash of all that decides the result: recipe, data, backbone."""
        parts = [recipe_text(self.recipe), self.backbone.fingerprint]
        parts += [data.sha256 for data in (*self.train, *self.validation)]
        parts += [entry.weights for entry in member_entries(self.members)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Trained:
    """A run's fruit: the folder of the component, how training went, and what it took."""

    folder: Path
    result: Result
    parameters: int
    precision: str


def prepare_run(
    recipe: Recipe,
    host: Host,
    library: Library,
    *,
    progress: Progress | None = None,
    backbone: Backbone | None = None,
    runs: Path = Path("runs"),
) -> Run:
    """Read the data, load the backbone and the frozen stack, and build what will be trained.

    Args:
        backbone: one that is loaded already, so that several runs share it.
        runs: the folder that holds each run's own.

    Raises:
        UserError: whatever in recipe, data, stack or backbone is wrong; nothing is written.
    """
    file = recipe.name
    needs = host.spec("objective", recipe.objective.name).needs
    train = tuple(_read(host, table, recipe, f"{file}, data.train", needs) for table in recipe.data.train)
    validation = tuple(
        _read(host, table, recipe, f"{file}, data.validation", needs) for table in recipe.data.validation
    )
    if recipe.data.validation_share and not validation:
        train, validation = _split(train, recipe.data.validation_share, recipe.training.seed)
    examples = tuple(example for data in train for example in data.examples)

    frozen = parse_stack(recipe.stack)
    target = parse_stack(recipe.objective.target or "")
    stored, stored_target = read_stack(frozen, library, host), read_stack(target, library, host)
    members = _read_members(recipe, host, library)
    if backbone is None:
        table = recipe.backbone
        backbone = load_backbone(
            table.name,
            host=host,
            progress=progress,
            pooling=table.pooling,
            prefix=table.prefix,
            revision=table.revision,
        )
    model = RoutedModel(backbone)
    beneath = attach_stack(model, host, frozen, stored)
    target_keys = attach_stack(model, host, target, stored_target)
    attached = {name: attach_component(model, host, name, member) for name, member in members.items()}
    torch.manual_seed(recipe.training.seed)
    component = _new_component(recipe, host, BuildContext(backbone, Corpus(examples), members=attached))
    _check_place(recipe, frozen, model, component)
    model.attach(component)
    model.to(default_device())

    stack = (*beneath, component.key)
    encoder = RowEncoder(model, recipe.training.max_length)
    truncated = tuple(
        examples[index].origin
        for index, encoding in enumerate(encoder.pieces([example.text for example in examples], stack))
        if encoding.overflowing
    )
    head_spec = host.spec("head", recipe.head.kind) if recipe.head else None
    context = ObjectiveContext(
        model=model,
        encoder=encoder,
        stack=stack,
        target=target_keys,
        examples=examples,
        metric={name: provided.spec for name, provided in host.specs("metric").items()},
        head_metrics=head_spec.metrics if head_spec else (),
        seed=recipe.training.seed,
    )
    objective = _objective(recipe, host, context)
    folder = recipe.output.folder or runs / f"{recipe.component.role}-{recipe.component.name}"
    return Run(
        recipe, host, backbone, model, component, stack, encoder, objective, train, validation, truncated,
        Path(folder), library, members,
    )  # fmt: skip


def execute_run(run: Run, *, console: Console, resume: bool = False, name: str | None = None) -> Trained:
    """Train and write the component, or leave a checkpoint; a run is executed once.

    Args:
        resume: go on from the newest checkpoint of the run's folder.

    Raises:
        Interrupted: stopped by Ctrl-C; a checkpoint is there to go on from.
        RecipeError: there is nothing to resume, or it belongs to another recipe.
    """
    recipe, settings = run.recipe, run.recipe.training
    precision = choose_precision(settings.precision, next(run.model.parameters()).device)
    kept = run.folder / "checkpoints"
    checkpoint = load_checkpoint(kept, run.identity) if resume else None
    if resume and checkpoint is None:
        raise RecipeError("there is no checkpoint to resume", where=str(kept), fix="leave out --resume")
    if not resume and checkpoints(kept):
        console.print(f"Starting anew; checkpoints of an earlier run lie in {kept} until this one writes its own.")
    run.folder.mkdir(parents=True, exist_ok=True)
    write_aside(run.folder / "recipe.toml", recipe_text(recipe))
    task = Task(
        model=run.model,
        component=run.component,
        objective=run.objective,
        train=[example for data in run.train for example in data.examples],
        validation=[example for data in run.validation for example in data.examples],
        settings=settings,
        precision=precision,
        checkpoints=kept,
        identity=run.identity,
    )
    info = run.info
    started = time.perf_counter()
    done = checkpoint.state.step if checkpoint else 0
    outcome = Outcome("failed", done, 0.0)
    run.host.notify("lect_training_started", run=info)
    try:
        with (
            ProgressLine(console, name or run.component.key, info.total_steps, done) as line,
            MetricsFile(run.folder / "metrics.jsonl", settings.log_every, done if checkpoint else None) as metrics,
            _stop_on_interrupt(console) as stop,
        ):
            observers = Observers([line, metrics, Notifier(run.host, info)])
            result = fit(task, observers, checkpoint, stop)
        folder = _write(run, result, precision.name)
        outcome = Outcome("finished", result.steps, result.seconds, component=folder)
    except Interrupted as interruption:
        outcome = Outcome("interrupted", interruption.step, time.perf_counter() - started, error=interruption)
        raise
    except BaseException as error:
        outcome = Outcome("failed", outcome.steps, time.perf_counter() - started, error=error)
        raise
    finally:
        run.host.notify("lect_training_finished", run=info, outcome=outcome)
        # The backbone may be shared with the next run.
        run.model.detach_all()
    parameters = sum(parameter.numel() for parameter in _parameters(run.component))
    return Trained(folder, result, parameters, f"{precision.name}: {precision.reason}")


def _write(run: Run, result: Result, precision: str) -> Path:
    from lect.training.manifest import write_trained

    return write_trained(run, result, precision)


def _parameters(component: Component) -> Iterator[torch.nn.Parameter]:
    for tensor in component.tensor_references().values():
        if isinstance(tensor, torch.nn.Parameter):
            yield tensor


def _read(host: Host, table: DataTable, recipe: Recipe, where: str, needs: tuple[str, ...]) -> Dataset:
    return read_source(host, Source(table.reader, table.config, table.licence), recipe.folder, where, needs)


def _split(train: tuple[Dataset, ...], share: float, seed: int) -> tuple[tuple[Dataset, ...], tuple[Dataset, ...]]:
    """Every source in two, by a hash of each row's key (or text), so that equal rows stay together."""

    def held_out(key: str) -> bool:
        number = int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8], "big")
        return number < share * 2**64

    parts: dict[bool, list[Dataset]] = {True: [], False: []}
    for data in train:
        for part in (True, False):
            rows = tuple(row for row in data.examples if held_out(row.key or row.text) is part)
            parts[part].append(Dataset(data.source, rows, hashlib.sha256(f"{data.sha256}/{part}".encode()).hexdigest()))
    if not any(data.examples for data in parts[False]) or not any(data.examples for data in parts[True]):
        raise DataError(
            "too few rows to split", where="data.validation_share", fix="name a validation source, or leave it out"
        )
    return tuple(parts[False]), tuple(parts[True])


def _read_members(recipe: Recipe, host: Host, library: Library) -> dict[str, StoredComponent]:
    """What the new component's parts stand on."""
    found: dict[str, StoredComponent] = {}
    own = f"{recipe.component.role}:{recipe.component.name}"
    for index, part in enumerate(recipe.parts):
        provided = host.provided("method", part.method)
        if provided.spec.members is None:
            continue
        where = f"{recipe.name}, parts[{index}]"
        config = host.validate_config("method", part.method, part.config, where)
        with host.attributed(provided) as spec:
            assert spec.members is not None
            names = spec.members(config)
        found |= read_members(names, finder(library, host), own, where)
    return found


def _new_component(recipe: Recipe, host: Host, context: BuildContext) -> Component:
    backbone = context.backbone
    for index, part in enumerate(recipe.parts):
        roles = host.spec("method", part.method).roles
        if recipe.component.role not in roles:
            raise RecipeError(
                f'the method "{part.method}" makes no component of role "{recipe.component.role}"',
                where=f"{recipe.name}, parts[{index}].method",
                fix=f"it is for: {', '.join(roles)}",
            )
    parts = {
        part.method: build_part(host, part.method, part.config, context, f"{recipe.name}, parts[{index}]")
        for index, part in enumerate(recipe.parts)
    }
    head = None
    if recipe.head is not None:
        examples = context.corpus.examples if context.corpus else ()
        labels = recipe.head.labels or sorted({e.label for e in examples if e.label is not None})
        if len(labels) < 2:
            raise DataError(
                f"the training rows have {len(labels)} label{'s' if len(labels) != 1 else ''}, and a task needs two",
                where=f"{recipe.name}, data.train",
                fix='name the column with label = "…"',
            )
        head = build_head(host, recipe.head.kind, recipe.head.config, backbone, labels, f"{recipe.name}, head")
    return Component(f"{recipe.component.role}:{recipe.component.name}", recipe.component.role, parts, head)


def _check_place(recipe: Recipe, frozen: Stack, model: RoutedModel, component: Component) -> None:
    beneath = model.components
    where = f"{recipe.name}, stack"
    if component.key in beneath:
        raise RecipeError(f'"{component.key}" would be trained on top of itself', where=where, fix="leave it out")
    for part in frozen.parts:
        other = beneath[str(part)]
        if other.role == "task" and component.role == "lang":
            raise RecipeError(f'a language cannot lie over the task "{part}"', where=where, fix="leave the task out")
        if other.head is not None and component.head is not None:
            raise RecipeError(f'two heads: "{part}" has one already', where=where, fix="leave one out")
        if other.tokenizer_json and component.tokenizer_json:
            raise RecipeError(f'two vocabularies: "{part}" has one already', where=where, fix="leave one out")


def _objective(recipe: Recipe, host: Host, context: ObjectiveContext) -> Objective:
    name = recipe.objective.name
    config = host.validate_config("objective", name, recipe.objective.config, f"{recipe.name}, objective")
    with host.attributed(host.provided("objective", name)) as spec:
        return spec.build(config, context)


@contextlib.contextmanager
def _stop_on_interrupt(console: Console) -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks the run to stop after its step; a second one stops it at once."""
    asked = threading.Event()

    def ask(_signal: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        console.print(
            "Stopping after this step; Ctrl-C again stops at once and loses what follows the last checkpoint."
        )

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def describe_truncated(truncated: tuple[str, ...], total: int, limit: int) -> str | None:
    """One line about texts that are longer than the backbone reads, or None."""
    if not truncated:
        return None
    return f"{len(truncated)} of {total} texts are longer than {limit} pieces and were cut (first: {truncated[0]})"
