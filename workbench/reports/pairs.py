"""Two runs person by person: who was attacked in both, what was said of each, and what was set differently."""

from __future__ import annotations

from typing import Any

from workbench.core.errors import UsageError
from workbench.reports.differences import differences
from workbench.reports.figures import arrow, metric_name, number
from workbench.reports.marks import marks_of
from workbench.reports.record import numbers_of, table_of, title_of
from workbench.reports.thinning import thinned
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import SCENARIOS

FRAMES = 240  # of each run that a page goes through


def pair_of(a: RunFolder, b: RunFolder) -> dict[str, Any]:
    """Return two runs side by side, as a page draws them.

    `people` holds each candidate that both have, {label, a, b}: where it sits on either's sheets. `sides` says of A and
    B what each is. `measures` and `settings` are rows of (name, A, B) in words. `alone` says who was attacked in one only.

    Raises:
        UsageError: they are of different scenarios, attack nobody in common, or one has no picture yet.
        StoreError: a record is damaged.
    """
    manifests = [folder.manifest() for folder in (a, b)]
    scenarios = [manifest["config"]["scenario"] for manifest in manifests]
    if scenarios[0] != scenarios[1]:
        raise UsageError(
            f"A is of {_scenario(scenarios[0])} and B of {_scenario(scenarios[1])}: they show different people. "
            "Choose two runs of one scenario."
        )
    for letter, folder in zip("AB", (a, b), strict=True):
        if folder.latest() is None or "candidates" not in folder.scene():
            raise UsageError(f"{letter}, run {folder.id}, has recorded no picture yet.")
    places = [_places(folder) for folder in (a, b)]
    both = [who for who in places[0] if who in places[1]]
    if not both:
        raise UsageError("A and B attacked different people. Choose two runs that have a person in common.")
    names = _labels(a)
    return {
        "scenario": scenarios[0],
        "people": [{"label": names[who], "a": places[0][who], "b": places[1][who]} for who in both],
        "alone": _alone(places[0], places[1]),
        "sides": [_side(folder, manifest) for folder, manifest in zip((a, b), manifests, strict=True)],
        "measures": _measures(a, b),
        "settings": [list(change) for change in differences(a.config(), b.config())],
    }


Who = tuple[int, int]  # class and which try at it


def _places(folder: RunFolder) -> dict[Who, int]:
    return {(int(c["class"]), int(c.get("restart", 0))): i for i, c in enumerate(folder.scene()["candidates"])}


def _labels(folder: RunFolder) -> dict[Who, str]:
    found = {}
    for candidate in folder.scene()["candidates"]:
        which = int(candidate.get("restart", 0))
        label = str(candidate["label"]) + (f", try {which + 1}" if which else "")
        found[(int(candidate["class"]), which)] = label
    return found


def _alone(a: dict[Who, int], b: dict[Who, int]) -> str:
    """Return how many pictures are of one run only, in a sentence; "" for none."""
    only = {letter: len(mine.keys() - other.keys()) for letter, mine, other in (("A", a, b), ("B", b, a))}
    said = [f"{count} only in {letter}" for letter, count in only.items() if count]
    return f"Not shown: {' and '.join(said)}." if said else ""


def _side(folder: RunFolder, manifest: dict[str, Any]) -> dict[str, Any]:
    scene, curves = folder.scene(), table_of(folder.curves())
    frames = thinned(folder.frames(), FRAMES)
    steps = dict(zip(curves.get("frame", []), curves.get("step", []), strict=False))
    return {
        "run": folder.id,
        "name": str(manifest.get("name") or ""),
        "title": title_of(manifest["config"]),
        "seed": manifest["config"]["seed"],
        "frames": frames,
        "steps": [_step(steps, n) for n in frames],
        "sure": {int(row[0]): row[1:] for row in numbers_of(folder.confidence()) if row and row[0] is not None},
        "sheet": scene["sheet"],
        "truth": (folder.path / "truth.webp").is_file(),
        "marks": marks_of(folder.judgement(), len(scene["candidates"])),
        "status": {name: manifest.get(name) for name in ("state", "metrics", "baseline", "verdict")},
    }


def _step(steps: dict[float | None, float | None], frame: int) -> int | None:
    """Return the step of a frame; of one that no line tells of, that of the nearest line before it."""
    known = [n for n in steps if n is not None and n <= frame]
    step = steps[max(known)] if known else None
    return None if step is None else int(step)


def _measures(a: RunFolder, b: RunFolder) -> list[list[str]]:
    judged = [(folder.judgement() or {}).get("reconstruction", {}).get("overall", {}) for folder in (a, b)]
    return [
        [f"{metric_name(m)} {arrow(m)}".strip(), *(number(m, side.get(m)) for side in judged)]
        for m in {**judged[0], **judged[1]}
    ]


def _scenario(key: str) -> str:
    return SCENARIOS.entry(key).title if key in SCENARIOS else key
