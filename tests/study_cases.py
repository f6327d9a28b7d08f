"""A scenario of six people with tiny photographs, and runs on it as a store holds them, for the tests of studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from workbench.core.records import RunConfig
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.scenarios import Labelled, Scenario, Split
from workbench.study import make as making
from workbench.study.design import Design
from workbench.study.session import Study

PEOPLE, SIDE = 6, 8


class Tiny(Scenario):
    key = "tiny"
    title = "Tiny"
    input_shape = (1, SIDE, SIDE)
    class_names = tuple(f"person {i}" for i in range(PEOPLE))
    class_noun = "person"
    private_source = "drawn"
    default_prior = "none"

    def load_private(self) -> Split:
        return Split(photographs(5, 1), photographs(2, 2))


def photographs(each: int, seed: int) -> Labelled:
    """Return noise whose mean tells the person."""
    labels = torch.arange(PEOPLE).repeat_interleave(each)
    noise = torch.rand(len(labels), 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return Labelled(0.2 * noise + labels[:, None, None, None] / (PEOPLE + 2), labels)


def use_tiny(monkeypatch: Any) -> None:
    """Let studies be made of the tiny scenario, with samples of no prior."""
    monkeypatch.setattr(making, "SCENARIOS", {"tiny": Tiny})
    monkeypatch.setattr(making, "samples_of", lambda scenario, seed: torch.rand(PEOPLE, 1, SIDE, SIDE))


def a_run(store: RunStore, name: str, scenario: str = "tiny", classes: tuple[int, ...] = tuple(range(PEOPLE))) -> str:
    """File a finished run that reconstructed one picture of each class, judged; returns its id."""
    config = RunConfig(scenario, "gmi", "resnet", classes=classes)
    folder = RunFolder.fresh(store.root / name, config, (1, SIDE, SIDE), state="finished")
    images = torch.rand(len(classes), 1, SIDE, SIDE, generator=torch.Generator().manual_seed(len(name)))
    save_file({"images": images, "labels": torch.tensor(classes)}, folder.path / "result.safetensors")
    count = range(len(classes))
    folder.write_json(
        "judgement.json",
        {
            "reconstruction": {
                "per_image": {"ssim": [0.1 * i for i in count], "psnr": None},
                "evaluator_class": list(classes),
            },
            "panel": [
                {
                    "key": "face",
                    "title": "Face judge",
                    "threshold": 0.4,
                    "choice": [c if i % 2 else None for i, c in enumerate(classes)],
                    "score": [0.2 + 0.1 * i for i in count],
                    "right": [bool(i % 2) for i in count],
                }
            ],
        },
    )
    return name


def a_study(store: RunStore, runs: tuple[str, ...] = (), **how: Any) -> Study:
    """Make and open a study of runs of the tiny scenario, of one new run where none is named."""
    usual = {"trials": 6, "positives": 2, "negatives": 3, "catches": 4, "least_ms": 0}
    design = Design("tiny", runs or (a_run(store, "1125-one"),), **{**usual, **how})
    return Study(making.make(store, design, folder=None))


def folder_of_pictures(path: Path, size: tuple[int, int] = (SIDE, SIDE), of: str = "0") -> Path:
    """Write one picture of a class, as another tool would leave it."""
    from PIL import Image

    (path / of).mkdir(parents=True)
    Image.new("L", size, 128).save(path / of / "a.png")
    return path
