"""Ginver's loop: a generator learns, from what was intercepted alone, images that are answered so.

Yin et al., "Ginver: Generative model inversion attacks against collaborative inference", WWW 2023,
https://doi.org/10.1145/3543507.3583306.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, ensure_finite
from workbench.attacks.parts.losses import total_variation
from workbench.attacks.parts.networks import fresh
from workbench.attacks.split.parts.feature_decoder import DecoderKnobs, FeatureDecoder
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Frame

Slope = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class GeneratorKnobs(DecoderKnobs):
    """What every variant may be told of its generator."""

    steps: int = knob(400, 1, 50000, log=True, help="Updates of the generator.", unit="steps")
    smoothness: float = knob(0.01, 0.0, 100.0, live=True, help="Weight of the total variation.")


class Search:
    """A generator in training; its images (N, C, H, W) are those that it makes of what was intercepted.

    Args:
        slope: images (N, C, H, W) to the gradient of their gap with respect to them, of that shape, and the gap, (N,); how it
            is come by is what variants differ in.
    """

    def __init__(self, ctx: AttackContext[None], knobs: GeneratorKnobs, slope: Slope) -> None:
        self.ctx, self.knobs, self.slope, self.total = ctx, knobs, slope, knobs.steps
        self.scene = ctx.intercepted()
        view = self.scene.view
        width = max(4, knobs.width // 4 * 4)
        self.generator = fresh(lambda: FeatureDecoder(view.cut.shape, view.input_shape, width), ctx.rng, ctx.device)
        self.generator.standardise(self.scene.sent)
        self.optimiser = torch.optim.Adam(self.generator.parameters(), knobs.lr)
        self.schedule = torch.optim.lr_scheduler.LinearLR(self.optimiser, 1.0, 0.02, self.total)
        self.gap: Tensor | None = None

    def steps(self) -> Iterator[str]:
        """Take a step each time it is asked: step k leaves what the generator draws after k updates."""
        for _ in range(self.total):
            images = self.generator(self.scene.sent)
            gradient, self.gap = self.slope(images.detach())
            smooth = self.ctx.live(self.knobs, "smoothness") * total_variation(images)
            self.optimiser.zero_grad()
            ((gradient * images).flatten(1).sum(1) + smooth).sum().backward()
            self.optimiser.step()
            self.schedule.step()
            yield ""

    def frame(self, step: int, note: str) -> Frame:
        with torch.no_grad():
            images = self.generator(self.scene.sent)
        if self.gap is None:
            return Frame(step, self.total, Images(self.ctx.start_or(lambda: images)))
        ensure_finite(step, images=images, gap=self.gap)
        known = {"activation gap before the step": self.gap}
        return Frame(step, self.total, Images(images), known, self.ctx.target.queries, note)
