"""A small network of smooth units with strides instead of pooling: it judges, and looks like no target.

Exponential linear units (Clevert, Unterthiner and Hochreiter, ICLR 2016, https://arxiv.org/abs/1511.07289); strides in place
of pooling as in Springenberg et al., ICLR 2015 workshops, https://arxiv.org/abs/1412.6806.
"""

from __future__ import annotations

from torch import nn

from workbench.core.shapes import Shape
from workbench.targets.architectures import architecture

WIDTHS = (16, 32, 64)  # of each scale


@architecture(
    "open-set",
    title="Open-set judge (strided CNN)",
    role="evaluator",
    order=11,
    recipe=dict(epochs=10, batch=128, lr=4e-3, everything=True, rotate=10.0),
)
def open_set(shape: Shape) -> tuple[nn.Module, int]:
    """Return the body for images (C, H, W) of at least 16 pixels a side; one more scale where they have more than 32."""
    channels, height, _ = shape
    widths = WIDTHS if height <= 32 else (*WIDTHS, 96)
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 5, 1 if height <= 32 else 2, 2, bias=False)]
    for before, after in zip(widths, [*widths[1:], widths[-1]], strict=True):
        layers += [nn.BatchNorm2d(before), nn.ELU(), nn.Conv2d(before, after, 3, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.ELU(), nn.Conv2d(after, after, 3, 1, 1, bias=False)]
        layers += [] if after == before else [nn.BatchNorm2d(after), nn.ELU(), nn.Conv2d(after, after, 1, bias=False)]
    head = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(widths[-1] * 16, 128), nn.ELU()]
    return nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]), nn.ELU(), *head), 128
