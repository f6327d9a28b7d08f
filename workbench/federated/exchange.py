"""A participant as the server sees it: sent a model, it answers with what training on its images did to it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from workbench.federated.local_steps import LocalSteps, parameters_of, pulled, set_mode
from workbench.federated.participant import generator
from workbench.scenarios import Labelled


@dataclass(frozen=True)
class Terms:
    """What server and participants agreed on, and everybody knows.

    Attributes:
        local: how each trains on its batch.
        clip: longest gradient that is sent, as its Euclidean norm; 0 for any.
        noise: standard deviation of the Gaussian noise that a participant adds, in shares of its gradient's root mean square.
        pruned: share of the gradient's entries, the smallest, that a participant sends as zero.
    """

    local: LocalSteps = field(default_factory=LocalSteps)
    clip: float = 0.0
    noise: float = 0.0
    pruned: float = 0.0


class Participants:
    """Those whose answer the server receives: one of them, or several of whom it learns nothing but the sum.

    The images stay here: an attack gets this, and asks. Every question is answered alike, so that one who asks the same
    model again learns nothing new.

    Args:
        batches: of each participant, its images and labels.
        seed: of noise and dropout.
    """

    def __init__(self, batches: Sequence[Labelled], terms: Terms | None = None, seed: int = 0) -> None:
        self.__batches, self.__seed = list(batches), seed
        self.terms = terms or Terms()

    @property
    def images(self) -> int:
        """K, how many images the answer is made of, all participants together; participants say that to be weighed by it."""
        return sum(len(batch) for batch in self.__batches)

    @property
    def count(self) -> int:
        return len(self.__batches)

    def answer(self, model: nn.Module) -> dict[str, Tensor]:
        """Return what the server receives for a model: mean gradients by name, weighed by images.

        After several local steps they are the pull at the weights, `pulled`.
        """
        parts = [self._one(model, number) for number in range(self.count)]
        shares = [len(batch) / self.images for batch in self.__batches]
        return {
            name: sum((s * part[name] for s, part in zip(shares, parts, strict=True)), start=torch.zeros_like(value))
            for name, value in parts[0].items()
        }

    def _one(self, model: nn.Module, number: int) -> dict[str, Tensor]:
        batch, agreed = self.__batches[number], self.terms
        own = copy.deepcopy(model).requires_grad_(True)
        set_mode(own, agreed.local, drops=True)
        device = next(own.parameters()).device
        rng = generator(self.__seed, number)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=rng)))
            sent = pulled(own, parameters_of(own), batch.images.to(device), batch.labels.to(device), agreed.local)
        sent = {name: value.detach() for name, value in sent.items()}
        return spoken(sent, agreed, rng)


def spoken(gradients: dict[str, Tensor], agreed: Terms, rng: torch.Generator) -> dict[str, Tensor]:
    """Return gradients as a participant sends them: clipped, the smallest entries left out, noise added."""
    whole = torch.cat([value.flatten() for value in gradients.values()])
    if agreed.clip:
        factor = min(1.0, agreed.clip / max(whole.norm().item(), 1e-12))
        gradients = {name: factor * value for name, value in gradients.items()}
        whole = factor * whole
    if agreed.pruned:
        least = whole.abs().kthvalue(max(1, int(agreed.pruned * len(whole)))).values
        gradients = {name: value * (value.abs() > least) for name, value in gradients.items()}
    if agreed.noise:
        size = agreed.noise * whole.square().mean().sqrt()
        gradients = {
            name: value + size * torch.randn(value.shape, generator=rng).to(value) for name, value in gradients.items()
        }
    return gradients
