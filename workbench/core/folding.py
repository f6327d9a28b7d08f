"""Batch normalisation folded into the layer before it: the same function in fewer passes, for networks that stay frozen.

In eval mode a batch norm is one scale and one shift a channel, and so is part of what the convolution or linear map before
it can do. Jacob et al., CVPR 2018, section 3.2, https://arxiv.org/abs/1712.05877. Outputs and gradients are those of the
network as it was, up to rounding.
"""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from torch.nn.utils.parametrize import is_parametrized

M = TypeVar("M", bound=nn.Module)


def fold(model: M) -> M:
    """Fold, in place, each batch norm of a frozen network that directly follows a layer in a sequence; return the network.

    A folded norm leaves an identity in its place, so that layers keep their names and numbers. Norms in other places,
    those that see batches of their own (training mode), and those whose scale depends on the class stay as they are.

    Raises:
        ValueError: the network is in training mode, or some of its weights take gradients.
    """
    if model.training or any(p.requires_grad for p in model.parameters()):
        raise ValueError("only a frozen network in eval mode can be folded: training would need its batch norms")
    for sequence in [m for m in model.modules() if isinstance(m, nn.Sequential)]:
        for place in range(len(sequence) - 1):
            if (fused := _fused(sequence[place], sequence[place + 1])) is not None:
                sequence[place], sequence[place + 1] = fused.requires_grad_(False), nn.Identity()
    return model


def _fused(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    """Return one layer that does what the two do, or None where there is none."""
    if not isinstance(norm, _BatchNorm) or norm.training or norm.running_mean is None or is_parametrized(layer):
        return None
    if isinstance(layer, nn.ConvTranspose2d):
        # One group: torch's fusion scales the second axis as a whole, which with groups is only a part of the channels.
        return fuse_conv_bn_eval(layer, norm, transpose=True) if layer.groups == 1 else None
    if isinstance(layer, nn.Conv2d):
        return fuse_conv_bn_eval(layer, norm)
    if isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
        return fuse_linear_bn_eval(layer, norm)
    return None
