"""Recorders: what computes the same again, on other numbers in the same places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_WARM_UP = 3


class NotRecordableError(RuntimeError):
    """A computation does what cannot be recorded; says what."""


class Recording(Protocol):
    """A computation that was recorded.

    Attributes:
        output: what it gives; the next replay writes it anew.
    """

    output: Tensor

    def replay(self) -> None:
        """Compute again, from what its inputs hold now."""
        ...


class Recorder(Protocol):
    """What makes recordings."""

    def records_on(self, device: torch.device) -> bool:
        """Whether it can record what is computed there."""
        ...

    def record(self, compute: Callable[[], Tensor], device: torch.device) -> Recording:
        """Record a computation on a device, which is carried out several times for it.

        Raises:
            NotRecordableError: it hangs on the values of its inputs in another way than by what kernels compute.
        """
        ...


class CudaRecorder:
    """CUDA graphs, which share the memory of what is computed on the way."""

    def __init__(self) -> None:
        self._shared: dict[torch.device, tuple[torch.cuda.Stream, Any]] = {}

    def records_on(self, device: torch.device) -> bool:
        """Whether it is a GPU."""
        return device.type == "cuda"

    def record(self, compute: Callable[[], Tensor], device: torch.device) -> Recording:
        """Capture a computation after it has run often enough for its kernels to be chosen and loaded."""
        with torch.cuda.device(device), _without_autocast_cache():
            aside, pool = self._stream_and_pool(device)
            current = torch.cuda.current_stream()
            aside.wait_stream(current)
            with torch.cuda.stream(aside):
                with only_what_can_be_recorded():
                    compute()
                for _ in range(_WARM_UP - 1):
                    compute()
            current.wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the GPU meanwhile.
            with torch.cuda.graph(graph, pool, aside, capture_error_mode="thread_local"):
                output = compute()
        return _CudaRecording(graph, output)

    def _stream_and_pool(self, device: torch.device) -> tuple[torch.cuda.Stream, Any]:
        """The stream on which is recorded, and the memory, which one recording after the other uses."""
        if device not in self._shared:
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self._shared[device] = stream, torch.cuda.graph_pool_handle()
        return self._shared[device]


class _CudaRecording:
    def __init__(self, graph: torch.cuda.CUDAGraph, output: Tensor) -> None:
        self._graph, self.output = graph, output

    def replay(self) -> None:
        self._graph.replay()


class CallingRecorder:
    """Calls the computation again, on any device, so that what is around a replay can be tried without a GPU."""

    def records_on(self, device: torch.device) -> bool:
        """True: it can everywhere."""
        return True

    def record(self, compute: Callable[[], Tensor], device: torch.device) -> Recording:
        """Try the computation, and keep it."""
        with only_what_can_be_recorded(), _without_autocast_cache():
            output = compute()
        return _CallingRecording(compute, output.clone())


class _CallingRecording:
    def __init__(self, compute: Callable[[], Tensor], output: Tensor) -> None:
        self._compute, self.output = compute, output

    def replay(self) -> None:
        with _without_autocast_cache():
            self.output.copy_(self._compute())


@contextmanager
def only_what_can_be_recorded() -> Iterator[None]:
    """A block in which whatever a CUDA graph does not hold is refused, on any device.

    That is what waits for the device to look at numbers, what makes tensors whose size hangs on numbers, and what
    brings numbers from Python or from another device.

    Raises:
        NotRecordableError: from the call.
    """
    with _OnlyRecordableCalls(), _OnlyRecordableOperations():  # type: ignore[no-untyped-call]
        yield


_REFUSED_CALLS = frozenset(
    {
        torch.tensor,
        torch.Tensor.tolist,
        torch.Tensor.numpy,
        torch.Tensor.item,
        torch.Tensor.__bool__,
        torch.Tensor.__int__,
        torch.Tensor.__float__,
        torch.Tensor.__index__,
    }
)
"""Of these some never reach an operation on a CPU."""
_REFUSED_OPERATIONS = frozenset(
    {
        "_local_scalar_dense",
        "_unique2",
        "bincount",
        "equal",
        "is_nonzero",
        "item",
        "lift_fresh",
        "masked_select",
        "nonzero",
        "nonzero_numpy",
        "repeat_interleave",
        "unique_consecutive",
        "unique_dim",
    }
)
_INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"})
_TRUTH = (torch.bool, torch.uint8)


class _OnlyRecordableCalls(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _REFUSED_CALLS:
            raise NotRecordableError(f"{func.__name__} passes numbers between Python and the device")
        return func(*args, **(kwargs or {}))


class _OnlyRecordableOperations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in _REFUSED_OPERATIONS:
            raise NotRecordableError(f"{name} hangs on the values of tensors")
        if name in _INDEXING and any(index is not None and index.dtype in _TRUTH for index in args[1]):
            raise NotRecordableError(f"{name} by truth values hangs on how many are true")
        output = func(*args, **(kwargs or {}))
        given = {value.device for value in args if isinstance(value, Tensor) and value.ndim}
        if isinstance(output, Tensor) and given - {output.device}:
            raise NotRecordableError(f"{name} copies from one device to another")
        return output


@contextmanager
def _without_autocast_cache() -> Iterator[None]:
    """A block in which autocast converts anew each time, and so in a replay too."""
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)
