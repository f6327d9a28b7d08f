"""What an attack is given: the target behind its threat model, the prior, the classes, where to begin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.attacks import ATTACKS, AttackContext
from workbench.core.errors import Incompatible
from workbench.core.knobs import configure, knobs_of
from workbench.core.records import Access, Frame, RunConfig
from workbench.defenses.plan import under
from workbench.engine.away import RemoteWait
from workbench.engine.model_cache import ModelCache
from workbench.priors import Prior
from workbench.priors.base import weights_name
from workbench.runs.control import RunControl
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import Scenario
from workbench.targets.remote.base import ForeignTarget
from workbench.targets.remote.sources import answers, is_foreign, open_target
from workbench.targets.view import view_of


def candidate_classes(config: RunConfig) -> Tensor:
    """Return (N,) the class of each candidate: every class `restarts` times in a row."""
    return torch.tensor(config.classes).repeat_interleave(config.restarts)


def control_for(config: RunConfig) -> RunControl:
    return RunControl(knobs_of(ATTACKS[config.attack]), config.knobs)


def starting_point(config: RunConfig, cache: ModelCache, runs: Path) -> Tensor | None:
    """Return what a fork begins from: latents, or images for an attack on pixels.

    Raises:
        Incompatible: the frame's candidates are not this run's.
        StoreError: the run or the frame is gone.
    """
    if config.fork is None:
        return None
    source = RunFolder(runs / config.fork.run)
    held, origin = source.tensors(config.fork.frame), source.config()
    count = len(config.classes) * config.restarts
    if len(held.get("latents", held.get("images"))) != count or origin.scenario != config.scenario:
        raise Incompatible(
            [
                f"Frame {config.fork.frame} of {config.fork.run} has other candidates than this run. "
                "Keep its scenario, classes and restarts."
            ]
        )
    if config.prior is None:
        start = (
            held["images"]
            if "images" in held
            else prior_of(origin, cache).decode(
                held["latents"].to(cache.device), candidate_classes(origin).to(cache.device)
            )
        )
    elif "latents" not in held or origin.prior != config.prior or prior_name(origin) != prior_name(config):
        raise Incompatible(
            [
                f"{config.fork.run} did not search the '{config.prior}' prior's latents, so this attack "
                "cannot go on from it."
            ]
        )
    else:
        start = held["latents"]
    return start.to(cache.device)


def prior_of(config: RunConfig, cache: ModelCache) -> Prior:
    return cache.prior(config.scenario, config.prior, config.target, config.defense)


def prior_name(config: RunConfig) -> str:
    """Return which weights a run's prior has; a tuned one is another for each target."""
    return weights_name(config.scenario, config.prior, config.target, under(config.defense))


def build_context(
    config: RunConfig,
    cache: ModelCache,
    control: Any,
    start: Tensor | None = None,
    remote_wait: RemoteWait | None = None,
) -> AttackContext:
    """Return what the attack is given: the target behind its threat model, the prior, the classes.

    Args:
        remote_wait: waits for a target elsewhere that goes away; without one, the attack gets the `TargetAway`.
    """
    scenario, info = cache.scenario(config.scenario), ATTACKS.entry(config.attack).info
    if is_foreign(config.target):
        model, best = _elsewhere(config, scenario, info.access, remote_wait)
    else:
        model, best = cache.target(config.scenario, config.target, config.defense, released=not info.access.inside), {}
    view = view_of(
        model,
        info.access,
        asks=config.asks,
        budget=config.budget,
        num_classes=scenario.num_classes,
        input_shape=scenario.input_shape,
        **best,
    )
    public, public_note = cache.public(config.scenario) if info.public else (None, "")
    return AttackContext(
        target=view,
        prior=prior_of(config, cache) if config.prior else None,
        classes=candidate_classes(config).to(cache.device),
        rng=torch.Generator().manual_seed(config.seed),
        device=cache.device,
        control=control,
        restarts=config.restarts,
        start=start,
        public=public,
        public_note=public_note,
        flips=scenario.flips,
    )


def _elsewhere(
    config: RunConfig, scenario: Scenario, access: Access, remote_wait: RemoteWait | None
) -> tuple[nn.Module, dict[str, int]]:
    """Return a target elsewhere, opened anew for each run, and how many scores it releases where it says so."""

    def opening() -> ForeignTarget:
        return open_target(config.target, scenario.input_shape)

    target = remote_wait.opened(opening, lambda: answers(config.target)) if remote_wait else opening()
    if wrong := target.offer.problem(config.target, scenario.input_shape, scenario.num_classes, access):
        raise Incompatible([wrong])
    best = {"k": target.offer.k} if target.offer.access is Access.TOP_K else {}
    return (remote_wait.over(target) if remote_wait else target), best


def frames_of(config: RunConfig, context: AttackContext) -> Iterator[Frame]:
    """Return the frames of the configured attack."""
    return configure(ATTACKS[config.attack], config.knobs).run(context)
