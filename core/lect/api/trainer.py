"""What a `transformers.Trainer` trains a component with: a model, its rows and a collator, and how to save it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from lect.api.components import SavedComponent, library_of
from lect.api.rows import Rows
from lect.api.training import recipe_with_rows
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.data.examples import Example
from lect.errors import RecipeError
from lect.heads import GenerationHead
from lect.host import Host
from lect.objectives import Batch
from lect.recipes.recipe import Recipe
from lect.storage.library import Library
from lect.training.manifest import write_trained
from lect.training.prepare import TrainingRun, prepare_run
from lect.training.setup import TrainingResult


@dataclass
class RoutedOutput(ModelOutput):  # type: ignore[misc]
    """What `RoutedForTraining` gives.

    Args:
        loss: the objective's, the mean over the rows.
        logits: what the stack's head makes of the rows, where it has a head. *Shape:* ``(rows, …)``.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None


class RoutedForTraining(nn.Module):
    """A component over its frozen stack as a module whose output has a loss.

    Its parameters, and what `state_dict` holds, are the component's alone; the backbone goes along to any device.
    """

    def __init__(self, run: TrainingRun) -> None:
        super().__init__()
        (self._trained,) = run.components
        # Kept out of the modules: it is no part of what is trained, counted or saved.
        self.__dict__["_routed"] = run.setup.model
        self._encoder = run.setup.encoder
        # In evaluation, whatever is trained: what is learned from are the frozen parts' own vectors, without dropout.
        run.setup.model.requires_grad_(False).eval()
        run.setup.model.checkpoints_layers = run.setup.settings.gradient_checkpointing
        for parameter in self._trained.parameters.values():
            parameter.requires_grad_(True)
        self.parts = nn.ModuleDict(
            {name.replace(".", "_"): part for name, part in self._trained.component.parts.items()}
        )
        if self._trained.component.head is not None:
            self.head = self._trained.component.head

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        labels: Any = None,
        routes: Routes | None = None,
        return_loss: bool = True,
    ) -> RoutedOutput:
        """The objective's loss of a batch that the collator made, and the head's logits.

        Args:
            input_ids, attention_mask: *Shape:* ``(rows, length)``.
            labels: what the objective compares with.
            routes: each row's stack; by default the one that is trained.
        """
        device = input_ids.device
        ways = routes or Routes.uniform(self._trained.stack, len(input_ids))
        rows = EncodedRows(input_ids, attention_mask, token_type_ids, ways.to(device))
        routed = self.__dict__["_routed"]
        hidden = routed(rows)
        head = routed.head_of(self._trained.stack)
        logits = None
        if head is not None and not isinstance(head, GenerationHead) and len(ways.groups) == 1:
            logits = head(hidden, attention_mask).float()
        if labels is None:
            return RoutedOutput(logits=logits)
        loss = self._trained.objective.loss(routed, hidden, Batch(rows, labels)).total
        for penalty in (part.penalty() for part in self._trained.component.parts.values()):
            loss = loss if penalty is None else loss + penalty
        return RoutedOutput(loss=loss, logits=logits)

    def gradient_checkpointing_enable(self, **_: Any) -> None:
        """Forget what layers compute, and compute it again on the way back, as the trainer's arguments may ask.

        How that is done is no choice here: of every layer, whatever version of `transformers` says how.
        """
        self.__dict__["_routed"].checkpoints_layers = True

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> RoutedForTraining:
        # First, and whole: the component's modules are within.
        self.__dict__["_routed"]._apply(fn, recurse)
        return self


@dataclass
class TrainerParts:
    """What a `transformers.Trainer` is made with; see `for_trainer`.

    Args:
        model: with the component's parameters, and no others.
        train: the training rows.
        validation: the held-out rows; empty where there are none.
    """

    model: RoutedForTraining
    train: Sequence[Example]
    validation: Sequence[Example]
    _run: TrainingRun = field(repr=False)
    _started: float = field(default_factory=time.monotonic, repr=False)

    def collate(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Rows as a batch: tokens, what the objective compares with, and each row's stack where there are several."""
        (trained,) = self._run.components
        batch = trained.objective.batch(list(examples), torch.device("cpu"))
        rows = batch.rows
        found = {"input_ids": rows.input_ids, "attention_mask": rows.attention_mask, "labels": batch.targets}
        found |= {} if rows.token_type_ids is None else {"token_type_ids": rows.token_type_ids}
        is_plain = len(rows.routes.groups) == 1 and rows.routes.groups[0].components == trained.stack
        return found if is_plain else {**found, "routes": rows.routes}

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of a `Trainer`, but for its own: ``Trainer(args=…, **parts.arguments)``."""
        found = {"model": self.model, "train_dataset": self.train, "data_collator": self.collate}
        return {**found, "eval_dataset": self.validation} if self.validation else found

    def save(self, trainer: Any = None, *, scores: Mapping[str, float] | None = None) -> SavedComponent:
        """Write the component, as it is now, where stacks find it.

        Args:
            trainer: that trained it; its manifest says its steps, epochs, batches, learning rate and seed.
            scores: of the held-out rows, by metric, for its card; by default those that the objective finds.
        """
        run, trained = self._run, self._run.components[0]
        run.setup.model.eval()
        steps = 0
        if trainer is not None:
            steps, args = int(trainer.state.global_step), trainer.args
            said = {
                "epochs": max(1, round(trainer.state.epoch or 0)),
                "steps": None,
                "batch_size": args.per_device_train_batch_size,
                "batch_tokens": None,
                "accumulation": args.gradient_accumulation_steps,
                "learning_rate": args.learning_rate,
                "seed": args.seed,
            }
            inputs = run.inputs[0]
            training = inputs.recipe.training.model_copy(update=said)
            recipe = inputs.recipe.model_copy(update={"training": training})
            run = replace(run, recipe=recipe, inputs=(replace(inputs, recipe=recipe),))
        if scores is None:
            scores = trained.objective.scores(run.setup.model, self.validation) if self.validation else {}
        seconds = time.monotonic() - self._started
        result = TrainingResult(steps=steps, seconds=seconds, rows=len(self.train), scores=dict(scores))
        return SavedComponent.read(write_trained(run, 0, result))


def for_trainer(
    recipe: str | Path | Recipe | Mapping[str, Any],
    data: Rows | None = None,
    *,
    validation: Rows | None = None,
    library: str | Path | Library | None = None,
    runs: str | Path = "runs",
    **columns: str,
) -> TrainerParts:
    """A component that is trained by a `transformers.Trainer`, for whoever wants that loop and its callbacks.

    How long, how fast and in what batches it learns is what the trainer's arguments say, not the recipe's.

    Args:
        recipe, data, validation, library, runs, columns: as `lect.train` takes them.

    Raises:
        RecipeError: a field of the recipe is wrong, or it needs the loop of `lect`, as meta-learning does.
        DataError: a row lacks what is needed.

    Example:
        >>> from transformers import Trainer, TrainingArguments
        >>> recipe = {
        ...     "component": {"name": "moods", "role": "task"},
        ...     "parts": [{"method": "lora", "r": 8}],
        ...     "head": {"kind": "classification"},
        ...     "objective": {"name": "supervised"},
        ... }
        >>> parts = lect.for_trainer(recipe, lect.read("reviews.csv", label="mood"))
        >>> trainer = Trainer(args=TrainingArguments("out", max_steps=2, report_to=[]), **parts.arguments)
        >>> trainer.train().global_step
        {'train_runtime': ...
        2
        >>> parts.save(trainer).key
        'task:moods'
    """
    host = Host.load()
    made = recipe_with_rows(recipe, host, data, validation, Path(runs), columns)
    if made.training.meta is not None:
        raise RecipeError("meta-learning needs the loop of lect", where=f"{made.name}, training.meta", fix="lect.train")
    run = prepare_run(made, host, library_of(library), runs=Path(runs))
    (trained,) = run.components
    return TrainerParts(RoutedForTraining(run), trained.train, trained.validation, run)
