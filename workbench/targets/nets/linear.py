"""Softmax regression and the one-layer perceptron of Fredrikson et al., CCS 2015, section 5.1."""

from __future__ import annotations

import math

from torch import nn

from workbench.targets.architectures import architecture

# The paper trains on the photographs as they are; moved or mirrored copies would blur what it shows.
PLAIN = dict(shift=0.0, scale=0.0, rotate=0.0, contrast=0.0, mirror=False)


@architecture(
    "softmax",
    title="Softmax regression",
    order=3,
    recipe=dict(PLAIN, optimiser="sgd", zero_head=True, lr=2e-3, weight_decay=1e-2, epochs=60),
)
def softmax(shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    return nn.Flatten(), math.prod(shape)


@architecture("mlp", title="Multilayer perceptron", order=4, recipe=dict(PLAIN, lr=3e-4, weight_decay=1e-4, epochs=60))
def mlp(shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    """One hidden layer of sigmoid units; 1,000 for 64x64 images where the paper has 3,000 for 92x112."""
    units = 1000
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), units), nn.Sigmoid()), units
