"""MobileFaceNet, Chen, Liu, Gao and Han, CCBR 2018, https://arxiv.org/abs/1804.07573: an evaluator of faces.

Its body was trained on MS-Celeb-1M (weights of github.com/foamliu/MobileFaceNet, Apache-2.0) and stays as it
is; only the head above it learns the private people. So it knows faces far better than any target here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.targets.architectures import architecture

SIDE = 112
PRETRAINED = "lfw/evaluator"  # whose body is the network as its authors trained it
TEMPERATURE = 16.0  # length of an embedding; between unit vectors a softmax could not become sure
# Expansion, channels, repeats, stride.
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def convolved(before: int, after: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(after), nn.ReLU6()
    )


class Bottleneck(nn.Module):
    """Inverted residual: widen, filter each channel, narrow.

    Attributes:
        skip: weight of the shortcut; None where there is none.
    """

    def __init__(self, before: int, after: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self.skip = 1.0 if stride == 1 and before == after else None
        self.conv = nn.Sequential(
            convolved(before, wide, 1),
            convolved(wide, wide, 3, stride, wide),
            nn.Conv2d(wide, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (n, F, h, w) of maps (n, C, H, W)."""
        if self.skip is None:
            return self.conv(x)
        return (x if self.skip == 1 else self.skip * x) + self.conv(x)


class Separable(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (n, C, H, W) of maps of that shape."""
        return F.relu(self.bn2(self.pointwise(F.relu(self.bn1(self.depthwise(x))))))


class Global(nn.Module):
    """A filter as large as what is left of the image, one for each channel."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, size, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, C, 1, 1) of maps (n, C, S, S)."""
        return self.bn(self.depthwise(x))


class MobileFaceNet(nn.Module):
    """Images as `Normalize` leaves them, (n, C, H, W), to embeddings (n, 128) of length 16, averaged with the mirror image's.

    Frozen: it stays in eval mode, and its weights take no gradients.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.dw_conv = convolved(3, 64, 3, 2), Separable(64)
        blocks, width = [], 64
        for expansion, channels, repeats, stride in STAGES:
            for k in range(repeats):
                blocks.append(Bottleneck(width, channels, stride if k == 0 else 1, expansion))
                width = channels
        self.features = nn.Sequential(*blocks)
        self.conv2, self.gdconv = convolved(width, 512, 1), Global(512, 7)
        self.conv3, self.bn = nn.Conv2d(512, 128, 1), nn.BatchNorm1d(128)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> MobileFaceNet:
        return super().train(False)

    def embed(self, images: Tensor) -> Tensor:
        """Return embeddings (n, 128), of any length, of images (n, 3, 112, 112) as the body was trained on them."""
        x = self.conv2(self.features(self.dw_conv(self.conv1(images))))
        return self.bn(self.conv3(self.gdconv(x)).flatten(1))

    def forward(self, normalized: Tensor) -> Tensor:
        images = (normalized * 0.25 + 0.5).expand(-1, 3, -1, -1)
        images = F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False)
        images = (images - self.mean) / self.std
        return TEMPERATURE * F.normalize(self.embed(images) + self.embed(images.flip(3)))


@architecture(
    "mobilefacenet",
    title="Evaluator (MobileFaceNet)",
    role="evaluator",
    order=10,
    pretrained=PRETRAINED,
    recipe=dict(
        epochs=4,
        batch=64,
        lr=0.02,
        weight_decay=0.0,
        everything=True,
        zero_head=True,
        shift=0.02,
        scale=0.04,
        rotate=4.0,
    ),
)
def mobilefacenet(shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    return MobileFaceNet(), 128
