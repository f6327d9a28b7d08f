"""A participant's own training: some passes over its images, from the global weights."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from workbench.federated.update import State, Update, minus, weights_of
from workbench.scenarios import Labelled
from workbench.targets.training import ClassifierRecipe, warp


def generator(*numbers: int) -> torch.Generator:
    """Return a generator that these numbers decide, such as seed, round and participant."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 1_000_003 + number + 1) % 2**63
    return torch.Generator().manual_seed(mixed)


def local_update(
    model: nn.Module,
    weights: State,
    data: Labelled,
    *,
    participant: int,
    round_: int,
    epochs: int,
    batch: int,
    lr: float,
    recipe: ClassifierRecipe,
    flips: bool,
    seed: int,
) -> Update:
    """Return what a participant sends after training on its own images.

    Args:
        model: a network to work in; its weights are replaced.
        weights: what the server sent.
        data: its images; one at least.
        recipe: augmentation and weight decay.
        seed: with round and participant it decides order, augmentation and dropout.
    """
    model.load_state_dict(weights, strict=False)
    rng = generator(seed, round_, participant)
    device = next(model.parameters()).device
    optimiser = torch.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=recipe.weight_decay)
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=rng)))  # dropout draws from the global generator
        for _ in range(epochs):
            order = torch.randperm(len(data), generator=rng)
            # Equal parts: a batch norm cannot learn from a last batch of one.
            for rows in order.tensor_split(max(1, math.ceil(len(data) / batch))):
                images = warp(data.images[rows], recipe, flips, rng).to(device)
                if len(rows) == 1:
                    model.eval()
                loss = F.cross_entropy(model(images), data.labels[rows].to(device))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 5.0)  # a first step from random weights may be wild
                optimiser.step()
    return Update(participant, round_, len(data), minus(weights_of(model.state_dict()), weights))
