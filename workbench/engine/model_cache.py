"""Loads scenarios, targets, priors and recognisers once for one device, and hands them out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import torch

from workbench.attacks.parts.public_images import PublicImages
from workbench.core.errors import DataMissing, UsageError
from workbench.core.folding import fold
from workbench.defenses import load_target
from workbench.defenses.plan import under
from workbench.defenses.store import load_classifier
from workbench.engine.ceilings import ceiling_of
from workbench.metrics.base import EvalContext
from workbench.metrics.judge import Judgement
from workbench.priors import PRIORS, Prior, load_prior
from workbench.priors.base import prior_problem
from workbench.recognisers import Panel
from workbench.scenarios import SCENARIOS, Scenario

SAMPLES, BATCH = 4000, 100  # of a prior, that stand in for public images; drawn at once
M = TypeVar("M", bound=torch.nn.Module)
CACHED = ("scenario", "target", "_prior", "public", "jury", "evaluation", "ceiling")


def pick_device(name: str) -> torch.device:
    """Return the device called "auto", "cpu" or "cuda".

    Raises:
        UsageError: CUDA was asked for and there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"'{name}' is not a device. Choose auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("This machine has no usable CUDA device. Choose --device cpu, or auto to take what there is.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


class ModelCache:
    """One device and everything loaded on it."""

    def __init__(self, device: str = "auto") -> None:
        self.device = pick_device(device)
        for name in CACHED:
            setattr(self, name, lru_cache(maxsize=8)(getattr(self, name)))

    def scenario(self, key: str) -> Scenario:
        return SCENARIOS[key]()

    def target(
        self, scenario: str, arch: str, defense: str = "none", released: bool = True, folded: bool = True
    ) -> torch.nn.Module:
        """Return the target as it answers queries; the bare classifier, as a white-box attacker holds it, if not `released`.

        Args:
            folded: batch norms are part of the layers before them; False for who looks at them.
        """
        load = load_target if released else load_classifier
        model = load(scenario, arch, defense, self.device)
        return _laid_out(fold(model) if folded else model)

    def prior(self, scenario: str, key: str, target: str | None = None, defense: str = "none") -> Prior:
        """Return a prior; a tuned one is that of the target, the scenario's default one if None."""
        return self._prior(scenario, key, *((target, defense) if PRIORS[key].tuned else (None, "none")))

    def _prior(self, scenario: str, key: str, target: str | None, defense: str) -> Prior:
        return _laid_out(fold(load_prior(scenario, key, self.device, target=target, under=under(defense))))

    def baseline_prior(self, scenario: str) -> Prior | None:
        """Return the prior whose random samples are the floor, or None where none is trained."""
        key = self.scenario(scenario).default_prior
        return None if prior_problem(scenario, key) else self.prior(scenario, key)

    def public(self, scenario: str) -> PublicImages:
        """Return images an attacker can ask about: public ones, or a prior's samples, drawn when they are needed.

        Raises:
            DataMissing: the scenario ships neither.
        """
        place = self.scenario(scenario)
        try:
            return PublicImages.at_hand(place.public_here().to(self.device), "asks about public images")
        except DataMissing:
            prior, rng = self.prior(scenario, place.default_prior), torch.Generator().manual_seed(0)
        batches = (prior.random_images(BATCH, rng) for _ in range(SAMPLES // BATCH))
        return PublicImages(SAMPLES, batches, "asks about samples of the prior, for want of public images")

    def evaluation(self, scenario: str) -> EvalContext | None:
        """Return what judges reconstructions; None without an evaluator or the private images."""
        context = self.jury(scenario)
        return context if context is not None and context.has_photographs else None

    def jury(self, scenario: str) -> EvalContext | None:
        """Return what says whom it recognises, with the private images where they are here; None without an evaluator."""
        place = self.scenario(scenario)
        panel = Panel.of(place, self.device)
        if panel.evaluator is None:
            return None
        return EvalContext(panel, None if place.problem() else place.private)

    def ceiling(self, scenario: str) -> Judgement | None:
        context = self.evaluation(scenario)
        return None if context is None else ceiling_of(scenario, context)

    def truth(self, scenario: str, classes: list[int]) -> torch.Tensor | None:
        """Return one private image for each entry of `classes`, (N, C, H, W); None without the data."""
        try:
            private = self.scenario(scenario).private.train
        except DataMissing:
            return None
        return torch.stack([private.of_class(c)[0] for c in classes])

    def works(self) -> bool:
        """Return whether the device still computes; after an assertion in a CUDA kernel, say, nothing does in this process."""
        try:
            return (torch.ones(2, device=self.device) + 1).sum().item() == 4
        except RuntimeError:
            return False

    def clear(self) -> None:
        """Forget everything loaded; the next use reads the files again."""
        for name in CACHED:
            getattr(self, name).cache_clear()


def _laid_out(module: M) -> M:
    """Return the module with its weights channels last: convolutions then take half the time on a CPU."""
    return module.to(memory_format=torch.channels_last)


def describe(device: torch.device) -> dict[str, Any]:
    """Return the device in words a person understands, and the threads that torch uses."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} thread(s)"
    return {"type": device.type, "name": name, "threads": torch.get_num_threads()}
