"""The processes that train together: what one of them knows of the others, and how they agree.

Each has the whole model, and the same order of rows, of which it takes its share. Gradients are summed here and not by
`DistributedDataParallel`: nearly all parameters are frozen, some of the others have no gradient in a step (a component
without rows), a process may have no row at all in the last batch, and penalties are no part of the module's forward.
All of that is plain in a sum over the few trained parameters, once a step, however many passes it has; and the sum is
what one process alone would have.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from lect.errors import UserError

T = TypeVar("T")

_PATIENCE = timedelta(hours=6)
"""How long a process waits for the others; one that fails is not waited for, as the launcher ends all."""
_UNTIL_ENDED = 15.0
"""Seconds that a process whose others are gone waits to be ended."""
_SPOKEN = "lect/spoken"


def launched() -> bool:
    """Whether a launcher has started this process as one of several.

    Raises:
        UserError: what the environment says of the processes is no number.
    """
    return _number("WORLD_SIZE", 1) > 1


def is_main_process() -> bool:
    """Whether this process is the one that prints and writes."""
    return not launched() or _number("RANK", 0) == 0


def prints_messages() -> bool:
    """Whether an error of this process is the first, and to be told; one message is enough for all of them."""
    if not launched():
        return True
    import torch.distributed as distributed

    if not distributed.is_initialized():
        return is_main_process()
    try:
        store = distributed.distributed_c10d._get_default_store()
        return bool(store.add(_SPOKEN, 1) == 1)
    except Exception:
        # Where the store is gone another process has failed before.
        return False


@dataclass(frozen=True)
class Processes:
    """This process among those of the run.

    Args:
        index: this one's number; the first is the main one.
        count: how many there are, on all machines.
        object_group: the process group for small objects.
    """

    index: int = 0
    count: int = 1
    object_group: Any = None

    @property
    def is_main(self) -> bool:
        """Whether this one prints and writes."""
        return self.index == 0

    def gather(self, value: T) -> list[T]:
        """Every process's value, in their order."""
        if self.count == 1:
            return [value]
        import torch.distributed as distributed

        values: list[Any] = [None] * self.count
        with _talking():
            distributed.all_gather_object(values, value, group=self.object_group)
        return values

    def from_main(self, compute: Callable[[], T]) -> T:
        """What the main process computes, for all."""
        if self.count == 1:
            return compute()
        import torch.distributed as distributed

        holder: list[Any] = [compute() if self.is_main else None]
        with _talking():
            distributed.broadcast_object_list(holder, src=0, group=self.object_group)
        value: T = holder[0]
        return value

    def sum_gradients(self, parameters: Sequence[Any], present: Sequence[Iterable[int]]) -> None:
        """Give all processes the sum of their gradients; what has none in any of them goes on having none.

        Args:
            present: for each process, the indices of the parameters that it has gradients for.
        """
        if self.count == 1:
            return
        import torch
        import torch.distributed as distributed

        flat: dict[torch.dtype, list[Any]] = {}
        for index in sorted({index for own in present for index in own}):
            parameter = parameters[index]
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            flat.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in flat.values():
            joined = torch.cat([gradient.reshape(-1) for gradient in gradients])
            with _talking():
                distributed.all_reduce(joined)
            parts = torch.split(joined, [gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def share_tensors(self, tensors: Mapping[str, Any]) -> None:
        """Give all processes the main one's tensors, in place."""
        if self.count == 1:
            return
        import torch
        import torch.distributed as distributed

        with torch.no_grad():
            for name in sorted(tensors):
                whole = tensors[name].detach().contiguous()
                with _talking():
                    distributed.broadcast(whole, src=0)
                tensors[name].copy_(whole)


def join_processes() -> Processes:
    """Meet the processes that the launcher has started beside this one; alone if there are none."""
    if not launched():
        return Processes()
    for variable in ("RANK", "LOCAL_RANK"):
        _number(variable, 0)
    from accelerate import PartialState

    state = PartialState(cpu=_on_cpu(), timeout=_PATIENCE)
    import torch.distributed as distributed

    # Small objects go over the processors, also where gradients go from GPU to GPU.
    object_group = (
        None if distributed.get_backend() == "gloo" else distributed.new_group(backend="gloo", timeout=_PATIENCE)
    )
    return Processes(state.process_index, state.num_processes, object_group)


def leave_processes() -> None:
    """Part from the other processes, when all of them have done their work."""
    if not launched():
        return
    import torch.distributed as distributed

    if distributed.is_initialized():
        with contextlib.suppress(RuntimeError):
            distributed.destroy_process_group()


@contextlib.contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # Most likely another has ended: the launcher, which knows how, is about to end this one too.
        time.sleep(_UNTIL_ENDED)
        raise UserError(
            f"the other processes cannot be reached any more ({str(error).splitlines()[0]})",
            where="training",
            fix="see what they said; go on with --resume",
        ) from error


def _on_cpu() -> bool:
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true", "yes"}


def _number(variable: str, otherwise: int) -> int:
    """What a launcher's variable says. Raises `UserError` where it is no number."""
    value = os.environ.get(variable, "").strip()
    if value and not value.isdecimal():
        raise UserError(
            f'{variable} is "{value}", not a number',
            where="the environment",
            fix=f"unset {variable}, or start the run with a launcher such as torchrun, which sets it",
        )
    return int(value or otherwise)
