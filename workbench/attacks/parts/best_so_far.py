"""The best latent of every candidate so far, by what the target answered about those that were tried."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, ensure_finite
from workbench.attacks.parts.clouds import Cloud
from workbench.attacks.parts.questions import log_confidences, of_class
from workbench.core.payloads import Images
from workbench.core.records import Frame
from workbench.priors import Prior

SHOWN = 12  # of those tried last, that are drawn as a cloud


class Best:
    """What a search by scores has found.

    Args:
        start: (N, D) latents to begin from.
        curves: names of further values (N,) that the attack keeps in `curves` for its plots.

    Attributes:
        latents: (N, D) the best so far.
        worth: (N,) what they are worth; −∞ before the first answer.
        confidence: (N,) the target's, in each candidate's class.
    """

    def __init__(self, ctx: AttackContext[Prior], start: Tensor, total: int, curves: tuple[str, ...] = ()) -> None:
        self.ctx, self.total, self.latents = ctx, total, start.clone()
        self.worth, self.confidence = start.new_full((len(start),), -torch.inf), start.new_zeros(len(start))
        self.curves = {name: start.new_zeros(len(start)) for name in curves}
        self._last = start.new_zeros(len(start))
        self._cloud = start[:, None].repeat(1, SHOWN, 1)

    def learn(
        self,
        tried: Tensor,
        scores: Tensor,
        worth: Callable[[Tensor], Tensor],
        rows: Tensor | None = None,
        shown: int | None = None,
    ) -> Tensor:
        """Take in what was tried and answered; return what each is worth to its candidate, (n, P).

        Args:
            tried: (n, P, D).
            scores: (n, P, K) what the target said of them.
            worth: scores (..., K) to worth for every class (..., K).
            rows: (n,) which candidates tried; all of them where None.
            shown: only so many of the tried, from the first, can be the best; all where None.
        """
        rows = torch.arange(len(self.latents), device=tried.device) if rows is None else rows
        classes = self.ctx.classes[rows]
        value, confidence = of_class(worth(scores), classes), of_class(scores, classes)
        top, index = value[:, :shown].max(1)
        each = torch.arange(len(rows), device=tried.device)
        better = top > self.worth[rows]
        self.latents[rows] = torch.where(better[:, None], tried[each, index], self.latents[rows])
        self.worth[rows] = torch.where(better, top, self.worth[rows])
        self.confidence[rows] = torch.where(better, confidence[each, index], self.confidence[rows])
        self._last[rows] = top
        self._cloud[rows, : min(SHOWN, tried.shape[1])] = tried[:, :SHOWN]
        return value

    def unfinished(self, enough: float) -> Tensor:
        """Return which candidates are below confidence `enough`, (n,); all where it is 1.

        Read back from the device, so that the target is not asked about those that are done.
        """
        if enough >= 1:
            return torch.arange(len(self.latents), device=self.latents.device)
        return (self.confidence < enough).nonzero()[:, 0]

    def frame(self, step: int, note: str) -> Frame:
        """Return what there is to show; raises `NotFinite` if the target answered with something that is no number."""
        ensure_finite(step, scores=self._last)
        with torch.no_grad():
            images = self.ctx.prior.decode(self.latents)
        if step == 0:
            return Frame(0, self.total, Images(images, self.latents))
        cloud = Cloud.around(self._cloud)
        return Frame(
            step,
            self.total,
            Images(images, self.latents, self.confidence, cloud=cloud.points, cloud_of=cloud.owners),
            losses={"cross-entropy": -log_confidences(self.confidence), **self.curves},
            queries=self.ctx.target.queries,
            note=note,
        )
