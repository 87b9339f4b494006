"""Passes of a step: rows through the model and the losses, and their gradients and figures added to the step's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lect.objectives import Loss, share_of_batch
from lect.training.meta import learn_task
from lect.training.order import Indices
from lect.training.task import Task

if TYPE_CHECKING:
    from accelerate import Accelerator


class Passes:
    """What adds a pass to a step.

    Args:
        losses: of a batch for each learner (None for one that has no rows in it), each learner's loss.
        trained: all that is optimised.
    """

    def __init__(
        self, task: Task, accelerator: Accelerator, losses: Callable[[Any], Any], trained: Sequence[nn.Parameter]
    ) -> None:
        self._task, self._accelerator, self._losses, self._trained = task, accelerator, losses, trained

    def add(
        self,
        rows: Sequence[Indices],
        own: Sequence[Indices],
        seen: Sequence[int],
        figures: Sequence[dict[str, float]],
    ) -> int:
        """Add one pass's gradients and figures; returns its pieces.

        The total is the sum of the learners' losses, each the mean over its own rows in the step: as if it was alone.

        Args:
            rows: for each learner, its rows in the pass.
            own: for each learner, which of these are this process's: places in `rows`.
            seen: for each learner, the number of its rows in the step.
        """
        learners, device = self._task.learners, self._accelerator.device
        if not any(own):
            # The layers' other shares are needed by those that have rows: one of theirs goes along, and counts nothing.
            own, stand_in = [range(1)], True
        else:
            stand_in = False
        batches = [
            share_of_batch(learner.objective, [learner.train[index] for index in indices], places, device)
            for learner, indices, places in zip(learners, rows, own, strict=True)
        ]
        losses: list[Loss | None] = self._losses(batches)
        total: Tensor | None = None
        found: list[tuple[dict[str, float], float, Mapping[str, float | Tensor]]] = []
        for learner, loss, places, count, figure in zip(learners, losses, own, seen, figures, strict=True):
            if loss is None:
                continue
            value = loss.total
            for penalty in (part.penalty() for part in learner.component.parts.values()):
                value = value if penalty is None else value + penalty
            share = 0.0 if stand_in else len(places) / count
            total = value * share if total is None else total + value * share
            found.append((figure, share, {"loss": value.detach(), **loss.terms}))
        self._accelerator.backward(total)
        # Only now: on a GPU to read a figure is to wait for it, and the way back would begin no sooner.
        for figure, share, terms in found:
            for name, term in terms.items():
                figure[name] = figure.get(name, 0.0) + float(term) * share
        return 0 if stand_in else sum(batch.rows.pieces for batch in batches if batch is not None)

    def add_task(
        self,
        rows: Sequence[Indices],
        own: Sequence[Indices],
        seen: Sequence[int],
        figures: Sequence[dict[str, float]],
    ) -> int:
        """As `add`, of one task of a run that meta-learns; such a run has one learner and one process."""
        assert self._task.meta is not None

        def backward(batch: Indices) -> int:
            return self.add([batch], [range(len(batch))], seen, figures)

        return learn_task(self._task.meta, self._trained, rows[0], seen[0], backward)
