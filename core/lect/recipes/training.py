"""The table ``[training]`` as models: how long, how fast and how exactly a run trains."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lect.fields import tuple_of
from lect.recipes.tables import Rate, Share, Table

Tracker = Literal["tensorboard", "trackio", "wandb", "mlflow"]
Schedule = Literal["linear", "cosine", "constant", "one-cycle"]
PrecisionName = Literal["auto", "float32", "bfloat16", "float16", "int8"]


class RunTable(Table):
    """How long and how exactly a run trains, whatever learns in it.

    Args:
        seed: what is drawn at random follows from it.
        epochs, steps: the run's length, in one of both; 10 epochs where neither is given.
        batch_size: rows a forward pass, of all processes together; 16 where neither it nor `batch_tokens` is given.
        batch_tokens: instead of `batch_size`: the most tokens a forward pass may have, padding counted, of all
            processes together. Rows of like length come together, so that there are many short ones or few long ones.
        accumulation: forward passes an optimiser step.
        schedule: how the learning rate falls after the warm-up.
        warmup: the share of the run in which the learning rate rises.
        clip: the largest norm of the gradient; 0 for no limit.
        precision: ``auto`` takes bfloat16 where the hardware has it. ``int8`` computes the frozen projections in
            integers of 8 bits, on a CPU; what is trained, and gradients, are in float32.
        compile: compile the model (`torch.compile`); where that cannot be done, a notice says so.
        gradient_checkpointing: forget what layers compute, and compute it again on the way back, to save memory.
        max_length: longer texts are cut to so many tokens; None for as many as the backbone takes.
        cache_gb: the most disk space that hidden states below the lowest trained layer, and vectors that are aimed at,
            may take in the cache, of all runs together, in GB; 0 to compute them anew each time, None for 4.
        patience: evaluations without gain after which the run ends; None to go on to the end.
        evaluate_every: ``epoch``, or a number of steps.
        checkpoint_every: steps between two checkpoints; None for none by the number of steps.
        checkpoint_minutes: minutes between two checkpoints; 0 for none by the clock. One is always written on Ctrl-C,
            and where the system asks the run to end.
        keep_checkpoints: how many of the newest checkpoints are kept.
        log_every: steps between two lines of `metrics.jsonl`, and between two figures that trackers get.
        trackers: where figures go as well, by Accelerate: ``tensorboard``, ``trackio``, ``wandb`` or ``mlflow``.
    """

    seed: int = Field(default=0, ge=0, lt=2**32)
    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    batch_tokens: PositiveInt | None = None
    accumulation: PositiveInt = 1
    schedule: Schedule = "linear"
    warmup: Share = 0.1
    clip: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    precision: PrecisionName = "auto"
    compile: bool = False
    gradient_checkpointing: bool = False
    max_length: int | None = Field(default=None, ge=3)
    cache_gb: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    patience: PositiveInt | None = None
    evaluate_every: Literal["epoch"] | int = "epoch"
    checkpoint_every: PositiveInt | None = None
    checkpoint_minutes: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    keep_checkpoints: PositiveInt = 2
    log_every: PositiveInt = 10
    trackers: Annotated[tuple[Tracker, ...], BeforeValidator(tuple_of)] = ()

    @model_validator(mode="before")
    @classmethod
    def _default_length(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("epochs") is None and values.get("steps") is None:
            return {**values, "epochs": 10}
        return values

    @model_validator(mode="before")
    @classmethod
    def _one_batch_size(cls, values: Any) -> Any:
        if isinstance(values, dict):
            given = [name for name in ("batch_size", "batch_tokens") if values.get(name) is not None]
            if len(given) == 2:
                raise ValueError(
                    "batch_tokens cannot stand beside batch_size; leave one of them out, with --set "
                    "training.batch_size= on the command line"
                )
            if not given:
                return {**values, "batch_size": 16}
        return values

    @field_validator("steps")
    @classmethod
    def _one_length(cls, steps: int | None, info: ValidationInfo) -> int | None:
        if steps is not None and info.data.get("epochs") is not None:
            raise ValueError(
                "cannot stand beside training.epochs; leave one of them out, with --set training.epochs= on the "
                "command line"
            )
        return steps

    @model_validator(mode="after")
    def _plain_int8(self) -> RunTable:
        if self.precision == "int8" and (self.compile or self.gradient_checkpointing):
            beside = "compile" if self.compile else "gradient_checkpointing"
            raise ValueError(f'precision = "int8" cannot stand beside {beside}; set {beside} = false')
        return self

    @field_validator("evaluate_every", mode="before")
    @classmethod
    def _evaluate_every(cls, value: Any) -> Any:
        if value != "epoch" and (type(value) is not int or value < 1):
            raise ValueError('should be "epoch" or a number of steps')
        return value


class LearningTable(Table):
    """How fast a component learns, and what it is judged by.

    Args:
        learning_rate: the highest that the schedule reaches.
        learning_rates: for single methods, and for ``head``.
        weight_decay: by how much every weight shrinks in a step, times the learning rate.
        metric: the validation score that patience looks at; None for the main one.
    """

    learning_rate: Rate = 5e-4
    learning_rates: dict[str, Rate] = Field(default_factory=dict)
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    metric: str | None = None


class MetaTable(Table):
    """Meta-learning over the sources of the data (`lect.training.meta`).

    Args:
        method: Reptile (Nichol et al. 2018), or first-order MAML (Finn et al. 2017).
        inner_steps: steps of plain gradient descent that a task is learned for, a batch each.
        inner_rate: their learning rate.
    """

    method: Literal["reptile", "fomaml"] = "reptile"
    inner_steps: PositiveInt = 4
    inner_rate: Rate = 1e-2


class TrainingTable(LearningTable, RunTable):
    """How long, how fast, how exactly: a run in which one component learns.

    Args:
        meta: learn to learn each source of the data in few steps; `accumulation` is then the number of sources in a
            step, and `batch_size` the rows of an inner step. None to learn them.
    """

    meta: MetaTable | None = None

    @model_validator(mode="after")
    def _plain_batches(self) -> TrainingTable:
        if self.meta is not None:
            if self.batch_tokens is not None:
                raise ValueError("meta cannot stand beside batch_tokens; set batch_size")
            if self.precision == "float16":
                raise ValueError('meta cannot learn in float16; set precision = "bfloat16"')
        return self
