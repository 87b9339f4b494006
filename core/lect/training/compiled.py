"""Compiling a model, tried before it is relied on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel

_TEXTS = ("a short text", "another text that is a little longer than the first one")
_TOLERANCE = 1e-2


def compile_model(
    model: RoutedModel, encoder: RowEncoder, stacks: Sequence[tuple[str, ...]], backend: str = "inductor"
) -> str | None:
    """Compile what the backbone computes, with what is attached; None, or in a clause why that cannot be done.

    A batch of each stack goes through, forwards and backwards, so that what cannot be compiled shows before the run
    starts; the model is then as it was.

    Args:
        backend: as `torch.compile` takes it.
    """
    model.eval()
    plain = [_states(model, encoder, stack) for stack in stacks]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.compiled = torch.compile(model.encoder.forward, dynamic=True, backend=backend)
            for stack, expected in zip(stacks, plain, strict=True):
                found = _states(model, encoder, stack)
                if not torch.allclose(found, expected, atol=_TOLERANCE, rtol=_TOLERANCE):
                    raise RuntimeError("it would compute something else")
                if found.requires_grad:
                    torch.autograd.backward(found.sum())
    except Exception as error:
        # Which exception it is depends on what is missing: a C++ compiler, Triton, an operation.
        model.compiled = None
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    finally:
        model.zero_grad(set_to_none=True)
    return None


def _states(model: RoutedModel, encoder: RowEncoder, stack: tuple[str, ...]) -> Tensor:
    rows = encoder.encode(_TEXTS, [stack] * len(_TEXTS)).to(next(model.encoder.parameters()).device)
    hidden: Tensor = model(rows)
    return hidden
