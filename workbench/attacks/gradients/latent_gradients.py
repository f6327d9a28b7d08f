"""Search in a prior's latent space for images whose gradient is the update.

Jeon et al., NeurIPS 2021 (GIAS), https://arxiv.org/abs/2110.14962, eq. 5, first stage: min over z of 1 − cos(∇(G(z)), g), so that
what is found is an image that the generator can draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.latent_search import AdamSteps
from workbench.attacks.parts.matching_loop import BestByDistance, search
from workbench.attacks.parts.on_updates import OnUpdates, SeenUpdate, cosine_distance
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, Recovers
from workbench.priors import Prior


@attack(
    "gias",
    title="GIAS, latent search",
    access=Access.WHITE_BOX,
    prior="gan",
    order=45,
    recovers=Recovers.BATCH,
    threat="D",
    paper="Jeon et al., NeurIPS 2021",
    summary="Looks through a prior's latent space for an image whose gradient points in the direction of the update.",
    presets={"demo": dict(steps=300)},
    departs="The first stage alone: the generator's weights stay as they are.",
)
@dataclass(frozen=True)
class GIAS(OnUpdates):
    steps: int = knob(300, 1, 20000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.05, 1e-4, 1.0, log=True, live=True, help="Adam's step size.")
    likely: float = knob(1e-3, 0.0, 1.0, live=True, help="Weight of the squared latent, which keeps it likely.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        prior = ctx.prior
        z = ctx.start_or(lambda: prior.sample(len(ctx.classes), ctx.rng).to(ctx.device))
        with torch.no_grad():
            x = prior.decode(z, ctx.classes)
        yield Frame(0, self.steps, Images(x, z))
        seen = SeenUpdate(ctx, self, x)
        best = BestByDistance(seen, x, z)

        def steps_of(restart: int) -> Callable[[int], None]:
            latents = seen.batch_of(z, restart).clone().requires_grad_(True)
            stepper = AdamSteps(latents, project=prior.project)

            def take(step: int) -> None:
                images = prior.decode(latents, seen.labels)
                seen.charge(images)
                distance = cosine_distance(seen.pull(images), seen.update)
                total = distance + ctx.live(self, "likely") * latents.square().mean()
                (gradient,) = torch.autograd.grad(total, latents)
                best.offer(restart, distance.item(), images, latents)
                stepper.step(gradient, ctx.live(self, "lr"))

            return take

        yield from search(ctx, best, self.steps, [steps_of(r) for r in range(ctx.restarts)])
