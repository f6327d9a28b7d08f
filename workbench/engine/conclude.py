"""What surrounds a run: the scene it is drawn on, and at its end the result with its judgement."""

from __future__ import annotations

from typing import Any

from safetensors.torch import save

from workbench.core.records import Frame, RunConfig
from workbench.core.weights import write_atomically
from workbench.defenses.store import target_card
from workbench.engine.context import candidate_classes, prior_of
from workbench.engine.judging import Conclusion, judged
from workbench.engine.model_cache import ModelCache
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.runs.payloads import result_of
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
    """Write the result and judge it, as its payload is judged; return the figures for the run's record."""
    write_atomically(
        folder.path / "result.safetensors",
        save({**result_of(last.payload), "labels": candidate_classes(config)}),
    )
    figures: dict[str, Any] = {
        "steps": last.step,
        "seconds": round(seconds, 3),
        "queries": last.queries,
        "steps_per_second": round(last.step / seconds, 2) if seconds > 0 else None,
        "target_accuracy": None
        if is_foreign(config.target)
        else target_card(config.scenario, config.target, config.defense).get("heldout_accuracy"),
    }
    return figures | judged(last.payload, Conclusion(config, folder, cache, grid))
