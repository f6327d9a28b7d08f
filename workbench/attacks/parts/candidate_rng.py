"""Random numbers for each candidate alone, so that its path does not depend on who else is attacked."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext
from workbench.priors import Prior


class Streams:
    """One generator a candidate, seeded by one draw of ``ctx.rng``, its class, and how many of it came before."""

    def __init__(self, ctx: AttackContext[Prior | None]) -> None:
        base, seen = int(torch.randint(2**31, (), generator=ctx.rng)), Counter[int]()
        self.device, self._generators = ctx.device, []
        for c in ctx.classes.tolist():
            self._generators.append(torch.Generator().manual_seed(base * 1_000_003 + c * 1009 + seen[c]))
            seen[c] += 1

    def __len__(self) -> int:
        return len(self._generators)

    def of(self, rows: Tensor | None) -> list[torch.Generator]:
        """Return the generators of candidates `rows` (n,), all where None."""
        return self._generators if rows is None else [self._generators[i] for i in rows.tolist()]

    def normal(self, *shape: int, rows: Tensor | None = None) -> Tensor:
        """Return standard normal numbers, (n, *shape)."""
        return torch.stack([torch.randn(shape, generator=g) for g in self.of(rows)]).to(self.device)

    def uniform(self, *shape: int, rows: Tensor | None = None) -> Tensor:
        """Return numbers uniform in [0, 1), (n, *shape)."""
        return torch.stack([torch.rand(shape, generator=g) for g in self.of(rows)]).to(self.device)

    def sample(self, prior: Prior, rows: Tensor | None = None) -> Tensor:
        """Return a latent of `prior` for each candidate, (n, D)."""
        return torch.cat([prior.sample(1, g) for g in self.of(rows)])
