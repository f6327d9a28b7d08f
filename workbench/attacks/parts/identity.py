"""The identity term of a white-box attack: which loss, and which models it must convince.

The options of Nguyen et al., CVPR 2023 (LOMMA), https://arxiv.org/abs/2304.01669, work on top of any attack
that searches latents: the logit loss with its feature regulariser (eq. 4) and augmented models (eq. 7).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from workbench.attacks.base import AttackContext
from workbench.attacks.parts.losses import CHOICES, IDENTITY
from workbench.attacks.parts.search_frames import SearchFrames
from workbench.attacks.parts.surrogates import steps_of, surrogates
from workbench.core.errors import Incompatible
from workbench.core.knobs import knob
from workbench.core.records import Frame
from workbench.priors import Prior

CENTRE = 1000  # public images whose mean feature regularises the logit loss


@dataclass(frozen=True)
class IdentityKnobs:
    """Knobs of every attack whose identity loss is a choice."""

    identity_loss: str = knob("cross-entropy", choices=CHOICES, help="How far a candidate is from its class.")
    augment: int = knob(0, 0, 3, help="Networks distilled from the target that must agree (LOMMA); 0 for none.")
    feature_weight: float = knob(1.0, 0.0, 20.0, help="Pull of the features to their public mean, with the logit loss.")


class WithHead(Protocol):
    """A classifier in two parts: images (n, C, H, W) to features (n, F), and those to logits (n, K)."""

    def features(self, images: Tensor) -> Tensor:
        """Return features (n, F) of images (n, C, H, W)."""

    def head(self, features: Tensor) -> Tensor:
        """Return logits (n, K) of features (n, F)."""


class Identity:
    """Judges images by the target and its surrogates.

    Args:
        centre: (F,) mean public feature for the logit loss; None for the other losses.
    """

    def __init__(
        self, ctx: AttackContext[Prior], loss: str, others: list[nn.Module], centre: Tensor | None, weight: float
    ) -> None:
        self.ctx, self.loss, self.others, self.centre, self.weight = ctx, IDENTITY[loss], others, centre, weight

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the loss (n,) and the target's logits (n, K); n queries.

        Args:
            labels: (n,) classes; those of the candidates if None.
        """
        labels = self.ctx.classes if labels is None else labels
        if self.centre is None:
            logits, pulled = self.ctx.target.logits(images), torch.zeros((), device=images.device)
        else:
            module = cast(WithHead, self.ctx.target.module(images))
            features = module.features(images)
            logits = module.head(features)
            pulled = self.weight * (features - self.centre).pow(2).mean(1)
        losses = [self.loss(logits, labels), *(self.loss(other(images), labels) for other in self.others)]
        return torch.stack(losses).mean(0) + pulled, logits


def preparing_steps(ctx: AttackContext[Prior], knobs: IdentityKnobs) -> int:
    """Return the steps that `prepared` takes before the search."""
    return steps_of(knobs.augment) if knobs.augment else 0


def prepared(frames: SearchFrames, knobs: IdentityKnobs) -> Generator[Frame, None, Identity]:
    """Make the identity term ready, and return it: ``identity = yield from prepared(frames, self)``.

    Raises:
        Incompatible: the target has no features for the logit loss, or there is nothing public to distil on.
    """
    ctx, begun = frames.ctx, frames.done
    others: list[nn.Module] = []
    if knobs.augment:
        found = yield from frames.while_preparing(surrogates(ctx, knobs.augment))
        others, frames.note = found.models, str(found)
        frames.done = begun + preparing_steps(ctx, knobs)  # those kept on disk took no step
    # A pull of nothing has no centre: a thousand public images through the target are not asked for in vain.
    centre = _mean_feature(ctx) if knobs.identity_loss == "logit" and knobs.feature_weight else None
    return Identity(ctx, knobs.identity_loss, others, centre, knobs.feature_weight)


@torch.no_grad()
def _mean_feature(ctx: AttackContext[Prior]) -> Tensor:
    """Return the target's mean feature, (F,), of public images; a query each, and one more."""
    if ctx.public is not None:
        images = ctx.public.some(CENTRE, ctx.rng).to(ctx.device)
    else:
        images = ctx.prior.random_images(256, ctx.rng)
    if not hasattr(ctx.target.module(images[:1]), "head"):
        raise Incompatible(
            ["The logit loss needs a target with features and a linear head. Choose another identity loss."]
        )
    return torch.cat([ctx.target.features(part) for part in images.split(256)]).mean(0)
