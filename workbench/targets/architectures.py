"""What every classifier is: normalisation first, then a body, then a linear head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.registry import Registry

Body = Callable[[tuple[int, int, int]], tuple[nn.Module, int]]

ARCHITECTURES: Registry[Body] = Registry("target architecture", "workbench.targets.nets")


def architecture(key: str, *, title: str, **info: Any):
    """Register a function ``(C, H, W) -> (body, F)`` whose body maps images to (n, F) features.

    Args:
        recipe: how it is trained, overriding fields of `workbench.targets.training.ClassifierRecipe`.
        role: ``"evaluator"`` for architectures kept for judging, ``"target"`` otherwise.
    """
    return ARCHITECTURES.register(key, title=title, **info)


class Normalize(nn.Module):
    """Images in [0, 1] to zero mean and unit spread; the first layer, so that callers never do it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((channels, 1, 1), 0.5))
        self.register_buffer("std", torch.full((channels, 1, 1), 0.25))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class Classifier(nn.Module):
    """Images (n, C, H, W) in [0, 1] to logits (n, K).

    Args:
        arch: key of a registered architecture.
        shape: (C, H, W).
        num_classes: K.
    """

    def __init__(self, arch: str, shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        self.arch, self.shape, self.num_classes = arch, tuple(shape), num_classes
        self.normalize = Normalize(shape[0])
        self.body, width = ARCHITECTURES[arch](self.shape)
        self.head = nn.Linear(width, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the penultimate layer's output, (n, F)."""
        return self.body(self.normalize(images))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
