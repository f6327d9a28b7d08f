"""A face recogniser that never saw the private people: dlib's ResNet with 29 layers, trained on about 3 million faces.

Davis King, dlib's `dlib_face_recognition_resnet_model_v1` (public domain), quantised to bytes in the npm package
``@vladmandic/face-api`` (MIT). It follows He, Zhang, Ren and Sun, CVPR 2016, with fewer layers and half the filters, and is
trained by a metric loss. No target, prior or attack is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.weights import has_weights, load_weights, read_card
from workbench.recognisers.base import Card, recogniser
from workbench.recognisers.gallery import FaceGallery, FaceNetwork, open_gallery
from workbench.scenarios import Scenario

KEY, TITLE, WEIGHTS = "face-resnet", "Face ResNet", "recognisers/face-resnet"
SIDE, BORDER = 150, 6 / 64  # the border with which it names all held-out AT&T photographs
MEANS = (122.782, 117.001, 104.298)  # of red, green and blue, in 0..255
# Name, channels that leave it; a name that ends in "down" or "out" halves the side.
BLOCKS = (
    *((f"conv32_{i}", 32) for i in (1, 2, 3)),
    ("conv64_down", 64),
    *((f"conv64_{i}", 64) for i in (1, 2, 3)),
    ("conv128_down", 128),
    *((f"conv128_{i}", 128) for i in (1, 2)),
    ("conv256_down", 256),
    *((f"conv256_{i}", 256) for i in (1, 2)),
    ("conv256_down_out", 256),
)


class Scaled(nn.Module):
    """A convolution with a scale and a bias for each channel."""

    def __init__(self, before: int, after: int, size: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, size, stride, padding)
        self.weights, self.biases = nn.Parameter(torch.ones(after)), nn.Parameter(torch.zeros(after))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (n, F, h, w) of maps (n, C, H, W)."""
        return self.conv(x) * self.weights[:, None, None] + self.biases[:, None, None]


class ResidualBlock(nn.Module):
    """Two convolutions beside a short cut; one that halves the side pools its short cut and adds empty channels to it."""

    def __init__(self, before: int, after: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.conv1 = Scaled(before, after, 3, 2 if halves else 1, 0 if halves else 1)
        self.conv2 = Scaled(after, after, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (n, F, h, w) of maps (n, C, H, W)."""
        y = self.conv2(self.conv1(x).relu())
        if self.halves:
            x = F.avg_pool2d(x, 2)
            missing = x.shape[-1] - y.shape[-1]
            y = F.pad(y, (0, missing, 0, missing))
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return (x + y).relu()


class FaceResNet(nn.Module):
    """RGB faces (n, 3, 150, 150) in [0, 1] to embeddings (n, 128)."""

    means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv32_down = Scaled(3, 32, 7, 2)
        width, blocks = 32, {}
        for name, channels in BLOCKS:
            blocks[name] = ResidualBlock(width, channels, "down" in name)
            width = channels
        self.blocks = nn.ModuleDict(blocks)
        self.fc = nn.Linear(256, 128, bias=False)
        self.register_buffer("means", torch.tensor(MEANS)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv32_down((images * 255 - self.means) / 256).relu()
        x = F.max_pool2d(x, 3, 2)
        for block in self.blocks.values():
            x = block(x)
        return self.fc(x.mean((2, 3)))


def dequantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of bytes as floats: each uint8 tensor ``x`` stands beside ``x.scale`` and ``x.min``, both scalars."""
    return {
        name: value.float() * tensors[f"{name}.scale"] + tensors[f"{name}.min"] if value.dtype == torch.uint8 else value
        for name, value in tensors.items()
        if not name.endswith((".scale", ".min"))
    }


def load_face_resnet() -> FaceResNet:
    """Return the network in eval mode with frozen weights; raises `DataMissing`, `WeightsCorrupt`."""
    model = FaceResNet()
    model.load_state_dict(dequantised(load_weights(WEIGHTS)[0]))
    _plain(model)
    return model.eval().requires_grad_(False)


def _plain(module: nn.Module) -> None:
    """Make each scale and bias below `module` part of its convolution, which saves two passes over every map."""
    for name, part in module.named_children():
        if isinstance(part, Scaled):
            with torch.no_grad():
                part.conv.weight.mul_(part.weights[:, None, None, None])
                part.conv.get_parameter("bias").mul_(part.weights).add_(part.biases)
            setattr(module, name, part.conv)
        else:
            _plain(part)


@recogniser(KEY, title=TITLE, order=1)
def open_face_resnet(scenario: Scenario, device: torch.device) -> FaceGallery | None:
    """Return the recogniser with the scenario's private people as its gallery; None where it shows no faces."""
    if scenario.class_noun != "person" or not has_weights(WEIGHTS):
        return None
    card = Card("about 3 million faces of other people", KEY, read_card(WEIGHTS)["sha256"])
    network = FaceNetwork(load_face_resnet().to(device), SIDE, BORDER)
    return open_gallery(scenario, network, KEY, TITLE, card)
