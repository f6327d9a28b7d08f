"""AFHQ Dogs: some 5,000 dogs' faces; public images for the Stanford Dogs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch

from workbench.core.shapes import Shape
from workbench.scenarios.byte_images import ByteImages
from workbench.scenarios.reading.layout import layout_of
from workbench.scenarios.reading.picture import Fitting
from workbench.scenarios.reading.read import PicturesRead, Progress
from workbench.scenarios.sets.base import DataSet, data_set


@data_set("afhq-dogs", order=13)
class AFHQDogs(DataSet):
    title = "AFHQ Dogs"
    paper = "Choi, Uh, Yoo and Ha, CVPR 2020"
    obtain = "From the repository of StarGAN v2: afhq.zip."
    licence = "CC BY-NC 4.0"
    expected = "train/dog/*.jpg and val/dog/*.jpg, 512 × 512; cats and wild animals beside them are passed over"
    protocol = "public only: no breed is named"
    shape = (3, 224, 224)
    noun = "dog"
    classes_from = "none"

    def read(
        self, path: Path, shape: Shape | None = None, how: Fitting = "crop", progress: Progress | None = None
    ) -> PicturesRead:
        found = super().read(path, shape, how, progress)
        if not any("dog" in PurePosixPath(name).parts[:-1] for name in found.names):
            return found
        rows = [i for i, name in enumerate(found.names) if "dog" in PurePosixPath(name).parts[:-1]]
        names = [found.names[i] for i in rows]
        images = ByteImages.of(found.images.bytes[torch.tensor(rows)], names)
        return replace(found, images=images, names=names, layout=layout_of(names, "none"))
