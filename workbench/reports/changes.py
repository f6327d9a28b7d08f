"""What a run changed against the one that it was begun from, or that it repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.core.errors import StoreError, WorkbenchError
from workbench.reports.differences import differences
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RUN_ID

KINDS = {"fork": "forked from", "again": "run again after", "beside": "beside"}


def parent_of(folder: RunFolder) -> tuple[str, str] | None:
    """Return the run that this one comes from and how, "fork" or "again"; None for one that began by itself."""
    manifest = folder.manifest()
    if fork := manifest["config"].get("fork"):
        return str(fork["run"]), "fork"
    if again := manifest.get("again"):
        return str(again), "again"
    return None


def changes_of(folder: RunFolder, against: RunFolder | None = None) -> dict[str, Any] | None:
    """Return what changed against the run's parent, or against another run; None where there is none.

    It has `run`, `how` in words, `problem` ("" unless the parent is gone), and lists of (name, before, now): `settings`,
    `versions`, `figures`.

    Args:
        against: the run to compare with; the parent, beside this run in its store, if None.
    """
    if against is not None:
        run, how = against.id, "beside"
    else:
        parent = parent_of(folder)
        if parent is None:
            return None
        run, how = parent
    told: dict[str, Any] = {"run": run, "how": KINDS[how], "problem": "", "settings": [], "versions": [], "figures": []}
    try:
        if against is None:
            against = _beside(folder, run)
        before, now = against.manifest(), folder.manifest()
        # That it is a fork is said already.
        settings = differences(replace(against.config(), fork=None), replace(folder.config(), fork=None))
    except WorkbenchError:
        return {**told, "problem": f"Run {run} is not here any more, so what changed cannot be told."}
    told["settings"] = [list(change) for change in settings]
    told["versions"] = _changed(before.get("versions") or {}, now.get("versions") or {})
    told["figures"] = _changed(_figures(before), _figures(now))
    return told


def _beside(folder: RunFolder, run: str) -> RunFolder:
    """Return the run of this name in the same store; a record may say anything, so it is never a path."""
    if not RUN_ID.fullmatch(run):
        raise StoreError(f"There is no run '{run[:60]}'.")
    return RunFolder(folder.path.parent / run)


def _figures(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a run by name."""
    verdict = manifest.get("verdict") or {}
    recognised = {"recognised": f"{verdict['recognised']} of {verdict['n']}"} if verdict else {}
    return {
        "state": manifest["state"],
        **recognised,
        **{name: manifest.get(name) for name in ("steps", "queries", "seconds")},
        **(manifest.get("metrics") or {}),
    }


def _changed(before: dict[str, Any], now: dict[str, Any]) -> list[list[Any]]:
    return [[n, before.get(n), now.get(n)] for n in {**before, **now} if before.get(n) != now.get(n)]
