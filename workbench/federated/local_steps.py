"""Local steps as a function of the images: what a participant computes, and what an attacker computes again.

McMahan et al., AISTATS 2017, https://arxiv.org/abs/1602.05629: s steps of gradient descent on one batch. What is sent, the
new weights less the old, divided by −η: for one step it is the gradient itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True)
class LocalSteps:
    """How a participant trains on one batch, which everybody agreed on.

    Attributes:
        steps: s, steps of gradient descent, each on the whole batch.
        lr: η of each.
        train_mode: whether batch norms take the statistics of the batch and dropout drops; else as when it is asked.
    """

    steps: int = 1
    lr: float = 0.05
    train_mode: bool = False


def parameters_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters by name, detached, so that gradients with respect to them can be asked for."""
    return {name: value.detach().clone().requires_grad_(True) for name, value in model.named_parameters()}


def set_mode(model: nn.Module, local: LocalSteps, *, drops: bool) -> None:
    """Put a model into the mode of local training, in place; without dropout for who cannot know what was dropped."""
    model.train(local.train_mode)
    if not drops:
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.eval()


def pulled(
    model: nn.Module,
    parameters: Mapping[str, Tensor],
    images: Tensor,
    targets: Tensor,
    local: LocalSteps,
    *,
    differentiable: bool = False,
) -> dict[str, Tensor]:
    """Return how local training on one batch pulls at the weights: (θ₀ − θ_s) / η by name, for s = 1 the gradient.

    Args:
        model: in the mode of local training; neither it nor its buffers change.
        parameters: θ₀ as `parameters_of` returns them.
        images: (K, C, H, W) in [0, 1].
        targets: labels (K,), or probabilities (K, classes).
        differentiable: whether the result can be differentiated in images and targets.
    """
    now, buffers = dict(parameters), {name: value.clone() for name, value in model.named_buffers()}
    total: dict[str, Tensor] = {}
    for step in range(local.steps):
        logits = functional_call(model, {**now, **buffers}, (images,))
        loss = F.cross_entropy(logits, targets)
        gradients = torch.autograd.grad(loss, list(now.values()), create_graph=differentiable, allow_unused=True)
        by_name = {
            name: torch.zeros_like(value) if gradient is None else gradient
            for (name, value), gradient in zip(now.items(), gradients, strict=True)
        }
        total = by_name if not total else {name: total[name] + by_name[name] for name in total}
        if step + 1 < local.steps:
            now = {name: value - local.lr * by_name[name] for name, value in now.items()}
            if not differentiable:
                now = {name: value.detach().requires_grad_(True) for name, value in now.items()}
    return total
