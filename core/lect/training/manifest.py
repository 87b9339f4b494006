"""What a finished run writes: the component with its manifest and card."""

from __future__ import annotations

import math
import platform
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from lect.counts import number_of
from lect.engine.engine import Engine
from lect.languages.profiles import profiles_bytes
from lect.objectives import score_direction
from lect.recipes.load import mixed_recipe_text
from lect.recipes.mix import MixedRecipe
from lect.recipes.schema import OutputTable
from lect.storage.card import hub_task, render_card
from lect.storage.gates import gated_terms
from lect.storage.manifest import (
    BackboneEntry,
    DataEntry,
    GateEntry,
    HeadEntry,
    Manifest,
    MixedEntry,
    ResultEntry,
    TrainingEntry,
    requirements_of,
)
from lect.storage.members import member_entries
from lect.storage.store import write_component
from lect.training.distributed.sharding import is_sharded
from lect.training.frozen import FrozenVectors
from lect.training.gate import KNOWN, measure_gate
from lect.training.inputs import RecipeInputs
from lect.training.language_profiles import profiles_of
from lect.training.parts import part_entries
from lect.training.prepare import TrainingRun
from lect.training.setup import TrainedComponent, TrainingResult


def write_trained(run: TrainingRun, index: int, result: TrainingResult) -> Path:
    """Write one of the run's trained components into its library and return its folder."""
    trained, inputs = run.components[index], run.inputs[index]
    recipe, component = inputs.recipe, trained.component
    manifest = Manifest(
        name=recipe.component.name,
        version=recipe.component.version,
        role=recipe.component.role,
        languages=recipe.component.languages,
        licence=recipe.component.licence,
        summary=recipe.component.summary,
        stack=recipe.stack,
        own_tokenizer=component.saved_tokenizer is not None,
        backbone=BackboneEntry.of(run.setup.model.backbone),
        parts=part_entries(recipe, run.host, run.setup.model.backbone),
        head=None
        if recipe.head is None or component.head is None
        else HeadEntry(kind=recipe.head.kind, config=dict(recipe.head.config), labels=component.head.labels),
        members=member_entries(inputs.members),
        requires=requirements_of(
            run.host, [part.method for part in recipe.parts], recipe.head.kind if recipe.head else None
        ),
        training=TrainingEntry(
            objective=recipe.objective.title,
            data=tuple(
                DataEntry(
                    source=str(data.source),
                    sha256=data.sha256,
                    rows=len(data.examples),
                    licence=data.source.licence,
                    cleaning=data.cleaning.as_dict() if data.cleaning else None,
                    overlap=data.overlap.as_dict() if data.overlap else None,
                )
                for data in inputs.train
            ),
            steps=result.steps,
            epochs=run.recipe.training.epochs if len(run.components) == 1 else None,
            seed=run.recipe.training.seed,
            seconds=round(result.seconds, 1),
            hardware=f"{hardware_name()}, {run.setup.precision.name}",
            examples=inputs.rows,
            # Where this machine kept its runs is nobody else's business.
            recipe=recipe.model_copy(update={"output": OutputTable()}).to_toml(),
            mixed=_mixed(run, trained, result),
        ),
        card=recipe.card,
        gate=_gate(run, trained, inputs),
        results=_results(trained, inputs, result),
    )
    folder = run.library.save_folder(recipe.component.role, recipe.component.name)
    card = render_card(manifest, task=hub_task(manifest, run.host))
    profiles = profiles_bytes(profiles_of(inputs.examples, recipe.component.languages))
    return write_component(folder, manifest, component.tensors(), component.saved_tokenizer, card, profiles)


def _gate(run: TrainingRun, trained: TrainedComponent, inputs: RecipeInputs) -> tuple[GateEntry, ...]:
    """What the component helps with, where it is a language and translations were held out."""
    if inputs.recipe.component.role != "lang" or not inputs.validation or is_sharded():
        return ()
    setup = run.setup
    target = tuple(map(str, gated_terms(inputs.target, inputs.stored_target, "retrieval")[0]))
    known = [row.translation for row in islice(inputs.examples, KNOWN) if row.translation]
    engine = Engine(setup.model, setup.encoder)
    # Those of the training rows were computed before the first step, and are looked up.
    frozen = FrozenVectors(setup.model, setup.encoder, run.inputs, setup.settings, setup.precision)
    vectors_of = partial(frozen, stack=target)
    return measure_gate(engine, trained.component, trained.stack[:-1], vectors_of, inputs.held_out, known)


def _mixed(run: TrainingRun, trained: TrainedComponent, result: TrainingResult) -> MixedEntry | None:
    if not isinstance(run.recipe, MixedRecipe):
        return None
    return MixedEntry(
        beside=tuple(other.key for other in run.components if other is not trained),
        rows=result.rows,
        recipe=mixed_recipe_text(run.recipe.model_copy(update={"output": OutputTable()})),
    )


def _results(trained: TrainedComponent, inputs: RecipeInputs, result: TrainingResult) -> tuple[ResultEntry, ...]:
    if not inputs.validation:
        return ()
    dataset = "validation: " + ", ".join(str(data.source) for data in inputs.validation)
    return tuple(
        ResultEntry(
            metric=name,
            value=round(value, 6),
            without=_rounded(result.without.get(name)),
            dataset=dataset,
            direction="lower" if score_direction(trained.objective, name) == "lower" else None,
        )
        for name, value in result.scores.items()
        if "[" not in name and math.isfinite(value)
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)


def hardware_name() -> str:
    """What is computed on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {number_of(torch.get_num_threads(), 'thread')}"
