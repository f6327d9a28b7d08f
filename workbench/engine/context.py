"""What an attack is given: the target behind its threat model, the prior, the classes, where to begin."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import nn

from workbench.attacks import AttackContext
from workbench.attacks.base import Control
from workbench.attacks.needs import watches_norms
from workbench.attacks.parts.on_updates import OnUpdates
from workbench.core.errors import DataMissing, Incompatible
from workbench.core.records import Access, Frame, RunConfig
from workbench.engine.away import RemoteWait
from workbench.engine.model_cache import ModelCache
from workbench.engine.resolve import Resolved
from workbench.engine.split import intercepted
from workbench.federated.exchange import Participants
from workbench.runs.control import RunControl
from workbench.scenarios import Labelled
from workbench.tabular.kinds import declared_knobs
from workbench.targets.remote.base import ForeignTarget
from workbench.targets.remote.sources import answers, open_target
from workbench.targets.split import Intercepted
from workbench.targets.view import TargetView, view_of


def control_for(config: RunConfig) -> RunControl:
    """Return what pauses, stops and turns the live knobs of a run of `config`."""
    return RunControl(declared_knobs(config.scenario, config.attack), config.knobs)


def build_context(
    run: Resolved, cache: ModelCache, control: Control, remote_wait: RemoteWait | None = None
) -> AttackContext:
    """Return what the attack is given: the target behind its threat model, the prior, the classes.

    Args:
        remote_wait: waits for a target elsewhere that goes away; without one, the attack gets the `TargetAway`.
    """
    config = run.config
    if run.truth is not None:
        scene = intercepted(config, run.info, cache, run.truth)
        return _context(run, cache, control, scene.view, split=scene)
    model, released_scores = _remote_target(run, remote_wait) if run.target.remote else (_own_target(run, cache), {})
    view = view_of(
        model,
        run.info.access,
        asks=config.asks,
        budget=config.budget,
        seed=config.seed,
        num_classes=run.scenario.num_classes,
        input_shape=run.scenario.input_shape,
        **released_scores,
    )
    participants = participants_of(run, cache) if isinstance(run.attack, OnUpdates) else None
    return _context(run, cache, control, view, participants=participants)


def _context(
    run: Resolved,
    cache: ModelCache,
    control: Control,
    view: TargetView,
    *,
    participants: Participants | None = None,
    split: Intercepted | None = None,
) -> AttackContext:
    return AttackContext(
        target=view,
        prior=run.prior,
        classes=run.labels.to(cache.device),
        rng=torch.Generator().manual_seed(run.config.seed),
        device=cache.device,
        control=control,
        restarts=run.config.restarts,
        start=run.start,
        public=cache.public(run.config.scenario) if run.info.public else None,
        flips=run.scenario.flips,
        participants=participants,
        split=split,
    )


def participants_of(run: Resolved, cache: ModelCache) -> Participants:
    """Return who answer in a run on updates: they share one private image of each class that is attacked.

    Raises:
        DataMissing: the private images are not here, so that nobody has anything to train on.
    """
    assert isinstance(run.attack, OnUpdates)
    classes = list(run.config.classes)
    images = cache.truth(run.config.scenario, classes)
    if images is None:
        raise DataMissing(run.scenario.problem())
    count = min(run.attack.participants, len(classes))
    labels = torch.tensor(classes)
    batches = [Labelled(images[p::count], labels[p::count]) for p in range(count)]
    return Participants(batches, run.attack.terms, run.config.seed)


def _own_target(run: Resolved, cache: ModelCache) -> nn.Module:
    """Return a target of ours: itself for an attacker who holds it, else as it answers queries."""
    return cache.target(
        run.config.scenario,
        run.config.target,
        run.config.defense,
        released=not run.info.access.inside,
        folded=not (watches_norms(run.attack) or run.info.on_updates),
    )


def _remote_target(run: Resolved, remote_wait: RemoteWait | None) -> tuple[nn.Module, dict[str, int]]:
    """Return a target elsewhere, opened anew for each run, and how many scores it releases where it says so."""
    name, shape = run.config.target, run.scenario.input_shape

    def opening() -> ForeignTarget:
        return open_target(name, shape, run.scenario.num_classes)

    target = remote_wait.opened(opening, lambda: answers(name)) if remote_wait else opening()
    if wrong := target.offer.problem(name, shape, run.scenario.num_classes, run.info.access):
        raise Incompatible([wrong])
    released_scores = {"k": target.offer.k} if target.offer.access is Access.TOP_K else {}
    return (remote_wait.over(target) if remote_wait else target), released_scores


def frames_of(run: Resolved, context: AttackContext) -> Generator[Frame, None, None]:
    """Yield the frames of the configured attack; closing this closes the attack."""
    yield from run.attack.run(context)
