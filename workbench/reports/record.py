"""Everything that a report says of a run, as plain data: its one JSON file, and what its page is made from."""

from __future__ import annotations

from typing import Any

from workbench.core.errors import WorkbenchError
from workbench.reports.changes import changes_of
from workbench.reports.command_line import command_line
from workbench.reports.marks import marks_of
from workbench.runs.run_folder import RunFolder
from workbench.tabular.kinds import attack_title, defense_title, scenario_title, target_title

FORMAT = 1  # of the JSON file; it changes when a reader of an earlier one would misread it


def record_of(folder: RunFolder, against: RunFolder | None = None) -> dict[str, Any]:
    """Return what a run was, what came of it and what it changed; no pictures.

    Args:
        against: the run that changes are told against; its parent, where it has one, if None.

    Raises:
        StoreError: there is no such run, or its record is damaged.
    """
    manifest, scene, judgement = folder.manifest(), folder.scene(), folder.judgement()
    config = manifest["config"]
    candidates = scene.get("candidates") or [{**c, "label": str(c["class"])} for c in manifest.get("candidates", [])]
    return {
        "format": FORMAT,
        "id": manifest.get("id", folder.id),
        "name": str(manifest.get("name") or ""),
        "title": title_of(config),
        "command": _command(folder),
        "candidates": candidates,
        "marks": marks_of(judgement, len(candidates)),
        "curves": table_of(folder.curves()),
        "confidence": numbers_of(folder.confidence()),
        "frames": folder.frames(),
        "notes": [line.split(",", 2) for line in folder.notes().splitlines()],
        "events": folder.events(),
        "changes": changes_of(folder, against),
        "run": manifest,
        "judgement": judgement,
    }


def title_of(config: dict[str, Any]) -> str:
    """Return what a run was, in the words of menus."""
    what, where = attack_title(config["attack"]), scenario_title(config["scenario"])
    defense = config.get("defense", "none")
    defended = "" if defense == "none" else f", under {defense_title(defense)}"
    return f"{what} on {where}, {target_title(config['target'])}{defended}"


def table_of(text: str) -> dict[str, list[float | None]]:
    """Return CSV with a header as columns of numbers; what is blank is None."""
    header, *lines = text.splitlines() or [""]
    rows = [line.split(",") for line in lines]
    return {
        name: [_number(row[i]) if i < len(row) else None for row in rows]
        for i, name in enumerate(header.split(","))
        if name
    }


def numbers_of(text: str) -> list[list[float | None]]:
    """Return CSV without a header as rows of numbers; what is blank is None."""
    return [[_number(cell) for cell in line.split(",")] for line in text.splitlines()]


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if value - value == 0 else None  # neither infinite nor not a number


def _command(folder: RunFolder) -> str:
    try:
        return command_line(folder.config())
    except (WorkbenchError, KeyError, TypeError):  # an attack or a knob that is here no more
        return ""
