"""Which tokens are hidden, and by what."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from lect.language_model.rows import Row


@dataclass(frozen=True)
class Masking:
    """BERT's masking (Devlin et al. 2019, section 3.1), drawn anew each time as RoBERTa does (Liu et al. 2019).

    Args:
        share: how many of the plain tokens are to be predicted: 80 % of them are hidden by the mask, 10 % replaced by
            any token, and 10 % left as they are.
        mask: the id that hides a token.
        size: ids below are tokens.
    """

    share: float
    mask: int
    size: int

    def draw(self, ids: Tensor, plain: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """The ids as the model sees them, and where it is to predict what was there.

        Args:
            ids: *Shape:* ``(..., length)``.
            plain: *Shape:* ``(..., length)``; where something may be hidden.
            generator: torch's own random state where absent, which a run's checkpoints keep.

        Returns:
            Both of the shape of `ids`; the second one True where a token is to be predicted.
        """
        chosen = (torch.rand(ids.shape, generator=generator) < self.share) & plain
        fate = torch.rand(ids.shape, generator=generator)
        random = torch.randint(self.size, ids.shape, generator=generator)
        seen = torch.where(chosen & (fate < 0.8), torch.full_like(ids, self.mask), ids)
        return torch.where(chosen & (fate >= 0.9), random, seen), chosen

    def draw_fixed(self, row: Row) -> tuple[Tensor, Tensor]:
        """The same for one row, always alike for the same tokens, wherever and whenever it is asked for.

        At least one token is to be predicted, if there is any.
        """
        seed = int.from_bytes(hashlib.sha256(row.ids.tobytes()).digest()[:7], "big")
        generator = torch.Generator().manual_seed(seed)
        ids, plain = torch.from_numpy(row.ids).long(), torch.from_numpy(row.plain)
        seen, chosen = self.draw(ids, plain, generator)
        if plain.any() and not chosen.any():
            place = int(plain.nonzero()[int(torch.randint(int(plain.sum()), (1,), generator=generator))])
            seen[place], chosen[place] = self.mask, True
        return seen, chosen
