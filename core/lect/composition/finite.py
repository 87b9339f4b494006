"""What is no finite number is neither an answer nor a state to keep: it is refused, with what it is and where."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lect.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from lect.data.examples import Example
    from lect.heads import Prediction

_FIX = "train the component again with a lower learning rate, or run the backbone in float32"


class NotFiniteError(UserError):
    """Something that should be a number is NaN or infinite."""


def non_finite_tensor(tensors: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """The first tensor that holds NaN or an infinity, with which of both; None where all are finite."""
    import torch

    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        # Types of one byte cannot be asked.
        wide = tensor.float() if tensor.element_size() == 1 else tensor
        if not bool(torch.isfinite(wide).all()):
            return name, "NaN" if bool(torch.isnan(wide).any()) else "infinite values"
    return None


def check_vectors(vectors: Tensor, places: Sequence[str]) -> None:
    """Refuse vectors or hidden states that are not finite.

    Args:
        vectors: *Shape:* ``(rows, …)``.
        places: where the text of each row stands, for the message.

    Raises:
        NotFiniteError: some are not, with the first of them.
    """
    import torch

    finite = torch.isfinite(vectors)
    if bool(finite.all()):
        return
    first = int((~finite).flatten(1).any(1).nonzero()[0])
    raise NotFiniteError("what the model makes of it is NaN or infinite", where=places[first], fix=_FIX)


def check_predictions(predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
    """Refuse answers that are no finite numbers, or whose probabilities are not.

    Raises:
        NotFiniteError: there is one, with its row.
    """
    for prediction, example in zip(predictions, examples, strict=True):
        for value in _numbers(prediction):
            if not math.isfinite(value):
                raise NotFiniteError(f"the answer is {value}, which is no answer", where=example.origin, fix=_FIX)


def _numbers(prediction: Prediction) -> Iterator[float]:
    if prediction.score is not None:
        yield prediction.score
    yield from prediction.scores.values()
    answer: Any = prediction.value
    if isinstance(answer, float):
        yield answer
    elif isinstance(answer, list):
        yield from (value for value in answer if isinstance(value, float))
