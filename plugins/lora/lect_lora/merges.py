"""The merges of `peft` (`peft.utils.merge_utils`), by name, with seeds.

Of tensors ``t_i`` with weights ``w_i``:

- ``magnitude_prune``: ``Σ w_i prune(t_i)``, which keeps the share `density` of largest magnitude.
- ``ties`` (Yadav et al. 2023): prune so; elect each place's sign by the sum of what is left (or by count); the sum of
  ``w_i t_i`` over the members that have this sign there, divided by their number.
- ``dare``, in `peft` ``dare_linear`` (Yu et al. 2024): keep the share `density` at random, divide it by `density`, and
  take ``Σ w_i t_i``.
- ``dare_ties``: drop at random so, then go on as TIES.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lect import Config, MergeSpec

if TYPE_CHECKING:
    from torch import Tensor


class PruneConfig(Config):
    """How much is kept."""

    density: float = Field(0.5, gt=0, le=1, description="the share of values that is kept")


class TiesConfig(PruneConfig):
    """How much is kept, and how signs are elected."""

    majority_sign_method: Literal["total", "frequency"] = Field(
        "total", description="the sign of the sum, or that of most values"
    )


class DareConfig(PruneConfig):
    """How much is kept, and which draw decides."""

    seed: int = Field(0, ge=0, lt=2**32, description="of the random choice")


class DareTiesConfig(TiesConfig, DareConfig):
    """How much is kept, which draw decides, and how signs are elected."""


def _merge(function: str) -> Callable[[Any, str, Sequence[Tensor], Sequence[float]], Tensor]:
    def merge(config: PruneConfig, name: str, tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        import torch
        from peft.utils import merge_utils

        settings = config.model_dump(exclude={"seed"})
        # Each place draws by itself, whatever else is merged.
        seed = hashlib.sha256(f"{getattr(config, 'seed', 0)}/{name}".encode()).digest()[:4]
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # It warns where a density of 1 prunes nothing.
            warnings.simplefilter("ignore")
            torch.manual_seed(int.from_bytes(seed, "big"))
            merged: Tensor = getattr(merge_utils, function)(list(tensors), torch.tensor(list(weights)), **settings)
            return merged

    return merge


MERGES = (
    MergeSpec("magnitude_prune", "the sum of the largest values", PruneConfig, _merge("magnitude_prune")),
    MergeSpec("ties", "the largest values, where they agree in sign (Yadav et al. 2023)", TiesConfig, _merge("ties")),
    MergeSpec("dare", "random values, rescaled (Yu et al. 2024)", DareConfig, _merge("dare_linear")),
    MergeSpec("dare_linear", "peft's name for dare", DareConfig, _merge("dare_linear")),
    MergeSpec("dare_ties", "random values, rescaled, where they agree in sign", DareTiesConfig, _merge("dare_ties")),
)
