"""The best validations of a run: what was learned in them, whether one more gains, and that only numbers are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from lect.composition.finite import NotFiniteError, non_finite_tensor
from lect.errors import RecipeError, nearest
from lect.objectives import score_direction
from lect.scores import gain_of
from lect.training.checkpoint import State
from lect.training.setup import TrainedComponent, TrainingResult, TrainingSetup


class DivergedError(NotFiniteError):
    """A run has left the finite numbers. What was best before is in the components again.

    Args:
        results: of each component that was validated before, how far it came then; None of the others.
    """

    def __init__(self, what: str, results: Sequence[TrainingResult | None]) -> None:
        self.results = tuple(results)
        super().__init__(
            what, where="training", fix='lower training.learning_rate, or set training.precision to "float32"'
        )


class BestValidations:
    """Of each component its best validation so far, what it had learned then, and the validations since.

    Attributes:
        tensors: by component, its tensors in its best validation.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        self._setup = setup
        self._score: dict[str, float] = {}
        self._waited: dict[str, int] = {}
        self._scores: dict[str, dict[str, float]] = {}
        self.tensors: dict[str, dict[str, Tensor]] = {}

    def add(self, component: TrainedComponent, scores: dict[str, float]) -> None:
        """Take a validation in.

        Raises:
            RecipeError: it has no score that the component is judged by.
            NotFiniteError: that is no finite number.
        """
        key, score = component.key, _main_score(scores, component)
        if self._setup.keeps_last or _is_gain(score, self._score.get(key), component):
            self.tensors[key] = {name: value.clone() for name, value in component.component.tensors().items()}
            self._score[key], self._waited[key], self._scores[key] = score, 0, scores
        else:
            self._waited[key] += 1

    @property
    def patience_is_over(self) -> bool:
        """Whether no component has gained for as many validations as the recipe has patience for."""
        patience = self._setup.settings.patience
        validated = [component.key for component in self._setup.components if component.validation]
        return (
            patience is not None and bool(validated) and all(self._waited.get(key, 0) >= patience for key in validated)
        )

    def scores(self, key: str) -> Mapping[str, float]:
        """All scores of a component's best validation; empty where there was none."""
        return self._scores.get(key, {})

    def restore_best(self) -> None:
        """Make each component what it was in its best validation, where there was one."""
        for component in self._setup.components:
            if component.key in self.tensors:
                component.component.load_tensors(self.tensors[component.key])

    def state(self, step: int, seconds: float, rows: dict[str, int]) -> State:
        """The state that a checkpoint has of the run, which is this far."""
        setup = self._setup
        return State(
            step,
            setup.legacy_hash,
            seconds=seconds,
            rows=dict(rows),
            best=dict(self._score),
            waited=dict(self._waited),
            scores=dict(self._scores),
            fingerprint=setup.fingerprint,
        )

    def restore(self, state: State, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go on from a checkpoint."""
        self._score, self._waited, self._scores = dict(state.best), dict(state.waited), dict(state.scores)
        self.tensors = {key: dict(own) for key, own in tensors.items()}


def judged_by(component: TrainedComponent) -> str:
    """The score that says which validation of a component is its best one."""
    return component.settings.metric or component.objective.main_score


def check_weights(components: Sequence[TrainedComponent], step: int) -> None:
    """Refuse to keep what is learned where a parameter is no finite number. Raises `NotFiniteError`."""
    for component in components:
        found = non_finite_tensor(component.parameters)
        if found is not None:
            name, what = found
            raise NotFiniteError(f'the weights of {component.key} hold {what} after step {step} ("{name}")')


def _main_score(scores: Mapping[str, float], component: TrainedComponent) -> float:
    name = judged_by(component)
    if name not in scores:
        raise RecipeError(f'no score "{name}"', where="training.metric", fix=nearest(name, scores))
    if not math.isfinite(scores[name]):
        raise NotFiniteError(f'the validation score "{name}" of {component.key} is {scores[name]}')
    return scores[name]


def _is_gain(score: float, best: float | None, component: TrainedComponent) -> bool:
    """Whether a score is better than the best one before, by the direction of what the component is judged by."""
    if best is None or not math.isfinite(best):
        return True
    return gain_of(score, best, score_direction(component.objective, judged_by(component))) > 0
