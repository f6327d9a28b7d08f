"""MI-Face: descend 1 − p(y|x) on the pixels of an image.

Fredrikson, Jha and Ristenpart, CCS 2015, Algorithm 1, https://doi.org/10.1145/2810103.2813677.
Symbols: α → steps, β → patience, γ → stop_cost, λ → lr, PROCESS → denoise and sharpen.

Departs from the paper: the image returned is the best seen, as the algorithm's last line says and
many implementations forget, and each candidate stops by itself while the batch goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext, attack, ensure_finite
from workbench.attacks.parts.losses import confidence, cross_entropy, one_minus_confidence, total_variation
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame

COSTS = {"confidence": one_minus_confidence, "cross-entropy": cross_entropy}


def median3(images: Tensor) -> Tensor:
    """Return images (N, C, H, W) with each pixel replaced by the median of its 3x3 neighbourhood."""
    n, c, h, w = images.shape
    patches = F.unfold(F.pad(images, (1, 1, 1, 1), mode="replicate").flatten(0, 1)[:, None], 3)
    return patches.median(1).values.view(n, c, h, w)


def sharpen(images: Tensor, amount: float) -> Tensor:
    """Return images (n, C, H, W) with `amount` of their difference from a 3x3 mean added (unsharp masking)."""
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return images + amount * (images - blurred)


@attack(
    "mi-face",
    title="MI-Face",
    access=Access.WHITE_BOX,
    prior=None,
    survey_ref=14,
    order=1,
    paper="Fredrikson et al., CCS 2015",
    summary="Climbs the target's confidence on raw pixels. Shows faces of shallow targets; of a deep network it finds "
    "noise that convinces the target and nobody else.",
    presets={
        "demo": dict(steps=600),
        "paper": dict(
            steps=5000, lr=0.1, patience=100, stop_cost=0.01, cost="confidence", start_grey=0.0, smoothness=0.0
        ),
    },
)
@dataclass(frozen=True)
class MIFace:
    steps: int = knob(600, 1, 20000, log=True, help="Most gradient steps (α).", unit="steps")
    lr: float = knob(1.0, 1e-4, 20.0, log=True, live=True, help="Step size (λ).")
    cost: str = knob(
        "cross-entropy",
        choices={"confidence": "1 − confidence (paper)", "cross-entropy": "Cross-entropy"},
        help="What is descended. 1 − confidence has no gradient where the confidence is nil.",
    )
    patience: int = knob(
        100, 2, 5000, log=True, help="Stop when the cost is no better than this many steps ago (β).", unit="steps"
    )
    stop_cost: float = knob(0.001, 0.0, 0.5, help="Stop at this cost (γ).")
    start_grey: float = knob(0.5, 0.0, 1.0, help="Grey level of the starting image; the paper starts from black.")
    process_every: int = knob(
        0,
        0,
        1000,
        live=True,
        help="Denoise and sharpen every so many steps (PROCESS); "
        "0 never does, as the paper for all but its autoencoder.",
        unit="steps",
    )
    sharpness: float = knob(0.5, 0.0, 2.0, live=True, help="How much PROCESS sharpens after its median filter.")
    smoothness: float = knob(0.0, 0.0, 1000.0, live=True, help="Weight of total variation in the cost (AuxInfo).")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        n = len(ctx.classes)
        x = ctx.start_or(lambda: self._grey(ctx))
        yield Frame(0, self.steps, Images(x))
        # Of each candidate the best image so far, and what is known of it.
        best, best_cost = x.clone(), torch.full((n,), torch.inf, device=ctx.device)
        best_confidence, best_roughness = torch.zeros(n, device=ctx.device), torch.zeros(n, device=ctx.device)
        window = torch.full((self.patience, n), torch.inf, device=ctx.device)
        active = torch.ones(n, dtype=torch.bool, device=ctx.device)
        for step in range(self.steps + 1):  # looks at the image after `step` updates, x_step
            x.requires_grad_(True)
            logits = ctx.target.logits(x)
            roughness = total_variation(x)
            cost = COSTS[self.cost](logits, ctx.classes) + ctx.live(self, "smoothness") * roughness
            with torch.no_grad():
                better = (cost < best_cost) & active
                best = torch.where(better[:, None, None, None], x, best)
                best_cost = torch.where(better, cost, best_cost)
                best_confidence = torch.where(better, confidence(logits, ctx.classes), best_confidence)
                best_roughness = torch.where(better, roughness, best_roughness)
                # Algorithm 1, lines 6-9: stop when no better than the worst of the last β, or good enough.
                active &= ~((cost >= window.amax(0)) & torch.isfinite(window).all(0)) & (cost > self.stop_cost)
                window[step % self.patience] = cost
            # Looked at on fixed steps, so that the number of queries does not depend on when frames are due.
            finished = step > 0 and step % 10 == 0 and not active.any().item()
            if finished or step == self.steps or (step > 0 and ctx.due(step)):
                ensure_finite(step, cost=cost, image=x)
                yield Frame(
                    step,
                    self.steps,
                    Images(best, confidence=best_confidence),
                    losses={"cost": best_cost, "total variation": best_roughness},
                    queries=ctx.target.queries,
                    note="every candidate has met its stopping rule" if finished else "",
                )
            if finished or step == self.steps:
                return
            (gradient,) = torch.autograd.grad(cost.sum(), x)
            with torch.no_grad():
                x = (x - ctx.live(self, "lr") * gradient * active[:, None, None, None]).clamp(0, 1)
                every = ctx.live(self, "process_every")
                if every and (step + 1) % every == 0:
                    processed = sharpen(median3(x), ctx.live(self, "sharpness")).clamp(0, 1)
                    x = torch.where(active[:, None, None, None], processed, x)

    def _grey(self, ctx: AttackContext[None]) -> Tensor:
        """Return grey images (N, C, H, W) with a little grain, in [0, 1]."""
        grain = 0.002 * torch.randn(len(ctx.classes), *ctx.target.input_shape, generator=ctx.rng)
        return (self.start_grey + grain).clamp(0, 1).to(ctx.device)
