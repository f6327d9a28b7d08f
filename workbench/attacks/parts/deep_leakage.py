"""Deep leakage: images, and labels where they are not known, whose gradient is the one that was seen, by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext
from workbench.attacks.parts.matching_loop import BestByDistance, search
from workbench.attacks.parts.on_updates import OnUpdates, SeenUpdate, squared_distance
from workbench.core.payloads import Images
from workbench.core.records import Frame

INNER = 5  # function values that L-BFGS may ask for in one step


def leak(ctx: AttackContext[None], switches: OnUpdates, steps: int, *, joint: bool) -> Iterator[Frame]:
    """Yield the search of every restart.

    Args:
        joint: whether labels are searched for as well, as logits (K, classes) beside the images.
    """
    shape = (len(ctx.classes), *ctx.target.input_shape)
    x = ctx.start_or(lambda: torch.rand(shape, generator=ctx.rng).to(ctx.device))
    yield Frame(0, steps, Images(x))
    seen = SeenUpdate(ctx, switches, x)
    best = BestByDistance(seen, x)
    size = sum((value.square().sum() for value in seen.update.values()), start=torch.zeros(())).clamp_min(1e-20)

    def steps_of(restart: int) -> Callable[[int], None]:
        images = seen.batch_of(x, restart).clone().requires_grad_(True)
        guessed = torch.zeros(seen.count, ctx.target.num_classes, device=ctx.device)
        if joint:
            guessed = torch.randn(guessed.shape, generator=ctx.rng).to(ctx.device).requires_grad_(True)
        searched = [images, guessed] if joint else [images]
        optimiser = torch.optim.LBFGS(searched, lr=1.0, max_iter=1, max_eval=INNER, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            seen.charge(images)
            optimiser.zero_grad()
            targets = F.softmax(guessed, 1) if joint else seen.labels
            # Its size as 1: a gradient of a model that is sure is too short for the optimiser's tolerances.
            distance = squared_distance(seen.pull(images, targets), seen.update) / size
            gradients = torch.autograd.grad(distance, searched)
            for value, gradient in zip(searched, gradients, strict=True):
                value.grad = gradient
            if torch.isfinite(images).all():
                best.offer(restart, distance.item(), images.clamp(0, 1))
            return distance.detach()

        def take(step: int) -> None:
            optimiser.step(closure)

        return take

    yield from search(ctx, best, steps, [steps_of(r) for r in range(ctx.restarts)])
