"""A small residual network, He et al., CVPR 2016, https://arxiv.org/abs/1512.03385."""

from __future__ import annotations

from torch import Tensor, nn

from workbench.targets.architectures import architecture


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut; the first may halve the image.

    Attributes:
        skip: weight of the shortcut.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.skip = 1.0
        self.conv = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and before == after
            else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (n, F, h, w) of maps (n, C, H, W)."""
        return (self.conv(x) + (self.shortcut(x) if self.skip == 1 else self.skip * self.shortcut(x))).relu()


@architecture("resnet", title="ResNet", order=1)
def resnet(shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    channels, height, _ = shape
    halve = 2 if height > 32 else 1
    return nn.Sequential(
        nn.Conv2d(channels, 24, 3, halve, 1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        Block(24, 24, 1),
        Block(24, 48, 2),
        Block(48, 96, 2),
        Block(96, 128, 2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 128),
        nn.ReLU(),
    ), 128
