"""Prepares a run: reads what a recipe names, loads the backbone, and builds the components to be trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lect.backbones import Backbone
from lect.backbones.weights import hold_weights
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.counts import number_of, some_of
from lect.device import default_device
from lect.errors import RecipeError
from lect.generation.predictions import text_limit
from lect.host.backbones import load_backbone
from lect.literals import Progress, no_progress
from lect.recipes.load import mixed_recipe_text
from lect.recipes.mix import MixedRecipe
from lect.recipes.recipe import Recipe
from lect.runs import RunInfo
from lect.storage.assemble import must_generate
from lect.storage.library import Library
from lect.storage.members import member_entries
from lect.training.build import build_components
from lect.training.distributed.processes import join_processes
from lect.training.fingerprint import RunFingerprint, recipe_fields
from lect.training.frozen import FrozenVectors
from lect.training.inputs import RecipeInputs, read_inputs
from lect.training.meta import Meta
from lect.training.optimisation import choose_precision
from lect.training.setup import TrainedComponent, TrainingSetup

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A run that is ready to be trained, with what is needed to write its components afterwards.

    Args:
        name, role: the component's; of a mixed recipe its file's name, and "mix".
        text: the recipe as TOML.
        folder: where checkpoints, `metrics.jsonl` and the recipe are written.
        library: where the trained components are written.
        inputs: for each component, the data and frozen components that its recipe names.
        setup: the model, the components and the settings that the training loop works on.
    """

    name: str
    role: str
    recipe: Recipe | MixedRecipe
    text: str
    folder: Path
    host: Host
    library: Library
    inputs: tuple[RecipeInputs, ...]
    setup: TrainingSetup

    def __repr__(self) -> str:
        keys = some_of([component.key for component in self.components])
        name = self.setup.model.backbone.name
        return f"<TrainingRun of {keys} on {name}: {number_of(self.rows, 'row')}, in {self.folder}>"

    @property
    def components(self) -> tuple[TrainedComponent, ...]:
        """The components that are trained; a single one, but for mixed recipes."""
        return self.setup.components

    @property
    def rows(self) -> int:
        """The number of training rows, of all components."""
        return sum(one.rows for one in self.inputs)

    @property
    def limit(self) -> int:
        """The most tokens of a text that every component reads; longer ones are cut."""
        model, encoder = self.setup.model, self.setup.encoder
        return min(text_limit(encoder, model.head_of(component.stack)) for component in self.components)

    @property
    def truncated(self) -> tuple[str, ...]:
        """Training texts longer than the backbone reads, by where they stand."""
        return tuple(place for component in self.components for place in component.truncated)

    @property
    def info(self) -> RunInfo:
        """The run as lifecycle hooks and callbacks see it."""
        return RunInfo(
            name=self.name,
            role=self.role,
            backbone=self.setup.model.backbone.name,
            folder=self.folder,
            total_steps=self.setup.plan.total,
            recipe=self.recipe.model_dump(mode="json"),
        )


def prepare_run(
    recipe: Recipe | MixedRecipe,
    host: Host,
    library: Library,
    *,
    progress: Progress | None = None,
    backbone: Backbone | None = None,
    runs: Path = Path("runs"),
) -> TrainingRun:
    """Read the data, load the backbone and the frozen stacks, and build what will be trained.

    Args:
        backbone: one that is loaded already, so that several runs share it.
        runs: the folder in which each run has its own folder.

    Raises:
        UserError: whatever in recipe, data, stack or backbone is wrong; nothing is written.
    """
    processes, settings = join_processes(), recipe.training
    if isinstance(recipe, MixedRecipe):
        recipes, weights = recipe.recipes, [entry.weight for entry in recipe.train.mix]
        name, role, temperature = recipe.stem, "mix", recipe.train.temperature
        text, joint, meta_table = mixed_recipe_text(recipe), recipe.train.joint, None
    else:
        recipes, weights = (recipe,), [1.0]
        name, role, temperature = recipe.component.name, str(recipe.component.role), 1.0
        text, joint, meta_table = recipe.to_toml(), False, recipe.training.meta
    if meta_table is not None and processes.count > 1:
        fix = "start one process"
        raise RecipeError("meta-learning takes one process", where=f"{recipe.name}, training.meta", fix=fix)
    together = frozenset(single.key for single in recipes) if joint else frozenset[str]()
    inputs = tuple(
        read_inputs(single, host, library, seed=settings.seed, trained_together=together) for single in recipes
    )
    if backbone is None:
        backbone = _load_backbone(inputs, host, progress)
    model = RoutedModel(backbone)
    encoder = RowEncoder(model, settings.max_length)
    device = default_device()
    precision = choose_precision(settings.precision, device)
    components = build_components(
        inputs,
        model=model,
        encoder=encoder,
        host=host,
        device=device,
        seed=settings.seed,
        weights=weights,
        progress=progress or no_progress,
        vectors=FrozenVectors(model, encoder, inputs, settings, precision, progress or no_progress),
    )
    folder = Path(recipe.output.folder or runs / f"{role}-{name}")
    setup = TrainingSetup(
        model=model,
        encoder=encoder,
        components=components,
        settings=settings,
        precision=precision,
        checkpoints=folder / "checkpoints",
        fingerprint=_fingerprint(recipe, inputs, backbone),
        legacy_hash=_legacy_hash(text, inputs, backbone),
        temperature=temperature,
        processes=processes,
        meta=Meta(meta_table, tuple(len(data.examples) for data in inputs[0].train)) if meta_table else None,
        keeps_last=joint,
    )
    return TrainingRun(
        name=name,
        role=role,
        recipe=recipe,
        text=text,
        folder=folder,
        host=host,
        library=library,
        inputs=inputs,
        setup=setup,
    )


def _load_backbone(inputs: Sequence[RecipeInputs], host: Host, progress: Progress | None) -> Backbone:
    table = inputs[0].recipe.backbone
    backbone = load_backbone(
        table.name,
        host=host,
        progress=progress,
        pooling=table.pooling,
        prefix=table.prefix,
        revision=table.revision,
        generates=any(
            must_generate(host, one.stored, one.recipe.head.kind if one.recipe.head else None) for one in inputs
        ),
    )
    if inputs[0].recipe.training.precision == "int8" and table.weights != "float32":
        raise RecipeError(
            f"weights in {table.weights} are not computed in int8",
            where=f"{inputs[0].recipe.name}, training.precision",
            fix='set backbone.weights = "float32"',
        )
    hold_weights(backbone, table.weights, default_device())
    return backbone


def _fingerprint(recipe: Recipe | MixedRecipe, inputs: Sequence[RecipeInputs], backbone: Backbone) -> RunFingerprint:
    """Hashes of everything that decides the result, each under the name that messages have for it."""
    several = isinstance(recipe, MixedRecipe)
    fields = recipe_fields(recipe)
    contents = {f'the backbone "{backbone.name}"': backbone.fingerprint}
    for one in inputs:
        whose = f"{one.recipe.key}, " if several else ""
        if several:
            fields |= recipe_fields(one.recipe, whose)
        data = one.recipe.data
        sources = [("data.train", one.train)]
        sources += [("data.validation", one.validation)] if data.validation else []
        for name, read in sources:
            for index, each in enumerate(read):
                contents[f"{whose}{name}" + (f"[{index}]" if len(read) > 1 else "")] = each.sha256
        if one.switching:
            contents[f"{whose}the dictionary of data.code_switching"] = one.switching.sha256
        contents |= {f"{whose}{name}": digest for name, digest in one.hashes.items()}
    return RunFingerprint(fields, contents)


def _legacy_hash(text: str, inputs: Sequence[RecipeInputs], backbone: Backbone) -> str:
    """Hash of recipes, rows and backbone, as checkpoints of earlier versions have it."""
    parts = [text, backbone.fingerprint]
    for one in inputs:
        parts.append(one.recipe.to_toml())
        parts += [data.sha256 for data in (*one.train, *one.validation)]
        parts += [one.switching.sha256] if one.switching else []
        parts += [entry.weights for entry in member_entries(one.members)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
