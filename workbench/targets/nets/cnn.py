"""A small VGG-style network: stacked 3x3 convolutions and max pooling."""

from __future__ import annotations

from torch import nn

from workbench.targets.architectures import architecture


@architecture("cnn", title="CNN (VGG style)", order=2)
def cnn(shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    channels, height, _ = shape
    layers: list[nn.Module] = []
    for width in (24, 48, 96) if height <= 32 else (16, 32, 64, 128):
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 16, 192), nn.ReLU(), nn.Dropout(0.3)), 192
