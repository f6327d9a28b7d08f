"""What a configuration names, looked up once at the start of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from workbench.attacks import ATTACKS, AttackInfo
from workbench.attacks.base import Attack
from workbench.core.errors import DataMissing, Incompatible
from workbench.core.knobs import configure
from workbench.core.records import Fork, Recovers, RunConfig
from workbench.defenses.plan import Plan
from workbench.defenses.store import target_card, target_problem
from workbench.engine.model_cache import ModelCache
from workbench.engine.sanity import file_sanity
from workbench.engine.split import pictures_of
from workbench.priors import Prior
from workbench.priors.base import weights_name
from workbench.priors.plane import Plane
from workbench.runs.contact_sheet import SheetLayout
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import Scenario
from workbench.targets import ARCHITECTURES
from workbench.targets.remote.sources import is_foreign, source_of


@dataclass(frozen=True)
class TargetDescription:
    """What is known of the classifier under attack.

    Attributes:
        name: an architecture, or ``http:NAME``, ``onnx:NAME`` for one elsewhere.
        address: where one elsewhere answers; None for one of ours.
        weights: sha256 of its weights; "" for one elsewhere.
        accuracy: share of held-out private images that it knows, 0 to 1; None where that is not known.
        warning: why it is not what it is taken for, in a sentence or two; "" where nothing speaks against it.
    """

    name: str
    address: str | None = None
    weights: str = ""
    accuracy: float | None = None
    warning: str = ""

    @property
    def remote(self) -> bool:
        return self.address is not None

    @property
    def body(self) -> str:
        """Name of the network below its head; "" for one elsewhere, of which nothing is known."""
        return "" if self.remote else ARCHITECTURES.entry(self.name).info.body


@dataclass(frozen=True, eq=False)
class Resolved:
    """A run's configuration with everything in place of its name; N = classes x restarts candidates.

    Attributes:
        info: what the attack says of itself.
        attack: the attack with its knobs.
        prior: what the attack searches; None for an attack on pixels.
        prior_name: which weights those are; a tuned prior has others for each target.
        labels: (N,) int64 on the CPU, the class of each candidate: every class `restarts` times in a row.
        class_names: the name of each candidate's class, N of them.
        layout: where each candidate sits on a contact sheet.
        plane: on which the candidates are drawn, on the CPU; None where nothing offers one.
        space: name of the space that the plane lies in; "" without one.
        start: where a fork begins: latents (N, D), or images (N, C, H, W) for an attack on pixels; None for the
            attack's own start.
        truth: (N, C, H, W) the client's pictures, on the CPU, where the network is cut in two; else None.
    """

    config: RunConfig
    scenario: Scenario
    info: AttackInfo
    attack: Attack
    plan: Plan
    target: TargetDescription
    prior: Prior | None
    prior_name: str | None
    labels: Tensor
    class_names: tuple[str, ...]
    layout: SheetLayout
    plane: Plane | None
    space: str
    start: Tensor | None
    truth: Tensor | None = None

    @property
    def count(self) -> int:
        """N."""
        return len(self.labels)


def resolve(
    config: RunConfig, cache: ModelCache, runs: Path | None = None, folder: RunFolder | None = None
) -> Resolved:
    """Look up what `config` names; the target itself is not loaded.

    Args:
        runs: the folder in which the run that this one forks from lies; None if nobody begins, and then `start` is None.
        folder: the run's own, which may keep the frame that it begins from.

    Raises:
        UnknownName, KnobError, UsageError, DataMissing, WeightsCorrupt, Incompatible.
        StoreError: the run that is forked, or its frame, is gone.
    """
    scenario, entry, plan = cache.scenario(config.scenario), ATTACKS.entry(config.attack), Plan.of(config.defense)
    labels = labels_of(config)
    prior, prior_name = None, None
    if config.prior is not None:
        prior = cache.prior(config.scenario, config.prior, config.target, config.defense)
        prior_name = _prior_name(config)
    drawn_by = prior if prior is not None else cache.baseline_prior(config.scenario)
    plane = None if drawn_by is None else (drawn_by.image_plane if prior is None else drawn_by.plane)
    return Resolved(
        config=config,
        scenario=scenario,
        info=entry.info,
        attack=configure(entry.item, config.knobs),
        plan=plan,
        target=_target_of(config),
        prior=prior,
        prior_name=prior_name,
        labels=labels,
        class_names=tuple(scenario.class_names[c] for c in labels.tolist()),
        layout=SheetLayout.of(len(labels), scenario.input_shape),
        plane=plane,
        space="" if drawn_by is None else ("pixels" if prior is None else drawn_by.space),
        start=None if config.fork is None or runs is None else start_of(config, config.fork, cache, runs, folder),
        truth=pictures_of(scenario, labels, config.restarts) if entry.info.recovers is Recovers.PICTURE else None,
    )


def labels_of(config: RunConfig) -> Tensor:
    """Return (N,) int64 the class of each candidate: every class `restarts` times in a row."""
    return torch.tensor(config.classes, dtype=torch.long).repeat_interleave(config.restarts)


def _target_of(config: RunConfig) -> TargetDescription:
    if is_foreign(config.target):
        source, seen = source_of(config.target), file_sanity(config.scenario, config.target)
        warning = seen and seen.warning(config.target)
        return TargetDescription(
            config.target, address=source.address, accuracy=seen.accuracy if seen else None, warning=warning or ""
        )
    if problem := target_problem(config.scenario, config.target, config.defense):
        raise DataMissing(problem)
    card = target_card(config.scenario, config.target, config.defense)
    return TargetDescription(
        config.target, weights=card["sha256"], accuracy=card.get("heldout_accuracy"), warning=card.get("warning", "")
    )


def _prior_name(config: RunConfig) -> str | None:
    if config.prior is None:
        return None
    return weights_name(config.scenario, config.prior, config.target, Plan.of(config.defense).trained_under)


def start_of(config: RunConfig, fork: Fork, cache: ModelCache, runs: Path, folder: RunFolder | None = None) -> Tensor:
    """Return what a fork begins from: latents (N, D), or images (N, C, H, W) in [0, 1] for an attack on pixels.

    Raises:
        Incompatible: the frame's candidates are not this run's, or it holds no latents of this run's prior.
        StoreError: the run or the frame is gone.
    """
    source = RunFolder(runs / fork.run)
    kept = folder.start() if folder is not None else None
    frame, origin = kept or source.tensors(fork.frame), source.config()
    latents, images = frame.get("latents"), frame.get("images")
    begun = latents if latents is not None else images
    if begun is None or len(begun) != len(labels_of(config)) or origin.scenario != config.scenario:
        raise Incompatible(
            [
                f"Frame {fork.frame} of {fork.run} has other candidates than this run. "
                "Keep its scenario, classes and restarts."
            ]
        )
    if config.prior is None:
        if images is None:
            images = _decoded(begun, origin, cache)
        return images.to(cache.device)
    if latents is None or _prior_name(origin) != _prior_name(config):
        raise Incompatible(
            [f"{fork.run} did not search the '{config.prior}' prior's latents, so this attack cannot go on from it."]
        )
    return latents.to(cache.device)


def _decoded(latents: Tensor, origin: RunConfig, cache: ModelCache) -> Tensor:
    """Return the images (N, C, H, W) of a recorded run's latents (N, D), by the prior that it searched."""
    if origin.prior is None:
        raise Incompatible(["The run to fork from recorded latents of no prior."])
    prior = cache.prior(origin.scenario, origin.prior, origin.target, origin.defense)
    with torch.no_grad():
        return prior.decode(latents.to(cache.device), labels_of(origin).to(cache.device))
