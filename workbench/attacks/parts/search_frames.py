"""The frames of an attack that follows gradients: the start while it prepares, each step, and the end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, ensure_finite
from workbench.attacks.parts.clouds import Cloud
from workbench.attacks.parts.losses import confidence
from workbench.core.payloads import Images
from workbench.core.records import Frame
from workbench.priors import Prior

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """What an objective says of latents and of the images they stand for; M = N candidates x tries of each.

    Attributes:
        images: (M, C, H, W) in [0, 1].
        latents: (M, D).
        total: (M,) what is minimised, weights included, or fewer, one for several latents that lie side by side.
        losses: (M,) each, or fewer, for the curves.
        logits: (M, K) of the images, or of the views of them that the target was asked about.
    """

    images: Tensor
    latents: Tensor
    total: Tensor
    losses: Mapping[str, Tensor]
    logits: Tensor


class SearchFrames:
    """Counts the steps of one run and shows where it stands after each.

    Args:
        start: (N, D) latents that are shown until the search has begun.
        total: steps the whole run will take.
        tries: latents of each candidate, side by side; of these the surest is shown.

    Attributes:
        done: steps taken so far.
        note: a few words for the frames of a search.
        cloud: what is tried around the candidates, of the rows (N,) that are shown; None for nothing.
    """

    def __init__(self, ctx: AttackContext[Prior], start: Tensor, total: int, tries: int = 1) -> None:
        self.ctx, self.total, self.tries = ctx, total, tries
        self.done, self.note = 0, ""
        self.cloud: Callable[[Tensor], Cloud] | None = None
        with torch.no_grad():
            self._start = Images(ctx.prior.decode(start, ctx.classes), start)

    def waiting(self, note: str = "") -> Frame:
        """Return the frame of a step that has not moved anything yet."""
        return Frame(self.done, self.total, self._start, queries=self.ctx.target.queries, note=note)

    def while_preparing(self, work: Generator[str, None, T]) -> Generator[Frame, None, T]:
        """Do `work`, which says a few words after each of its steps; yield a frame when due, return its outcome."""
        while True:
            try:
                note = next(work)
            except StopIteration as end:
                return end.value
            self.done += 1
            if self.ctx.due(self.done):
                yield self.waiting(note)

    def searching(self, now: Evaluation, gradient: Tensor) -> Frame:
        """Return the frame of where a search stands, with its `gradient` (M, ...) there, or of fewer as the losses."""
        ensure_finite(self.done, total=now.total, gradient=gradient, latent=now.latents)
        losses = {**now.losses, "gradient norm": gradient.flatten(1).norm(dim=1)}
        sure = confidence(now.logits, self.ctx.classes.repeat_interleave(self.tries))
        rows = best_of(sure, self.tries)
        shown = {name: value[rows // (len(sure) // len(value))] for name, value in losses.items()}
        payload = self._images(now.images[rows], now.latents[rows], sure[rows], rows)
        return Frame(self.done, self.total, payload, shown, self.ctx.target.queries, self.note)

    @torch.no_grad()
    def closing(
        self, now: Evaluation, note: str = "", logits: Tensor | None = None, rows: Tensor | None = None
    ) -> Frame:
        """Return the last frame; the curves end with the same losses, of the images it shows.

        Args:
            now: of one latent a candidate.
            logits: (N, K) of the images themselves, where the objective looked at views of them.
            rows: (N,) which of the tries these are, for the cloud; the first of each candidate where None.
        """
        logits = now.logits if logits is None else logits
        ensure_finite(self.total, latent=now.latents, logits=logits)
        rows = self.tries * torch.arange(len(now.images), device=logits.device) if rows is None else rows
        payload = self._images(now.images, now.latents, confidence(logits, self.ctx.classes), rows)
        return Frame(self.total, self.total, payload, now.losses, self.ctx.target.queries, note)

    def _images(self, images: Tensor, latents: Tensor, sure: Tensor, rows: Tensor) -> Images:
        points, owners = self.cloud(rows) if self.cloud is not None else (None, None)
        return Images(images, latents, sure, cloud=points, cloud_of=owners)


def best_of(worth: Tensor, tries: int) -> Tensor:
    """Return which rows (N,) hold the highest worth (N·tries,) of each candidate, whose tries lie side by side."""
    grouped = worth.view(-1, tries)
    return grouped.argmax(1) + tries * torch.arange(len(grouped), device=worth.device)
