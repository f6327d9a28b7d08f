"""A small VGG-style network: stacked 3x3 convolutions and max pooling."""

from __future__ import annotations

from torch import nn

from workbench.core.errors import Incompatible
from workbench.core.shapes import Shape
from workbench.targets.architectures import architecture


@architecture("cnn", title="CNN (VGG style)", order=2)
def cnn(shape: Shape) -> tuple[nn.Module, int]:
    """Return the body; its widths and the number of poolings follow from the image (C, H, W).

    Raises:
        Incompatible: the image is too small to be pooled so often.
    """
    channels, height, across = shape
    widths = (24, 48, 96) if height <= 32 else (16, 32, 64, 128)
    pooled = (height // 2 ** len(widths)) * (across // 2 ** len(widths))  # pixels that are left of the image
    if not pooled:
        raise Incompatible(
            [
                f"The CNN cannot see images of {height}x{across} pixels: it needs {2 ** len(widths)} pixels a side or more."
            ]
        )
    layers: list[nn.Module] = []
    for width in widths:
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * pooled, 192), nn.ReLU(), nn.Dropout(0.3)), 192
