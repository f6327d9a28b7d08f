"""Differential privacy in the protocol: of a whole participant, or of each image, with its accounts.

Of a participant, McMahan, Ramage, Talwar and Zhang, ICLR 2018, https://arxiv.org/abs/1710.06963: updates are clipped to C, and
their sum gets Gaussian noise of standard deviation zC. Here every participant adds its share of that noise before it sends
(Kairouz, Liu and Steinke, ICML 2021, https://arxiv.org/abs/2102.06387, section 1), so that it holds under every protocol and
needs no trust in the server where the sum is all that it sees. Of an image, Abadi et al., CCS 2016, https://arxiv.org/abs/1607.00133,
Algorithm 1: Poisson samples, each image's gradient clipped to C, noise of standard deviation zC on their sum, in every local step.

Privacy is added up by Opacus's Rényi accountant. Two data sets are neighbours where one participant sends nothing in place of
its update, or where one image is added or removed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F  # noqa: N812

from workbench.federated.update import Update, flat, unflat

PROTECTS = {"none": "Nobody", "client": "A whole participant", "record": "Each image"}


def epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """Return the ε of so many Gaussian steps, by Opacus's Rényi accountant.

    Args:
        noise: z, standard deviation over the longest contribution.
        rate: share of the data in a step, drawn by Poisson sampling; 1 for all of it.
        delta: δ, with which the promise may fail.
    """
    from opacus.accountants import RDPAccountant  # takes seconds to import

    if steps == 0:
        return 0.0
    accountant = RDPAccountant()
    accountant.history = [(noise, min(1.0, rate), steps)]
    with (
        warnings.catch_warnings()
    ):  # an outermost Rényi order that is the best one makes ε a little larger than it need be
        warnings.filterwarnings("ignore", "Optimal order is the")
        return float(accountant.get_epsilon(delta))


def norms_that_mix(model: nn.Module) -> list[str]:
    """Return the names of layers that keep figures of a batch, which no clipping of one contribution bounds."""
    return [name for name, layer in model.named_modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def noised(update: Update, clip: float, noise: float, sharers: int, rng: torch.Generator) -> Update:
    """Return an update as a participant sends it under privacy of participants, weighing as much as any other.

    Args:
        clip: C, longest update.
        noise: z; the sum of `sharers` such updates has noise of standard deviation zC.
    """
    vector = flat(update.delta)
    vector = vector * min(1.0, clip / max(vector.norm().item(), 1e-12))
    vector = vector + noise * clip / math.sqrt(sharers) * torch.randn(vector.shape, generator=rng)
    return replace(update, examples=1, delta=unflat(vector, update.delta))


@dataclass(frozen=True)
class PrivateSteps:
    """Local steps that bound what any image leaves behind.

    Attributes:
        clip: C, longest gradient of one image.
        noise: z, standard deviation of the noise over C.
    """

    clip: float
    noise: float

    def samples(self, rows: int, steps: int, rng: torch.Generator) -> Iterator[Tensor]:
        """Yield the row numbers (n,) of each of an epoch's steps: every image with probability 1 / steps, maybe none."""
        for _ in range(steps):
            yield (torch.rand(rows, generator=rng) < 1 / steps).nonzero()[:, 0]

    def set_gradients(
        self, model: nn.Module, images: Tensor, labels: Tensor, expected: float, rng: torch.Generator
    ) -> None:
        """Set the gradient of every parameter to the clipped and noised mean of a sample's.

        Args:
            images: (n, C, H, W), n may be 0.
            labels: (n,).
            expected: images that a sample has on average, by which the sum is divided.
        """
        parameters = {name: value.detach() for name, value in model.named_parameters()}
        buffers = dict(model.named_buffers())

        def loss(own: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
            return F.cross_entropy(functional_call(model, {**own, **buffers}, (image[None],)), label[None])

        totals = {name: torch.zeros_like(value) for name, value in parameters.items()}
        if len(labels):
            each = vmap(grad(loss), in_dims=(None, 0, 0), randomness="different")(parameters, images, labels)
            lengths = torch.stack([value.flatten(1).square().sum(1) for value in each.values()]).sum(0).sqrt()  # (n,)
            factors = (self.clip / lengths.clamp_min(1e-12)).clamp_max(1.0)
            totals = {name: torch.einsum("n,n...->...", factors, value) for name, value in each.items()}
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=rng).to(parameter)
            parameter.grad = (totals[name] + self.noise * self.clip * drawn) / expected
