"""Regularised maximum likelihood: images are moved until their activations are those that were intercepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, ensure_finite
from workbench.attacks.parts.losses import total_variation
from workbench.attacks.split.parts.gap import gap
from workbench.attacks.split.parts.layers import layer_knob
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Frame


@dataclass(frozen=True)
class DescentKnobs:
    """What every search over pixels may be told."""

    layer: str = layer_knob()
    steps: int = knob(300, 1, 20000, log=True, help="Gradient steps that move pixels.", unit="steps")
    lr: float = knob(0.05, 1e-4, 1.0, log=True, live=True, help="Adam's step size in grey levels.")
    smoothness: float = knob(0.01, 0.0, 100.0, live=True, help="Weight of the total variation; more for a deeper cut.")


def descend(
    ctx: AttackContext[None],
    knobs: DescentKnobs,
    start: Tensor,
    activations: Callable[[Tensor], Tensor],
    *,
    size: float = 0.0,
    first: int = 0,
    note: str = "",
) -> Iterator[Frame]:
    """Yield the frames of a search over pixels, from the first update on; step k shows the images after k updates.

    Minimises gap + ``smoothness`` · total variation + `size` · mean (2x − 1)², each candidate by itself (He et al., equation 3).

    Args:
        start: (N, C, H, W) in [0, 1].
        activations: images (N, C, H, W) to the activations (N, *S) that are compared with those intercepted.
        first: steps that came before, in the counting of frames.
    """
    scene, steps = ctx.intercepted(), knobs.steps
    total = first + steps
    x = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([x], knobs.lr, eps=1e-3, amsgrad=True)
    for step in range(steps + 1):
        far = gap(activations(x), scene.sent)
        rough = total_variation(x)
        if step > 0 and (step == steps or ctx.due(first + step)):
            ensure_finite(first + step, gap=far, images=x)
            losses = {"activation gap": far, "total variation": rough}
            yield Frame(first + step, total, Images(x), losses, ctx.target.queries, note)
        if step == steps:
            return
        loss = far + ctx.live(knobs, "smoothness") * rough + size * (2 * x - 1).pow(2).mean((1, 2, 3))
        optimiser.param_groups[0]["lr"] = ctx.live(knobs, "lr")
        (x.grad,) = torch.autograd.grad(loss.sum(), x)
        optimiser.step()
        with torch.no_grad():
            x.clamp_(0, 1)
