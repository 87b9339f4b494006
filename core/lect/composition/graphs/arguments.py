"""What a backbone gives its layers, apart from the tensors' values: as something to be compared, and with others."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lect.composition.graphs.recording import NotRecordableError
from lect.composition.spans import LayerCall


@dataclass(frozen=True)
class Arguments:
    """The arguments of several layers.

    Args:
        tensors: each once, the hidden states that the lowest layer is given first.
        form: equal for arguments that differ in the values of these alone.
    """

    calls: tuple[LayerCall, ...]
    tensors: tuple[Tensor, ...]
    form: Hashable

    @classmethod
    def of(cls, calls: Sequence[LayerCall]) -> Arguments:
        """The arguments of these calls. Raises `NotRecordableError` where they are more than tensors and constants."""
        numbers: dict[int, int] = {}
        tensors: list[Tensor] = []

        def form_of(value: Any) -> Hashable:
            if isinstance(value, Tensor):
                if id(value) not in numbers:
                    numbers[id(value)] = len(tensors)
                    tensors.append(value)
                return "tensor", numbers[id(value)]
            if isinstance(value, tuple | list):
                return "several", tuple(map(form_of, value))
            if value is None or isinstance(value, bool | int | float | str):
                return value
            raise NotRecordableError(f"the backbone gives its layers a {type(value).__name__}")

        forms = []
        for call in calls:
            form_of(call.hidden_states)
            named = tuple((name, form_of(value)) for name, value in call.named.items())
            forms.append((tuple(map(form_of, call.positional)), named))
        shapes = tuple((tensor.shape, tensor.dtype, _repeated(tensor)) for tensor in tensors)
        return cls(tuple(calls), tuple(tensors), (tuple(forms), shapes))

    def with_tensors(self, tensors: Sequence[Tensor]) -> Arguments:
        """The same with other tensors."""
        other = {id(own): tensor for own, tensor in zip(self.tensors, tensors, strict=True)}

        def replaced(value: Any) -> Any:
            if isinstance(value, Tensor):
                return other[id(value)]
            return tuple(map(replaced, value)) if isinstance(value, tuple | list) else value

        calls = (
            LayerCall(
                call.layer, replaced(call.positional), {name: replaced(value) for name, value in call.named.items()}
            )
            for call in self.calls
        )
        return Arguments(tuple(calls), tuple(tensors), self.form)


def stored(tensor: Tensor) -> Tensor:
    """The part of a tensor that others repeat, such as one row of a mask that is the same for all rows."""
    repeated = _repeated(tensor)
    return tensor[tuple(slice(0, 1) if again else slice(None) for again in repeated)] if any(repeated) else tensor


def _repeated(tensor: Tensor) -> tuple[bool, ...]:
    """For each dimension, whether all along it the same numbers are read."""
    return tuple(step == 0 and size > 1 for size, step in zip(tensor.shape, tensor.stride(), strict=True))
