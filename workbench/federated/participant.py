"""A participant's own training: some passes over its images, from the global weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.federated.privacy import PrivateSteps
from workbench.federated.update import State, Update, minus, weights_of
from workbench.scenarios import Labelled
from workbench.targets.training import ClassifierRecipe, warp


def generator(*numbers: int) -> torch.Generator:
    """Return a generator that these numbers decide, such as seed, round and participant."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 1_000_003 + number + 1) % 2**63
    return torch.Generator().manual_seed(mixed)


@dataclass(frozen=True)
class LocalTraining:
    """How every participant trains, which the server says.

    Attributes:
        epochs: passes over its own images.
        batch: images in a step.
        lr: of the first round; see `Federation` for the later ones.
        recipe: augmentation and weight decay.
        flips: whether images may be mirrored.
        seed: with round and participant it decides order, augmentation, dropout and noise.
        private: what differential privacy of every image asks for; None for ordinary steps.
    """

    epochs: int
    batch: int
    lr: float
    recipe: ClassifierRecipe
    flips: bool
    seed: int
    private: PrivateSteps | None = None

    def batches(self, rows: int, rng: torch.Generator) -> Iterator[Tensor]:
        """Yield the row numbers (n,) of each batch of one epoch: equal parts, since a batch norm cannot learn from a last batch of one."""
        parts = max(1, math.ceil(rows / self.batch))
        if self.private is not None:
            yield from self.private.samples(rows, parts, rng)
            return
        yield from torch.randperm(rows, generator=rng).tensor_split(parts)


def local_update(
    model: nn.Module, weights: State, data: Labelled, how: LocalTraining, *, participant: int, round_: int
) -> Update:
    """Return what a participant sends after training on its own images.

    Args:
        model: a network to work in; its weights are replaced.
        weights: what the server sent.
        data: its images; one at least.
    """
    model.load_state_dict(weights, strict=False)
    rng = generator(how.seed, round_, participant)
    device = next(model.parameters()).device
    optimiser = torch.optim.SGD(model.parameters(), how.lr, momentum=0.9, weight_decay=how.recipe.weight_decay)
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=rng)))  # dropout draws from the global generator
        for _ in range(how.epochs):
            for rows in how.batches(len(data), rng):
                images = warp(data.images[rows], how.recipe, how.flips, rng).to(device)
                labels = data.labels[rows].to(device)
                optimiser.zero_grad(set_to_none=True)
                if how.private is not None:
                    how.private.set_gradients(model, images, labels, len(data) / math.ceil(len(data) / how.batch), rng)
                else:
                    if len(rows) == 1:
                        model.eval()
                    F.cross_entropy(model(images), labels).backward()
                    nn.utils.clip_grad_norm_(model.parameters(), 5.0)  # a first step from random weights may be wild
                optimiser.step()
    return Update(participant, round_, len(data), minus(weights_of(model.state_dict()), weights))
