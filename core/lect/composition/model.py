"""A frozen backbone with components attached; each row of a batch goes through the components of its own stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lect.backbones.anatomy import Sublayer, Tap
from lect.backbones.backbone import Backbone
from lect.composition.acting import ActingParts
from lect.composition.attention import attention_precision
from lect.composition.component import Component
from lect.composition.depths import Depths
from lect.composition.gradient_checkpointing import checkpoint_layers
from lect.composition.graphs.buckets import Batch
from lect.composition.graphs.passes import GraphedPasses, Steps
from lect.composition.graphs.recording import Recorder
from lect.composition.kept import KeptStates
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.composition.sites import RoutedSite, RowsMismatchError, Step, plan_steps
from lect.composition.spans import LayerForm, Span
from lect.composition.taps import tap_residual
from lect.counts import some_of
from lect.errors import BackboneError, StackError
from lect.heads import Head


@dataclass(frozen=True)
class HeadOutput:
    """The logits of the rows that share a head.

    Args:
        rows: *Shape:* ``(rows of the head,)``; indices into the batch.
        logits: *Shape:* ``(rows of the head, ...)``.
    """

    head: Head
    rows: Tensor
    logits: Tensor


@dataclass
class _Pass:
    """The state of one forward pass through the backbone; `steps` say what acts where the routes do not."""

    routes: Routes
    plans: dict[int, tuple[Step, ...]] = field(default_factory=dict)
    residuals: dict[Tap, Tensor] = field(default_factory=dict)
    steps: Steps | None = None


class RoutedModel(nn.Module):
    """A frozen backbone and the components attached to it.

    While nothing is attached, the backbone's modules are as they were, to the bit and to the object.

    Attributes:
        checkpoints_layers: gradient checkpointing (Chen et al. 2016): what a layer computes is computed again in the
            backward pass instead of kept; less memory, a third more time.
        acts_by_row: whether parts are given one row at a time, so that the shapes of what they compute, and so its last
            bits, do not hang on the other rows. Rows that cannot go through together are then refused.
        compiled: what is called in place of the backbone's `forward`; None for that itself.
        depths: where the components begin to act.
        kept: where hidden states between two layers are kept from one batch to the next (`lect.composition.sharing`).
        graphs: the CUDA graphs that rows go through in evaluation (`use_graphs`); None where there are none.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.encoder: nn.Module = backbone.model
        self.decoder: nn.Module | None = backbone.decoder
        self.parts = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        self._components: dict[str, Component] = {}
        self._acting = ActingParts(backbone.anatomy)
        self.depths = Depths(backbone.anatomy)
        self._form: LayerForm | None = None
        self._sites: dict[str, RoutedSite] = {}
        self._taps: dict[Tap, RemovableHandle] = {}
        self._sublayers: dict[str, Sublayer] = {
            sublayer.output: sublayer
            for layer in backbone.anatomy.layers
            for sublayer in (layer.attention, layer.feed_forward)
        }
        self._pass: _Pass | None = None
        self._splits_groups = False
        self.checkpoints_layers = False
        self.acts_by_row = False
        self.compiled: Callable[..., Any] | None = None
        self.kept: KeptStates | None = None
        self.graphs: GraphedPasses | None = None

    def __repr__(self) -> str:
        return f"<RoutedModel on {self.backbone.name}: {some_of(list(self._components)) or 'nothing attached'}>"

    @property
    def components(self) -> Mapping[str, Component]:
        """What is attached, by key."""
        return dict(self._components)

    def attach(self, component: Component) -> None:
        """Make a component available to stacks; rows whose stacks do not have it are not slowed.

        Raises:
            StackError: another component is attached under this key, or another model has components on the backbone.
        """
        if component.key in self._components:
            raise StackError(f'"{component.key}" is attached already', fix="detach it first")
        for site in {site for part in component.parts.values() for site in part.sites()} - self._sites.keys():
            if "forward" in self.backbone.module(site).__dict__:
                raise StackError("another model has components on this backbone", fix="detach those first")
        self._components[component.key] = component
        name = _module_name(component.key)
        self.parts[name] = nn.ModuleDict(component.parts)
        if component.head is not None:
            self.heads[name] = component.head
        self._acting.add(component)
        self.depths.add(component)
        self._refresh()

    def detach_all(self) -> None:
        """Leave the backbone as it was."""
        for key in list(self._components):
            self.detach(key)

    def detach(self, key: str) -> None:
        """Take a component out again; the backbone's modules it alone used are restored.

        Raises:
            StackError: nothing is attached under this key.
        """
        if key not in self._components:
            raise StackError(f'"{key}" is not attached')
        del self._components[key]
        del self.parts[_module_name(key)]
        if _module_name(key) in self.heads:
            del self.heads[_module_name(key)]
        parts = self._acting.remove(key)
        if self.graphs is not None:
            self.graphs.forget(parts)
        self.depths.remove(key)
        self._refresh()

    def forward(self, rows: EncodedRows, span: Span | None = None) -> Tensor:
        """Hidden states of the last layer, or of where a span of layers ends, *Shape:* ``(rows, length, hidden)``."""
        half = self.encoder if span else self.compiled or self.encoder
        return self._in_groups(half, self._inputs(rows), rows.routes, span)

    def span(self, start: int = 0, given: Tensor | None = None, stop: int | None = None) -> Span:
        """A span of the layers, for `forward` (`Span` says of what)."""
        if self._form is None:
            self._form = LayerForm.of(self.backbone)
        return Span(self._form, start, given, stop)

    def use_graphs(self, recorder: Recorder | None) -> None:
        """Record the layers with this recorder from now on; None to record none, and drop what is recorded.

        Raises:
            BackboneError: no pass may begin between two layers of the backbone.
        """
        if recorder is not None and not self.depths.layers:
            raise BackboneError(f'the layers of "{self.backbone.name}" cannot be recorded', fix="use no graphs")
        self.graphs = None if recorder is None else GraphedPasses(self.backbone, self._stepping, recorder)

    def _inputs(self, rows: EncodedRows) -> dict[str, Any]:
        named: dict[str, Any] = {"input_ids": rows.input_ids, "attention_mask": rows.attention_mask}
        if rows.token_type_ids is not None:
            named["token_type_ids"] = rows.token_type_ids
        if self.backbone.kind == "decoder":
            # Counted from each row's own first token, on whichever side its padding is.
            named["position_ids"] = (rows.attention_mask.long().cumsum(1) - 1).clamp_min(0)
        return named

    def decode(self, input_ids: Tensor, attention_mask: Tensor, hidden_states: Tensor, rows: EncodedRows) -> Tensor:
        """Hidden states of what an encoder-decoder generates; each has seen what came before it, and the text.

        Args:
            input_ids: what is generated. *Shape:* ``(rows, length)``.
            attention_mask: *Shape:* ``(rows, length)``.
            hidden_states: what `forward` gave for the texts. *Shape:* ``(rows, text length, hidden)``.
            rows: the texts.

        Returns:
            *Shape:* ``(rows, length, hidden)``.
        """
        assert self.decoder is not None, "the backbone was loaded without its decoder"
        named = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "encoder_hidden_states": hidden_states,
            "encoder_attention_mask": rows.attention_mask,
        }
        return self._in_groups(self.decoder, named, rows.routes)

    def pool(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Sentence vectors, *Shape:* ``(rows, hidden)``, as the backbone pools them."""
        return self.backbone.pool(hidden_states, attention_mask)

    def head_of(self, stack: tuple[str, ...]) -> Head | None:
        """The head of these components, where one has a head."""
        heads = (self._components[key].head for key in stack)
        return next((head for head in heads if head is not None), None)

    def vectors(self, hidden_states: Tensor, rows: EncodedRows) -> Tensor:
        """The vectors by which texts are compared, *Shape:* ``(rows, width)``: each row's head's, else pooled.

        Raises:
            StackError: the rows' stacks give vectors of several widths.
        """
        mask = rows.attention_mask
        found: list[tuple[Tensor, Tensor]] = []
        for group in rows.routes.groups:
            head = self.head_of(group.components)
            make = head if head is not None and head.embeds else self.pool
            if len(rows.routes.groups) == 1:
                only: Tensor = make(hidden_states, mask)
                return only
            found.append((group.rows, make(hidden_states[group.rows], mask[group.rows])))
        widths = {vectors.shape[1] for _, vectors in found}
        if len(widths) > 1:
            told = " and ".join(map(str, sorted(widths)))
            raise StackError(f"these stacks give vectors of {told} numbers, which are not compared", fix="use one head")
        output = found[0][1].new_empty((rows.size, *widths))
        for places, vectors in found:
            output = output.index_copy(0, places, vectors.to(output.dtype))
        return output

    def logits(self, hidden_states: Tensor, rows: EncodedRows) -> list[HeadOutput]:
        """Each row's own head's logits, one entry a head; rows whose stack has no head are in none.

        Args:
            hidden_states: *Shape:* ``(rows, length, hidden)``.
        """
        attention_mask, routes = rows.attention_mask, rows.routes
        rows_of: dict[Head, list[Tensor]] = {}
        for group in routes.groups:
            head = self.head_of(group.components)
            if head is not None:
                rows_of.setdefault(head, []).append(group.rows)
        outputs = []
        for head, groups in rows_of.items():
            own = groups[0] if len(groups) == 1 else torch.cat(groups).sort().values
            if len(own) == routes.size:
                outputs.append(HeadOutput(head, own, head(hidden_states, attention_mask)))
            else:
                outputs.append(HeadOutput(head, own, head(hidden_states[own], attention_mask[own])))
        return outputs

    @contextmanager
    def routed(self, routes: Routes) -> Iterator[None]:
        """A block in which every call of the backbone itself has these rows, such as those of `transformers`' search.

        Raises:
            StackError: a stack names what is not attached.
            RowsMismatchError: (from the call) rows of these routes cannot go through together.
        """
        for group in routes.groups:
            for key in group.components:
                if key not in self._components:
                    raise StackError(f'"{key}" is not attached')
        if len(routes.groups) > 1 and self._differ_at_shared(routes):
            raise RowsMismatchError("a module that is called once for all rows")
        # Outside the block, calls of the backbone go through no component.
        with self._during(_Pass(routes)):
            yield

    @contextmanager
    def _during(self, passing: _Pass) -> Iterator[None]:
        before, self._pass = self._pass, passing
        try:
            yield
        finally:
            self._pass = before

    def _stepping(self, steps: Steps) -> AbstractContextManager[None]:
        assert self._pass is not None
        return self._during(_Pass(self._pass.routes, steps=steps))

    def _in_groups(
        self, half: Callable[..., Any], named: Mapping[str, Tensor], routes: Routes, span: Span | None = None
    ) -> Tensor:
        """The hidden states that one half of the backbone gives, all rows at once where that can be."""
        if self.acts_by_row:
            return self._run(half, named, routes, span)
        if len(routes.groups) == 1 or not (self._splits_groups or self._differ_at_shared(routes)):
            try:
                return self._run(half, named, routes, span)
            except RowsMismatchError:
                self._splits_groups = True
        # Some module of this backbone is called for all rows at once, or mixes their dimension with another: each group
        # goes through on its own.
        output: Tensor | None = None
        for group in routes.groups:
            chosen = {name: value[group.rows] for name, value in named.items()}
            own = None if span is None else span.of_rows(group.rows)
            hidden = self._run(half, chosen, Routes.uniform(group.components, len(group.rows)), own)
            if output is None:
                output = hidden.new_empty((routes.size, *hidden.shape[1:]))
            output = output.index_copy(0, group.rows, hidden)
        assert output is not None
        return output

    def _run(
        self, half: Callable[..., Any], named: Mapping[str, Tensor], routes: Routes, span: Span | None = None
    ) -> Tensor:
        evaluates = not (self.training or torch.is_grad_enabled() or self.acts_by_row)
        if self.graphs is not None and half is self.encoder and evaluates:
            stacks = [self._acting.of(group.components) for group in routes.groups]
            compute = lambda batch: self._compute(half, batch.named, batch.routes, batch.span)  # noqa: E731
            hidden = self.graphs.hidden_states(Batch(named, routes, span or self.span()), stacks, compute)
            if hidden is not None:
                return hidden
        return self._compute(half, named, routes, span)

    def _compute(
        self, half: Callable[..., Any], named: Mapping[str, Tensor], routes: Routes, span: Span | None = None
    ) -> Tensor:
        with self.routed(routes), attention_precision(named["input_ids"].device), ExitStack() as within:
            if self.checkpoints_layers and torch.is_grad_enabled():
                paths = self.backbone.anatomy.layer_paths[span.start if span else 0 :]
                within.enter_context(checkpoint_layers(map(self.backbone.module, paths), self._again))
            if span is not None:
                return span.compute(self.backbone, named)
            hidden: Tensor = half(**named)[0]
        return hidden

    def _again(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """A function that repeats the call in the backward pass, with the parts and residuals of the forward pass."""
        current = self._pass
        assert current is not None
        residuals = dict(current.residuals)

        def again(*positional: Any, **named: Any) -> Any:
            current.residuals = dict(residuals)
            with self._during(current):
                return run(*positional, **named)

        return again

    def _steps_at(self, path: str) -> tuple[Step, ...]:
        if self._pass is None:
            return ()
        if self._pass.steps is not None:
            return self._pass.steps.get(path, ())
        alike = self._acting.alike(path)
        if alike not in self._pass.plans:
            groups = self._pass.routes.groups
            stacks = [self._acting.at(path, group.components) for group in groups]
            self._pass.plans[alike] = plan_steps(stacks, [group.rows for group in groups], self._pass.routes.size)
        return self._pass.plans[alike]

    def _differ_at_shared(self, routes: Routes) -> bool:
        """Whether a module that is called once for all rows would have to give rows of two groups different things."""
        shared = self.backbone.anatomy.shared & self._sites.keys()
        return any(len({self._acting.at(path, group.components) for group in routes.groups}) > 1 for path in shared)

    def _residual_at(self, path: str) -> Tensor | None:
        sublayer = self._sublayers.get(path)
        if sublayer is None or self._pass is None:
            return None
        return self._pass.residuals.pop(sublayer.residual, None)

    def _refresh(self) -> None:
        """Bring the replaced modules and the taps in line with what is attached."""
        wanted = self._acting.sites
        for path in self._sites.keys() - wanted:
            del self._sites[path]
            del self.backbone.module(path).__dict__["forward"]
        for path in sorted(wanted - self._sites.keys()):
            module = self.backbone.module(path)
            sublayer = self._sublayers.get(path)
            norm = self.backbone.module(sublayer.norm) if sublayer and sublayer.norm else None
            by_rows = path not in self.backbone.anatomy.shared
            one_at_a_time = lambda: self.acts_by_row  # noqa: E731
            site = RoutedSite(path, module, self._steps_at, self._residual_at, norm, by_rows, one_at_a_time)
            module.__dict__["forward"] = site
            self._sites[path] = site
        taps = {self._sublayers[path].residual for path in wanted & self._sublayers.keys()}
        for tap in self._taps.keys() - taps:
            self._taps.pop(tap).remove()
        for tap in taps - self._taps.keys():
            self._taps[tap] = tap_residual(self.backbone.module(tap.module), tap, self._keep_residual)
        self._pass = None

    def _keep_residual(self, tap: Tap, residual: Tensor) -> None:
        if self._pass is not None:
            self._pass.residuals[tap] = residual


def _module_name(key: str) -> str:
    return key.replace(".", "·")  # A module's name may hold no dot.
