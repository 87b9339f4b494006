"""A bound on what building a stranger's component may take, so that no number in its manifest is believed.

A head of a width of 400,000,000 or a LoRA of rank 8,000,000 would fill the memory before its weights were found to be
others. Whatever is built for a component is compared with its weights in the end; until then no more may be allocated
than these weights, and the backbone, have room for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.utils._python_dispatch import TorchDispatchMode

from lect.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor

    from lect.backbones import Backbone

_ALWAYS = 2**24
"""So many values may always be allocated: 64 MiB of float32."""


@contextmanager
def bounded_allocation(values: int, backbone: Backbone, where: str) -> Iterator[None]:
    """A block in which no more values are allocated for new tensors than a component has use for.

    Methods make each of their tensors once, and some look at matrices of the sizes of the backbone's on the way: twice
    the component's values and the backbone's together is more than any of them needs.

    Args:
        values: how many the component's weights hold.
        where: what states the sizes, for messages.

    Raises:
        ComponentError: more is asked for; nothing was allocated for it.
    """
    own = sum(parameter.numel() for parameter in backbone.model.parameters())
    with _Bounded(2 * (values + own) + _ALWAYS, values, where):
        yield


def values_in(tensors: Mapping[str, Tensor]) -> int:
    """How many values tensors hold together."""
    return sum(tensor.numel() for tensor in tensors.values())


def values_in_folder(folder: Path) -> int:
    """The most values that the files of a folder can hold: one a byte."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class _Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, limit: int, values: int, where: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._limit, self._values, self._where = limit, values, where
        self._taken = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would mark the method for its compiler, and import the whole compiler for that at the first tensor.
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        count = _SIZES.get(func.overloadpacket.__name__)
        if count is not None:
            shape = count(args)
            self._taken += math.prod(shape)
            if self._taken > self._limit:
                self._refuse(shape)
        return func(*args, **(kwargs or {}))

    def _refuse(self, shape: tuple[int, ...]) -> None:
        raise ComponentError(
            f"it states sizes that its weights do not have: a tensor of shape {shape} is asked for, and its weights "
            f"hold {self._values:,} values",
            where=self._where,
            fix="fetch the component again; whoever made it should look at this field",
        )


def _stated(args: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(args[0])


def _stated_behind(args: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(args[1])


def _square(args: tuple[Any, ...]) -> tuple[int, ...]:
    sizes = tuple(size for size in args if isinstance(size, int))
    return sizes if len(sizes) > 1 else (sizes[0], sizes[0])


def _range(args: tuple[Any, ...]) -> tuple[int, ...]:
    numbers = [number for number in args if isinstance(number, int | float)]
    start, end = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) > 2 else 1
    return (math.ceil(abs(end - start) / abs(step or 1)),)


def _repeated(args: tuple[Any, ...]) -> tuple[int, ...]:
    return (args[0].numel(), *args[1])


#: Operations that make a tensor as large as numbers say, and the shape they ask for.
_SIZES: Mapping[str, Callable[[tuple[Any, ...]], tuple[int, ...]]] = {
    **dict.fromkeys(("empty", "zeros", "ones", "full", "rand", "randn", "empty_strided"), _stated),
    **dict.fromkeys(("new_empty", "new_zeros", "new_ones", "new_full", "new_empty_strided"), _stated_behind),
    "randint": lambda args: tuple(next(size for size in args if isinstance(size, list | tuple))),
    "normal": lambda args: tuple(next((size for size in args if isinstance(size, list | tuple)), ())),
    "eye": _square,
    "arange": _range,
    "randperm": lambda args: (int(args[0]),),
    "repeat": _repeated,
}
