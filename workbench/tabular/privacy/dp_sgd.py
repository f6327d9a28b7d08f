"""DP-SGD (Abadi et al., CCS 2016) of the perceptron, with opacus and its accountant."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from workbench.tabular.encoding import Features
from workbench.tabular.models.mlp import Perceptron, network
from workbench.tabular.table import Codes

EPOCHS, BATCH, RATE, CLIP = 15, 512, 0.5, 1.0


def private_perceptron(features: Features, classes: Codes, count: int, epsilon: float, seed: int) -> Perceptron:
    """Return a perceptron that is (ε, 1/N)-differentially private with regard to any one record.

    Args:
        features: (N, D) in [0, 1].
        classes: (N,) below `count`.
    """
    from opacus import PrivacyEngine

    rng = torch.Generator().manual_seed(seed)
    net = network(features.shape[1], count, rng)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    records = TensorDataset(torch.from_numpy(features), torch.from_numpy(classes))
    loader = DataLoader(records, batch_size=min(BATCH, len(records)), generator=rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # opacus: that its secure generator is off, and what torch says of its hooks
        private, optimizer, loader = PrivacyEngine(accountant="rdp").make_private_with_epsilon(
            module=net,
            optimizer=optimizer,
            data_loader=loader,
            target_epsilon=epsilon,
            target_delta=1 / len(records),
            epochs=EPOCHS,
            max_grad_norm=CLIP,
            noise_generator=rng,
        )
        for _ in range(EPOCHS):
            for x, y in loader:
                if len(x):  # Poisson sampling: a batch may be empty
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(private(x), y).backward()
                    optimizer.step()
    found = Perceptron()
    found.net = nn.Sequential(*private._module)
    return found
