"""CIFAR-10: 60,000 small colour pictures of ten kinds of things; five are private."""

from __future__ import annotations

from pathlib import Path

from workbench.scenarios.reading.layout import Layout
from workbench.scenarios.reading.read import PicturesRead
from workbench.scenarios.sets.base import DataSet, data_set, renamed

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@data_set("cifar10", order=3)
class CIFAR10(DataSet):
    title = "CIFAR-10"
    paper = "Krizhevsky, technical report, University of Toronto 2009"
    obtain = "torchvision.datasets.CIFAR10(FOLDER, download=True)."
    licence = "none stated; cite the report"
    expected = "cifar-10-batches-py as torchvision unpacks it, or train/NAME and test/NAME, or packs in .npz files"
    protocol = "airplane, automobile, bird, cat and deer are private, the other five public"
    shape = (3, 32, 32)
    private = NAMES[:5]
    noun = "kind"

    def relabelled(self, found: PicturesRead, path: Path) -> Layout:
        return renamed(found.layout, NAMES)
