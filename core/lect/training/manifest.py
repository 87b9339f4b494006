"""What a finished run writes: the component with its manifest and card."""

from __future__ import annotations

import math
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lect.components.card import render_card
from lect.components.manifest import (
    BackboneEntry,
    DataEntry,
    HeadEntry,
    Manifest,
    PartEntry,
    RequirementEntry,
    ResultEntry,
    TrainingEntry,
)
from lect.components.store import write_component
from lect.recipes.load import recipe_text
from lect.recipes.schema import OutputTable

if TYPE_CHECKING:
    from lect.training.loop import Result
    from lect.training.run import Run


def write_trained(run: Run, result: Result, precision: str) -> Path:
    """Write the trained component into the library and return its folder."""
    recipe = run.recipe
    manifest = Manifest(
        name=recipe.component.name,
        version=recipe.component.version,
        role=recipe.component.role,
        languages=recipe.component.languages,
        licence=recipe.component.licence,
        summary=recipe.component.summary,
        stack=recipe.stack,
        own_tokenizer=run.component.tokenizer_json is not None,
        backbone=BackboneEntry(
            name=run.backbone.name,
            identity=run.backbone.identity,
            revision=run.backbone.revision,
            fingerprint=run.backbone.fingerprint,
            hidden_size=run.backbone.hidden_size,
        ),
        parts=tuple(PartEntry(method=part.method, config=dict(part.config)) for part in recipe.parts),
        head=None
        if recipe.head is None or run.component.head is None
        else HeadEntry(kind=recipe.head.kind, config=dict(recipe.head.config), labels=run.component.head.labels),
        requires=_requirements(run),
        training=TrainingEntry(
            objective=recipe.objective.name,
            data=tuple(
                DataEntry(
                    source=str(data.source), sha256=data.sha256, rows=len(data.examples), licence=data.source.licence
                )
                for data in run.train
            ),
            steps=result.steps,
            epochs=recipe.training.epochs,
            seed=recipe.training.seed,
            seconds=round(result.seconds, 1),
            hardware=f"{_hardware()}, {precision}",
            examples=sum(len(data.examples) for data in run.train),
            # Where this machine kept its runs is nobody else's business.
            recipe=recipe_text(recipe.model_copy(update={"output": OutputTable()})),
        ),
        results=_results(run, result),
    )
    folder = run.library.save_folder(recipe.component.role, recipe.component.name)
    card = render_card(manifest)
    return write_component(folder, manifest, run.component.tensors(), run.component.tokenizer_json, card)


def _requirements(run: Run) -> tuple[RequirementEntry, ...]:
    providers = [run.host.provided("method", part.method).plugin for part in run.recipe.parts]
    if run.recipe.head is not None:
        providers.append(run.host.provided("head", run.recipe.head.kind).plugin)
    distinct = {plugin.distribution: plugin.version for plugin in providers}
    return tuple(RequirementEntry(distribution=name, version=version) for name, version in sorted(distinct.items()))


def _results(run: Run, result: Result) -> tuple[ResultEntry, ...]:
    if not run.validation:
        return ()
    dataset = "validation: " + ", ".join(str(data.source) for data in run.validation)
    return tuple(
        ResultEntry(metric=name, value=round(value, 6), without=_rounded(result.without.get(name)), dataset=dataset)
        for name, value in result.scores.items()
        if "[" not in name and math.isfinite(value)
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
