"""Passes through some of a backbone's layers: from the texts up to a depth, and from what that gave to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from lect.backbones.backbone import Backbone


@dataclass(frozen=True)
class LayerForm:
    """What a family's layers return, which depends on the version of transformers.

    Args:
        length: of the tuple whose first are the hidden states; None where these are returned alone.
    """

    length: int | None

    @classmethod
    def of(cls, backbone: Backbone) -> LayerForm:
        """The form of this backbone's layers, found by one pass of one token."""
        seen: list[Any] = []
        token = torch.tensor([[backbone.blank_id]], device=next(backbone.model.parameters()).device)
        with torch.no_grad(), _observed(backbone.module(backbone.anatomy.separable[0]), seen.append):
            backbone.model(input_ids=token, attention_mask=torch.ones_like(token))
        return cls(len(seen[0]) if isinstance(seen[0], tuple) else None)

    def around(self, hidden_states: Tensor) -> Any:
        """Hidden states as a layer would return them."""
        if self.length is None:
            return hidden_states
        return (hidden_states, *(None for _ in range(self.length - 1)))

    def within(self, returned: Any) -> Tensor:
        """The hidden states of what a layer returned."""
        found: Tensor = returned if self.length is None else returned[0]
        return found


@dataclass(frozen=True)
class LayerCall:
    """How a backbone called one of its layers, hidden states first."""

    layer: nn.Module
    positional: tuple[Any, ...]
    named: Mapping[str, Any]

    @property
    def hidden_states(self) -> Tensor:
        """What the layer was given. *Shape:* ``(rows, length, hidden)``."""
        found: Tensor = self.positional[0] if self.positional else self.named["hidden_states"]
        return found

    def on(self, hidden_states: Tensor) -> Any:
        """What the layer returns for other hidden states."""
        if self.positional:
            return self.layer(hidden_states, *self.positional[1:], **self.named)
        return self.layer(**{**self.named, "hidden_states": hidden_states})


Together: TypeAlias = Callable[[Sequence[LayerCall]], Tensor]
"""Gives the hidden states above some layers from how each was called; all calls have the lowest one's input."""


class BetweenLayersError(RuntimeError):
    """A backbone computes something between two of its layers, so that these cannot be computed together."""


@dataclass(frozen=True)
class Span:
    """The layers that a pass computes.

    Args:
        start: so many of the lowest layers are left out.
        given: what they would give. *Shape:* ``(rows, length, hidden)``.
        stop: the layers up to which hidden states are computed; None for all.
        together: what computes these layers, in place of one call after the other.
    """

    form: LayerForm
    start: int = 0
    given: Tensor | None = None
    stop: int | None = None
    together: Together | None = None

    def of_rows(self, rows: Tensor) -> Span:
        """The same for some of the rows."""
        return self if self.given is None else replace(self, given=self.given[rows])

    def compute(self, backbone: Backbone, named: Mapping[str, Tensor]) -> Tensor:
        """The hidden states where the span ends, *Shape:* ``(rows, length, hidden)``.

        Raises:
            BetweenLayersError: the layers are to be computed together, and cannot be.
        """
        layers = [backbone.module(path) for path in backbone.anatomy.separable]
        with ExitStack() as within:
            within.enter_context(_skipped(layers[: self.start], self.form, self.given))
            if self.together is not None:
                within.enter_context(_gathered(layers[self.start : self.stop], self.form, self.together))
            if self.stop is None:
                hidden: Tensor = backbone.model(**named)[0]
                return hidden
            # The layers above give what they get; what is looked for is seen before any norm behind them.
            within.enter_context(_skipped(layers[self.stop :], self.form))
            seen: list[Any] = []
            within.enter_context(_observed(layers[self.stop - 1], seen.append))
            backbone.model(**named)
        return self.form.within(seen[0])


@contextmanager
def _observed(layer: nn.Module, see: Callable[[Any], None]) -> Iterator[None]:
    """A block in which what a layer returns is shown to a function."""
    handle = layer.register_forward_hook(lambda _module, _inputs, returned: see(returned))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _skipped(layers: Sequence[nn.Module], form: LayerForm, given: Tensor | None = None) -> Iterator[None]:
    """A block in which these layers compute nothing: they return what they get, and the last one what is given."""

    def through(*positional: Any, **named: Any) -> Any:
        return form.around(positional[0] if positional else named["hidden_states"])

    def last(*_positional: Any, **_named: Any) -> Any:
        assert given is not None
        return form.around(given)

    with _replaced([(layer, through if given is None or layer is not layers[-1] else last) for layer in layers]):
        yield


@contextmanager
def _gathered(layers: Sequence[nn.Module], form: LayerForm, together: Together) -> Iterator[None]:
    """A block in which these layers only take note of how they are called, and the last one has all computed.

    What a layer gets has to be what the one below was given, since nothing was computed in between.
    """
    calls: list[LayerCall] = []
    own = [layer.__dict__.get("forward") for layer in layers]

    def noting(layer: nn.Module) -> Callable[..., Any]:
        def forward(*positional: Any, **named: Any) -> Any:
            call = LayerCall(layer, positional, named)
            calls.append(call)
            if call.hidden_states is not calls[0].hidden_states:
                raise BetweenLayersError
            if len(calls) < len(layers):
                return form.around(call.hidden_states)
            with _replaced(list(zip(layers, own, strict=True))):
                return form.around(together(calls))

        return forward

    with _replaced([(layer, noting(layer)) for layer in layers]):
        yield


@contextmanager
def _replaced(forwards: Sequence[tuple[nn.Module, Callable[..., Any] | None]]) -> Iterator[None]:
    """A block in which modules have another `forward` of their own; None for that of their class."""
    before = [(layer, layer.__dict__.get("forward")) for layer, _ in forwards]
    try:
        _set_forward(forwards)
        yield
    finally:
        _set_forward(before)


def _set_forward(forwards: Sequence[tuple[nn.Module, Callable[..., Any] | None]]) -> None:
    for layer, forward in forwards:
        if forward is None:
            layer.__dict__.pop("forward", None)
        else:
            layer.__dict__["forward"] = forward
