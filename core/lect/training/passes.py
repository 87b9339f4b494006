"""Passes of a step: rows through the model and the losses, and their gradients and figures added to the step's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lect.objectives import Loss, share_of_batch
from lect.training.callbacks.base import Callback, Callbacks
from lect.training.meta import learn_task
from lect.training.sampling import Indices
from lect.training.setup import TrainingSetup

if TYPE_CHECKING:
    from accelerate import Accelerator


class Passes:
    """What adds a pass to a step.

    Args:
        losses: of a batch for each component (None for one that has no rows in it), each component's loss.
        trained: all that is optimised.
    """

    def __init__(
        self,
        setup: TrainingSetup,
        accelerator: Accelerator,
        losses: Callable[[Any], Any],
        trained: Sequence[nn.Parameter],
        callbacks: Callbacks,
    ) -> None:
        self._setup, self._accelerator, self._losses = setup, accelerator, losses
        self._trained, self._callbacks = trained, callbacks

    def add(
        self,
        step: int,
        rows: Sequence[Indices],
        own: Sequence[Indices],
        seen: Sequence[int],
        figures: Sequence[dict[str, float]],
    ) -> int:
        """Add one pass's gradients and figures; returns its tokens.

        The total is the sum of the components' losses, each the mean over its own rows in the step: as if it was alone.

        Args:
            rows: for each component, its rows in the pass.
            own: for each component, which of these are this process's: places in `rows`.
            seen: for each component, the number of its rows in the step.
        """
        components, device = self._setup.components, self._accelerator.device
        if not any(own):
            # The layers' other shares are needed by those that have rows: one of theirs goes along, and counts nothing.
            own, stand_in = [range(1)], True
        else:
            stand_in = False
        examples = [
            [component.train[index] for index in indices] for component, indices in zip(components, rows, strict=True)
        ]
        is_told = bool(self._callbacks) and not stand_in
        if is_told:
            taken = {
                component.key: [whole[place] for place in places]
                for component, whole, places in zip(components, examples, own, strict=True)
                if places
            }
            self._callbacks.tell(Callback.batch_started, step, taken)
        batches = [
            share_of_batch(component.objective, whole, places, device)
            for component, whole, places in zip(components, examples, own, strict=True)
        ]
        with self._setup.computing():
            losses: list[Loss | None] = self._losses(batches)
        total: Tensor | None = None
        found: list[tuple[str, dict[str, float], float, Mapping[str, float | Tensor]]] = []
        for component, loss, places, count, figure in zip(components, losses, own, seen, figures, strict=True):
            if loss is None:
                continue
            value = loss.total
            for penalty in (part.penalty() for part in component.component.parts.values()):
                value = value if penalty is None else value + penalty
            share = 0.0 if stand_in else len(places) / count
            total = value * share if total is None else total + value * share
            found.append((component.key, figure, share, {"loss": value.detach(), **loss.terms}))
        self._accelerator.backward(total)
        # Only now: on a GPU to read a figure is to wait for it, and the way back would begin no sooner.
        read = dict[str, dict[str, float]]()
        for key, figure, share, terms in found:
            read[key] = {name: float(term) for name, term in terms.items()}
            for name, number in read[key].items():
                figure[name] = figure.get(name, 0.0) + number * share
        if is_told:
            self._callbacks.tell(Callback.batch_finished, step, read)
        return 0 if stand_in else sum(batch.rows.tokens for batch in batches if batch is not None)

    def add_task(
        self,
        step: int,
        rows: Sequence[Indices],
        own: Sequence[Indices],
        seen: Sequence[int],
        figures: Sequence[dict[str, float]],
    ) -> int:
        """As `add`, of one task of a run that meta-learns; such a run has one component and one process."""
        assert self._setup.meta is not None

        def backward(batch: Indices) -> int:
            return self.add(step, [batch], [range(len(batch))], seen, figures)

        return learn_task(self._setup.meta, self._trained, rows[0], seen[0], backward)
