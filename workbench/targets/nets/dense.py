"""The evaluator: a densely connected network, unlike any target, so that it is fooled differently.

Huang et al., CVPR 2017, https://arxiv.org/abs/1608.06993. Average pooling and exponential units keep
its features smooth; no attack ever holds one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.targets.architectures import architecture


class DenseBlock(nn.Module):
    """Layers that each see every earlier layer's output."""

    def __init__(self, channels: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(channels + i * growth),
                nn.ELU(),
                nn.Conv2d(channels + i * growth, growth, 3, padding=1, bias=False),
            )
            for i in range(layers)
        )
        self.width = channels + layers * growth

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (n, F, H, W), those of x (n, C, H, W) and every layer's."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


@architecture(
    "evaluator",
    title="Evaluator (DenseNet)",
    role="evaluator",
    order=9,
    recipe=dict(epochs=80, everything=True),
    seen=10_000,
)
def evaluator(shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    channels, height, _ = shape
    body: list[nn.Module] = [nn.Conv2d(channels, 32, 5, 2, 2, bias=False)]
    width = 32
    for _ in range(3 if height > 32 else 2):
        block = DenseBlock(width, 20, 4)
        body += [
            block,
            nn.BatchNorm2d(block.width),
            nn.ELU(),
            nn.Conv2d(block.width, block.width // 2 + 16, 1),
            nn.AvgPool2d(2),
        ]
        width = block.width // 2 + 16
    return nn.Sequential(
        *body,
        nn.BatchNorm2d(width),
        nn.ELU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(width * 16, 160),
        nn.BatchNorm1d(160),
        nn.ELU(),
    ), 160
