"""One pass through the model for the rows of several objectives."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.sharing import hidden_states
from lect.objectives import Batch, Loss, Objective


class JointLosses(nn.Module):
    """Model and objectives as one module, so that Accelerate wraps and autocasts both.

    Each row goes through its own stack, so that the gradient of an objective's loss is what it would be alone.
    """

    def __init__(self, model: RoutedModel, encoder: RowEncoder, objectives: Sequence[Objective]) -> None:
        super().__init__()
        self.model = model
        self._encoder, self._objectives = encoder, tuple(objectives)

    def forward(self, batches: Sequence[Batch | None]) -> list[Loss | None]:
        """Each objective's loss over its own batch; None where there is none."""
        present = [batch.rows for batch in batches if batch is not None]
        joined = self._encoder.join(present)
        hidden = self.model(joined) if self.model.kept is None else hidden_states(self.model, joined)
        losses: list[Loss | None] = []
        first = 0
        for objective, batch in zip(self._objectives, batches, strict=True):
            if batch is None:
                losses.append(None)
                continue
            # As long as its own rows are, lest an objective sees the padding that others need.
            own = hidden if len(present) == 1 else hidden[first : first + batch.rows.size, : batch.rows.length]
            first += batch.rows.size
            losses.append(objective.loss(self.model, own, batch))
        return losses
