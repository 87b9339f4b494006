"""What a run keeps of its validations: whether one is the best so far, and that nothing astray is ever kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lect.composition.finite import NotFiniteError, spoilt_tensor
from lect.errors import RecipeError, nearest
from lect.objectives import score_direction
from lect.scores import gain_of
from lect.training.task import Learner, Result


class AstrayError(NotFiniteError):
    """A run has left the finite numbers. What was best before is in the learners again.

    Args:
        results: of each learner that was validated before, how far it came then; None of the others.
    """

    def __init__(self, what: str, results: Sequence[Result | None]) -> None:
        self.results = tuple(results)
        super().__init__(
            what, where="training", fix='lower training.learning_rate, or set training.precision to "float32"'
        )


def main_score(scores: Mapping[str, float], learner: Learner) -> float:
    """The score that a learner is judged by.

    Raises:
        RecipeError: there is none of that name.
        NotFiniteError: it is no finite number.
    """
    name = _judged_by(learner)
    if name not in scores:
        raise RecipeError(f'no score "{name}"', where="training.metric", fix=nearest(name, scores))
    if not math.isfinite(scores[name]):
        raise NotFiniteError(f'the validation score "{name}" of {learner.key} is {scores[name]}')
    return scores[name]


def is_gain(score: float, best: float | None, learner: Learner) -> bool:
    """Whether a score is better than the best one before, by the direction of what the learner is judged by."""
    if best is None or not math.isfinite(best):
        return True
    return gain_of(score, best, score_direction(learner.objective, _judged_by(learner))) > 0


def check_weights(learners: Sequence[Learner], step: int) -> None:
    """Refuse to keep what is learned where a parameter is no finite number. Raises `NotFiniteError`."""
    for learner in learners:
        found = spoilt_tensor(learner.parameters)
        if found is not None:
            name, what = found
            raise NotFiniteError(f'the weights of {learner.key} hold {what} after step {step} ("{name}")')


def _judged_by(learner: Learner) -> str:
    return learner.settings.metric or learner.objective.main_score
