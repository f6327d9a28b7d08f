"""Training an open-set judge: every class there is, and at every step as many pictures again of nothing as half a batch.

It also sees samples of the scenario's own GAN, once it can read: those that it cannot read, and those drawn too far out, are
nothing; those that it reads alike in every view are what it reads. Without the second it would learn to tell a GAN's pictures
from photographs, and call every reconstruction nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.weights import load_weights, save_weights
from workbench.priors import load_prior
from workbench.priors.base import prior_problem
from workbench.recognisers.detail import blur_steps, least_detail
from workbench.recognisers.nothing import blurred, nothing
from workbench.recognisers.open_set import KEY, open_set_name
from workbench.scenarios import Labelled, Scenario
from workbench.targets.architectures import Classifier
from workbench.targets.recipes import ClassifierRecipe, recipe_for
from workbench.targets.training import EpochProgress, Shaping, fit

EXAMPLES, FEWEST_EPOCHS, MOST_EPOCHS = 375_000, 6, 40  # images seen in all bound the time, however many there are
SHARE = 0.5  # pictures of nothing for each real one
SOME = 1000  # held-out images that are blurred, which costs eight looks at each
SAMPLES, FAR = 3000, (2.0, 3.0)  # of the prior; latents of a third of them are so many times as long as they should be
READY = 0.3  # of the epochs: when it knows enough to read samples
CLEAR, UNCLEAR = (
    0.9,
    0.6,
)  # least confidence over three views of a sample that is read; below the other it shows nothing
SOFTENED, SOFT = 0.3, (0.5, 0.8)  # share of a batch that is blurred, and to which share of their side
NOTHINGS = 3000  # pictures that the threshold is set on
PASS = 0.003  # share of nothings that may be taken for a class when the threshold is set; of one kind of them more may
MADE_UP = "noise, stripes, spots, blurs, mixtures, shuffled and scrambled images"


class OpenSetShaping(Shaping):
    """Half a batch of nothing beside every batch of real images, and samples of a prior by what they show."""

    def __init__(
        self, known: Labelled, classes: int, samples: Tensor, far: Tensor, recipe: ClassifierRecipe, ready: float
    ) -> None:
        self.known, self.classes, self.samples, self.far = known, classes, samples, far
        self.epochs, self.ready, self.rng = recipe.epochs, ready, torch.Generator().manual_seed(recipe.seed)
        self.refused, self.epoch = far, 0
        self.read = Labelled(samples[:0], torch.zeros(0, dtype=torch.long))

    def mode(self, model: nn.Module) -> None:
        """Before an epoch: read the samples again."""
        if len(self.samples) and self.epoch >= self.ready * self.epochs:
            model.eval()
            sure = reading(model, self.samples, self.classes)
            best = sure.max(1)
            clear = best.values >= CLEAR
            self.read = Labelled(self.samples[clear], best.indices[clear])
            self.refused = torch.cat([self.far, self.samples[best.values < UNCLEAR]])
        self.epoch += 1
        model.train()

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor, done: float) -> Tensor:
        """Return the cross-entropy of real images (n, C, H, W), half as many that show none of the classes, and samples."""
        n = max(2, round(SHARE * len(images)))
        picked = torch.randint(len(self.known), (n,), generator=self.rng)
        none = nothing(self.known.images[picked], self.known.labels[picked], n, self.rng)
        if len(self.refused):
            none[: n // 6] = self._drawn(self.refused, n // 6)
        parts, classes = [images, none.to(images.device)], [labels, labels.new_full((n,), self.classes)]
        if len(self.read.labels):
            at = torch.randint(len(self.read), (n // 2,), generator=self.rng)
            parts.append(self.read.images[at].to(images.device))
            classes.append(self.read.labels[at].to(labels.device))
        return F.cross_entropy(model(self._softened(torch.cat(parts))), torch.cat(classes), label_smoothing=0.02)

    def _drawn(self, images: Tensor, n: int) -> Tensor:
        return images[torch.randint(len(images), (n,), generator=self.rng)]

    def _softened(self, images: Tensor) -> Tensor:
        """Return images (n, C, H, W) with some of them blurred, as reconstructions are, and still to be read.

        Real ones and nothings alike: else blur itself would tell them apart, and the sharpest photographs be refused.
        """
        low, high = SOFT
        share = low + (high - low) * torch.rand(1, generator=self.rng).item()
        some_ = (torch.rand(len(images), 1, 1, 1, generator=self.rng) < SOFTENED).to(images.device)
        return torch.where(some_, blurred(images, round(share * images.shape[-1])), images)


@torch.no_grad()
def reading(model: nn.Module, images: Tensor, classes: int, batch: int = 500) -> Tensor:
    """Return the least confidence (N, K) over three views of images (N, C, H, W), were each to show one of the classes."""
    device, found = next(model.parameters()).device, []
    for part in images.split(batch):
        views = (part, part.roll((2, -1), (2, 3)), blurred(part, round(0.7 * part.shape[-1])))
        found.append(torch.stack([model(v.to(device))[:, :classes].softmax(1).cpu() for v in views]).amin(0))
    return torch.cat(found)


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
def prior_samples(scenario: Scenario, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return samples (n, C, H, W) in [0, 1] of the scenario's GAN and others (m, C, H, W) drawn too far out; none without one."""
    if prior_problem(scenario.key, "gan"):
        empty = torch.empty(0, *scenario.input_shape)
        return empty, empty
    prior, low, high = load_prior(scenario.key, "gan"), *FAR
    near, far = [], []
    for k in range(SAMPLES // 100):
        latents = prior.sample(100, rng)
        if k % 3:
            near.append(prior.decode(latents))
        else:
            far.append(prior.decode(latents * (low + (high - low) * torch.rand(100, 1, generator=rng))))
    return torch.cat(near), torch.cat(far)


def threshold_of(model: nn.Module, known: Labelled, classes: int, seed: int) -> float:
    """Return the confidence that three in a thousand pictures of nothing reach; mixtures apart, where one of the two may be plain."""
    rng = torch.Generator().manual_seed(seed + 1)
    none = nothing(known.images, known.labels, NOTHINGS, rng, mixtures=False)
    sure = confidences(model, none)[:, :classes].amax(1)
    return sure.quantile(1 - PASS).item()


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
    resume: bool = False,
) -> Iterator[EpochProgress]:
    """Train and save the open-set judge of a scenario; the weights replace those that were there.

    Args:
        data: more images of the classes, as `Scenario.all_classes` reads them.
        source: what they are, for the card.
        epochs: instead of as many as the number of images asks for.
        resume: go on from the judge that is there, in smaller steps, instead of beginning anew.

    Raises:
        DataMissing: the private images or public ones with classes are not here.
        NotFinite.
    """
    start = time.monotonic()
    split, names = scenario.all_classes(data)
    known, classes = split.train, len(names)
    usual = max(FEWEST_EPOCHS, min(MOST_EPOCHS, round(EXAMPLES / len(known))))
    recipe = replace(recipe_for(scenario, KEY, seed), batch=128, epochs=epochs or usual)
    samples, far = prior_samples(scenario, torch.Generator().manual_seed(recipe.seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model, earlier = Classifier(KEY, scenario.input_shape, classes + 1).to(device), []
    if resume:
        tensors, card = load_weights(open_set_name(scenario.key))
        model.load_state_dict(tensors)
        earlier, recipe = [*card.get("earlier", []), card["recipe"]], replace(recipe, lr=recipe.lr / 4)
    shaping = OpenSetShaping(known, classes, samples, far, recipe, 0 if resume else READY)
    flips = scenario.flips and recipe.mirror
    yield from fit(
        model, known, recipe, flips=flips, check=split.heldout, phase="every class and none", shaping=shaping
    )
    model.eval()
    threshold = threshold_of(model, known, classes, recipe.seed)
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
            "none": MADE_UP + (", and samples of the GAN prior that it cannot read" if len(samples) else ""),
            "recipe": asdict(recipe),
            **({"earlier": earlier} if earlier else {}),
            "seed": recipe.seed,
            "seconds": round(time.monotonic() - start, 1),
            "device": device,
            "quality": "full",
        },
        half=True,
    )
