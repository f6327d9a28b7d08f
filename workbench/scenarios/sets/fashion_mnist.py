"""Fashion-MNIST: 70,000 grey pictures of ten kinds of clothes; five are private."""

from __future__ import annotations

from pathlib import Path

from workbench.scenarios.reading.layout import Layout
from workbench.scenarios.reading.read import PicturesRead
from workbench.scenarios.sets.base import DataSet, data_set, renamed

NAMES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


@data_set("fashion-mnist", order=2)
class FashionMNIST(DataSet):
    title = "Fashion-MNIST"
    paper = "Xiao, Rasul and Vollgraf, arXiv:1708.07747, 2017"
    obtain = "torchvision.datasets.FashionMNIST(FOLDER, download=True), or the Debian package dataset-fashion-mnist."
    licence = "MIT"
    expected = "FashionMNIST/raw/train-images-idx3-ubyte and so on, gzipped or not"
    protocol = "the first five kinds are private, the others public"
    shape = (1, 32, 32)
    private = NAMES[:5]
    noun = "kind"

    def relabelled(self, found: PicturesRead, path: Path) -> Layout:
        return renamed(found.layout, NAMES)
