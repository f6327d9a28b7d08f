"""Images that an attacker has for asking about: drawn when they are first needed, and no more than are needed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


class PublicImages:
    """A fixed row of images, of which the first ones are the same however many are taken.

    Args:
        count: how many there are.
        batches: draws them in order, (n, C, H, W) in [0, 1]; goes no further than what is taken.
        note: what they are, in a few words.
    """

    def __init__(self, count: int, batches: Iterator[Tensor], note: str) -> None:
        self.count, self.note = count, note
        self._batches, self._drawn = batches, list[Tensor]()

    @classmethod
    def at_hand(cls, images: Tensor, note: str) -> PublicImages:
        """Return images (M, C, H, W) in [0, 1] that need not be drawn."""
        public = cls(len(images), iter(()), note)
        public._drawn = [images]
        return public

    def __len__(self) -> int:
        return self.count

    def take(self, n: int) -> Tensor:
        """Return the first `n` images, or all of them if there are fewer; (M, C, H, W)."""
        n = min(n, self.count)
        while sum(map(len, self._drawn)) < n:
            with torch.no_grad():
                self._drawn.append(next(self._batches))
        if len(self._drawn) > 1:
            self._drawn = [torch.cat(self._drawn)]
        return self._drawn[0][:n]

    def some(self, n: int, rng: torch.Generator) -> Tensor:
        """Return `n` images at random, (n, C, H, W), or all of them in a random order if there are fewer."""
        among = self.choice(n)
        return among[torch.randperm(len(among), generator=rng)[:n].to(among.device)]

    def choice(self, n: int) -> Tensor:
        """Return `n` images or more from which to choose at random, (M, C, H, W).

        Those at hand are all of them, since their order may mean something; of those yet to be drawn, the first.
        """
        drawn = sum(map(len, self._drawn))
        return self.take(max(n, drawn) if drawn < self.count else self.count)
