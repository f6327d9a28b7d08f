"""Looking at a prior: its samples, the way between two of them, the images they are nearest to, its reach."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from workbench.analysis import prior_reach as reach
from workbench.analysis.background import BackgroundJob, BackgroundJobs
from workbench.analysis.neighbours import FEATURES, PIXELS, NeighbourPool, embed, usual_distance
from workbench.core.errors import DataMissing, UsageError
from workbench.core.records import seed_problem
from workbench.core.weights import write_atomically
from workbench.defenses.plan import under
from workbench.defenses.store import load_classifier, target_card, target_problem
from workbench.metrics.base import EvalContext
from workbench.priors import PRIORS, Prior, load_prior
from workbench.priors.base import prior_card
from workbench.recognisers import Panel
from workbench.recognisers.evaluator import Evaluator
from workbench.scenarios import SCENARIOS, Scenario
from workbench.targets import Classifier
from workbench.targets.store import EVALUATOR

SHEET, SLOW_SHEET = 24, 8  # samples of one seed; fewer of a prior that samples slowly
WAY = 25  # images from one sample to another
MODELS = 4  # priors kept in memory


@dataclass(frozen=True)
class PriorChoice:
    """Which prior: of which scenario and, if it is a tuned one, tuned to what."""

    scenario: str
    prior: str
    target: str | None = None
    defense: str = "none"

    def __post_init__(self) -> None:
        """Refuse a target for a prior that has none, so that one prior has one name."""
        SCENARIOS.entry(self.scenario)
        if not PRIORS[self.prior].tuned and (self.target or self.defense != "none"):
            raise UsageError(f"The '{self.prior}' prior is tuned to no target.")

    def card(self) -> dict[str, Any]:
        return prior_card(self.scenario, self.prior, self.target, under(self.defense))


@dataclass(frozen=True)
class SampleRequest:
    """Which samples.

    Attributes:
        share: truncation, 0 for the most ordinary image to 1 for all there are.
        label: the class of a conditional prior; None for every class in turn.
    """

    seed: int = 0
    share: float = 1.0
    label: int | None = None

    def __post_init__(self) -> None:
        if (problem := seed_problem(self.seed)) is not None:
            raise UsageError(problem)
        if not 0 <= self.share <= 1:
            raise UsageError(f"A truncation of {self.share} is out of range; allowed: 0 to 1.")


@dataclass(frozen=True)
class SampleIndex:
    """One sample: the `index`-th of a seed's."""

    seed: int
    index: int


def slow(prior: type[Prior] | Prior) -> bool:
    """Return whether a prior takes seconds for a few images, as diffusion does."""
    return prior.shown < Prior.shown


def sheet_size(prior: type[Prior] | Prior) -> int:
    return SLOW_SHEET if slow(prior) else SHEET


def drawn(prior: Prior, draw: SampleRequest) -> Tensor:
    """Return the truncated latents (n, D) of one seed."""
    rng = torch.Generator().manual_seed(draw.seed)
    return prior.truncate(prior.sample(sheet_size(prior), rng), draw.share)


def labels_of(prior: Prior, label: int | None, count: int) -> Tensor | None:
    """Return classes (n,), n = `count`, for a conditional prior, None for others; raises `UsageError`."""
    if not prior.conditional:
        return None
    if label is None:
        return torch.arange(count, device=prior.device) % prior.num_classes
    if not 0 <= label < prior.num_classes:
        raise UsageError(f"This prior draws classes 0 to {prior.num_classes - 1}; there is no class {label}.")
    return torch.full((count,), label, device=prior.device)


def way(a: Tensor, b: Tensor, n: int, *, spherical: bool) -> Tensor:
    """Return `n` latents (n, D) from `a` (D,) to `b` (D,), both included.

    Args:
        spherical: along the great circle, lengths between theirs, as N(0, I) wants it: the middle of the
            straight line lies where no sample does (Shoemake, SIGGRAPH 1985).
    """
    t = torch.linspace(0, 1, n, device=a.device)[:, None]
    straight = a + t * (b - a)
    if not spherical:
        return straight
    lengths = a.norm() * (1 - t) + b.norm() * t
    u, v = a / a.norm().clamp_min(1e-12), b / b.norm().clamp_min(1e-12)
    angle = (u @ v).clamp(-1, 1).acos()
    if angle.sin() < 1e-4:  # the same direction, or opposite ones with no one way between
        return straight
    return lengths * ((1 - t) * angle).sin() / angle.sin() * u + lengths * (t * angle).sin() / angle.sin() * v


def spherical(prior: Prior) -> bool:
    """Return whether the prior's latents are normal, where a w space has a shape of its own."""
    return not prior.space.startswith("w")


class Explorer:
    """Priors, image pools and reaches, kept while they are looked at. Safe to use from several threads.

    Args:
        cache: folder in which reaches are kept.
    """

    def __init__(self, cache: Path) -> None:
        self.cache, self.searches, self.readings = cache, BackgroundJobs(), BackgroundJobs()
        self._models: OrderedDict[str, Prior] = OrderedDict()
        self._lock, self._decoding = threading.Lock(), threading.Lock()

    def close(self) -> None:
        self.searches.close()
        self.readings.close()

    def prior(self, chosen: PriorChoice) -> Prior:
        """Return the prior whose weights are there now; raises what `load_prior` does."""
        key = f"{chosen.scenario} {chosen.card()['sha256']}"
        with self._lock:
            if key not in self._models:
                self._models[key] = load_prior(
                    chosen.scenario, chosen.prior, target=chosen.target, under=under(chosen.defense)
                )
            self._models.move_to_end(key)
            while len(self._models) > MODELS:
                self._models.popitem(last=False)
            return self._models[key]

    @torch.no_grad()
    def _decode(self, prior: Prior, latents: Tensor, labels: Tensor | None) -> Tensor:
        with self._decoding:  # one at a time: two would only share the same cores
            return prior.decode(latents, labels)

    def samples(self, chosen: PriorChoice, draw: SampleRequest) -> Tensor:
        """Return the images (n, C, H, W) of a seed."""
        prior = self.prior(chosen)
        latents = drawn(prior, draw)
        return self._decode(prior, latents, labels_of(prior, draw.label, len(latents)))

    def _point(self, prior: Prior, point: SampleIndex, draw: SampleRequest) -> tuple[Tensor, int | None]:
        """Return the latent (D,) and the class of a sample."""
        latents = drawn(prior, SampleRequest(point.seed, draw.share, draw.label))
        if not 0 <= point.index < len(latents):
            raise UsageError(f"A seed has samples 0 to {len(latents) - 1}; there is no sample {point.index}.")
        labels = labels_of(prior, draw.label, len(latents))
        return latents[point.index], None if labels is None else int(labels[point.index])

    def between(self, chosen: PriorChoice, a: SampleIndex, b: SampleIndex, draw: SampleRequest) -> Tensor:
        """Return the images (25, C, H, W) on the way from sample `a` to sample `b`, in the class of `a`."""
        prior = self.prior(chosen)
        (start, label), (end, _) = (self._point(prior, p, draw) for p in (a, b))
        latents = way(start, end, WAY, spherical=spherical(prior))
        return self._decode(prior, latents, None if label is None else labels_of(prior, label, WAY))

    def one(self, chosen: PriorChoice, point: SampleIndex, draw: SampleRequest) -> Tensor:
        """Return the image (C, H, W) of one sample."""
        prior = self.prior(chosen)
        latent, label = self._point(prior, point, draw)
        return self._decode(prior, latent[None], None if label is None else labels_of(prior, label, 1))[0]

    # What a sample is nearest to

    @staticmethod
    def evaluator(scenario: str) -> Classifier | None:
        return None if target_problem(scenario, EVALUATOR) else load_classifier(scenario, EVALUATOR)

    def pools(self, scenario: str) -> tuple[BackgroundJob, BackgroundJob]:
        """Return the jobs that read the private and the public images; their results are `PrivatePool` and `NeighbourPool`."""
        dataset = SCENARIOS[scenario]()
        judge = None if target_problem(scenario, EVALUATOR) else target_card(scenario, EVALUATOR)["sha256"]
        return (
            self.readings.start(("private", scenario, judge), lambda job: self._private(dataset, job)),
            self.readings.start(
                ("public", scenario, judge, dataset.public_folder()), lambda job: self._public(dataset, job)
            ),
        )

    def _public(self, dataset: Scenario, job: BackgroundJob) -> NeighbourPool:
        job.report(0.0, "Reading the public images")
        images = dataset.public_here()
        return NeighbourPool.of(
            images,
            self.evaluator(dataset.key),
            lambda share: job.report(share, f"Comparing {len(images):,} public images"),
        )

    def _private(self, dataset: Scenario, job: BackgroundJob) -> PrivatePool:
        job.report(0.0, "Reading the private images")
        split, evaluator = dataset.private, self.evaluator(dataset.key)
        pool = NeighbourPool.of(
            split.all.images, evaluator, lambda share: job.report(share, "Comparing the private images")
        )
        return PrivatePool(pool, split.all.labels, len(split.train), usual_distance(split, evaluator))

    def measure(self, scenario: str) -> str:
        """Return what distances are measured in, `FEATURES` or `PIXELS`."""
        return PIXELS if target_problem(scenario, EVALUATOR) else FEATURES

    def embed(self, scenario: str, image: Tensor) -> Tensor:
        """Return what an image (C, H, W) is compared by, (F,)."""
        return embed(image[None], self.evaluator(scenario))[0]

    # How far it reaches

    def reach(
        self, chosen: PriorChoice, classes: list[int], wide: bool, *, start: bool, owner: str = ""
    ) -> BackgroundJob | None:
        """Return the job whose result is a `Reached`; read from the cache where it was found before.

        Args:
            start: search if it was never found; else None is returned.
            owner: who asks for the search.
        """
        if len(classes) > reach.MOST:
            raise UsageError(f"{len(classes)} classes are too many at once; choose at most {reach.MOST}.")
        if slow(PRIORS[chosen.prior]):
            raise UsageError(f"The '{chosen.prior}' prior draws too slowly for its latents to be searched.")
        if wide and not hasattr(self.prior(chosen), "widen"):
            raise UsageError(f"The '{chosen.prior}' prior has no layers with latents of their own.")
        sha = chosen.card()["sha256"]
        key = ("reach", chosen, sha, tuple(classes), wide)
        if (job := self.searches.get(key)) is not None and not (start and job.ended):
            if start:
                job.owners.add(owner)
            return job
        named = f"{chosen.scenario}-{sha[:16]}-{'-'.join(map(str, classes))}{'-wide' if wide else ''}.safetensors"
        path = self.cache / named
        if not path.is_file() and not start:
            return None
        job = self.searches.start(key, lambda job: self._reach(chosen, classes, wide, path, job))
        if start:
            job.owners.add(owner)
        return job

    def _reach(self, chosen: PriorChoice, classes: list[int], wide: bool, path: Path, job: BackgroundJob) -> Reached:
        if path.is_file():
            return Reached.load(path)
        dataset, prior, begun = SCENARIOS[chosen.scenario](), self.prior(chosen), time.monotonic()
        wanted, labels = reach.heldout_of(dataset.private.heldout, classes), torch.tensor(classes)
        rng = torch.Generator().manual_seed(0)
        for state in reach.search(prior, wanted, labels, rng, wide=wide):
            job.report(
                state.step / state.total, f"Step {state.step} of {state.total}", Reached(wanted, state.images, ())
            )
        evaluator = self.evaluator(chosen.scenario)
        panel = Panel((Evaluator(evaluator),)) if evaluator else None
        context = EvalContext(panel, dataset.private) if panel else None
        reached = Reached(
            wanted, state.images, tuple(reach.verdicts(state.images, wanted, labels, context)), time.monotonic() - begun
        )
        reached.save(path)
        return reached


@dataclass(frozen=True, eq=False)
class PrivatePool:
    """The private images as a pool.

    Attributes:
        labels: (P,) of all images, the first `trained` of which are training images.
        usual: how far a held-out photograph usually is from the nearest training one of its class.
    """

    pool: NeighbourPool
    labels: Tensor
    trained: int
    usual: float


@dataclass(frozen=True, eq=False)
class Reached:
    """PrivatePool photographs and the best that a prior could draw of them.

    Attributes:
        wanted, images: (n, C, H, W) in [0, 1].
        verdicts: one for each; none while the search goes on.
    """

    wanted: Tensor
    images: Tensor
    verdicts: tuple[reach.Verdict, ...]
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        metadata = json.dumps({"seconds": self.seconds, "verdicts": [v.to_json() for v in self.verdicts]})
        tensors = {"wanted": self.wanted.half(), "images": self.images.half()}
        write_atomically(path, save(tensors, {"told": metadata}))

    @classmethod
    def load(cls, path: Path) -> Reached:
        """Raises `DataMissing` if the file is damaged; it is then removed."""
        try:
            with safe_open(path, "pt") as held:
                metadata = json.loads(held.metadata()["told"])
                wanted, images = (held.get_tensor(name).float() for name in ("wanted", "images"))
            return cls(wanted, images, tuple(reach.Verdict(**v) for v in metadata["verdicts"]), metadata["seconds"])
        except Exception as error:  # safetensors raises its own type for every malformation
            path.unlink(missing_ok=True)
            raise DataMissing(f"What was found before could not be read ({error}). Search again.") from None
