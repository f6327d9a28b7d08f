"""What surrounds a run: the scene it is drawn on, and at its end the result with its judgement."""

from __future__ import annotations

from typing import Any

from safetensors.torch import save

from workbench.core.records import Frame
from workbench.core.weights import write_atomically
from workbench.engine.judging import Conclusion, judged
from workbench.engine.model_cache import ModelCache
from workbench.engine.resolve import Resolved
from workbench.engine.split import accuracy_behind
from workbench.runs.contact_sheet import webp
from workbench.runs.payloads import result_of
from workbench.runs.run_folder import RunFolder


def set_scene(run: Resolved, folder: RunFolder, cache: ModelCache, first: Frame) -> None:
    """Write what stays the same throughout the run, once its first frame says how long it is and what it shows."""
    classes = run.labels.tolist()
    candidates = [
        {"class": c, "restart": i % run.config.restarts, "label": name}
        for i, (c, name) in enumerate(zip(classes, run.class_names, strict=True))
    ]
    cloud = [] if run.plane is None else [[round(v, 3) for v in point] for point in run.plane.cloud.tolist()]
    truth = cache.truth(run.config.scenario, classes) if run.truth is None else run.truth
    if truth is not None:
        write_atomically(folder.path / "truth.webp", webp(truth, run.layout))
    folder.write_json(
        "scene.json",
        {
            "total": first.total,
            "payload": first.payload.kind,
            "candidates": candidates,
            "sheet": run.layout.to_json(),
            "space": run.space,
            "cloud": cloud,
        },
    )


def conclude(run: Resolved, folder: RunFolder, cache: ModelCache, last: Frame, seconds: float) -> dict[str, Any]:
    """Write the result and judge it, as its payload is judged; return the figures for the run's record."""
    result = {**result_of(last.payload), "labels": run.labels}
    write_atomically(folder.path / "result.safetensors", save(result))
    figures: dict[str, Any] = {
        "steps": last.step,
        "seconds": round(seconds, 3),
        "queries": last.queries,
        "steps_per_second": round(last.step / seconds, 2) if seconds > 0 else None,
        "target_accuracy": accuracy_behind(run.config, cache) if run.plan.split else run.target.accuracy,
        "note": last.note,
    }
    return figures | judged(last.payload, Conclusion(run, folder, cache))
