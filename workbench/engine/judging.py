"""How the last frame of a run is judged, by what it shows: one function for each kind of payload.

A new payload is one more function here, or in a file of its own, registered with `judged`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from workbench.core.payloads import Images, Payload
from workbench.core.records import RunConfig
from workbench.core.weights import write_atomically
from workbench.engine.context import candidate_classes
from workbench.engine.model_cache import ModelCache
from workbench.metrics.base import EvalContext
from workbench.metrics.judge import Judgement, judge
from workbench.runs.contact_sheet import SheetLayout, compose, webp
from workbench.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Conclusion:
    """What judging may use of a run that has ended: its configuration, folder and models, and the sheets' layout."""

    config: RunConfig
    folder: RunFolder
    cache: ModelCache
    grid: SheetLayout


@singledispatch
def judged(payload: Payload, run: Conclusion) -> dict[str, Any]:
    """Judge a payload, write into the run's folder what a viewer shows of it, and return figures for the record.

    None for a payload that nothing here judges.
    """
    return {}


@judged.register
def _(payload: Images, run: Conclusion) -> dict[str, Any]:
    """Judge images beside floor and ceiling; nothing where there is no evaluator or no private image."""
    config, folder, cache = run.config, run.folder, run.cache
    labels, images = candidate_classes(config), payload.images.cpu()
    compose(images, run.grid).save(folder.path / "images.png")
    context, ceiling = cache.evaluation(config.scenario), cache.ceiling(config.scenario)
    if context is None or ceiling is None:
        return {}
    judgement, floor = judge(images, labels, context), floor_of(config, cache, labels, context)
    folder.write_json(
        "judgement.json",
        {
            "reconstruction": judgement.to_json(),
            "baseline": floor.to_json() if floor else None,
            "ceiling": ceiling.to_json(),
        },
    )
    nearest = cache.scenario(config.scenario).private.train.images[judgement.nearest]
    write_atomically(folder.path / "nearest.webp", webp(nearest, run.grid))
    return {
        "metrics": judgement.overall,
        "baseline": floor.overall if floor else {},
        "accuracy": judgement.overall.get("acc@1"),
    }


def floor_of(config: RunConfig, cache: ModelCache, labels: Tensor, context: EvalContext) -> Judgement | None:
    """Return the judgement of random prior samples, one for each candidate, drawn with the run's seed."""
    prior = cache.baseline_prior(config.scenario)
    if prior is None:
        return None
    rng = torch.Generator().manual_seed(config.seed)
    with torch.no_grad():
        return judge(prior.random_images(len(labels), rng).cpu(), labels, context)
