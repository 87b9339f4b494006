"""From a recipe to components: everything a run needs is put together, trained, and written."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from lect.backbones import Backbone
from lect.backbones.weights import hold_weights
from lect.components.assemble import must_write
from lect.components.library import Library
from lect.components.members import member_entries
from lect.components.store import try_place
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.device import default_device
from lect.errors import RecipeError
from lect.files import write_aside
from lect.generation.answer import text_limit
from lect.host.backbones import load_backbone
from lect.literals import Progress
from lect.recipes.load import mixed_recipe_text, recipe_text
from lect.recipes.mix import MixedRecipe
from lect.recipes.schema import Recipe
from lect.specs import Outcome, RunInfo
from lect.training.best import AstrayError
from lect.training.checkpoint import Checkpoint, checkpoints, load_checkpoint
from lect.training.compiled import compile_model
from lect.training.finish import keep_best, write_all
from lect.training.ground import Ground, recipe_fields
from lect.training.holding import only_one
from lect.training.interrupt import stop_on_interrupt
from lect.training.lesson import Lesson, prepare_lessons
from lect.training.loop import Fit, Observer
from lect.training.material import read_material
from lect.training.meta import Meta
from lect.training.observe import MetricsFile, Notifier, Observers, ProgressLine
from lect.training.precision import choose_precision
from lect.training.processes import Processes, join_processes
from lect.training.task import Interrupted, Result, Task, total_steps
from lect.training.trackers import Trackers, check_trackers
from lect.visible import visible

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True)
class Run:
    """A recipe made concrete.

    Args:
        name, role: the component's; of a mixed recipe its file's name, and "mix".
        text: the recipe as TOML.
        lessons: what each of its components learns from; a single one, but for mixed recipes.
        temperature: how evenly rows of several components are drawn.
        folder: checkpoints, `metrics.jsonl` and the recipe lie here.
        processes: those that train together; each has made the same of the recipe.
        joint: whether components that learn stand beneath others that do.
    """

    name: str
    role: str
    recipe: Recipe | MixedRecipe
    text: str
    host: Host
    backbone: Backbone
    model: RoutedModel
    encoder: RowEncoder
    lessons: tuple[Lesson, ...]
    temperature: float
    folder: Path
    library: Library
    processes: Processes = field(default_factory=Processes)
    joint: bool = False

    @property
    def rows(self) -> int:
        """The number of training rows, of all components."""
        return sum(lesson.rows for lesson in self.lessons)

    @property
    def limit(self) -> int:
        """The most pieces of a text that every component reads; longer ones are cut."""
        heads = (self.model.head_of(lesson.stack) for lesson in self.lessons)
        return min(text_limit(self.encoder, head) for head in heads)

    @property
    def truncated(self) -> tuple[str, ...]:
        """Training texts longer than the backbone reads, by where they stand."""
        return tuple(place for lesson in self.lessons for place in lesson.truncated)

    @property
    def info(self) -> RunInfo:
        """What lifecycle hooks are told."""
        return RunInfo(
            name=self.name,
            role=self.role,
            backbone=self.backbone.name,
            folder=self.folder,
            total_steps=total_steps(
                [lesson.learner.lengths for lesson in self.lessons],
                [lesson.weight for lesson in self.lessons],
                self.temperature,
                self.recipe.training,
                self.meta,
            ),
            recipe=self.recipe.model_dump(mode="json"),
        )

    @property
    def meta(self) -> Meta | None:
        """How the component meta-learns, where the recipe says so."""
        settings = getattr(self.recipe.training, "meta", None)
        return settings and Meta(settings, tuple(len(data.examples) for data in self.lessons[0].train))

    @cached_property
    def ground(self) -> Ground:
        """All that decides the result, with names for messages."""
        several = isinstance(self.recipe, MixedRecipe)
        fields = recipe_fields(self.recipe)
        contents = {f'the backbone "{self.backbone.name}"': self.backbone.fingerprint}
        for lesson in self.lessons:
            whose = f"{lesson.component.key}, " if several else ""
            if several:
                fields |= recipe_fields(lesson.recipe, whose)
            data = lesson.recipe.data
            sources = [("data.train", lesson.train)]
            sources += [("data.validation", lesson.validation)] if data.validation else []
            for name, read in sources:
                for index, one in enumerate(read):
                    contents[f"{whose}{name}" + (f"[{index}]" if len(read) > 1 else "")] = one.sha256
            if lesson.switching:
                contents[f"{whose}the dictionary of data.code_switching"] = lesson.switching.sha256
            contents |= {f"{whose}{name}": digest for name, digest in lesson.reads.items()}
        return Ground(fields, contents)

    @property
    def identity(self) -> str:
        """Hash of recipes, rows and backbone, as checkpoints of earlier versions have it."""
        parts = [self.text, self.backbone.fingerprint]
        for lesson in self.lessons:
            parts.append(recipe_text(lesson.recipe))
            parts += [data.sha256 for data in (*lesson.train, *lesson.validation)]
            parts += [lesson.switching.sha256] if lesson.switching else []
            parts += [entry.weights for entry in member_entries(lesson.members)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Trained:
    """A run's fruit: a component, its folder, how its training went, and what it took."""

    key: str
    folder: Path
    result: Result
    parameters: int
    precision: str


def prepare_run(
    recipe: Recipe | MixedRecipe,
    host: Host,
    library: Library,
    *,
    progress: Progress | None = None,
    backbone: Backbone | None = None,
    runs: Path = Path("runs"),
) -> Run:
    """Read the data, load the backbone and the frozen stacks, and build what will be trained.

    Args:
        backbone: one that is loaded already, so that several runs share it.
        runs: the folder that holds each run's own.

    Raises:
        UserError: whatever in recipe, data, stack or backbone is wrong; nothing is written.
    """
    processes = join_processes()
    if isinstance(recipe, MixedRecipe):
        recipes, weights = recipe.recipes, [entry.weight for entry in recipe.train.mix]
        name, role, temperature = recipe.stem, "mix", recipe.train.temperature
        text, joint = mixed_recipe_text(recipe), recipe.train.joint
    else:
        recipes, weights = (recipe,), [1.0]
        name, role, temperature = recipe.component.name, str(recipe.component.role), 1.0
        text, joint = recipe_text(recipe), False
    seed = recipe.training.seed
    learning = frozenset(single.key for single in recipes) if joint else frozenset[str]()
    materials = [read_material(single, host, library, seed, learning) for single in recipes]
    if backbone is None:
        table = recipes[0].backbone
        backbone = load_backbone(
            table.name,
            host=host,
            progress=progress,
            pooling=table.pooling,
            prefix=table.prefix,
            revision=table.revision,
            writes=any(
                must_write(host, each.stored, each.recipe.head.kind if each.recipe.head else None) for each in materials
            ),
        )
        hold_weights(backbone, table.weights, default_device())
    model = RoutedModel(backbone)
    encoder = RowEncoder(model, recipe.training.max_length)
    lessons = prepare_lessons(materials, weights, model, encoder, host, default_device(), seed, progress)
    folder = Path(recipe.output.folder or runs / f"{role}-{name}")
    return Run(
        name,
        role,
        recipe,
        text,
        host,
        backbone,
        model,
        encoder,
        lessons,
        temperature,
        folder,
        library,
        processes,
        joint,
    )


def execute_run(run: Run, *, console: Console, resume: bool = False, name: str | None = None) -> tuple[Trained, ...]:
    """Train and write the components, or leave a checkpoint; a run is executed once.

    Each component is written whole or not at all, whatever becomes of the others. Where one cannot be written, what
    was learned stays in the run's folder as a checkpoint.

    Args:
        resume: go on from the newest checkpoint of the run's folder.

    Raises:
        Interrupted: stopped by Ctrl-C; a checkpoint is there to go on from.
        RecipeError: there is nothing to resume, or it belongs to another recipe.
        UserError: another run is going on in this run's folder, or a place cannot be written to.
    """
    if run.processes.is_main:
        check_trackers(run.recipe.training.trackers)
    with only_one(run.folder) if run.processes.is_main else nullcontext():
        return _execute(run, console, resume, name)


def _execute(run: Run, console: Console, resume: bool, name: str | None) -> tuple[Trained, ...]:
    settings, processes = run.recipe.training, run.processes
    if run.meta is not None and processes.count > 1:
        fix = "start one process"
        raise RecipeError("meta-learning takes one process", where=f"{run.recipe.name}, training.meta", fix=fix)
    precision = choose_precision(settings.precision, next(run.model.parameters()).device)
    kept = run.folder / "checkpoints"
    # Other machines need not see the main one's disk.
    checkpoint = processes.from_main(lambda: load_checkpoint(kept, run.identity, run.ground)) if resume else None
    if resume and checkpoint is None:
        raise RecipeError("there is no checkpoint to resume", where=str(kept), fix="leave out --resume")
    info = run.info
    run.model.checkpoints_layers = settings.gradient_checkpointing
    if settings.compile and (problem := compile_model(run.model, run.encoder, [one.stack for one in run.lessons])):
        console.print(f"Not compiled: {visible(str(problem))}. Training goes on without.", markup=False)
    task = Task(
        model=run.model,
        encoder=run.encoder,
        learners=tuple(lesson.learner for lesson in run.lessons),
        settings=settings,
        precision=precision,
        checkpoints=kept,
        identity=run.identity,
        temperature=run.temperature,
        processes=processes,
        meta=run.meta,
        keeps_last=run.joint,
        ground=run.ground,
    )
    started = time.perf_counter()
    done = checkpoint.state.step if checkpoint else 0
    outcome = Outcome("failed", done, 0.0)
    if processes.is_main:
        if not resume and checkpoints(kept):
            told = f"Starting anew; checkpoints of an earlier run lie in {kept} until this one writes its own."
            console.print(visible(told), markup=False)
        for lesson in run.lessons:
            try_place(_place_of(run, lesson), _bytes(lesson.component))
        write_aside(run.folder / "recipe.toml", run.text)
        run.host.notify("lect_training_started", run=info)
    try:
        with ExitStack() as watching:
            observers = _observers(run, info, console, name, checkpoint, watching) if processes.is_main else ()
            stop = watching.enter_context(stop_on_interrupt(console))
            fit = Fit(task, Observers(observers), stop)
            results = fit.run(checkpoint)
        folders = processes.from_main(lambda: write_all(run, fit, results, precision.name))
        outcome = Outcome("finished", results[0].steps, results[0].seconds, components=folders)
    except AstrayError as astray:
        outcome = Outcome("failed", outcome.steps, time.perf_counter() - started, error=astray)
        error = astray
        raise processes.from_main(lambda: keep_best(run, error, precision.name)) from astray
    except Interrupted as interruption:
        outcome = Outcome("interrupted", interruption.step, time.perf_counter() - started, error=interruption)
        raise
    except BaseException as error:
        outcome = Outcome("failed", outcome.steps, time.perf_counter() - started, error=error)
        raise
    finally:
        if processes.is_main:
            run.host.notify("lect_training_finished", run=info, outcome=outcome)
        # The backbone may be shared with the next run.
        run.model.checkpoints_layers, run.model.compiled = False, None
        run.model.detach_all()
    told = f"{precision.name}: {precision.reason}"
    return tuple(
        Trained(lesson.component.key, folder, result, _size(lesson.component), told)
        for lesson, folder, result in zip(run.lessons, folders, results, strict=True)
    )


def _observers(
    run: Run, info: RunInfo, console: Console, name: str | None, checkpoint: Checkpoint | None, watching: ExitStack
) -> tuple[Observer, ...]:
    """Whatever is told of the run, to be closed with it."""
    settings, done = run.recipe.training, checkpoint.state.step if checkpoint else None
    title = run.lessons[0].component.key if len(run.lessons) == 1 else f"{len(run.lessons)} components"

    def warn(text: str) -> None:
        console.print(f"warning: {visible(text)}", soft_wrap=True, markup=False)

    observers: list[Observer] = [
        watching.enter_context(ProgressLine(console, name or title, info.total_steps, done or 0)),
        watching.enter_context(MetricsFile(run.folder / "metrics.jsonl", settings.log_every, done, warn)),
    ]
    if settings.trackers:
        observers.append(watching.enter_context(Trackers(settings.trackers, info, run.folder, settings.log_every)))
    return (*observers, Notifier(run.host, info))


def _place_of(run: Run, lesson: Lesson) -> Path:
    return run.library.save_folder(lesson.recipe.component.role, lesson.recipe.component.name)


def _bytes(component: Component) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in component.tensor_references().values())


def _size(component: Component) -> int:
    tensors = component.tensor_references().values()
    return sum(tensor.numel() for tensor in tensors if isinstance(tensor, torch.nn.Parameter))
