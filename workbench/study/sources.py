"""What is judged: the results of runs, or a folder of pictures that any other tool made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.core.errors import DataMissing, UsageError
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.scenarios import Scenario
from workbench.scenarios.images import image_paths
from workbench.scenarios.reading.picture import BrokenPicture, NotAPicture, read_picture, size_of
from workbench.tabular.kinds import attack_title, defense_title, target_title
from workbench.targets.store import EVALUATOR


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """Pictures of one origin, with what evaluator, judges and metrics say of each.

    Attributes:
        run: the run's id, or a folder's name.
        title: what a person calls it.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) the class each was made for.
        metrics: metric to N values, None where it says nothing.
        judges: judge's key to N verdicts, whether it names the class attacked.
        scores: judge's key to N scores of its first choice.
        titles: judge's key to its name.
    """

    run: str
    title: str
    images: Tensor
    labels: Tensor
    metrics: dict[str, list[float | None]] = field(default_factory=dict)
    judges: dict[str, list[bool]] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)


def of_run(folder: RunFolder) -> Reconstructions:
    """Return what a run ended with, and its judgement as far as it has one.

    Raises:
        UsageError: its result holds no images.
        StoreError: it has no result yet.
    """
    result, manifest = folder.result(), folder.manifest()
    if "images" not in result:
        raise UsageError(f"Run {folder.id} ends with no pictures; people cannot judge it.")
    config = manifest["config"]
    target, defense = target_title(config.get("target") or "its target"), config.get("defense") or "none"
    title = manifest.get("name") or f"{attack_title(config['attack'])} on {target}"
    images, labels = result["images"].float().clamp(0, 1), result["labels"].long()
    judged = folder.judgement() or {}
    return Reconstructions(
        run=folder.id,
        title=title if defense == "none" or manifest.get("name") else f"{title}, under {defense_title(defense)}",
        images=images,
        labels=labels,
        **verdicts_of(judged, labels.tolist()),
    )


def verdicts_of(judged: dict[str, Any], labels: list[int]) -> dict[str, Any]:
    """Return metrics, judges, scores and titles of a ``judgement.json``, as `Reconstructions` holds them."""
    found, n = judged.get("reconstruction") or {}, len(labels)
    metrics = {m: v for m, v in (found.get("per_image") or {}).items() if isinstance(v, list) and len(v) == n}
    judges: dict[str, list[bool]] = {}
    scores: dict[str, list[float]] = {}
    titles: dict[str, str] = {}
    for said in judged.get("panel") or []:
        if len(said.get("right") or []) == n:
            titles[said["key"]] = said["title"]
            judges[said["key"]] = [bool(right) for right in said["right"]]
            scores[said["key"]] = list(said["score"])
    guess = found.get("evaluator_class") or []
    if EVALUATOR not in judges and len(guess) == n:
        judges[EVALUATOR] = [c == label for c, label in zip(guess, labels, strict=True)]
        titles[EVALUATOR] = "Evaluator"
    return {"metrics": metrics, "judges": judges, "scores": scores, "titles": titles}


def of_runs(store: RunStore, runs: Sequence[str], scenario: str) -> list[Reconstructions]:
    """Return the results of runs of one scenario.

    Raises:
        UsageError: a run is of another scenario.
        StoreError: a run is not there, or has no result.
    """
    folders = [store.folder(run) for run in runs]
    for folder in folders:
        if (other := folder.config().scenario) != scenario:
            raise UsageError(
                f"Run {folder.id} is of the scenario {other}, the study is of {scenario}: people would compare "
                "pictures of different private classes. Choose runs of one scenario."
            )
    return [of_run(folder) for folder in folders]


def of_folder(path: Path, scenario: Scenario) -> Reconstructions:
    """Return the pictures of a folder that holds a folder for each private class, named by its number or name.

    Pictures of another size are scaled to the scenario's; one of another shape is refused, since it would have to be cut.

    Raises:
        UsageError: no such folder, a folder that names no class, a picture of another shape, or none at all.
        DataMissing: a file that is no picture.
    """
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder. Name one that holds a folder of pictures for each class.")
    names = {str(c): c for c in range(scenario.num_classes)} | {n: c for c, n in enumerate(scenario.class_names)}
    images, labels = [], []
    for part in sorted(p for p in path.iterdir() if p.is_dir()):
        c = names.get(part.name, names.get(part.name.lstrip("0") or "0"))
        if c is None:
            raise UsageError(
                f"The folder '{part.name[:40]}' is no class of {scenario.key}. Name it 0 to {scenario.num_classes - 1}, or "
                f"as the class is called, such as '{scenario.class_names[0]}'."
            )
        for file in image_paths(part):
            images.append(picture_of(file, scenario.input_shape))
            labels.append(c)
    if not images:
        raise UsageError(f"{path} holds no pictures in folders of classes, such as {path.name}/0/first.png.")
    return Reconstructions(path.name, path.name, torch.from_numpy(np.stack(images)).float() / 255, torch.tensor(labels))


def picture_of(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Return a picture as uint8 (C, H, W) of `shape`; raises `UsageError` for another shape, `DataMissing` for no picture."""
    _, height, width = shape
    try:
        across, down = size_of(path)
        if across * height != down * width:
            raise UsageError(
                f"{path.name} is {across} by {down} pixels; pictures of this scenario are as wide to as high as {width} to "
                f"{height}. Cut it to that shape first."
            )
        return read_picture(path, shape)
    except (NotAPicture, BrokenPicture) as error:
        raise DataMissing(f"{path} cannot be read as a picture ({error}). Remove it and start again.") from None
