"""The multilayer perceptron: the network that Mehnaz et al. (USENIX Security 2022) attack, in torch."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from workbench.tabular.encoding import Features
from workbench.tabular.models.base import model
from workbench.tabular.table import Array, Codes

HIDDEN = (32, 16, 8)
STEPS, BATCH, RATE = 1500, 512, 5e-3


def network(width: int, count: int, rng: torch.Generator) -> nn.Sequential:
    """Return layers of `HIDDEN` units with random weights drawn from `rng`, He et al.'s uniform ones."""
    layers: list[nn.Module] = []
    for before, after in pairwise((width, *HIDDEN, count)):
        layer = nn.utils.skip_init(nn.Linear, before, after)
        bound = math.sqrt(6 / before)
        with torch.no_grad():
            layer.weight.uniform_(-bound, bound, generator=rng)
            layer.bias.zero_()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@model(
    "mlp",
    title="Multilayer perceptron",
    summary="Three hidden layers of 32, 16 and 8 units, as Mehnaz et al. attack it.",
    order=2,
    private="DP-SGD",
)
class Perceptron:
    def fit(self, features: Features, classes: Codes, count: int, seed: int) -> Perceptron:
        rng = torch.Generator().manual_seed(seed)
        x, y = torch.from_numpy(features), torch.from_numpy(classes)
        self.net = network(features.shape[1], count, rng)
        optimizer = torch.optim.Adam(self.net.parameters(), lr=RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            picked = torch.randint(len(x), (min(BATCH, len(x)),), generator=rng)
            loss = nn.functional.cross_entropy(self.net(x[picked]), y[picked])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return self

    def scores(self, features: Features) -> Array:
        with torch.no_grad():
            return self.net(torch.from_numpy(features)).softmax(1).numpy().astype(np.float64)
