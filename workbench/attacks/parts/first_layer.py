"""The first layer that learns, and what its gradient says of its inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.core.errors import Incompatible
from workbench.targets.architectures import Normalize

PASSES = (nn.Flatten, nn.Identity)  # what leaves a pixel as it is


def first_linear(model: nn.Module) -> tuple[str, nn.Linear, Normalize | None]:
    """Return the name of the first layer that learns, the layer, and the normalisation before it.

    Raises:
        Incompatible: it is not linear with a bias, or more than flattening lies before it.
    """
    normalize = None
    for name, module in model.named_modules():
        if next(module.children(), None) is not None:
            continue
        if isinstance(module, Normalize):
            normalize = module
        elif isinstance(module, nn.Linear) and module.bias is not None:
            return name, module, normalize
        elif not isinstance(module, PASSES):
            raise Incompatible(
                [
                    f"The closed form needs a model whose first layer is linear with a bias, and this one begins with "
                    f"{type(module).__name__}. Choose the target softmax or mlp, or another attack."
                ]
            )
    raise Incompatible(["This model has no linear layer."])


def unnormalized(values: Tensor, normalize: Normalize | None, shape: tuple[int, int, int]) -> Tensor:
    """Return inputs of the layer (K, C·H·W) as images (K, C, H, W) in grey levels."""
    images = values.reshape(-1, *shape)
    return images if normalize is None else images * normalize.std.cpu() + normalize.mean.cpu()


def rank_one(weight: Tensor, bias: Tensor) -> Tensor:
    """Return the x (D,) of which all rows are multiples, W_i = b_i x, by least squares over rows; W (units, D), b (units,)."""
    w, b = weight.double(), bias.double()
    return (b[:, None] * w).sum(0) / b.square().sum().clamp_min(1e-300)


def ratios(weight: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
    """Return W_i / b_i (n, D) of some rows (n,)."""
    b = bias.double()[rows]
    return weight.double()[rows] / torch.where(b.abs() < 1e-300, torch.full_like(b, 1e-300), b)[:, None]
