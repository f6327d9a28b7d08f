"""MCNN on 32×32 digits, as KED-MI, LOMMA and BiDO attack and defend it, and SCNN, by which they judge.

Three or five convolutions of 7, 5, 5 (3, 3) pixels with batch norms and leaky rectifiers; Chen et al., ICCV 2021 (KED-MI), Nguyen
et al., CVPR 2023 (LOMMA, https://arxiv.org/abs/2304.01669). BiDO (Peng et al., KDD 2022) publishes it in three named layers.
"""

from __future__ import annotations

from itertools import chain

from torch import Tensor, nn

from workbench.targets.published.base import HeadedBody, published

SIDE = 32  # what leaves one place of the last map: MNIST is resized


def _layer(inner: int, outer: int, size: int, padding: int = 0, pooled: bool = False) -> list[nn.Module]:
    """Return one convolution with what follows it."""
    layers = [nn.Conv2d(inner, outer, size, padding=padding), nn.BatchNorm2d(outer), nn.LeakyReLU(0.2)]
    return [*layers, nn.MaxPool2d(2)] if pooled else layers


def _first_three(channels: int, width: int) -> list[list[nn.Module]]:
    return [
        _layer(channels, width, 7, 1, pooled=True),
        _layer(width, 2 * width, 5, pooled=True),
        _layer(2 * width, 4 * width, 5),
    ]


class NamedLayers(nn.Module):
    """MCNN under the names that BiDO gives it: `layer1` to `layer3` and `fc_layer`."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.layer1, self.layer2, self.layer3 = (nn.Sequential(*layers) for layers in _first_three(channels, 64))
        self.fc_layer = nn.Linear(256, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, K) of images (n, C, 32, 32)."""
        return self.fc_layer(self.layer3(self.layer2(self.layer1(images))).flatten(1))


@published("mcnn", title="MCNN on 32×32 digits", paper="Nguyen et al., CVPR 2023 (LOMMA)", side=SIDE, order=2)
def mcnn(classes: int, channels: int) -> nn.Module:
    return HeadedBody(nn.Sequential(*chain(*_first_three(channels, 64))), {}, nn.Linear(256, classes))


@published("mcnn-bido", title="MCNN in BiDO's layers", paper="Peng et al., KDD 2022 (BiDO)", side=SIDE, order=3)
def mcnn_bido(classes: int, channels: int) -> nn.Module:
    return NamedLayers(classes, channels)


@published(
    "scnn", title="SCNN, the papers' judge of digits", paper="Chen et al., ICCV 2021 (KED-MI)", side=SIDE, order=4
)
def scnn(classes: int, channels: int) -> nn.Module:
    more = [*_layer(128, 256, 3, 1), *_layer(256, 512, 3, 1)]
    return HeadedBody(nn.Sequential(*chain(*_first_three(channels, 32)), *more), {}, nn.Linear(512, classes))
