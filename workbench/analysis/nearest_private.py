"""Which private photograph a picture is nearest to, of everybody's: by each judge's features, and by pixels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.metrics.base import EXACT
from workbench.recognisers import Panel, Recogniser
from workbench.scenarios import Labelled, Scenario

PIXELS = "pixels"


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest private photograph of each of N pictures.

    Attributes:
        index: (N,) its place among the private training photographs.
        labels: (N,) whom it shows.
        distance: (N,) L2 in the judge's features; of pixels, the root mean square of their difference.
    """

    key: str
    title: str
    index: Tensor
    labels: Tensor
    distance: Tensor


@dataclass(eq=False)
class PrivateSearch:
    """Searches the private training photographs of one scenario; their features are computed once.

    Args:
        panel: who searches; the scenario's own if None, opened when a judge is first asked, for that takes seconds.

    Raises:
        DataMissing: the photographs are not here.
    """

    scenario: Scenario
    panel: Panel | None = None
    _features: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known: Labelled = self.scenario.private.train

    def nearest(self, images: Tensor, keys: Collection[str]) -> list[Nearest]:
        """Return the nearest photographs to images (N, C, H, W) in [0, 1]: by pixels, then by each judge of `keys`."""
        scale = images[0].numel() ** 0.5
        found = [self._among(PIXELS, "Pixels", images.flatten(1) / scale, self.known.images.flatten(1) / scale)]
        if keys and self.panel is None:
            self.panel = Panel.of(self.scenario)
        for member in self.panel or ():
            if member.key in keys:
                found.append(self._among(member.key, member.title, member.features(images), self._known(member)))
        return found

    def _known(self, member: Recogniser) -> Tensor:
        if member.key not in self._features:
            self._features[member.key] = member.features(self.known.images)
        return self._features[member.key]

    def _among(self, key: str, title: str, ours: Tensor, theirs: Tensor) -> Nearest:
        best = torch.cdist(ours.float(), theirs.float(), compute_mode=EXACT).min(1)
        return Nearest(key, title, best.indices, self.known.labels[best.indices], best.values)
