"""The loop of every attack that looks for images whose update is the one that was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, ensure_finite
from workbench.attacks.parts.on_updates import SeenUpdate, best_restart
from workbench.core.payloads import Images
from workbench.core.records import Frame
from workbench.priors import Prior


class BestByDistance:
    """Of each restart the batch that came nearest to the update seen, and how near; never by the truth."""

    def __init__(self, seen: SeenUpdate, images: Tensor, latents: Tensor | None = None) -> None:
        self.seen, self.images, self.latents = (
            seen,
            images.detach().clone(),
            None if latents is None else latents.detach().clone(),
        )
        self.distance = torch.full((seen.restarts,), torch.inf, device=images.device)

    def offer(self, restart: int, distance: float, images: Tensor, latents: Tensor | None = None) -> None:
        """Keep images (K, C, H, W), and their latents (K, D), of a restart if they are nearer."""
        if distance >= self.distance[restart]:
            return
        self.distance[restart] = distance
        self.seen.batch_of(self.images, restart).copy_(images.detach())
        if self.latents is not None and latents is not None:
            self.seen.batch_of(self.latents, restart).copy_(latents.detach())

    def frame(self, step: int, total: int, note: str = "") -> Frame:
        """Return what is kept, as a frame."""
        ensure_finite(step, images=self.images)
        kept = best_restart(self.distance, self.seen.count)
        payload = Images(self.images.clamp(0, 1), self.latents, kept=kept if self.seen.restarts > 1 else None)
        losses = {"gradient distance": self.seen.spread(self.distance.clamp(max=1e30))}
        return Frame(step, total, payload, losses, self.seen.ctx.target.queries, note or self.seen.said)


def search(
    ctx: AttackContext[Prior | None],
    best: BestByDistance,
    total: int,
    step_of: Sequence[Callable[[int], None]],
) -> Iterator[Frame]:
    """Take `total` steps in every restart, in turn; yield the nearest so far when a frame is due, and at the end.

    Args:
        step_of: for each restart, what takes its next step, counted from 1, and offers `best` what it found.
    """
    for step in range(1, total + 1):
        for take in step_of:
            take(step)
        if step == total or ctx.due(step):
            yield best.frame(step, total)
