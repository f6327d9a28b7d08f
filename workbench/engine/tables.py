"""An attribute inference as a run: what stays, what is judged, what is on record."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch
from safetensors.torch import save

from workbench.attacks.base import Control
from workbench.core.records import Frame
from workbench.core.weights import write_atomically
from workbench.engine.away import RemoteWait
from workbench.priors.plane import Plane
from workbench.runs.contact_sheet import SheetLayout
from workbench.runs.payloads import result_of
from workbench.runs.run_folder import RunFolder
from workbench.tabular.inquiry import Inquiry

EACH = 200  # queries of which each is a frame; of later ones only as many as somebody can watch
JUDGEMENT = "attributes.json"  # figures of the attack and of every baseline, by value and group


class TableExperiment:
    """A run whose candidates are records of which one attribute is unknown."""

    plane: Plane | None = None
    keeps_all = True

    def __init__(self, inquiry: Inquiry) -> None:
        self.inquiry, self.origin = inquiry, dict[str, Any]()

    @property
    def layout(self) -> SheetLayout:
        return SheetLayout.of(max(1, len(self.inquiry.watched)), (1, 1, 1))

    def frames(self, control: Control, wait: RemoteWait) -> Generator[Frame, None, None]:
        yield from self.inquiry.frames(lambda step: step <= EACH or control.due(step))

    def set_scene(self, folder: RunFolder, first: Frame) -> None:
        """Write which records are watched, what is known of them, and what the attribute may be."""
        inquiry, records = self.inquiry, self.inquiry.scenario.records
        noun, hidden = inquiry.scenario.noun, (inquiry.sensitive, *inquiry.unknown)
        candidates = []
        for row in inquiry.watched.tolist():
            cells = inquiry.attacked.data[row]
            known = {
                column.name: column.said(cell)
                for column, cell in zip(inquiry.attacked.columns, cells, strict=True)
                if column.name not in hidden
            }
            truth = int(inquiry.truth[row])
            candidates.append({"class": row, "restart": 0, "label": f"{noun} {row}", "known": known, "truth": truth})
        folder.write_json(
            "scene.json",
            {
                "total": first.total,
                "payload": first.payload.kind,
                "candidates": candidates,
                "sheet": self.layout.to_json(),
                "space": "",
                "cloud": [],
                "sensitive": inquiry.sensitive,
                "values": list(inquiry.column.values),
                "unknown": list(inquiry.unknown),
                "response": inquiry.scenario.response.name,
                "records": len(inquiry.attacked),
                "source": records.source,
                "synthetic": records.synthetic,
                "notes": list(records.notes),
            },
        )

    def conclude(self, folder: RunFolder, last: Frame, seconds: float) -> dict[str, Any]:
        """Write posteriors, answers and truth (R,); judge them beside the baselines."""
        inquiry = self.inquiry
        held = result_of(last.payload)
        result = {**held, "truth": torch.from_numpy(inquiry.truth), "labels": torch.from_numpy(inquiry.watched)}
        write_atomically(folder.path / "result.safetensors", save(result))
        judgement = inquiry.judged(held["answers"].numpy())
        folder.write_json(JUDGEMENT, judgement)
        own = judgement["attacks"][0]
        beside = next((row for row in judgement["attacks"] if row["key"] == "imputation"), own)
        records = inquiry.scenario.records
        return {
            "steps": last.step,
            "seconds": round(seconds, 3),
            "queries": last.queries,
            "steps_per_second": round(last.step / seconds, 2) if seconds > 0 else None,
            "target_accuracy": judgement["target"]["accuracy"],
            "target_figures": judgement["target"],
            "note": last.note,
            "judged": own["n"],
            "metrics": own["overall"],
            "intervals": own["intervals"],
            "baseline": beside["overall"],
            "by_value": own["values"],
            "baselines": {row["key"]: row["overall"] for row in judgement["attacks"][1:]},
            "disparity": judgement["groups"],
            "data": {"source": records.source, "synthetic": records.synthetic, "notes": list(records.notes)},
            "accuracy": own["overall"]["accuracy"],
        }
