"""IR-50 and IR-152 of face.evoLVe on 64×64 faces, as GMI, KED-MI and PLG-MI attack them: FaceNet64 and IR152.

Improved residual units (batch norm before, PReLU inside) of He et al., ECCV 2016, in the sizes of Deng et al., CVPR 2019,
https://arxiv.org/abs/1801.07698; four stages of 64, 128, 256 and 512 channels, each beginning with stride two.
"""

from __future__ import annotations

from torch import Tensor, nn

from workbench.targets.published.base import HeadedBody, published

UNITS = {50: (3, 4, 14, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)
EMBEDDING = 512


class Unit(nn.Module):
    """One residual unit, (n, inner, H, W) to (n, outer, H/stride, W/stride)."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = (
            nn.MaxPool2d(1, stride)
            if inner == outer
            else nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inner),
            nn.Conv2d(inner, outer, 3, 1, 1, bias=False),
            nn.PReLU(outer),
            nn.Conv2d(outer, outer, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outer),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outer, H/stride, W/stride)."""
        return self.res_layer(x) + self.shortcut_layer(x)


class Backbone(nn.Module):
    """Images (n, C, 64, 64) to (n, 512, 4, 4)."""

    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        first = WIDTHS[0]
        self.input_layer = nn.Sequential(
            nn.Conv2d(channels, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)
        )
        units, inner = [], first
        for outer, count in zip(WIDTHS, UNITS[depth], strict=True):
            units += [Unit(inner, outer, 2), *(Unit(outer, outer, 1) for _ in range(count - 1))]
            inner = outer
        self.body = nn.Sequential(*units)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, 512, 4, 4)."""
        return self.body(self.input_layer(images))


def _headed(depth: int, classes: int, channels: int) -> nn.Module:
    output = nn.Sequential(
        nn.BatchNorm2d(WIDTHS[-1]),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(WIDTHS[-1] * 4 * 4, EMBEDDING),
        nn.BatchNorm1d(EMBEDDING),
    )
    return HeadedBody(Backbone(depth, channels), {"output_layer": output}, nn.Linear(EMBEDDING, classes))


@published("facenet64", title="FaceNet64 (IR-50 of face.evoLVe)", paper="Chen et al., ICCV 2021 (KED-MI)", side=64)
def facenet64(classes: int, channels: int) -> nn.Module:
    return _headed(50, classes, channels)


@published("ir152", title="IR152 (face.evoLVe)", paper="Zhang et al., CVPR 2020 (GMI)", side=64)
def ir152(classes: int, channels: int) -> nn.Module:
    return _headed(152, classes, channels)
