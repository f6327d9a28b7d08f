"""The closest that attacks with a prior can come, in the judges' words: how many held-out photographs they still recognise.

Every held-out private photograph is fitted by the prior, told which; the recognisers that can say no are then asked about
the photographs and about their fits. What they do not recognise here, no attack with this prior can make them recognise
but by chance. The figures go onto the prior's card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.analysis.prior_reach import MOST, STEPS, search
from workbench.core.errors import DataMissing
from workbench.core.weights import amend_card, read_card
from workbench.priors import Prior
from workbench.priors.base import lender_of, load_prior, weights_name
from workbench.recognisers import Panel, Recogniser
from workbench.scenarios import SCENARIOS, Labelled


@dataclass(frozen=True)
class Recognised:
    """What one recogniser says of n pictures.

    Attributes:
        identified: share whose own person is the nearest of all, 0 to 1.
        recognised: share that is near enough, too.
    """

    identified: float
    recognised: float


@dataclass(frozen=True, eq=False)
class PriorCeiling:
    """What the judges say of held-out photographs and of what a prior makes of them.

    Attributes:
        images: (n, C, H, W) the fits, in [0, 1].
        photographs, fits: by the recogniser's key.
    """

    images: Tensor
    photographs: dict[str, Recognised]
    fits: dict[str, Recognised]

    def to_json(self) -> dict[str, Any]:
        return {
            "n": len(self.images),
            "judges": {
                key: {
                    "identified": round(self.fits[key].identified, 4),
                    "recognised": round(self.fits[key].recognised, 4),
                    "photographs": round(self.photographs[key].recognised, 4),
                }
                for key in self.fits
            },
        }


def said_of(judge: Recogniser, images: Tensor, labels: Tensor) -> Recognised:
    """Return what a judge with a threshold says of images (n, C, H, W) of classes (n,)."""
    best = judge.scores(images).max(1)
    right = best.indices == labels
    near = best.values >= (judge.threshold or 0.0)
    return Recognised(right.float().mean().item(), (right & near).float().mean().item())


def ceiling_of(prior: Prior, panel: Panel, heldout: Labelled, rng: torch.Generator, steps: int = STEPS) -> PriorCeiling:
    """Fit every photograph of `heldout` and ask the members of `panel` that can say no.

    Raises:
        DataMissing: none of them can.
    """
    judges = [member for member in panel if member.threshold is not None]
    if not judges:
        raise DataMissing("Nobody on this scenario's panel can say no, so nothing can be said of what a prior reaches.")
    fitted = []
    for rows in torch.arange(len(heldout)).split(MOST):
        for reached in search(prior, heldout.images[rows], heldout.labels[rows], rng, steps=steps):
            latest = reached.images
        fitted.append(latest)
    images = torch.cat(fitted)
    return PriorCeiling(
        images,
        {judge.key: said_of(judge, heldout.images, heldout.labels) for judge in judges},
        {judge.key: said_of(judge, images, heldout.labels) for judge in judges},
    )


def measure_ceiling(
    scenario: str, key: str, *, people: int | None = None, steps: int = STEPS, seed: int = 0, device: str = "cpu"
) -> PriorCeiling:
    """Measure an untuned prior's ceiling for a scenario and write it onto the prior's card.

    Args:
        people: of how many private people, the first ones; all if None.

    Raises:
        DataMissing: no such prior, no photographs, or nobody who can say no.
    """
    place, prior = SCENARIOS[scenario](), load_prior(scenario, key, device)
    held = place.private.heldout
    rows = held.labels < (people or place.num_classes)
    heldout = Labelled(held.images[rows], held.labels[rows])
    found = ceiling_of(prior, Panel.of(place, device), heldout, torch.Generator().manual_seed(seed), steps)
    name = weights_name(lender_of(scenario, key) or scenario, key)
    card = read_card(name)
    ceilings = {**card.get("ceiling", {}), scenario: {**found.to_json(), "steps": steps, "seed": seed}}
    amend_card(name, card["sha256"], {"ceiling": ceilings})
    return found
