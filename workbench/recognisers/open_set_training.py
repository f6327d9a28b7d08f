"""Training an open-set judge: every class there is, and at every step as many pictures again of nothing as half a batch.

Beside made-up nothings it learns to refuse samples of the scenario's own GAN that it cannot read: those drawn too far out,
and whatever it is not sure of once it knows the classes. Good samples are left out, so that a clear seven stays a seven.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.weights import save_weights
from workbench.priors import load_prior
from workbench.priors.base import prior_problem
from workbench.recognisers.detail import blur_steps, least_detail
from workbench.recognisers.nothing import nothing
from workbench.recognisers.open_set import KEY, open_set_name
from workbench.scenarios import Labelled, Scenario
from workbench.targets.architectures import Classifier
from workbench.targets.training import ClassifierRecipe, EpochProgress, Shaping, fit, recipe_for

EXAMPLES, FEWEST_EPOCHS, MOST_EPOCHS = 375_000, 6, 40  # images seen in all bound the time, however many there are
SHARE = 0.5  # pictures of nothing for each real one
SOME = 1000  # held-out images that are blurred, which costs eight looks at each
SAMPLES, FAR = 4000, 3.0  # of the prior; their latents are up to so many times as long as they should be
READY, UNSURE = (
    0.3,
    0.8,
)  # of the epochs: when it knows enough to tell what it cannot read; the confidence that is too little
NOTHINGS = 3000  # pictures that the threshold is set on
PASS = 0.003  # share of nothings that may be taken for a class when the threshold is set
MADE_UP = "noise, stripes, spots, blurs, mixtures, shuffled and scrambled images"
LEAST = 0.5  # the threshold at least: no two classes reach it at once


class OpenSetShaping(Shaping):
    """Half a batch of nothing beside every batch of real images."""

    def __init__(self, known: Labelled, classes: int, samples: Tensor, recipe: ClassifierRecipe) -> None:
        self.known, self.classes, self.samples, self.recipe_ = known, classes, samples, recipe
        self.rng = torch.Generator().manual_seed(recipe.seed)
        self.refused, self.epoch = samples[:0], 0

    def mode(self, model: nn.Module) -> None:
        """Before an epoch: look again for samples that cannot be read."""
        if len(self.samples) and self.epoch >= READY * self.recipe_.epochs:
            model.eval()
            sure = confidences(model, self.samples)[:, : self.classes].amax(1)
            self.refused = self.samples[sure < UNSURE]
        self.epoch += 1
        model.train()

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        """Return the cross-entropy of real images (n, C, H, W) and half as many that show none of the classes."""
        n = max(2, round(SHARE * len(images)))
        picked = torch.randint(len(self.known), (n,), generator=self.rng)
        none = nothing(self.known.images[picked], self.known.labels[picked], n, self.rng)
        if len(self.refused):
            drawn = torch.randint(len(self.refused), (n // 3,), generator=self.rng)
            none[: n // 3] = self.refused[drawn]
        both = torch.cat([images, none.to(images.device)])
        return F.cross_entropy(model(both), F.pad(labels, (0, n), value=self.classes), label_smoothing=0.02)


def some(data: Labelled, n: int, seed: int) -> Labelled:
    """Return `n` of the images, or all where there are fewer."""
    picked = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n]
    return Labelled(data.images[picked], data.labels[picked])


@torch.no_grad()
def confidences(model: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """Return confidences (N, K) on the CPU of images (N, C, H, W) in [0, 1]."""
    device = next(model.parameters()).device
    return torch.cat([model(part.to(device)).softmax(1).cpu() for part in images.split(batch)])


@torch.no_grad()
def prior_samples(scenario: Scenario, rng: torch.Generator) -> Tensor:
    """Return samples (n, C, H, W) in [0, 1] of the scenario's GAN, half of them drawn too far out; none where there is none."""
    if prior_problem(scenario.key, "gan"):
        return torch.empty(0, *scenario.input_shape)
    prior, found = load_prior(scenario.key, "gan"), []
    for k in range(SAMPLES // 100):
        latents = prior.sample(100, rng)
        found.append(prior.decode(latents if k % 2 else latents * (1 + (FAR - 1) * torch.rand(100, 1, generator=rng))))
    return torch.cat(found)


def threshold_of(model: nn.Module, known: Labelled, classes: int, samples: Tensor, seed: int) -> float:
    """Return the confidence that one in 300 pictures of nothing reaches, at least one half."""
    rng = torch.Generator().manual_seed(seed + 1)
    none = nothing(known.images, known.labels, NOTHINGS, rng)
    sure = confidences(model, none)[:, :classes].amax(1)
    return max(LEAST, sure.quantile(1 - PASS).item())


@dataclass(frozen=True)
class _Confident:
    """The model as a judge of all its classes."""

    model: nn.Module
    classes: int
    threshold: float

    def scores(self, images: Tensor) -> Tensor:
        return confidences(self.model, images)[:, : self.classes]


def train_open_set(
    scenario: Scenario,
    *,
    data: Path | None = None,
    source: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    epochs: int | None = None,
) -> Iterator[EpochProgress]:
    """Train and save the open-set judge of a scenario; the weights replace those that were there.

    Args:
        data: more images of the classes, as `Scenario.all_classes` reads them.
        source: what they are, for the card.
        epochs: instead of as many as the number of images asks for.

    Raises:
        DataMissing: the private images or public ones with classes are not here.
        NotFinite.
    """
    start = time.monotonic()
    split, names = scenario.all_classes(data)
    known, classes = split.train, len(names)
    usual = max(FEWEST_EPOCHS, min(MOST_EPOCHS, round(EXAMPLES / len(known))))
    recipe = replace(recipe_for(scenario, KEY, seed), batch=128, epochs=epochs or usual)
    samples = prior_samples(scenario, torch.Generator().manual_seed(recipe.seed))
    torch.manual_seed(recipe.seed)
    model = Classifier(KEY, scenario.input_shape, classes + 1).to(device)
    shaping = OpenSetShaping(known, classes, samples, recipe)
    flips = scenario.flips and recipe.mirror
    yield from fit(
        model, known, recipe, flips=flips, check=split.heldout, phase="every class and none", shaping=shaping
    )
    model.eval()
    threshold = threshold_of(model, known, classes, samples, recipe.seed)
    sure = confidences(model, split.heldout.images)[:, :classes].max(1)
    right = sure.indices == split.heldout.labels
    wrong = (sure.values >= threshold) & ~right
    steps = blur_steps(_Confident(model, classes, threshold), some(split.heldout, SOME, recipe.seed))
    save_weights(
        open_set_name(scenario.key),
        dict(model.state_dict()),
        {
            "what": f"Open-set judge of {scenario.key}: {classes} classes and none of these",
            "arch": KEY,
            "scenario": scenario.key,
            "shape": list(scenario.input_shape),
            "num_classes": classes + 1,
            "public_classes": list(names[scenario.num_classes :]),
            "data": source or scenario.private_source,
            "seen": "all private and public classes, and pictures of nothing",
            "images": len(known),
            "threshold": round(threshold, 4),
            "least_detail": round(least_detail(steps), 4),
            "blur": [step.to_json() for step in steps],
            "heldout": {
                "n": len(split.heldout),
                "identified": round(right.float().mean().item(), 4),
                "recognised": round((right & (sure.values >= threshold)).float().mean().item(), 4),
                "taken_for_another": round(wrong.float().mean().item(), 4),
            },
            "none": MADE_UP + (", and samples of the GAN prior that it could not read" if len(samples) else ""),
            "recipe": asdict(recipe),
            "seed": recipe.seed,
            "seconds": round(time.monotonic() - start, 1),
            "device": device,
            "quality": "full",
        },
        half=True,
    )
