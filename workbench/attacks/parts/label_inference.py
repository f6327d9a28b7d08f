"""Labels of a batch from the gradient of the last layer.

Zhao, Mopuri and Bilen, 2020 (iDLG), https://arxiv.org/abs/2001.02610, eq. 3: of one image, the gradient of the last bias is
softmax(s) − onehot(y), negative for its label alone. Wainakh et al., PoPETs 2022 (LLG), https://arxiv.org/abs/2105.09369,
Algorithm 1, counts labels of a batch: each occurrence pulls its class down by about the same impact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from workbench.core.errors import Incompatible

UNDECIDED = 0.8  # entropy of the mean answer to noise, in shares of the greatest: above it, a model has not learnt much


def last_layer(model: nn.Module) -> tuple[str, nn.Linear]:
    """Return the name and the last linear layer of a model; raises `Incompatible` where there is none."""
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not found:
        raise Incompatible(
            ["This model has no linear layer at its end, so its labels cannot be read. Choose labels=known."]
        )
    return found[-1]


def pulls_of_classes(model: nn.Module, update: Mapping[str, Tensor]) -> Tensor:
    """Return (C,), for each class, how the update pulls at each class: the gradient of the bias, or the row sums of the weight's.

    The features before it are not negative after a ReLU or a sigmoid, so that the sums have the bias gradient's sign.
    """
    name, layer = last_layer(model)
    prefix = f"{name}." if name else ""
    return update[f"{prefix}bias"] if layer.bias is not None else update[f"{prefix}weight"].sum(1)


def inferred_labels(model: nn.Module, update: Mapping[str, Tensor], count: int, usual: Tensor) -> Tensor:
    """Return the labels (n,), n = `count`, sorted, that an update speaks of.

    The gradient of class c is p̄_c − n_c / K, so a class that is pulled down is there once at least. How often it and the others
    are: of a model that is undecided still, p̄ is known well enough from any images, and n_c ≈ K (p̄_c − g_c) (Geng et al., 2021,
    https://arxiv.org/abs/2110.09074, section 3.1); of one that has decided, each occurrence has about the same impact.

    Args:
        usual: (C,) mean probabilities that the model gives to images of noise.
    """
    pull = pulls_of_classes(model, update).detach().double()
    if count == 1:
        return pull.argmin()[None]
    usual = usual.to(pull)
    entropy = -(usual * usual.clamp_min(1e-12).log()).sum() / math.log(len(usual))
    found = pull.argsort()[: min(count, int((pull < 0).sum()))].tolist()
    if entropy > UNDECIDED:
        worth, impact = count * (usual - pull), 1.0
    else:
        negative = pull[pull < 0].sum().item()
        worth, impact = -pull, (-negative / count * (1 + 1 / len(pull)) if negative else 1 / count)
    for c in found:
        worth[c] -= impact
    while len(found) < count:
        c = int(worth.argmax())
        found.append(c)
        worth[c] -= impact
    return torch.tensor(sorted(found), device=pull.device)
