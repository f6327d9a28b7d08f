"""How near a prior can come to a private photograph when it is told which: a ceiling for likeness.

The latent of each photograph is searched directly, by Adam on the squared error of the pixels, from the
nearest of many random samples, or from the photograph's own latent where the prior has an encoder. No attack is told what to look for; what this search cannot draw, no attack
with this prior can. It is a ceiling of likeness, not of the judge's verdict: an attack that climbs a
classifier's confidence may please the judge with an image less alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor

from workbench.metrics.base import EvalContext, Judged
from workbench.metrics.pixels import psnr, ssim
from workbench.priors import Prior
from workbench.priors.base import Layered
from workbench.scenarios import Labelled

MOST = 8  # photographs at once
DRAWS = 512  # random samples, the nearest of which are started from
TRIES = 2  # starts for each photograph
STEPS = 200


@dataclass(frozen=True, eq=False)
class Reach:
    """Where a search stands.

    Attributes:
        images: (n, C, H, W) the best reconstruction of each photograph so far.
    """

    step: int
    total: int
    images: Tensor


@dataclass(frozen=True)
class Verdict:
    """What is said of one photograph and its best reconstruction.

    Attributes:
        psnr, ssim: of the two, in dB and -1 to 1.
        judged, photograph_judged: the class that the judge sees in the reconstruction, and in the photograph
            itself; None without a judge.
        confidence: the judge's, in `judged`.
    """

    label: int
    psnr: float
    ssim: float
    judged: int | None = None
    confidence: float | None = None
    photograph_judged: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def heldout_of(heldout: Labelled, classes: list[int]) -> Tensor:
    """Return the first held-out photograph of each class, (n, C, H, W)."""
    return torch.stack([heldout.of_class(c)[0] for c in classes])


def search(
    prior: Prior,
    wanted: Tensor,
    labels: Tensor,
    rng: torch.Generator,
    *,
    steps: int = STEPS,
    wide: bool = False,
    lr: float = 0.1,
) -> Iterator[Reach]:
    """Search the latent of each of `wanted` (n, C, H, W), yielding at every tenth step.

    Args:
        labels: (n,) their classes, for a conditional prior.
        wide: search w+, one w for each layer, where the prior has layers.
        lr: step size, in standard deviations of the prior's latents; it falls to nothing along a cosine.
    """
    wanted, labels = wanted.to(prior.device), labels.to(prior.device)
    given = labels.repeat_interleave(TRIES) if prior.conditional else None
    goal = wanted.repeat_interleave(TRIES, 0)
    latents, spread = _encoded(prior, wanted) if prior.encodes else _starts(prior, wanted, labels, rng)
    if wide:
        latents = cast(Layered, prior).widen(latents)
    latents = latents.requires_grad_()
    adam = torch.optim.Adam([latents], lr * spread)
    best, lowest = goal.clone(), goal.new_full((len(goal),), torch.inf)
    for step in range(steps):
        adam.param_groups[0]["lr"] = lr * spread * (1 + math.cos(math.pi * step / steps)) / 2
        images = prior.decode(latents, given)
        error = (images - goal).pow(2).flatten(1).sum(1)
        better = error.detach() < lowest
        lowest = torch.where(better, error.detach(), lowest)
        best = torch.where(better[:, None, None, None], images.detach(), best)
        (latents.grad,) = torch.autograd.grad(error.sum(), latents)
        adam.step()
        with torch.no_grad():
            latents.copy_(prior.project(latents))
        if (step + 1) % 10 == 0 or step + 1 == steps:
            pick = lowest.view(-1, TRIES).argmin(1) + torch.arange(len(wanted), device=lowest.device) * TRIES
            yield Reach(step + 1, steps, best[pick].cpu())


@torch.no_grad()
def _encoded(prior: Prior, wanted: Tensor) -> tuple[Tensor, float]:
    """Return each photograph's own latents (n·TRIES, D), from a prior that has an encoder, and their spread."""
    return prior.project(prior.encode(wanted)).repeat_interleave(TRIES, 0).clone(), 1.0


@torch.no_grad()
def _starts(prior: Prior, wanted: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, float]:
    """Return the latents (n·TRIES, D) of the samples nearest to each photograph, and the latents' spread."""
    draws = min(DRAWS, prior.shown)
    latents = prior.project(prior.sample(draws, rng))

    def distances(label: int | None) -> Tensor:
        rows = []
        for part in latents.split(64):
            given = None if label is None else torch.full((len(part),), label, device=part.device)
            rows.append(torch.cdist(prior.decode(part, given).flatten(1), wanted.flatten(1)))
        return torch.cat(rows)  # (draws, n)

    if prior.conditional:
        distance = torch.stack([distances(label)[:, i] for i, label in enumerate(labels.tolist())], 1)
    else:
        distance = distances(None)
    nearest = distance.topk(TRIES, 0, largest=False).indices.T.flatten()
    return latents[nearest].clone(), latents.std(0).mean().item()


def verdicts(reached: Tensor, wanted: Tensor, labels: Tensor, context: EvalContext | None) -> list[Verdict]:
    """Return what is to be said of reconstructions (n, C, H, W) of photographs `wanted` of classes `labels`."""
    likeness = zip(
        labels.tolist(), psnr(reached, wanted).tolist(), ssim(reached, wanted).reshape(-1).tolist(), strict=True
    )
    if context is None:
        return [Verdict(*three) for three in likeness]
    seen, itself = (Judged(images, labels, context).logits.softmax(1).max(1) for images in (reached, wanted))
    return [
        Verdict(*three, guess, sure, true)
        for three, guess, sure, true in zip(
            likeness, seen.indices.tolist(), seen.values.tolist(), itself.indices.tolist(), strict=True
        )
    ]
