"""What every classifier is: normalisation first, then a body, then a linear head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from workbench.core.errors import UnknownName
from workbench.core.registry import Entry, Info, Registry
from workbench.core.rounds import architecture_of
from workbench.core.shapes import Shape, image_shape

Body = Callable[[Shape], tuple[nn.Module, int]]
SEEN = 20_000  # images; a small network sees so many in about a minute on one core


class Architectures(Registry["Body", "ArchitectureInfo"]):
    """Architectures by name; the model of a round of a federated training is one of its architecture.

    A target that somebody brought has a name of its own, which finds it and is in no list.
    """

    def entry(self, key: str) -> Entry[Body, ArchitectureInfo]:
        """Return the entry of `key`; raises `UnknownName` with the nearest match."""
        from workbench.targets.brought import brought_entry

        try:
            return super().entry(architecture_of(key))
        except UnknownName:
            if (found := brought_entry(key)) is None:
                raise
            return found

    def __contains__(self, key: object) -> bool:
        from workbench.targets.brought import brought_entry

        known = super().__contains__(architecture_of(key) if isinstance(key, str) else key)
        return known or (isinstance(key, str) and brought_entry(key) is not None)


ARCHITECTURES = Architectures("target architecture", "workbench.targets.nets")


@dataclass(frozen=True, kw_only=True)
class ArchitectureInfo(Info):
    """What an architecture says of itself.

    Attributes:
        role: what it is for; one that judges is never attacked.
        recipe: how it is trained, overriding fields of `workbench.targets.training.ClassifierRecipe`.
        pretrained: name of the weights whose body it begins with; "" where it learns from nothing.
        body: name of the network below the head, which several architectures may share; its own key if "".
        seen: how many images it is shown in all, about, where pictures are brought that no recipe was made for.
    """

    role: Literal["target", "evaluator"] = "target"
    recipe: Mapping[str, Any] = field(default_factory=dict)
    pretrained: str = ""
    body: str = ""
    seen: int = SEEN


def architecture(
    key: str,
    *,
    title: str,
    order: int = 100,
    role: Literal["target", "evaluator"] = "target",
    recipe: Mapping[str, Any] | None = None,
    pretrained: str = "",
    body: str = "",
    seen: int = SEEN,
) -> Callable[[Body], Body]:
    """Register a function ``(C, H, W) -> (body, F)`` whose body maps images to (n, F) features.

    The arguments are those of `ArchitectureInfo`.
    """
    return ARCHITECTURES.register(
        ArchitectureInfo(
            key=key,
            title=title,
            order=order,
            role=role,
            recipe=recipe or {},
            pretrained=pretrained,
            body=body or key,
            seen=seen,
        )
    )


class Normalize(nn.Module):
    """Images in [0, 1] to zero mean and unit spread; the first layer, so that callers never do it."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((channels, 1, 1), 0.5))
        self.register_buffer("std", torch.full((channels, 1, 1), 0.25))

    def forward(self, images: Tensor) -> Tensor:
        """Return images (n, C, H, W) of zero mean and unit spread."""
        return (images - self.mean) / self.std


class Classifier(nn.Module):
    """Images (n, C, H, W) in [0, 1] to logits (n, K).

    Args:
        arch: key of a registered architecture.
        shape: (C, H, W).
        num_classes: K.

    Attributes:
        head: features (n, F) to logits (n, K); linear, unless a defense puts another in its place.
    """

    head: nn.Module

    def __init__(self, arch: str, shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.assemble(arch, image_shape(shape), num_classes, *ARCHITECTURES[arch](image_shape(shape)))

    def assemble(self, arch: str, shape: Shape, num_classes: int, body: nn.Module, width: int) -> None:
        """Put the parts together: a body from images as `Normalize` leaves them to (n, width), and a fresh head on it."""
        self.arch, self.shape, self.num_classes, self.width = arch, shape, num_classes, width
        self.normalize = Normalize(shape[0])
        self.body = body
        self.head = nn.Linear(width, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the penultimate layer's output, (n, F)."""
        return self.body(self.normalize(images))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
