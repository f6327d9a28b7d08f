"""Judging pictures that another tool made, by the same judges and measures as a run's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.core.errors import DataMissing
from workbench.engine.judging import verdict_json
from workbench.engine.model_cache import ModelCache
from workbench.metrics.judge import Judgement, judge, panel_json, sets_json
from workbench.recognisers import KnowsPublicClasses, Panel
from workbench.scenarios.brought import Brought
from workbench.targets import ARCHITECTURES


def judge_brought(brought: Brought, scenario: str, cache: ModelCache, target: str = "") -> dict[str, Any]:
    """Return what is said of brought pictures: of ones with classes a judgement as of a run, of others who each shows.

    Args:
        target: the architecture they were made against, whose body may not judge; "" where that is not known.

    Raises:
        DataMissing: the evaluator or the private images are missing.
    """
    context, ceiling = cache.evaluation(scenario), cache.ceiling(scenario)
    if context is None or ceiling is None:
        raise DataMissing(
            f"{scenario} cannot be judged here: its evaluator or its private images are missing. 'python -m workbench "
            "doctor' says which, and how to get them."
        )
    panel = context.panel.apart_from(ARCHITECTURES.entry(target).info.body if target else "")
    told: dict[str, Any] = {
        "scenario": scenario,
        "n": len(brought.names),
        "fitted": brought.fitted,
        "layout": brought.layout,
    }
    if brought.labels is None:
        return told | {"pictures": who_is_this(brought, panel, cache.scenario(scenario).class_names)}
    found = judge(brought.images, brought.labels, context, panel)
    floor = _floor(brought.labels, scenario, cache, panel)
    return told | {
        "judged": found.n,
        "metrics": found.overall,
        "intervals": found.intervals,
        "baseline": floor.overall if floor else {},
        "ceiling": ceiling.overall,
        "sets": sets_json(found, floor, ceiling),
        "verdict": verdict_json(found, floor, ceiling),
        "files": brought.names,
        "per_image": found.per_image,
        "panel": panel_json(found, floor, ceiling),
    }


def who_is_this(brought: Brought, panel: Panel, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return for each picture whom each recogniser names (None for nobody) and its score of the likeliest class."""
    rows: list[dict[str, Any]] = [{"file": name, "says": {}} for name in brought.names]
    for member in panel:
        best = member.scores(brought.images).max(1)
        others = member.others(brought.images) if isinstance(member, KnowsPublicClasses) else [None] * len(rows)
        for row, score, c, other in zip(rows, best.values.tolist(), best.indices.tolist(), others, strict=True):
            named = member.threshold is None or score >= member.threshold
            row["says"][member.key] = {
                "title": member.title,
                "name": names[c] if named else other,
                "score": round(score, 4),
            }
    return rows


@torch.no_grad()
def _floor(labels: Tensor, scenario: str, cache: ModelCache, panel: Panel) -> Judgement | None:
    """Return the judgement of random samples of the default prior, one for each picture; None without that prior."""
    prior, context = cache.baseline_prior(scenario), cache.evaluation(scenario)
    if prior is None or context is None:
        return None
    images = prior.random_images(len(labels), torch.Generator().manual_seed(0)).cpu()
    return judge(images, labels, context, panel)
