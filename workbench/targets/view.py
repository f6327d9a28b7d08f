"""The attacker's only door to a target: grants what the threat model grants, and counts rows."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn

from workbench.core.errors import AccessDenied, BudgetSpent
from workbench.core.records import Access
from workbench.core.shapes import Shape, image_shape
from workbench.targets.architectures import Classifier
from workbench.targets.randomness import random_layers

NOISE = 7_919  # added to a session's seed, so that an attack of that seed does not draw the target's noise itself

GRANTS: dict[Access, tuple[str, ...]] = {
    Access.WHITE_BOX: ("logits", "module", "features", "scores", "top_k", "labels", "activations", "server"),
    Access.FEATURES: ("features", "activations", "server"),
    Access.SERVER: ("server",),
    Access.SCORES: ("scores", "top_k", "labels"),
    Access.TOP_K: ("top_k", "labels"),
    Access.LABEL: ("labels",),
}


class TargetView:
    """One attacker's session with one target.

    The target behind it is a private copy in eval mode with frozen weights, so that nothing an attack
    does can change the caller's model. Every method counts ``len(images)`` queries before it answers.

    Args:
        model: any module from images (n, C, H, W) in [0, 1] to logits (n, K).
        access: what to grant.
        budget: most rows to answer; None for no limit.
        k: how many confidences `top_k` releases.
        seed: of the noise of a target that answers at random; sessions of one seed are told the same.
    """

    def __init__(
        self,
        model: nn.Module,
        access: Access,
        *,
        num_classes: int,
        input_shape: Shape,
        budget: int | None = None,
        k: int = 5,
        seed: int = 0,
    ) -> None:
        self.__model = copy.deepcopy(model).eval().requires_grad_(False)
        self._random = random_layers(self.__model)
        for number, layer in enumerate(self._random):
            layer.rng = torch.Generator().manual_seed(NOISE + seed + number)
        self.access, self.num_classes, self.input_shape = access, num_classes, image_shape(input_shape)
        self.budget, self.k = budget, min(k, num_classes)
        self.__queries = 0

    @property
    def queries(self) -> int:
        """Rows answered so far."""
        return self.__queries

    def affordable(self, rows: int) -> int:
        """Return how many of `rows` more queries the budget still allows."""
        return rows if self.budget is None else max(0, min(rows, self.budget - self.__queries))

    def _grant(self, what: str) -> None:
        """Raise `AccessDenied` where this attacker may not ask for `what`."""
        if what not in GRANTS[self.access]:
            raise AccessDenied(
                f"The attack asked the target for {what}, but it has {self.access.label.lower()} access, "
                f"which grants {', '.join(GRANTS[self.access])}. Declare the access the attack needs "
                "in its @attack line."
            )

    def _charge(self, images: Tensor, what: str) -> None:
        self._grant(what)
        if images.shape[1:] != self.input_shape:
            raise ValueError(f"images are {tuple(images.shape[1:])}, the target takes {self.input_shape}")
        if self.budget is not None and self.__queries + len(images) > self.budget:
            raise BudgetSpent(
                f"{len(images)} more queries would exceed the budget of {self.budget} ({self.__queries} spent)."
            )
        self.__queries += len(images)

    def _model(self) -> nn.Module:
        """Return the private copy, for views of other kinds."""
        return self.__model

    def _asked(self, images: Tensor, what: str) -> nn.Module:
        """Return the private copy once `images` (n, C, H, W) have been paid for."""
        self._charge(images, what)
        return self.__model

    def logits(self, images: Tensor) -> Tensor:
        """Return logits (n, K), differentiable in `images` (n, C, H, W) in [0, 1]; white-box only."""
        self._charge(images, "logits")
        return self.__model(images)

    def module(self, images: Tensor) -> nn.Module:
        """Return the target itself, for hooks and statistics; white-box only. Charged as one batch of `images` (n, C, H, W)."""
        self._charge(images, "module")
        return self.__model

    def features(self, images: Tensor) -> Tensor:
        """Return the penultimate layer's output (n, F); differentiable for a white-box attacker only."""
        self._charge(images, "features")
        with torch.set_grad_enabled(self.access is Access.WHITE_BOX and torch.is_grad_enabled()):
            return cast(Classifier, self.__model).features(images)

    @torch.no_grad()
    def scores(self, images: Tensor) -> Tensor:
        """Return confidences (n, K) summing to one, without gradients."""
        self._charge(images, "scores")
        return self.__model(images).softmax(1)

    @torch.no_grad()
    def top_k(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the k best confidences (n, k), best first, and their classes (n, k)."""
        self._charge(images, "top_k")
        best = self.__model(images).softmax(1).topk(self.k, 1)
        return best.values, best.indices

    @torch.no_grad()
    def labels(self, images: Tensor) -> Tensor:
        """Return predicted classes (n,)."""
        self._charge(images, "labels")
        return self.__model(images).argmax(1)


class AveragingView(TargetView):
    """The door of an attacker who asks everything several times, because the answers are random.

    Confidences are averaged and labels decided by majority; every time counts as a query. An attacker inside the model
    averages the noise of its random layers, so that gradients are those of the mean.

    Args:
        asks: how often each question is asked.
    """

    def __init__(self, *args: Any, asks: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asks = asks
        self._inside = self.access is Access.WHITE_BOX
        if self._inside:
            for layer in self._random:
                layer.draws = asks

    @property
    def _rounds(self) -> range:
        """The times that an answer is asked for one after the other."""
        return range(1 if self._inside else self.asks)

    def _charge(self, images: Tensor, what: str) -> None:
        super()._charge(images, what)
        if self._inside:
            for _ in range(self.asks - 1):
                super()._charge(images, what)

    def affordable(self, rows: int) -> int:
        return super().affordable(rows * self.asks) // self.asks

    def scores(self, images: Tensor) -> Tensor:
        return torch.stack([super(AveragingView, self).scores(images) for _ in self._rounds]).mean(0)

    def top_k(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the k highest mean confidences; where a class was not among the best, it counts as zero."""
        total = images.new_zeros(len(images), self.num_classes)
        for _ in self._rounds:
            values, classes = super().top_k(images)
            total.scatter_add_(1, classes, values)
        best = (total / len(self._rounds)).topk(self.k, 1)
        return best.values, best.indices

    def labels(self, images: Tensor) -> Tensor:
        votes = torch.stack([super(AveragingView, self).labels(images) for _ in self._rounds])
        return torch.nn.functional.one_hot(votes, self.num_classes).sum(0).argmax(1)


def view_of(model: nn.Module, access: Access, *, asks: int = 1, **kwargs: Any) -> TargetView:
    """Return the view of an attacker who asks everything `asks` times; see `TargetView` for the rest."""
    return AveragingView(model, access, asks=asks, **kwargs) if asks > 1 else TargetView(model, access, **kwargs)
