"""What surrounds a run: the scene it is drawn on, and at its end the result with its judgement."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from workbench.core.records import Frame, RunConfig
from workbench.core.weights import write_atomically
from workbench.defenses.store import target_card
from workbench.engine.context import candidate_classes, prior_of
from workbench.engine.model_cache import ModelCache
from workbench.metrics.judge import Judgement, judge
from workbench.runs.contact_sheet import SheetLayout, compose, webp
from workbench.runs.run_folder import RunFolder
from workbench.targets.remote.sources import is_foreign


def plane_of(config: RunConfig, cache: ModelCache) -> tuple[Any, str]:
    """Return the plane that the run is drawn on, on the CPU, and the name of its space."""
    prior = prior_of(config, cache) if config.prior else cache.baseline_prior(config.scenario)
    if prior is None:
        return None, ""
    return (prior.plane, prior.space) if config.prior else (prior.image_plane, "pixels")


def set_scene(
    config: RunConfig, folder: RunFolder, cache: ModelCache, grid: SheetLayout, plane: Any, space: str
) -> None:
    names = cache.scenario(config.scenario).class_names
    candidates = [{"class": c, "restart": r, "label": names[c]} for c in config.classes for r in range(config.restarts)]
    cloud = [] if plane is None else [[round(v, 3) for v in point] for point in plane.cloud.tolist()]
    folder.write_json(
        "scene.json", {"total": 0, "candidates": candidates, "sheet": grid.to_json(), "space": space, "cloud": cloud}
    )
    truth = cache.truth(config.scenario, [c["class"] for c in candidates])
    if truth is not None:
        write_atomically(folder.path / "truth.webp", webp(truth, grid))


def conclude(
    config: RunConfig, folder: RunFolder, cache: ModelCache, last: Frame, seconds: float, grid: SheetLayout
) -> dict[str, Any]:
    """Write the result, judge it beside floor and ceiling; return the figures for the run's record."""
    labels, images = candidate_classes(config), last.images.cpu()
    result = {"images": images.contiguous(), "labels": labels}
    if last.latents is not None:
        result["latents"] = last.latents.cpu().contiguous()
    write_atomically(folder.path / "result.safetensors", save(result))
    compose(images, grid).save(folder.path / "images.png")
    figures: dict[str, Any] = {
        "steps": last.step,
        "seconds": round(seconds, 3),
        "queries": last.queries,
        "steps_per_second": round(last.step / seconds, 2) if seconds > 0 else None,
        "target_accuracy": None
        if is_foreign(config.target)
        else target_card(config.scenario, config.target, config.defense).get("heldout_accuracy"),
    }
    context = cache.evaluation(config.scenario)
    if context is not None:
        found = judge(images, labels, context)
        floor = floor_of(config, cache, labels, context)
        folder.write_json(
            "judgement.json",
            {
                "reconstruction": found.to_json(),
                "baseline": floor.to_json() if floor else None,
                "ceiling": cache.ceiling(config.scenario).to_json(),
            },
        )
        nearest = cache.scenario(config.scenario).private.train.images[found.nearest]
        write_atomically(folder.path / "nearest.webp", webp(nearest, grid))
        figures |= {
            "metrics": found.overall,
            "baseline": floor.overall if floor else {},
            "accuracy": found.overall.get("acc@1"),
        }
    return figures


def floor_of(config: RunConfig, cache: ModelCache, labels: Tensor, context: Any) -> Judgement | None:
    """Return the judgement of random prior samples, one for each candidate, drawn with the run's seed."""
    prior = cache.baseline_prior(config.scenario)
    if prior is None:
        return None
    rng = torch.Generator().manual_seed(config.seed)
    with torch.no_grad():
        return judge(prior.random_images(len(labels), rng).cpu(), labels, context)
