"""One run as its judges saw it: each picture, each judge's word, each class; read from the run's folder alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from workbench.core.errors import UnknownName
from workbench.metrics import METRICS
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import SCENARIOS

Told = dict[str, Any]


def judged_run(folder: RunFolder) -> Told | None:
    """Return what a viewer shows of a run's judgement as plain data; None where it shows no pictures.

    Before a run is judged, its pictures are there and nobody has a word. What older runs did not record is left out.
    """
    scene, frame = folder.scene(), folder.latest()
    if not scene.get("candidates") or not scene.get("sheet") or frame is None:
        return None
    judged, config, manifest = folder.judgement() or {}, folder.config(), folder.manifest()
    names = names_of(config.scenario)
    found = judged.get("reconstruction") or {}
    panel = [said for said in judged.get("panel") or [] if len(said.get("right") or []) == len(scene["candidates"])]
    measured = {m: v for m, v in (found.get("per_image") or {}).items() if isinstance(v, list)}
    candidates = [
        {
            **candidate,
            "judges": [word_of(said, i, names) for said in panel],
            "measures": {m: values[i] for m, values in measured.items() if i < len(values)},
        }
        for i, candidate in enumerate(scene["candidates"])
    ]
    return {
        "run": folder.id,
        "scenario": config.scenario,
        "frame": frame,
        "sheet": scene["sheet"],
        "candidates": candidates,
        "judges": [{"key": said["key"], "title": said["title"], "threshold": said["threshold"]} for said in panel],
        "measures": measures_of(panel, measured),
        "classes": classes_of(candidates, panel, measured),
        "confidence": folder.confidence(),
        "status": {name: manifest.get(name) for name in ("metrics", "baseline", "verdict")},
    }


def names_of(scenario: str) -> tuple[str, ...]:
    """Return the names of a scenario's classes; () for one that is registered no more."""
    try:
        return SCENARIOS[scenario].class_names
    except UnknownName:
        return ()


def word_of(said: Told, i: int, names: tuple[str, ...]) -> Told:
    """Return what one judge says of picture `i`: whom it names, how sure, whether that is who was attacked."""
    choice = said["choice"][i]
    others, answers = said.get("others") or [], said.get("answer") or []
    named = None if choice is None else names[choice] if choice < len(names) else str(choice)
    return {
        "names": named or (others[i] if i < len(others) else None),
        "score": said["score"][i],
        "right": bool(said["right"][i]),
        "unclear": i < len(answers) and answers[i] == "cannot tell",
    }


def measures_of(panel: list[Told], measured: dict[str, Any]) -> list[Told]:
    """Return by what classes can be compared: each judge's share, then each metric with its unit and best direction.

    The judges that may say "nobody" come first; without a threshold a judge has to choose somebody.
    """
    found = [
        {"key": f"judge {said['key']}", "title": said["title"], "unit": "share", "best": "higher"}
        for said in sorted(panel, key=lambda said: said["threshold"] is None)
    ]
    for key in measured:
        if key in METRICS:
            info = METRICS.entry(key).info
            found.append({"key": key, "title": info.title, "unit": info.unit, "best": info.best})
    return found


def classes_of(candidates: list[Told], panel: list[Told], measured: dict[str, Any]) -> list[Told]:
    """Return each class with the mean of every measure over its pictures; None where a picture has none."""
    own: dict[int, list[Told]] = defaultdict(list)
    for candidate in candidates:
        own[candidate["class"]].append(candidate)
    found = []
    for c, those in own.items():
        values = {
            f"judge {said['key']}": mean([float(one["judges"][j]["right"]) for one in those])
            for j, said in enumerate(panel)
        }
        values |= {m: mean([one["measures"].get(m) for one in those]) for m in measured}
        found.append({"class": c, "label": those[0]["label"], "values": values})
    return found


def mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
