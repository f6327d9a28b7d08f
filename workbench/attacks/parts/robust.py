"""Candidates that stay of their class when they are moved a little: random views, several starts, a robust choice.

Athalye et al., ICML 2018, https://arxiv.org/abs/1707.07397 (expectation over transformation): what convinces a network
under small shifts and changes of scale is less often a pattern that only one exact image carries. PPA and PLG-MI search
by such views; here every search over latents can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.identity import Identity, IdentityKnobs
from workbench.attacks.parts.questions import AnswerPool
from workbench.attacks.parts.search_frames import best_of
from workbench.attacks.parts.views import View, views
from workbench.core.knobs import knob
from workbench.priors import Prior

# Stronger than what a search sees, so that the choice is not made by what was searched.
LOOK = View(scale=(0.7, 1.1), ratio=(0.9, 1.1), shift=0.05)


@dataclass(frozen=True)
class RobustKnobs(IdentityKnobs):
    """Knobs of every search over latents: its identity loss, and how robust what it finds must be."""

    tries: int = knob(2, 1, 16, help="Starts of each candidate; the one that is most robust at the end is kept.")
    shake: float = knob(
        0.05,
        0.0,
        0.3,
        help="Random shifts of the image before the target looks, and changes of its scale, as a share of its side; it is "
        "mirrored too where a mirror image is of the same class. 0 shows it as it is.",
    )
    looks: int = knob(
        8,
        0,
        200,
        help="Random views by which the most robust try is chosen: that of the highest mean logit; 0 for none.",
    )


def shaking(shake: float, flips: bool) -> View | None:
    """Return the views of a search that moves images by up to `shake` of their side; None where it moves none."""
    if shake == 0:
        return None
    return View(scale=((1 - shake) ** 2, (1 + shake) ** 2), shift=shake / 2, mirror=0.5 * flips)


def judged(
    identity_of: Identity, images: Tensor, labels: Tensor, view: View | None, streams: Streams
) -> tuple[Tensor, Tensor]:
    """Return the identity loss (M,) and the target's logits (M, K) of a random view of each image.

    Args:
        images: (M, C, H, W), as many of each candidate, candidate by candidate.
        labels: (M,).
        view: None for the images as they are.
    """
    if view is None:
        return identity_of(images, labels)
    return identity_of(views(view, images, streams, len(images) // len(streams)), labels)


def kept_of(tries: int) -> str:
    """Return what to say of the choice among a candidate's tries, "" where there was none."""
    return f"kept the most robust of {tries}" if tries > 1 else ""


Worth = Callable[[Tensor], Tensor]  # logits (M, K) to what they are worth, (M, K)


def by_logit(logits: Tensor) -> Tensor:
    """Return logits (M, K) as they are: unlike confidence, they go on telling two images apart that are both sure."""
    return logits


def by_confidence(logits: Tensor) -> Tensor:
    """Return confidences (M, K) of logits (M, K)."""
    return logits.softmax(1)


@torch.no_grad()
def most_robust(
    ctx: AttackContext[Prior],
    images: Tensor,
    labels: Tensor,
    tries: int,
    looks: int,
    view: View = LOOK,
    worth: Worth = by_logit,
    shared: bool = False,
) -> Tensor:
    """Return the rows (N,) of images that the target stays surest of; looks·N·tries queries, or none where there is one try.

    After Struppek et al., ICML 2022 (PPA), section 3.4, which takes the mean confidence. Only the target is asked, never
    an evaluator.

    Args:
        images: (N·tries, C, H, W) in [0, 1], the tries of a candidate side by side.
        labels: (N·tries,).
        looks: random views of each image; 0 for the image itself.
        view: the views, mirrored too where a mirror image is of the same class.
        shared: whether the restarts of one class choose among all the tries of that class, the best of which they get.
    """
    if tries == 1 and not shared:
        return torch.arange(len(images), device=images.device)
    view = replace(view, mirror=0.5 * ctx.flips)
    streams, total = Streams(ctx), torch.zeros(len(images), device=images.device)
    for _ in range(max(1, looks)):
        seen = views(view, images, streams, tries) if looks else images
        total += worth(ctx.target.logits(seen)).gather(1, labels[:, None])[:, 0]
    if not shared:
        return best_of(total, tries)
    own = total[:, None].where(F.one_hot(labels, ctx.target.num_classes).bool(), -torch.inf)
    return AnswerPool(images, total).pick(own, ctx.classes)[:, 0]
