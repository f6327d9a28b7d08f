"""A classifier whose confidences are changed before anyone sees them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Released(nn.Module):
    """Images (n, C, H, W) to logits (n, K) whose softmax is what is released.

    The predicted class stays what it was, unless a subclass says otherwise in `labels`. A confidence of
    exactly zero has a logit of minus infinity.

    Args:
        target: images to logits; its weights are not this module's business.
    """

    def __init__(self, target: nn.Module) -> None:
        super().__init__()
        self.target = target

    def release(self, confidences: Tensor, images: Tensor) -> Tensor:
        """Return what is released in place of confidences (n, K); rows are scaled to sum to one afterwards."""
        raise NotImplementedError

    def labels(self, confidences: Tensor) -> Tensor:
        """Return the classes (n,) that the released confidences shall be highest in."""
        return confidences.argmax(1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, K) of images (n, C, H, W) in [0, 1]."""
        confidences = self.target(images).softmax(1)
        released = with_winner(self.release(confidences, images), self.labels(confidences))
        return (released / released.sum(1, keepdim=True)).log()

    def facts(self) -> dict[str, Any]:
        """Return what the card says besides the knobs, once this is trained."""
        return {}

    def own_weights(self) -> dict[str, Tensor]:
        """Return the tensors of this module without those of the target behind it."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith("target.")}


def with_winner(scores: Tensor, labels: Tensor) -> Tensor:
    """Return scores (n, K) ≥ 0 in which `labels` (n,) are the highest by a hair at least."""
    margin = 1e-4  # enough to survive float32, too little to look at
    others = scores.scatter(1, labels[:, None], -torch.inf).amax(1)
    own = scores.gather(1, labels[:, None])[:, 0]
    return scores.scatter(1, labels[:, None], torch.maximum(own, others + margin)[:, None])
