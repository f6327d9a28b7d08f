"""MetFaces: 1,336 faces in works of art; a prior of them is far from any private photograph."""

from __future__ import annotations

from workbench.scenarios.sets.base import DataSet, data_set


@data_set("metfaces", order=12)
class MetFaces(DataSet):
    title = "MetFaces"
    paper = "Karras et al., NeurIPS 2020"
    obtain = "From NVIDIA's repository metfaces-dataset: images.zip."
    licence = "CC BY-NC 2.0 for the set; the pictures are of the Metropolitan Museum's open access"
    expected = "images/00-00.png and so on, 1024 × 1024"
    protocol = "public only: nobody is named"
    shape = (3, 64, 64)
    classes_from = "none"
    inside = ("images",)
