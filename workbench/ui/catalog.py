"""Pictures and facts of scenarios, targets and priors, read once and kept; nothing here trains or attacks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.errors import UsageError
from workbench.defenses.plan import DEFENSES, Plan
from workbench.defenses.store import load_classifier, target_card, target_problem, trained_defenses
from workbench.priors import PRIORS, load_prior
from workbench.priors.base import prior_problem
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.scenarios import SCENARIOS, Scenario
from workbench.targets import ARCHITECTURES
from workbench.targets.brought import brought_names
from workbench.targets.remote.sources import sources

SHOWN = 12  # photographs of a class in the gallery, at most
SAMPLES = 16


def kept(make: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a method returns by its arguments; two threads asking at once make it once."""

    @wraps(make)
    def look(self: Catalog, *key: Any) -> Any:
        with self._lock:
            if (make.__name__, *key) not in self._kept:
                self._kept[make.__name__, *key] = make(self, *key)
            return self._kept[make.__name__, *key]

    return look


class Catalog:
    """What can be chosen, with pictures. Missing data or weights raise the workbench's own errors."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._kept: dict[tuple[Any, ...], Any] = {}

    @kept
    def scenario(self, key: str) -> Scenario:
        return SCENARIOS[key]()

    def scenarios(self) -> list[tuple[str, str]]:
        """Return (title, key) of every scenario."""
        return [(e.item.title, e.key) for e in SCENARIOS]

    def targets(self, scenario: str, defense: str = "none") -> list[tuple[str, str]]:
        """Return (title, key) of every architecture that may be attacked; untrained ones say so."""
        return [
            (e.title + (" (not trained)" if target_problem(scenario, e.key, defense) else ""), e.key)
            for e in (*ARCHITECTURES, *map(ARCHITECTURES.entry, brought_names(scenario)))
            if e.info.role == "target"
        ]

    def defenses(self, scenario: str, arch: str, shown: str = "none") -> list[tuple[str, str]]:
        """Return (title, text) of every defense of a whole target, of those at other strengths that this target was trained with, and of `shown`."""
        texts = [e.key for e in DEFENSES if e.info.stage != "split"] + trained_defenses(scenario, arch) + [shown]
        return [(Plan.of(text).title, text) for text in dict.fromkeys(texts)]

    def foreign(self) -> list[tuple[str, str]]:
        """Return (title, key) of every target elsewhere that the command line allows."""
        return [(f"{s.name} ({'HTTP' if s.kind == 'http' else 'ONNX file'})", s.key) for s in sources()]

    @kept
    def class_sheet(self, scenario: str) -> tuple[bytes, SheetLayout]:
        """Return one training image of every class as WebP, and its grid."""
        place = self.scenario(scenario)
        train = place.private.train
        images = torch.stack([train.of_class(c)[0] for c in range(place.num_classes)])
        grid = SheetLayout.of(len(images), place.input_shape)
        return webp(images, grid), grid

    def private_rows(self, scenario: str, c: int) -> tuple[Tensor, int]:
        """Return images (n, C, H, W) of class `c`, training ones first, and how many of them are training images."""
        place = self.scenario(scenario)
        place.classes([c])
        train, heldout = place.private.train.of_class(c), place.private.heldout.of_class(c)
        spare = min(len(heldout), SHOWN // 3)
        train = train[: SHOWN - spare]
        return torch.cat([train, heldout[: SHOWN - len(train)]]), len(train)

    @kept
    def private_strip(self, scenario: str, c: int) -> bytes:
        """Return the images of a class side by side, as WebP."""
        images, _ = self.private_rows(scenario, c)
        return webp(images, SheetLayout(len(images), len(images), (images.shape[3], images.shape[2])))

    @kept
    def prior_samples(self, scenario: str, key: str) -> bytes:
        """Return random samples of a prior as one row of WebP."""
        model = load_prior(scenario, key)
        with torch.no_grad():
            images = model.random_images(SAMPLES, torch.Generator().manual_seed(0))
        return webp(images, SheetLayout(SAMPLES, SAMPLES // 2, (model.shape[2], model.shape[1])))

    @kept
    def layers(self, scenario: str, arch: str, defense: str = "none") -> list[tuple[str, str, str, int]]:
        """Return name, kind, output shape and parameters of each layer that computes something."""
        model, found, hooks = load_classifier(scenario, arch, defense), [], []

        def note(name: str) -> Callable[..., None]:
            def hook(layer: nn.Module, _: Any, out: Tensor) -> None:
                shape = " × ".join(map(str, out.shape[1:]))
                found.append((name, type(layer).__name__, shape, sum(p.numel() for p in layer.parameters())))

            return hook

        for name, layer in model.named_modules():
            if name and not list(layer.children()):
                hooks.append(layer.register_forward_hook(note(name)))
        with torch.no_grad():
            model(torch.full((1, *model.shape), 0.5))
        for hook in hooks:
            hook.remove()
        return found

    def card(self, scenario: str, arch: str, defense: str = "none") -> dict[str, Any]:
        """Return what is known of a target; raises `UsageError` if it was never trained."""
        if problem := target_problem(scenario, arch, defense):
            raise UsageError(problem)
        return target_card(scenario, arch, defense)

    def priors(self, scenario: str) -> list[tuple[str, str, str | None]]:
        """Return key, title and problem, or None, of every prior."""
        return [(e.key, e.title, prior_problem(scenario, e.key)) for e in PRIORS]
