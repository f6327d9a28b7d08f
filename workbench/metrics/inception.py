"""FID proper, where the operator has Inception's weights: the workbench ships none and fetches nothing."""

from __future__ import annotations

import os
import pickle
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import Failure
from workbench.metrics.base import Judged
from workbench.metrics.distribution import frechet
from workbench.metrics.set_features import PHOTOGRAPHS
from workbench.metrics.sets import set_metric

VARIABLE = "WORKBENCH_INCEPTION"
SIDE = 299
AT_ONCE = 32


@cache
def inception(path: Path) -> nn.Module:
    """Return torchvision's Inception v3 up to its 2,048 pooled features, with the weights in a file.

    Raises:
        Failure: the file is not there, or does not hold that network's weights.
    """
    from torchvision.models import inception_v3

    net = inception_v3(weights=None, init_weights=False, aux_logits=True)
    try:
        safe = path.suffix == ".safetensors"
        net.load_state_dict(load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, TypeError, pickle.UnpicklingError) as error:
        raise Failure(
            f"{VARIABLE} names {path}, which does not hold the weights of torchvision's inception_v3 "
            f"({str(error).splitlines()[0]}). Give its state dict, as torchvision's file has it, or leave the variable empty."
        ) from None
    net.fc = nn.Identity()
    return net.requires_grad_(False).eval()


@torch.inference_mode()
def features(net: nn.Module, images: Tensor) -> Tensor:
    """Return Inception's features (n, 2048) of images (n, C, H, W) in [0, 1], made 299 by 299 first."""
    found = []
    for part in images.split(AT_ONCE):
        large = F.interpolate(part.expand(-1, 3, -1, -1), (SIDE, SIDE), mode="bilinear", antialias=True)
        found.append(net(large * 2 - 1))
    return torch.cat(found)


@set_metric(
    "fid",
    title="FID (Inception, torchvision's weights)",
    unit=f"squared features; where {VARIABLE} names the weights; few images make it larger",
    best="lower",
    compares=f"{PHOTOGRAPHS}, as two Gaussians in Inception's features",
    source="Heusel et al., NeurIPS 2017, eq. 6",
    order=17,
)
def fid(judged: Judged) -> float | None:
    """Return the FID, at least 0; None without weights or for a single picture."""
    named = os.environ.get(VARIABLE, "")
    private = judged.context.private.train
    real = private.images[torch.isin(private.labels, judged.labels)]
    if not named or min(len(real), len(judged.images)) < 2:
        return None
    net = inception(Path(named))
    return frechet(features(net, judged.images), features(net, real)).value
