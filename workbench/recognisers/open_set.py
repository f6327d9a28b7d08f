"""A judge who knows the private classes, the public ones, and that a picture may show none of them.

A classifier of two groups of classes and one more for everything else (Dhamija, Günther and Boult, NeurIPS 2018, "Reducing
network agnostophobia"; Hendrycks, Mazeika and Dietterich, ICLR 2019, outlier exposure). An evaluator that knows the private
classes alone has to call a seven a one; this one says seven.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.weights import has_weights, read_card
from workbench.recognisers.base import Card, recogniser
from workbench.recognisers.evaluator import Evaluator
from workbench.scenarios import Scenario
from workbench.targets.store import read_classifier

KEY, TITLE = "open-set", "Open-set judge"


@dataclass(frozen=True, eq=False)
class OpenSetClassifier:
    """A classifier of K private classes, M public ones and "none of these" as a recogniser of the private ones.

    Attributes:
        inner: the classifier of all K + M + 1, asked for features and confidences.
        private: K.
        public_names: of the M public classes.
        threshold: the least confidence at which it names a class: one in 200 pictures of nothing reaches it.
    """

    inner: Evaluator
    private: int
    public_names: tuple[str, ...]
    card: Card
    threshold: float
    least_detail: float
    key: str = KEY
    title: str = TITLE
    heldout: Tensor | None = None

    def features(self, images: Tensor) -> Tensor:
        """Return penultimate features (N, F) on the CPU of images (N, C, H, W) in [0, 1]."""
        return self.inner.features(images)

    def scores(self, images: Tensor) -> Tensor:
        """Return the confidence (N, K) in each private class of images (N, C, H, W) in [0, 1].

        Where a public class is likelier than a private one, that stays below the threshold, by as much.
        """
        sure = self.inner.scores(images)
        private, public = sure[:, : self.private], sure[:, self.private : -1].amax(1, keepdim=True)
        return torch.minimum(private, private - public + self.threshold)

    def others(self, images: Tensor) -> list[str | None]:
        """Return for each of images (N, C, H, W) in [0, 1] the public class that it names, None where it names none."""
        best = self.inner.scores(images)[:, :-1].max(1)
        return [
            self.public_names[c - self.private] if c >= self.private and sure >= self.threshold else None
            for sure, c in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]


def open_set_name(scenario: str) -> str:
    """Return where a scenario's open-set judge is kept."""
    return f"{scenario}/{KEY}"


@recogniser(KEY, title=TITLE, order=3)
def open_open_set(scenario: Scenario, device: torch.device) -> OpenSetClassifier | None:
    """Return the scenario's open-set judge; None where none is trained."""
    name = open_set_name(scenario.key)
    if not has_weights(name):
        return None
    told = read_card(name)
    inner = Evaluator(read_classifier(name, KEY, device))
    return OpenSetClassifier(
        inner=inner,
        private=scenario.num_classes,
        public_names=tuple(told["public_classes"]),
        card=Card(told["seen"], KEY, told["sha256"]),
        threshold=told["threshold"],
        least_detail=told["least_detail"],
    )
