"""Runs that were recorded, without an attack or a judge: what reads a run's folder needs no more, in milliseconds."""

from __future__ import annotations

from typing import Any

import torch

from workbench.core.payloads import Images
from workbench.core.records import Frame, RunConfig, RunState
from workbench.core.weights import write_atomically
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.runs.recorder import Recorder
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore

SHAPE = (1, 16, 16)
NOBODY_ELSE = {"judges": ["Judge one", "Judge two"], "baseline": 0.0, "ceiling": 0.95}


def record(store: RunStore, config: RunConfig, right: list[bool], steps: int = 8, **fields: Any) -> RunFolder:
    """Return a finished run whose candidates grow lighter step by step.

    Args:
        right: for each candidate whether the judges recognise it.
        fields: more fields of its record.
    """
    count = len(config.classes) * config.restarts
    layout = SheetLayout.of(count, SHAPE)
    folder = store.create(config, shape=SHAPE, state=RunState.RUNNING)
    folder.write_json(
        "scene.json",
        {
            "total": steps,
            "payload": "images",
            "candidates": [
                {"class": c, "restart": r, "label": f"person {c}"}
                for c in config.classes
                for r in range(config.restarts)
            ],
            "sheet": layout.to_json(),
            "space": "",
            "cloud": [],
        },
    )
    write_atomically(folder.path / "truth.webp", webp(torch.full((count, *SHAPE), 0.5), layout))
    recorder = Recorder(folder, layout, None)
    for step in range(steps + 1):
        shade = torch.full((count, *SHAPE), step / steps)
        losses = {"identity": torch.full((count,), 1.0 - step / steps)}
        sure = torch.full((count,), step / steps)
        recorder.offer(Frame(step, steps, Images(shade, confidence=sure), losses, queries=step), step / 10, must=True)
    recorder.close()
    hits = [float(r) for r in right]
    share = sum(hits) / len(hits)
    judge = {"threshold": 0.5, "right": right, "accuracy": share, "interval": [0, 1], "baseline": 0.0, "ceiling": 0.95}
    folder.write_json(
        "judgement.json",
        {
            "reconstruction": {
                "n": count,
                "overall": {"acc@1": share, "knn_dist": 2.5},
                "intervals": {"acc@1": [0.1, 0.9], "knn_dist": None},
                "per_class": {},
                "per_image": {"acc@1": hits},
            },
            "baseline": {"overall": {"acc@1": 0.1}},
            "ceiling": {"overall": {"acc@1": 0.95}},
            "panel": [{**judge, "key": title[-3:], "title": title} for title in ("Judge one", "Judge two")],
            "left_out": [],
        },
    )
    store.update(
        folder.id,
        RunState.FINISHED,
        **{
            "steps": steps,
            "seconds": 1.5,
            "queries": steps,
            "accuracy": share,
            "metrics": {"acc@1": share, "knn_dist": 2.5},
            "baseline": {"acc@1": 0.1},
            "verdict": {**NOBODY_ELSE, "recognised": sum(right), "n": count},
            **fields,
        },
    )
    return folder
