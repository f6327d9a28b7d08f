"""Diffusion inversion: the target guides a diffusion model of public images, step by step, from noise to its class.

Dhariwal and Nichol, NeurIPS 2021, https://arxiv.org/abs/2105.05233, algorithm 2: the predicted noise is moved by
the gradient of the identity loss. Li, Zhang and Mei et al., 2024, https://arxiv.org/abs/2407.11424 (Diff-MI): an
inversion by a diffusion of public images, a margin loss, several views of each image, a last refinement.

Departs from them: the target judges the clean image that each noisy one promises, since it knows no noise; the
gradient only gives the direction of a push, whose length is a share of the noise's own that shrinks with the
signal's, so that every identity loss guides alike and no early push, of images still unseen, decides everything.
A later round puts noise back and walks again, and is dropped where it ends worse. The refinement moves the noise,
through the whole walk, which keeps it an image of the prior; Diff-MI's moves pixels, to the target's liking by
construction.
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
from workbench.attacks.parts.latent_search import AdamSteps, Search, Terms, closing_frame, starting_frame
from workbench.attacks.parts.losses import CHOICES
from workbench.attacks.parts.views import View, views
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame
from workbench.priors import Prior


class Walk:
    """A walk from noisy images to clean ones, guided on the way: the decoder and the stepper of a `Search`.

    Args:
        plan: (step, the one after) of each stride.
    """

    def __init__(self, prior: Prior, x: Tensor, plan: list[tuple[int, int]]) -> None:
        self.prior, self.x, self.plan, self.taken = prior, x, plan, 0

    def noise(self, x: Tensor) -> Tensor:
        """Return the noise that x (n, ...) is made with, flat: where in the latent space it stands; keep the image."""
        self.clean, self.predicted = self.prior.predict(x, self.plan[self.taken][0])
        return self.predicted.flatten(1)

    def promised(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Return the clean images (n, C, H, W) that `noise` has found."""
        return self.prior.picture(self.clean)

    @torch.no_grad()
    def step(self, gradient: Tensor, strength: float) -> None:
        """Take one stride, pushed down the gradient by `strength` times the noise's length."""
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
    paper="Dhariwal and Nichol, NeurIPS 2021; Li et al., 2024 (Diff-MI)",
    summary="Lets the target steer a diffusion model from noise to an image of its class.",
    presets={"demo": dict(steps=25, rounds=3), "paper": dict(steps=100, rounds=4, looks=4, refine=30)},
)
@dataclass(frozen=True)
class GuidedDiffusion(IdentityKnobs):
    identity_loss: str = knob("max-margin", choices=CHOICES, help="How far a candidate is from its class.")
    steps: int = knob(25, 2, 1000, log=True, help="Guided steps from noise to image.", unit="steps")
    rounds: int = knob(3, 1, 20, help="Walks: the first from noise, later ones from the image with noise put back.")
    back: float = knob(0.6, 0.05, 0.95, help="How far back a later walk begins, as a share of all the steps.")
    strength: float = knob(0.2, 0.0, 5.0, live=True, help="Length of the target's push, as a share of the noise's own.")
    looks: int = knob(2, 1, 16, help="Random views by which the target judges each step.")
    crop: float = knob(0.85, 0.4, 1.0, help="Least share of the area that a view keeps.")
    refine: int = knob(
        0, 0, 500, help="Steps of Adam on the noise itself afterwards; each one costs a whole walk.", unit="steps"
    )
    lr: float = knob(0.02, 1e-4, 1.0, log=True, live=True, help="Adam's step size on the noise.")

    def run(self, ctx: AttackContext) -> Iterator[Frame]:
        prior, before = ctx.prior, preparing_steps(ctx, self)
        plans = self._plans(prior)
        total = before + sum(map(len, plans)) + self.refine + 1
        start = ctx.start if ctx.start is not None else prior.sample(len(ctx.classes), ctx.rng)
        yield (first := starting_frame(ctx, start, total))
        identity = yield from prepared(
            ctx,
            self,
            lambda step, note: Frame(step, total, first.payload, queries=ctx.target.queries, note=note),
        )
        streams = Streams(ctx)
        score = self._score(ctx, identity, streams)

        best, done = prior.canvas(start), before
        lowest = best.new_full((len(best),), torch.inf)
        for number, plan in enumerate(plans):
            x = best.clone() if number == 0 else prior.noised(best, streams.normal(*best.shape[1:]), plan[0][0])
            walk = Walk(prior, x, plan)
            yield from Search(
                ctx,
                x,
                score,
                walk,
                lambda step: ctx.live(self, "strength"),
                len(plan),
                total,
                draw=walk.noise,
                decode=walk.promised,
                offset=done,
                note=f"walk {number + 1} of {self.rounds}",
            ).run(show_last=False)
            done += len(plan)
            with torch.no_grad():
                found = score(prior.picture(x), x).total
            better = found < lowest
            best = torch.where(better.view(-1, *[1] * (x.ndim - 1)), x, best)
            lowest = torch.minimum(found, lowest)
        latents = noise_of(prior, best, self.steps)
        if self.refine:
            yield from Search(
                ctx,
                latents,
                score,
                AdamSteps(latents),
                lambda step: ctx.live(self, "lr"),
                self.refine,
                total,
                offset=done,
                note="refining the noise",
            ).run(show_last=False)
            yield closing_frame(ctx, latents, total)
        else:
            yield closing_frame(ctx, latents, total, images=prior.picture(best))

    def _plans(self, prior: Prior) -> list[list[tuple[int, int]]]:
        """Return each round's strides: from pure noise, then from as far back as told."""
        whole = prior.walk(self.steps)
        return [whole] + [whole[len(whole) - max(1, round(self.back * len(whole))) :]] * (self.rounds - 1)

    def _score(self, ctx: AttackContext, identity: Identity, streams: Streams) -> Callable[[Tensor, Tensor], Terms]:
        view = View(scale=(self.crop, 1.0), mirror=0.5 * ctx.flips)
        labels = ctx.classes.repeat_interleave(self.looks)

        def score(images: Tensor, latents: Tensor) -> Terms:
            seen = views(view, images.repeat_interleave(self.looks, 0), streams, self.looks)
            each, logits = identity(seen, labels)
            named = each.view(-1, self.looks).mean(1)
            return Terms(named, {"identity": named}, logits.unflatten(0, (-1, self.looks)).mean(1))

        return score


@torch.no_grad()
def noise_of(prior: Prior, x: Tensor, steps: int) -> Tensor:
    """Return latents (n, D) from which the unguided walk draws nearly the clean images x (n, ...): DDIM, backwards."""
    for t, after in reversed(prior.walk(steps)):
        x = prior.noised(*prior.predict(x, max(after, 0)), t)
    return x.flatten(1)
