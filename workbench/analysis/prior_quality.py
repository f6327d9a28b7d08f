"""How good a prior is: its samples as a set against the public images, in the evaluator's features.

The figures go onto the prior's card. They are the judge's: no attack sees the evaluator or asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.core.errors import DataMissing, UsageError
from workbench.core.weights import amend_card, read_card
from workbench.defenses.plan import under
from workbench.defenses.store import load_classifier, target_card, target_problem
from workbench.metrics.distribution import frechet, spread_ratio, support
from workbench.priors import Prior, load_prior
from workbench.priors.base import lender_of, prior_card, prior_problem, weights_name
from workbench.scenarios import SCENARIOS
from workbench.scenarios.leaks import leak_check
from workbench.targets import Classifier
from workbench.targets.store import EVALUATOR

MOST = 2000  # images of each set
FEWEST = 100
BATCH = 100


@dataclass(frozen=True)
class Figures:
    """What a card says of a prior for one scenario.

    Every figure of the samples has its fellow of the public images' other half, which is what a perfect
    prior would reach with as many images.

    Attributes:
        n: images of each set: samples, one half of the public images, the other half.
        public_images: how many there were to choose from.
        features: length of the evaluator's feature.
        biased: whether n is too small for `frechet` to be read on its own; its ratio to `frechet_halves` still can.
        frechet, precision, recall, density, coverage, spread: samples against one half.
        frechet_halves, ..., spread_halves: the other half against it.
        evaluator: start of the sha256 of the evaluator's weights; other weights, other figures.
    """

    n: int
    public_images: int
    features: int
    biased: bool
    frechet: float
    frechet_halves: float
    precision: float
    precision_halves: float
    recall: float
    recall_halves: float
    density: float
    density_halves: float
    coverage: float
    coverage_halves: float
    spread: float
    spread_halves: float
    seed: int
    evaluator: str

    def to_json(self) -> dict[str, Any]:
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def figures_of(card: dict[str, Any], scenario: str) -> dict[str, Any] | None:
    """Return a card's figures for a scenario, or None; a borrowed prior has some for each that borrows it.

    The Fréchet distance of cards that called it "fid" gets the name that it has now.
    """
    found = card.get("figures", {}).get(scenario)
    return found and {
        name.replace("fid", "frechet") if name.startswith("fid") else name: v for name, v in found.items()
    }


@torch.no_grad()
def embed(evaluator: Classifier, batches: Iterable[Tensor]) -> Tensor:
    """Return penultimate features (n, F), on the CPU, of batches of images."""
    device = next(evaluator.parameters()).device
    return torch.cat([evaluator.features(images.to(device)).cpu() for images in batches])


@torch.no_grad()
def samples(prior: Prior, n: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield `n` random images in batches (b, C, H, W) in [0, 1]."""
    for begun in range(0, n, BATCH):
        yield prior.random_images(min(BATCH, n - begun), rng)


def measure(
    prior: Prior, evaluator: Classifier, public: Tensor, *, n: int | None = None, seed: int = 0, sha256: str = ""
) -> Figures:
    """Return the figures of a prior.

    Args:
        public: (N, C, H, W) images in [0, 1], at least 200.
        n: images of each set; if None, 2,000 or what there is, fewer where sampling is slow.
        sha256: of the evaluator, for the record.

    Raises:
        UsageError: too few images for such figures.
    """
    most = len(public) // 2
    wanted = min(MOST, 2 * prior.shown, most) if n is None else n
    if not FEWEST <= wanted <= most:
        raise UsageError(
            f"{wanted} images of each set cannot be compared: at least {FEWEST} are needed, and the "
            f"{len(public)} public images allow at most {most}."
        )
    rng = torch.Generator().manual_seed(seed)
    one, other = torch.randperm(len(public), generator=rng)[: 2 * wanted].split(wanted)
    real, fellow = (embed(evaluator, public[half].split(BATCH)) for half in (one, other))
    drawn = embed(evaluator, samples(prior, wanted, rng))
    found: dict[str, float] = {}
    for suffix, features in (("", drawn), ("_halves", fellow)):
        shares = {**asdict(support(features, real)), "spread": spread_ratio(features, real)}
        distance = frechet(features, real)
        found |= {f"frechet{suffix}": distance.value, **{f"{name}{suffix}": value for name, value in shares.items()}}
    return Figures(
        n=wanted,
        public_images=len(public),
        features=distance.features,
        biased=distance.biased,
        seed=seed,
        evaluator=sha256[:12],
        **found,
    )


def judge_prior(
    scenario: str,
    key: str,
    public: Tensor,
    *,
    n: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    target: str | None = None,
    defense: str = "none",
) -> Figures:
    """Measure a trained prior and write its figures onto its card.

    Args:
        public: the scenario's public images, (N, C, H, W) in [0, 1].
        target, defense: what a tuned prior is tuned to.

    Raises:
        UnknownName, WeightsCorrupt.
        DataMissing: among others, a private image is among the public ones.
        UsageError: too few images for such figures.
    """
    if problem := target_problem(scenario, EVALUATOR) or prior_problem(scenario, key, target, under(defense)):
        raise DataMissing(problem)
    lender = lender_of(scenario, key)
    name = weights_name(lender or scenario, key, target, under(defense))
    sha256 = prior_card(scenario, key, target, under(defense))["sha256"]
    prior = load_prior(scenario, key, device, target=target, under=under(defense))
    evaluator = load_classifier(scenario, EVALUATOR, device=device)
    found = measure(prior, evaluator, public, n=n, seed=seed, sha256=target_card(scenario, EVALUATOR)["sha256"])
    fields: dict[str, Any] = {"figures": {**read_card(name).get("figures", {}), scenario: found.to_json()}}
    if lender is None and (checked := leak_check(SCENARIOS[scenario](), public)):
        fields["leak_check"] = checked
    amend_card(name, sha256, fields)
    return found
