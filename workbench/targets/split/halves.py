"""The two halves of a classifier: what a client computes of its picture, and what a server makes of that."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from workbench.targets.architectures import Classifier
from workbench.targets.split.cuts import Cut, hooked
from workbench.targets.split.guard import Guard


class _Reached(Exception):
    def __init__(self, activations: Tensor) -> None:
        super().__init__()
        self.activations = activations


def _stop(layer: nn.Module, given: Any, out: Tensor) -> NoReturn:
    raise _Reached(out)


class SplitModel(nn.Module):
    """A classifier cut after one layer; images (n, C, H, W) in [0, 1] to logits (n, K), by way of what is sent.

    Args:
        model: a frozen classifier in eval mode.
        guard: what the client does to activations before it sends them.
    """

    def __init__(self, model: Classifier, cut: Cut, guard: Guard | None = None) -> None:
        super().__init__()
        self.model, self.cut, self.guard = model, cut, guard or Guard()

    @property
    def layer(self) -> nn.Module:
        """The last one of the client's half."""
        return self.model.get_submodule(self.cut.path)

    def client(self, images: Tensor) -> Tensor:
        """Return the activations (n, *S) of images (n, C, H, W) in [0, 1], before the guard; differentiable."""
        with hooked(self.layer, _stop):
            try:
                self.model(images)
            except _Reached as reached:
                return reached.activations
        raise RuntimeError(f"the network never came to its layer {self.cut.path}")

    def server(self, sent: Tensor) -> Tensor:
        """Return logits (n, K) of what was sent, (n, *S); differentiable."""
        # Whatever the first half makes of a black image is thrown away where the second half begins.
        black = torch.zeros(len(sent), *self.model.shape, device=sent.device)
        with hooked(self.layer, lambda layer, given, out: sent):
            return self.model(black)

    def forward(self, images: Tensor) -> Tensor:
        return self.server(self.guard(self.client(images)))
