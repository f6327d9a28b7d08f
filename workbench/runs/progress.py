"""How far a run is, and how fast it goes, from the end of its record."""

from __future__ import annotations

from typing import Any

from workbench.runs.run_folder import RunFolder

WINDOW = 20  # frames over which the speed is measured
TAIL = 1 << 14  # bytes; more than so many frames take


def progress(folder: RunFolder) -> dict[str, Any]:
    """Return `step`, `queries`, `seconds` and `rate` (steps a second, None if unknown) so far; {} before a frame."""
    lines = _end_of(folder)
    if len(lines) < 2:
        return {}
    columns = lines[0].split(",")
    first, last = (dict(zip(columns, line.split(","), strict=False)) for line in (lines[1:][-WINDOW:][0], lines[-1]))
    steps, spent = int(last["step"]) - int(first["step"]), float(last["seconds"]) - float(first["seconds"])
    if not steps:  # one frame alone: its own pace since the start
        steps, spent = int(last["step"]), float(last["seconds"])
    return {
        "step": int(last["step"]),
        "queries": int(last["queries"]),
        "seconds": float(last["seconds"]),
        "rate": steps / spent if spent > 0 and steps > 0 else None,
    }


def remaining(step: int, total: int, rate: float | None) -> float | None:
    """Return the seconds left at this speed, or None where the speed is not known."""
    return (total - step) / rate if rate and total > step else None


def last_note(notes: str) -> str:
    """Return what the attack was last said to do, in a few words, from a run's notes; "" before the first."""
    return notes.splitlines()[-1].split(",", 2)[2] if notes else ""


def seconds_left(folder: RunFolder) -> float | None:
    """Return how long a run that goes will still take at its present speed, None where that is not known."""
    found = progress(folder)
    return remaining(found["step"], folder.scene().get("total") or 0, found["rate"]) if found else None


def _end_of(folder: RunFolder) -> list[str]:
    """Return the header and the last whole lines of the curves."""
    try:
        with (folder.path / "curves.csv").open("rb") as file:
            header = file.readline()
            begin = max(file.tell(), file.seek(0, 2) - TAIL)
            cut = begin > len(header)
            file.seek(begin)
            rest = file.read()
    except FileNotFoundError:
        return []
    lines = rest[: rest.rfind(b"\n") + 1].decode().splitlines()[cut:]
    return [header.decode().rstrip("\n"), *lines] if header.endswith(b"\n") else []
