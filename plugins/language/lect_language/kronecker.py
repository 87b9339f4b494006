"""Linear layers whose weight is a sum of Kronecker products: those of Compacter (Mahabadi et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lect_language.settings import BottleneckSettings


class KroneckerLinear(nn.Module):
    """``inputs H + b`` with ``H = Σᵢ ruleᵢ ⊗ Wᵢ`` over ``n`` terms (Zhang et al. 2021; Mahabadi et al. 2021, sec. 4).

    Parameters are called as in `adapters` 1.3.0 (``PHMLayer``): ``phm_rule`` of shape ``(n, n, n)``, ``W`` of shape
    ``(n, inputs / n, outputs / n)``, ``b``; a factorised one is the product of its ``_left`` and ``_right``. What all
    layers share is missing until `share_parameters` gives it.

    Args:
        side: "down" or "up".
    """

    def __init__(self, inputs: int, outputs: int, side: str, settings: BottleneckSettings) -> None:
        super().__init__()
        self.side = side
        rule = {} if settings.shared_phm_rule else _rule(settings)
        weights = {} if settings.shared_W_phm else _weights(settings, inputs, outputs)
        for name, parameter in {**rule, **weights}.items():
            self.register_parameter(name, parameter)
        self.register_parameter("b", nn.Parameter(torch.zeros(outputs)) if settings.phm_bias else None)
        _draw_weights(list(weights.values()))
        _draw_rule(rule.values(), settings.phm_c_init, std=0.01, bound=0.01)

    def forward(self, inputs: Tensor) -> Tensor:
        """*Shape:* ``(..., inputs)`` to ``(..., outputs)``."""
        rule, weights = self._product("phm_rule"), self._product("W")
        product = torch.einsum("nab,ncd->acbd", rule, weights).flatten(2).flatten(0, 1)
        outputs = inputs @ product
        return outputs if self.b is None else outputs + self.b

    def _product(self, name: str) -> Tensor:
        whole: Tensor | None = getattr(self, name, None)
        return torch.bmm(getattr(self, f"{name}_left"), getattr(self, f"{name}_right")) if whole is None else whole


def share_parameters(settings: BottleneckSettings, layers: nn.Module, width: int) -> None:
    """Give every Kronecker layer the same rule, and the same weights where they are shared, as its own parameters.

    A parameter that several modules own is trained and saved once.

    Args:
        layers: where the Kronecker layers are.
        width: features of the hidden states.
    """
    if not settings.phm_layer:
        return
    shared: dict[str, dict[str, nn.Parameter]] = {"down": {}, "up": {}}
    if settings.shared_W_phm:
        assert isinstance(settings.reduction_factor, int)
        size = width // settings.reduction_factor
        for side, (inputs, outputs) in {"down": (width, size), "up": (size, width)}.items():
            shared[side] = _weights(settings, inputs, outputs)
            _draw_weights(list(shared[side].values()))
    if settings.shared_phm_rule:
        rule = _rule(settings)
        _draw_rule(rule.values(), settings.phm_c_init, std=settings.phm_init_range, bound=1)
        shared = {side: {**rule, **weights} for side, weights in shared.items()}
    for layer in layers.modules():
        if isinstance(layer, KroneckerLinear):
            for name, parameter in shared[layer.side].items():
                layer.register_parameter(name, parameter)


def shared_names(settings: BottleneckSettings, side: str) -> dict[str, str]:
    """What the layers of a side share: its name at the layer → the name that `adapters` gives it at the model."""
    names: dict[str, str] = {}
    if settings.phm_layer and settings.shared_phm_rule:
        names |= {name: name for name in _named("phm_rule", settings.factorized_phm_rule)}
    if settings.phm_layer and settings.shared_W_phm:
        names |= {name: name.replace("W", f"W_{side}") for name in _named("W", settings.factorized_phm_W)}
    return names


def _named(name: str, factorised: bool) -> tuple[str, ...]:
    return (f"{name}_left", f"{name}_right") if factorised else (name,)


def _rule(settings: BottleneckSettings) -> dict[str, nn.Parameter]:
    count = settings.phm_dim
    shapes = [(count, count, 1), (count, 1, count)] if settings.factorized_phm_rule else [(count, count, count)]
    names = _named("phm_rule", settings.factorized_phm_rule)
    return {
        name: nn.Parameter(torch.empty(shape), requires_grad=settings.learn_phm)
        for name, shape in zip(names, shapes, strict=True)
    }


def _weights(settings: BottleneckSettings, inputs: int, outputs: int) -> dict[str, nn.Parameter]:
    count, rank = settings.phm_dim, settings.phm_rank
    inputs, outputs = inputs // count, outputs // count
    shapes = (
        [(count, inputs, rank), (count, rank, outputs)] if settings.factorized_phm_W else [(count, inputs, outputs)]
    )
    names = _named("W", settings.factorized_phm_W)
    return {name: nn.Parameter(torch.empty(shape)) for name, shape in zip(names, shapes, strict=True)}


@torch.no_grad()
def _draw_weights(weights: list[nn.Parameter]) -> None:
    # Whatever `hypercomplex_nonlinearity` names, adapters 1.3.0 draws "glorot-normal", and so is it here.
    for terms in zip(*weights, strict=True):
        for term in terms:
            nn.init.xavier_normal_(term)


def _draw_rule(rule: Iterable[nn.Parameter], kind: str, *, std: float, bound: float) -> None:
    for parameter in rule:
        if kind == "uniform":
            nn.init.uniform_(parameter, -bound, bound)
        else:
            nn.init.normal_(parameter, std=std)
