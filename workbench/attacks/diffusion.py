"""Diffusion inversion: the target guides a diffusion model of public images, step by step, from noise to its class.

Dhariwal and Nichol, NeurIPS 2021, https://arxiv.org/abs/2105.05233, algorithm 2: the predicted noise is moved by
the gradient of the identity loss. The margin loss and the several views of each image are those of Li, Zhang and Mei
et al., 2024, https://arxiv.org/abs/2407.11424; this is not their method, whose diffusion model is conditioned on the
target's pseudo-labels and tuned to the target before it is guided.

Departs from guidance as published: the target judges the clean image that each noisy one promises, since it knows no noise; the
gradient only gives the direction of a push, whose length is a share of the noise's own that shrinks with the
signal's, so that every identity loss guides alike and no early push, of images still unseen, decides everything.
A later round puts noise back and walks again, and is dropped where it ends worse. The refinement moves the noise,
through the whole walk, which keeps it an image of the prior.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import Identity, IdentityKnobs, prepared, preparing_steps
from workbench.attacks.parts.latent_search import AdamSteps, descend
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.attacks.parts.views import View, views
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors.diffusion import Diffusion


class Walk:
    """A walk from noisy images x (n, ...), in place, to clean ones, guided on the way; the stepper of a search.

    Args:
        plan: (step, the one after) of each stride.
    """

    def __init__(self, prior: Diffusion, x: Tensor, plan: list[tuple[int, int]]) -> None:
        self.prior, self.x, self.plan, self.taken = prior, x, plan, 0

    def promised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the clean images (n, C, H, W) in [0, 1] that x promises, and where in the latent space it stands.

        That is the noise x is made with, flat, (n, D), which the next stride sets out from.
        """
        clean, self.predicted = self.prior.predict(x, self.plan[self.taken][0])
        return self.prior.picture(clean), self.predicted.flatten(1)

    @torch.no_grad()
    def step(self, gradient: Tensor, strength: float) -> None:
        """Take one stride, pushed down the gradient (n, C, H, W) by `strength` times the noise's length."""
        t, after = self.plan[self.taken]
        dims = tuple(range(1, gradient.ndim))
        length = partial(torch.linalg.vector_norm, dim=dims, keepdim=True)
        share = length(self.predicted) / length(gradient).clamp_min(1e-20)
        noise = self.predicted + strength * self.prior.alpha(t) ** 0.5 * share * gradient
        self.x.copy_(self.prior.noised(self.prior.clean_of(self.x, noise, t), noise, after))
        self.taken += 1


@attack(
    "diffusion",
    title="Guided diffusion",
    access=Access.WHITE_BOX,
    prior="diffusion",
    survey_ref=None,
    order=9,
    public=True,
    needs=("walk",),
    paper="Dhariwal and Nichol, NeurIPS 2021",
    summary="Lets the target steer a diffusion model from noise to an image of its class.",
    departs="The target judges the clean image that each noisy one promises, since it knows no noise; the "
    "gradient gives only the direction of a push whose length is a share of the noise's own.",
    presets={"demo": dict(steps=25, rounds=3), "long": dict(steps=100, rounds=4, looks=4, refine=30)},
)
@dataclass(frozen=True)
class GuidedDiffusion(IdentityKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    steps: int = knob(25, 2, 1000, log=True, help="Guided steps from noise to image.", unit="steps")
    rounds: int = knob(3, 1, 20, help="Walks: the first from noise, later ones from the image with noise put back.")
    back: float = knob(0.6, 0.05, 0.95, help="How far back a later walk begins, as a share of all the steps.")
    strength: float = knob(0.2, 0.0, 0.5, live=True, help="Length of the target's push, as a share of the noise's own.")
    looks: int = knob(2, 1, 16, help="Random views by which the target judges each step.")
    crop: float = knob(0.85, 0.4, 1.0, help="Least share of the area that a view keeps.")
    refine: int = knob(
        0, 0, 500, help="Steps of Adam on the noise itself afterwards; each one costs a whole walk.", unit="steps"
    )
    lr: float = knob(0.02, 1e-4, 1.0, log=True, live=True, help="Adam's step size on the noise.")

    def run(self, ctx: AttackContext[Diffusion]) -> Iterator[Frame]:
        prior, plans = ctx.prior, self._plans(ctx.prior)
        start = ctx.start_or(lambda: prior.sample(len(ctx.classes), ctx.rng))
        total = preparing_steps(ctx, self) + sum(map(len, plans)) + self.refine
        frames = SearchFrames(ctx, start, total)
        yield frames.waiting()
        identity_of = yield from prepared(frames, self)
        streams = Streams(ctx)
        evaluated = self._evaluation(ctx, identity_of, streams)

        best = prior.canvas(start)
        lowest = best.new_full((len(best),), torch.inf)
        for number, plan in enumerate(plans):
            x = best.clone() if number == 0 else prior.noised(best, streams.normal(*best.shape[1:]), plan[0][0])
            walk = Walk(prior, x, plan)
            frames.note = f"walk {number + 1} of {self.rounds}"

            def guided(x: Tensor, walk: Walk = walk) -> Evaluation:
                return evaluated(*walk.promised(x))

            yield from descend(frames, x, guided, walk, lambda step: ctx.live(self, "strength"), len(plan))
            with torch.no_grad():
                reached = evaluated(prior.picture(x), x).total
            best = torch.where((reached < lowest).view(-1, *[1] * (x.ndim - 1)), x, best)
            lowest = torch.minimum(reached, lowest)
        latents, images = noise_of(prior, best, self.steps), prior.picture(best)
        if self.refine:
            frames.note = "refining the noise"
            yield from descend(
                frames,
                latents,
                lambda z: evaluated(prior.decode(z, ctx.classes), z),
                AdamSteps(latents),
                lambda step: ctx.live(self, "lr"),
                self.refine,
            )
            with torch.no_grad():
                images = prior.decode(latents, ctx.classes)
        with torch.no_grad():
            yield frames.closing(evaluated(images, latents), logits=ctx.target.logits(images))

    def _plans(self, prior: Diffusion) -> list[list[tuple[int, int]]]:
        """Return each round's strides: from pure noise, then from as far back as told."""
        whole = prior.walk(self.steps)
        return [whole] + [whole[len(whole) - max(1, round(self.back * len(whole))) :]] * (self.rounds - 1)

    def _evaluation(
        self, ctx: AttackContext[Diffusion], identity_of: Identity, streams: Streams
    ) -> Callable[[Tensor, Tensor], Evaluation]:
        """Return what judges images (N, C, H, W) of latents (N, D) by the mean over `looks` random views."""
        view = View(scale=(self.crop, 1.0), mirror=0.5 * ctx.flips)
        labels = ctx.classes.repeat_interleave(self.looks)

        def evaluated(images: Tensor, latents: Tensor) -> Evaluation:
            seen = views(view, images.repeat_interleave(self.looks, 0), streams, self.looks)
            each, logits = identity_of(seen, labels)
            identity = each.view(-1, self.looks).mean(1)
            logits = logits.unflatten(0, (-1, self.looks)).mean(1)
            return Evaluation(images, latents, identity, {"identity": identity}, logits)

        return evaluated


@torch.no_grad()
def noise_of(prior: Diffusion, x: Tensor, steps: int) -> Tensor:
    """Return latents (n, D) from which the unguided walk draws nearly the clean images x (n, ...): DDIM, backwards."""
    for t, after in reversed(prior.walk(steps)):
        x = prior.noised(*prior.predict(x, max(after, 0)), t)
    return x.flatten(1)
