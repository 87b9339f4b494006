"""One module of the backbone with parts attached: each row goes through the parts of its own stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lect.parts import BaseLayer, Part, SiteContext


class RowsMismatchError(RuntimeError):
    """A site was given a tensor whose first dimension is not the batch's rows, while the rows differ in their stacks.

    DeBERTa's shared projections do this: they also project the relative positions, once for the whole batch; so does
    T5's table of relative positions.
    """


@dataclass(frozen=True)
class Step:
    """The parts that act at one depth of a site, over all rows.

    Args:
        parts: the distinct parts.
        assignment: *Shape:* ``(rows,)``; each row's index into `parts`, -1 where its stack has none at this depth.
        members: for each part the rows assigned to it.
        everywhere: whether there is a single part and it takes every row, so that nothing is indexed.
    """

    parts: tuple[Part, ...]
    assignment: Tensor
    members: tuple[Tensor, ...]
    everywhere: bool


def plan_steps(stacks: Sequence[tuple[Part, ...]], rows: Sequence[Tensor], size: int) -> tuple[Step, ...]:
    """The steps of one site.

    Args:
        stacks: for each group, the parts of its stack that act at the site, in order.
        rows: for each group, its rows.
        size: the number of rows in the batch.
    """
    if len(stacks) == 1:
        # One stack takes every row: nothing is indexed, or computed from their number.
        first = torch.zeros_like(rows[0])
        return tuple(Step((part,), first, (rows[0],), everywhere=True) for part in stacks[0])
    steps = []
    for depth in range(max((len(stack) for stack in stacks), default=0)):
        parts: list[Part] = []
        device = rows[0].device
        assignment = torch.full((size,), -1, dtype=torch.long, device=device)
        for stack, members in zip(stacks, rows, strict=True):
            if depth < len(stack):
                if not any(part is stack[depth] for part in parts):
                    parts.append(stack[depth])
                assignment[members] = next(index for index, part in enumerate(parts) if part is stack[depth])
        taken = sum(len(members) for stack, members in zip(stacks, rows, strict=True) if depth < len(stack))
        steps.append(
            Step(
                tuple(parts),
                assignment,
                tuple((assignment == index).nonzero().squeeze(1) for index in range(len(parts))),
                everywhere=len(parts) == 1 and taken == size,
            )
        )
    return tuple(steps)


@dataclass(frozen=True)
class Call:
    """The arguments with which the backbone called a module: the tensor that parts may replace, and the others.

    Args:
        place: the position or the name of that tensor, which is the first one given.
    """

    positional: tuple[Any, ...]
    named: Mapping[str, Any]
    place: int | str

    @classmethod
    def of(cls, positional: tuple[Any, ...], named: Mapping[str, Any]) -> Call:
        """The call with these arguments. Raises `TypeError` where none of them is a tensor."""
        places: list[int | str] = [*range(len(positional)), *named]
        for place, value in zip(places, (*positional, *named.values()), strict=True):
            if isinstance(value, Tensor):
                return cls(positional, named, place)
        raise TypeError("a module that parts act on was called without a tensor")

    @property
    def inputs(self) -> Tensor:
        """The first tensor."""
        found: Tensor = self.positional[self.place] if isinstance(self.place, int) else self.named[self.place]
        return found

    def again(self, original: Callable[..., Tensor], inputs: Tensor, rows: Tensor | None) -> Tensor:
        """The module's own output for other inputs, which are those of `rows` of the batch (None: all)."""

        def fitting(place: int | str, value: Any) -> Any:
            if place == self.place:
                return inputs
            # Position ids and the like may be given once for all rows.
            cut = rows is not None and isinstance(value, Tensor) and value.shape[:1] == self.inputs.shape[:1]
            return value[rows] if cut else value

        positional = [fitting(place, value) for place, value in enumerate(self.positional)]
        return original(*positional, **{name: fitting(name, value) for name, value in self.named.items()})


class RoutedSite:
    """What a module's `forward` is replaced with while parts are attached to it.

    Args:
        steps: gives the current batch's steps here.
        residual: gives the current batch's residual, where the module ends a sublayer.
        by_rows: whether what the module is given has the batch's rows as its first dimension.
        one_at_a_time: gives whether parts are to be given one row at a time.
    """

    def __init__(
        self,
        path: str,
        module: nn.Module,
        steps: Callable[[str], tuple[Step, ...]],
        residual: Callable[[str], Tensor | None],
        norm: nn.Module | None,
        by_rows: bool = True,
        one_at_a_time: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path, self._steps, self._residual, self._norm = path, steps, residual, norm
        self._by_rows, self._one_at_a_time = by_rows, one_at_a_time
        self._original = module.forward

    def __call__(self, *positional: Any, **named: Any) -> Tensor:
        """The module's output with every row's own parts applied."""
        steps = self._steps(self.path)
        if not steps:
            output: Tensor = self._original(*positional, **named)
            return output
        call = Call.of(positional, named)
        residual = self._residual(self.path)
        if not self._by_rows or call.inputs.shape[0] != steps[0].assignment.shape[0]:
            if not all(step.everywhere for step in steps):
                raise RowsMismatchError(self.path)
            residual = None
        elif self._one_at_a_time():
            return self._evaluate_each(call, steps, call.inputs, None, residual)
        return self._evaluate(call, steps, call.inputs, None, residual)

    def _evaluate(
        self, call: Call, steps: tuple[Step, ...], inputs: Tensor, rows: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """The output after these steps for `rows` of the batch (None: all), whose inputs and residuals are given."""
        if not steps:
            return call.again(self._original, inputs, rows)
        step, below = steps[-1], steps[:-1]
        if step.everywhere:
            return self._apply(call, step.parts[0], below, inputs, rows, residual, None)
        together = self._apply_together(call, step, below, inputs, rows, residual)
        if together is not None:
            return together
        if rows is None:
            members: Sequence[Tensor] = step.members
        else:
            members = [(step.assignment[rows] == index).nonzero().squeeze(1) for index in range(len(step.parts))]
        lazy = [part.reads_input(self.path) for part in step.parts]
        computed = None if any(lazy) else self._evaluate(call, below, inputs, rows, residual)

        order, pieces = [], []
        assignment = step.assignment if rows is None else step.assignment[rows]
        untouched = (assignment < 0).nonzero().squeeze(1)
        if len(untouched):
            order.append(untouched)
            if computed is None:
                own_rows = untouched if rows is None else rows[untouched]
                pieces.append(self._evaluate(call, below, inputs[untouched], own_rows, _take(residual, untouched)))
            else:
                pieces.append(computed[untouched])
        for part, chosen in zip(step.parts, members, strict=True):
            if not len(chosen):
                continue
            own_rows = chosen if rows is None else rows[chosen]
            given = None if computed is None else computed[chosen]
            order.append(chosen)
            pieces.append(self._apply(call, part, below, inputs[chosen], own_rows, _take(residual, chosen), given))
        if len(pieces) == 1:
            return pieces[0]
        joined = torch.cat(order)
        back = torch.empty_like(joined)
        back[joined] = torch.arange(len(joined), device=joined.device)
        return torch.cat(pieces)[back]

    def _evaluate_each(
        self, call: Call, steps: tuple[Step, ...], inputs: Tensor, rows: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """As `_evaluate`, where every part is given one row at a time; what is frozen is computed for all rows."""
        if not steps:
            return call.again(self._original, inputs, rows)
        step, below = steps[-1], steps[:-1]
        places = torch.arange(len(inputs), device=inputs.device) if rows is None else rows
        parts = [None if index < 0 else step.parts[index] for index in step.assignment[places].tolist()]
        reads = [part is not None and part.reads_input(self.path) for part in parts]
        whole: Tensor | None = None
        if not all(reads):
            common = inputs
            if any(reads):
                # What these parts change the module may not be able to take, such as tokens it does not have.
                taken = [reads.index(False) if reads_own else place for place, reads_own in enumerate(reads)]
                common = inputs[torch.tensor(taken, device=inputs.device)]
            whole = self._evaluate_each(call, below, common, rows, residual)
        outputs = []
        for place, (part, reads_own) in enumerate(zip(parts, reads, strict=True)):
            own = slice(place, place + 1)
            given = None if whole is None or reads_own else whole[own]
            left = None if residual is None else residual[own]
            if part is not None:
                given = self._apply(call, part, below, inputs[own], places[own], left, given, each=True)
            assert given is not None
            outputs.append(given)
        return torch.cat(outputs)

    def _apply(
        self,
        call: Call,
        part: Part,
        below: tuple[Step, ...],
        own: Tensor,
        rows: Tensor | None,
        residual: Tensor | None,
        computed: Tensor | None,
        each: bool = False,
    ) -> Tensor:
        base_layer = self._base_layer(call, below, own, rows, residual, computed, each)
        return part.at(self.path, base_layer, own, SiteContext(residual, self._norm))

    def _apply_together(
        self,
        call: Call,
        step: Step,
        below: tuple[Step, ...],
        inputs: Tensor,
        rows: Tensor | None,
        residual: Tensor | None,
    ) -> Tensor | None:
        """The output where the step's parts are of one class and can act on all rows at once, else None."""
        first = step.parts[0]
        if len(step.parts) == 1 or any(type(part) is not type(first) for part in step.parts):
            return None
        assignment = step.assignment if rows is None else step.assignment[rows]
        base_layer = self._base_layer(call, below, inputs, rows, residual, None)
        context = SiteContext(residual, self._norm)
        return first.at_rows(step.parts, self.path, base_layer, inputs, context, assignment)

    def _base_layer(
        self,
        call: Call,
        below: tuple[Step, ...],
        own: Tensor,
        rows: Tensor | None,
        residual: Tensor | None,
        computed: Tensor | None,
        each: bool = False,
    ) -> BaseLayer:
        """What a part calls for the output below it; computed once for the part's own input."""

        def base_layer(inputs: Tensor) -> Tensor:
            nonlocal computed
            evaluate = self._evaluate_each if each else self._evaluate
            if inputs is not own:
                return evaluate(call, below, inputs, rows, residual)
            if computed is None:
                computed = evaluate(call, below, own, rows, residual)
            return computed

        return base_layer


def _take(values: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if values is None else values[rows]
