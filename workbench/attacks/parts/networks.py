"""Networks that an attack trains while it runs; their first weights come from its own generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)


def fresh(make: Callable[[], Net], rng: torch.Generator, device: torch.device) -> Net:
    """Return the network that `make` builds, with He-normal weights drawn from `rng` and biases at zero."""
    with torch.random.fork_rng(devices=[]):  # what layers draw when they are built is not kept
        net = make()
    for module in net.modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
            module.reset_parameters()
        elif weight is not None:
            nn.init.kaiming_normal_(weight, generator=rng)
            if bias is not None:
                nn.init.zeros_(bias)
    return net.to(device)
