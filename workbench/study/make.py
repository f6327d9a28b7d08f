"""Making a study: its pictures are gathered, its questions drawn, and everything frozen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from workbench.core.errors import UsageError, WeightsCorrupt
from workbench.priors import load_prior
from workbench.priors.base import prior_problem
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS, Scenario
from workbench.study.design import Design
from workbench.study.folder import StudyFolder, frozen
from workbench.study.sources import of_folder, of_runs
from workbench.study.stimuli import Drawer

SAMPLES = 40  # random samples of the prior, at most


def make(store: RunStore, design: Design, *, folder: Path | None = None, owner: str = "") -> StudyFolder:
    """Freeze a study of runs in the store, or of a folder of pictures; returns its folder.

    Args:
        folder: pictures of any other tool, a folder for each class, beside the design's runs.

    Raises:
        UsageError: there is nothing to judge, or the question cannot be asked of it.
        DataMissing: the private photographs are not here.
        StoreError: a run is not there, or the study cannot be written.
    """
    if not design.runs and folder is None:
        raise UsageError("There is nothing to judge: name at least one run, or a folder of pictures.")
    scenario = SCENARIOS[design.scenario]()
    sources = of_runs(store, design.runs, design.scenario)
    if folder is not None:
        sources.append(of_folder(folder, scenario))
    if any(tuple(s.images.shape[1:]) != tuple(scenario.input_shape) for s in sources):
        raise UsageError(f"A run's pictures are not of the size of {design.scenario}'s photographs; choose another.")
    titles = [source.title for source in sources]
    sources = [replace(s, title=f"{s.title}, {s.run}") if titles.count(s.title) > 1 else s for s in sources]
    drawer = Drawer(design, scenario, sources, samples_of(scenario, design.seed))
    stimuli = drawer.stimuli()
    facts = {"names": list(scenario.class_names), "noun": scenario.class_noun, "private": scenario.private_source}
    return frozen(store.root, design, stimuli, drawer.album.images, sources, owner, **facts)


def samples_of(scenario: Scenario, seed: int) -> Tensor:
    """Return random samples (S, C, H, W) in [0, 1] of the scenario's prior; (0, C, H, W) where it is not here."""
    nothing = torch.empty(0, *scenario.input_shape)
    if prior_problem(scenario.key, scenario.default_prior):
        return nothing
    try:
        prior = load_prior(scenario.key, scenario.default_prior)
    except WeightsCorrupt:
        return nothing
    count = min(SAMPLES, scenario.num_classes)
    with torch.no_grad():
        return prior.random_images(count, torch.Generator().manual_seed(seed)).float().cpu()
