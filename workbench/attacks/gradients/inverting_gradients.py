"""Inverting Gradients: images whose gradient points where the update does, kept smooth.

Geiping, Bauermeister, Dröge and Moeller, NeurIPS 2020, https://arxiv.org/abs/2003.14053, eq. 4: minimise
1 − ⟨∇(x), g⟩ / (‖∇(x)‖ ‖g‖) + α TV(x) with Adam on the sign of the gradient, step sizes falling tenfold after 3/8, 5/8 and 7/8
of the steps, within the range of images. Of several restarts the one with the least distance is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.latent_search import AdamSteps
from workbench.attacks.parts.matching_loop import BestByDistance, search
from workbench.attacks.parts.on_updates import OnUpdates, SeenUpdate, cosine_distance
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, Recovers

DROPS = (3 / 8, 5 / 8, 7 / 8)


def rate(lr: float, step: int, steps: int) -> float:
    """Return the size of a step, counted from 1: a tenth from each drop on."""
    return lr * 0.1 ** sum(step > drop * steps for drop in DROPS)


def roughness(images: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring pixels, a scalar, of images (K, C, H, W)."""
    return (images[..., 1:] - images[..., :-1]).abs().mean() + (images[..., 1:, :] - images[..., :-1, :]).abs().mean()


@attack(
    "inverting-gradients",
    title="Inverting Gradients",
    access=Access.WHITE_BOX,
    prior=None,
    order=44,
    recovers=Recovers.BATCH,
    threat="B",
    paper="Geiping et al., NeurIPS 2020",
    summary="Looks for smooth images whose gradient points in the direction of the update.",
    presets={"demo": dict(steps=1500), "paper": dict(steps=24000, lr=0.025, smoothness=1e-2)},
    departs="Step sizes are in grey levels of 0 to 1, a quarter of the paper's, which is in units of the normalised image.",
)
@dataclass(frozen=True)
class InvertingGradients(OnUpdates):
    steps: int = knob(1500, 1, 50000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.025, 1e-4, 1.0, log=True, help="First step size, in grey levels of 0 to 1.")
    smoothness: float = knob(1e-2, 0.0, 10.0, live=True, help="Weight of the total variation.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        shape = (len(ctx.classes), *ctx.target.input_shape)
        x = ctx.start_or(lambda: (0.5 + 0.1 * torch.randn(shape, generator=ctx.rng)).clamp(0, 1).to(ctx.device))
        yield Frame(0, self.steps, Images(x))
        seen = SeenUpdate(ctx, self, x)
        best = BestByDistance(seen, x)

        def steps_of(restart: int) -> Callable[[int], None]:
            images = seen.batch_of(x, restart).clone().requires_grad_(True)
            stepper = AdamSteps(images, project=lambda moved: moved.clamp(0, 1))

            def take(step: int) -> None:
                seen.charge(images)
                distance = cosine_distance(seen.pull(images), seen.update)
                total = distance + ctx.live(self, "smoothness") * roughness(images)
                (gradient,) = torch.autograd.grad(total, images)
                best.offer(restart, total.item(), images)
                stepper.step(gradient.sign(), rate(self.lr, step, self.steps))

            return take

        yield from search(ctx, best, self.steps, [steps_of(r) for r in range(ctx.restarts)])
