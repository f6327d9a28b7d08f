"""VGG16 with batch norms on 64×64 faces, as GMI and KED-MI attack it: features, a batch norm, one linear layer.

Simonyan and Zisserman, ICLR 2015, https://arxiv.org/abs/1409.1556.
"""

from __future__ import annotations

from torch import nn

from workbench.core.errors import Incompatible
from workbench.targets.published.base import HeadedBody, build, published

FEATURES = 512 * 2 * 2


@published("vgg16", title="VGG16 on 64×64 faces", paper="Zhang et al., CVPR 2020 (GMI)", side=64, order=1)
def vgg16(classes: int, channels: int) -> nn.Module:
    if channels != 3:
        raise Incompatible([f"VGG16 takes 3 channels, not {channels}."])
    features = build("torchvision/vgg16_bn", 1, 3).get_submodule("features")
    return HeadedBody(features, {"bn": nn.BatchNorm1d(FEATURES)}, nn.Linear(FEATURES, classes))
