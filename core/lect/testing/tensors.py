"""What the contract of methods compares: hidden states without padding, gradients, and how far two are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lect.composition.model import RoutedModel
from lect.composition.rows import EncodedRows
from lect.parts import Part


def part_of(model: RoutedModel, key: str) -> Part:
    """The only part of an attached component."""
    (part,) = model.components[key].parts.values()
    return part


def hidden_states(model: RoutedModel, rows: EncodedRows) -> Tensor:
    """The last layer's states, *Shape:* ``(row, position, hidden)``."""
    hidden: Tensor = model(rows)
    return hidden


def unpadded(hidden: Tensor, rows: EncodedRows) -> list[Tensor]:
    """Each row's states without those of padding, *Shape:* ``(length, hidden)``."""
    return [states[mask.bool()] for states, mask in zip(hidden, rows.attention_mask, strict=True)]


def train_once(model: RoutedModel, rows: EncodedRows) -> None:
    """Gradients of a sum over all states, by one backward pass, without dropout."""
    model.train()
    switch_dropout_off(model)
    states = unpadded(hidden_states(model, rows), rows)
    torch.autograd.backward(torch.stack([_scalar(hidden, row) for row, hidden in enumerate(states)]).sum())


def gradients(parts: Mapping[str, Part], states: Sequence[Tensor], first_row: int = 0) -> dict[str, Tensor]:
    """The gradient of every trained parameter, zero where there is none, as ``<key> <name>``."""
    named = {
        f"{key} {name}": parameter
        for key, part in parts.items()
        for name, parameter in part.named_parameters()
        if parameter.requires_grad
    }
    total = torch.stack([_scalar(hidden, first_row + row) for row, hidden in enumerate(states)]).sum()
    if not total.requires_grad:
        return {name: torch.zeros_like(parameter) for name, parameter in named.items()}
    found = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for (name, parameter), gradient in zip(named.items(), found, strict=True)
    }


@torch.no_grad()
def perturb(part: Part) -> None:
    """Move every trained parameter, since what starts as the identity would hide mistakes."""
    for parameter in part.parameters():
        if parameter.requires_grad and parameter.is_floating_point():
            parameter.add_(torch.randn_like(parameter) * 0.05)


def switch_dropout_off(model: nn.Module) -> None:
    """Every dropout of the model keeps everything, in training, too."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors' elements."""
    return float((one - other).detach().abs().max()) if one.numel() else 0.0


def _scalar(states: Tensor, row: int) -> Tensor:
    # Another weight for every row, position and feature: a mean would not see what a layer norm evens out.
    generator = torch.Generator().manual_seed(row)
    return (states * torch.randn(states.shape, generator=generator)).sum()
