"""Passes of batches through recorded layers."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from lect.backbones.backbone import Backbone
from lect.composition.graphs.arguments import Arguments, stored
from lect.composition.graphs.buckets import Batch, filled_up
from lect.composition.graphs.plans import Plan, Planner, Slot
from lect.composition.graphs.recording import NotRecordableError, Recorder, Recording
from lect.composition.graphs.tables import RowBuffer
from lect.composition.sites import Step
from lect.composition.spans import BetweenLayersError, LayerCall, LayerForm
from lect.parts import Part

Steps = Mapping[str, tuple[Step, ...]]
"""What acts at each site, in order."""
_MOST_TOKENS = 16_384
"""Of batches with more, the GPU is busy for longer than it takes to start their kernels."""


class GraphedPasses:
    """Passes through a backbone whose layers are recorded, and replayed for every batch that is like another.

    A recording serves batches of one size (`buckets`), whose stacks have parts of the same kinds in the same order.
    Which parts these are makes no difference. The recordings that were used longest ago are dropped first; all of
    them, when the backbone's weights move.

    Args:
        stepping: gives a block in which these steps act in the backbone, and no others.

    Attributes:
        most_recordings: that are kept.
        most_bytes: that they may hold together, without what is computed on the way.
        recorded: how many recordings were made.
        replayed: how many batches went through one.
        refused: how many batches went through without, by why.
    """

    def __init__(
        self,
        backbone: Backbone,
        stepping: Callable[[Steps], AbstractContextManager[None]],
        recorder: Recorder,
    ) -> None:
        self.recorder = recorder
        self.recorded = self.replayed = 0
        self.refused: Counter[str] = Counter()
        self._backbone, self._stepping = backbone, stepping
        self.most_recordings, self.most_bytes = 64, 2**31
        self._weights: tuple[object, ...] = ()
        self._never = ""
        self._clear()

    def hidden_states(
        self, batch: Batch, stacks: Sequence[Sequence[Part]], compute: Callable[[Batch], Tensor]
    ) -> Tensor | None:
        """What the backbone gives for a batch, *Shape:* ``(rows, length, hidden)``; None where it is not recorded.

        Args:
            stacks: the parts of each group of the batch's rows, in the order of the stack.
            compute: passes a batch through the backbone.

        Raises:
            RowsMismatchError: rows of these groups cannot go through together.
        """
        rows, length = batch.shape
        # What is made here outlives the call, which may be one that makes tensors nobody can change afterwards.
        with torch.inference_mode(False), torch.no_grad():
            try:
                plan = self._plan(batch, stacks)
                filled = filled_up(batch, self._backbone)
                span = replace(filled.span, together=partial(self._together, plan, filled))
                return compute(replace(filled, span=span))[:rows, :length].clone()
            except BetweenLayersError:
                self._never = "the backbone computes something between two of its layers"
                self.refused[self._never] += 1
            except NotRecordableError as error:
                self.refused[str(error)] += 1
        return None

    def forget(self, parts: Sequence[Part]) -> None:
        """Parts that are attached no more leave their places to others."""
        for part in parts:
            self._planner.forget(part)

    def _plan(self, batch: Batch, stacks: Sequence[Sequence[Part]]) -> Plan:
        """The slots of a batch. Raises `NotRecordableError`."""
        self._check_weights()
        (rows, length), span = batch.shape, batch.span
        layers = range(len(self._backbone.anatomy.separable))[span.start : span.stop]
        if self._never:
            raise NotRecordableError(self._never)
        if not self.recorder.records_on(batch.named["input_ids"].device):
            raise NotRecordableError("the backbone is not on a GPU")
        if not rows or not layers:
            raise NotRecordableError("there is nothing to compute")
        if rows * length > _MOST_TOKENS:
            raise NotRecordableError("the batch has more tokens than graphs help with")
        plan = self._planner.plan(stacks, layers)
        if plan.slots in self._unrecordable:
            raise NotRecordableError(self._unrecordable[plan.slots])
        return plan

    def _together(self, plan: Plan, batch: Batch, calls: Sequence[LayerCall]) -> Tensor:
        """The hidden states above the layers of a pass, from how the backbone called them."""
        arguments, rows = Arguments.of(calls), plan.rows(batch.routes)
        device = calls[0].hidden_states.device.type
        rounded = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        key = (plan.slots, batch.span.start, batch.span.stop, batch.shape, rounded, arguments.form)
        if key in self._recordings:
            self._recordings.move_to_end(key)
        else:
            try:
                self._recordings[key] = self._record(plan, batch, arguments, rows, rounded)
            except NotRecordableError as error:
                self._unrecordable[plan.slots] = str(error)
                raise
            self.recorded += 1
            self._drop_oldest()
        self.replayed += 1
        return self._recordings[key].replay(arguments.tensors, rows)

    def _record(
        self, plan: Plan, batch: Batch, arguments: Arguments, rows: Tensor, rounded: torch.dtype | None
    ) -> _RecordedLayers:
        size, form = batch.shape[0], batch.span.form
        buffers = tuple(self._buffer(slot, plan.like(place), size, rounded) for place, slot in enumerate(plan.slots))
        inputs = tuple(stored(tensor).clone() for tensor in arguments.tensors)
        present = rows > 0
        whole = [own.expand_as(given) for own, given in zip(inputs, arguments.tensors, strict=True)]
        own_calls = arguments.with_tensors(whole).calls

        def compute() -> Tensor:
            with self._stepping(_steps(plan.slots, buffers, present)):
                return _through(own_calls, form)

        _fill(plan.slots, buffers, rows)
        recording = self.recorder.record(compute, inputs[0].device)
        return _RecordedLayers(recording, plan.slots, inputs, present, buffers)

    def _buffer(self, slot: Slot, like: Part, rows: int, rounded: torch.dtype | None) -> RowBuffer:
        """Where the weights of a slot's rows are put; at least so many."""
        rows = 1 if slot.everywhere else rows
        buffer = self._buffers.get((slot, rounded))
        if buffer is None or buffer.rows < rows:
            buffer = self._buffers[slot, rounded] = RowBuffer(slot.table, like, rows, rounded)
        return buffer

    def _drop_oldest(self) -> None:
        while len(self._recordings) > 1 and (
            len(self._recordings) > self.most_recordings or self._bytes() > self.most_bytes
        ):
            self._recordings.popitem(last=False)

    def _bytes(self) -> int:
        buffers = {buffer for layers in self._recordings.values() for buffer in layers.buffers}
        return sum(layers.size for layers in self._recordings.values()) + sum(buffer.size for buffer in buffers)

    def _check_weights(self) -> None:
        """Forget everything where the backbone is not where it was: recordings hold addresses."""
        first = next(self._backbone.model.parameters())
        weights = (first.data_ptr(), first.device, first.dtype)
        if weights != self._weights:
            self._weights = weights
            self._clear()

    def _clear(self) -> None:
        self._planner = Planner(self._backbone.anatomy)
        self._buffers: WeakValueDictionary[tuple[Slot, torch.dtype | None], RowBuffer] = WeakValueDictionary()
        self._recordings: OrderedDict[Hashable, _RecordedLayers] = OrderedDict()
        self._unrecordable: dict[tuple[Slot, ...], str] = {}


@dataclass(frozen=True)
class _RecordedLayers:
    """A recording of layers.

    Args:
        inputs: what the layers are given, each without what is repeated in it.
        present: whether a row has a part in a slot. *Shape:* ``(slots, rows)``.
        buffers: one a slot.
    """

    recording: Recording
    slots: tuple[Slot, ...]
    inputs: tuple[Tensor, ...]
    present: Tensor
    buffers: tuple[RowBuffer, ...]

    @property
    def size(self) -> int:
        """In bytes, without the buffers, which other recordings use, too."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (*self.inputs, self.recording.output))

    def replay(self, inputs: Sequence[Tensor], rows: Tensor) -> Tensor:
        """The hidden states that the layers give.

        Args:
            inputs: what they are given now.
            rows: of the slots' tables, 0 where there is none. *Shape:* ``(slots, rows)``.
        """
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(stored(given))
        torch.gt(rows, 0, out=self.present)
        _fill(self.slots, self.buffers, rows)
        self.recording.replay()
        return self.recording.output


def _fill(slots: Sequence[Slot], buffers: Sequence[RowBuffer], rows: Tensor) -> None:
    for slot, buffer, own in zip(slots, buffers, rows, strict=True):
        buffer.fill(own[:1] if slot.everywhere else own)


def _steps(slots: Sequence[Slot], buffers: Sequence[RowBuffer], present: Tensor) -> Steps:
    """What acts at each site: in each slot, for every row the part that its buffer has there."""
    found: dict[str, list[Step]] = {}
    places = torch.arange(present.shape[1], device=present.device)
    for slot, buffer, own in zip(slots, buffers, present, strict=True):
        if slot.everywhere:
            step = Step((buffer.parts[0],), places, (places,), everywhere=True)
        else:
            # No part is asked for its rows alone, which would hang on how many these are.
            step = Step(tuple(buffer.parts[: len(places)]), places.masked_fill(~own, -1), (), everywhere=False)
        for site in slot.table.kind.sites:
            found.setdefault(site, []).append(step)
    return {site: tuple(steps) for site, steps in found.items()}


def _through(calls: Sequence[LayerCall], form: LayerForm) -> Tensor:
    """The hidden states that layers give, each called on what the one below gives."""
    hidden = calls[0].hidden_states
    for call in calls:
        hidden = form.within(call.on(hidden))
    return hidden
