"""The attacker's door to a network that is cut in two: he is the server, or reads what it receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from workbench.core.records import Access
from workbench.scenarios import Labelled
from workbench.targets.split.halves import SplitModel
from workbench.targets.view import TargetView


class SplitView(TargetView):
    """One attacker's session with a split network.

    White-box, the client's half is known, but for what its guard draws at random; with `Access.FEATURES` it answers like any
    client, guard and all, without gradients; with `Access.SERVER` it does not answer at all. The server's half is the
    attacker's own, so asking it costs nothing. See `TargetView` for the arguments.
    """

    def __init__(self, model: SplitModel, access: Access, **kwargs: Any) -> None:
        super().__init__(model, access, **kwargs)
        self.cut = model.cut

    def activations(self, images: Tensor) -> Tensor:
        """Return what the client would send, (n, *S), of images (n, C, H, W) in [0, 1]; counts n queries.

        White-box it is the mean over what the guard draws, and differentiable.
        """
        model = cast(SplitModel, self._asked(images, "activations"))
        if self.access is Access.WHITE_BOX:
            return model.guard.expected(model.client(images))
        with torch.no_grad():
            return model.guard(model.client(images))

    def server(self, sent: Tensor) -> Tensor:
        """Return the logits (n, K) of activations (n, *S); differentiable, and no query."""
        self._grant("server")
        return cast(SplitModel, self._model()).server(sent)


@dataclass(frozen=True, eq=False)
class Intercepted:
    """What there is to invert, and what else the attacker holds.

    Attributes:
        view: the network behind its threat model.
        sent: (N, *S) what the client sent, one row for each picture that is to be recovered.
        known: images that the network was trained on, with classes; None for an attack that does not say it holds them.
    """

    view: SplitView
    sent: Tensor
    known: Labelled | None = None
