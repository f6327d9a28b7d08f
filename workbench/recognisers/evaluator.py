"""The evaluator: a classifier of another architecture than any target's, trained on all private images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from workbench.core.weights import has_weights, read_card
from workbench.recognisers.base import Card, recogniser
from workbench.scenarios import Scenario
from workbench.targets.store import EVALUATOR, built_as, classifier_name, read_classifier

BATCH = 16  # images at once: what is between two layers then still fits into the caches of a CPU
TITLE = "Evaluator"
LEARNED = Card("all private images")


class Headed(Protocol):
    """A classifier whose logits are a head's answer to its features; `workbench.targets.Classifier` is one."""

    @property
    def head(self) -> nn.Module: ...

    @property
    def num_classes(self) -> int: ...

    def features(self, images: Tensor) -> Tensor:
        """Return (n, F) of images (n, C, H, W) in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Evaluator:
    """A classifier as a recogniser: scores are its confidences.

    Attributes:
        classifier: in eval mode, frozen.
    """

    classifier: Headed
    card: Card = LEARNED
    key: str = EVALUATOR
    title: str = TITLE
    threshold: float | None = None
    least_detail: float = 0.0
    heldout: Tensor | None = None

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Return penultimate features (N, F) on the CPU of images (N, C, H, W) in [0, 1]."""
        device = self._device
        return torch.cat([self.classifier.features(x.to(device)).cpu() for x in images.split(BATCH)])

    @torch.no_grad()
    def logits_of(self, features: Tensor) -> Tensor:
        """Return logits (N, K) on the CPU of features (N, F)."""
        return self.classifier.head(features.to(self._device)).cpu()

    @property
    def _device(self) -> torch.device:
        return next(self.classifier.head.parameters()).device

    def scores(self, images: Tensor) -> Tensor:
        """Return confidences (N, K), rows summing to one, of images (N, C, H, W) in [0, 1]."""
        return self.logits_of(self.features(images)).softmax(1)


@recogniser(EVALUATOR, title=TITLE, order=0)
def open_evaluator(scenario: Scenario, device: torch.device) -> Evaluator | None:
    """Return the scenario's evaluator; None where none is trained."""
    name = classifier_name(scenario.key, EVALUATOR)
    if not has_weights(name):
        return None
    body = built_as(scenario, EVALUATOR)
    card = Card("all private images", read_card(name).get("arch", body), read_card(name)["sha256"])
    return Evaluator(read_classifier(name, body, device).to(memory_format=torch.channels_last), card)
