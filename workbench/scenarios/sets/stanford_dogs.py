"""Stanford Dogs: 20,580 photographs of 120 breeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.scenarios.reading.layout import Layout
from workbench.scenarios.reading.read import PicturesRead
from workbench.scenarios.sets.base import DataSet, data_set


@data_set("stanford-dogs", order=7)
class StanfordDogs(DataSet):
    title = "Stanford Dogs"
    paper = "Khosla, Jayadevaprakash, Yao and Fei-Fei, FGVC at CVPR 2011"
    obtain = "From the Stanford Dogs page of Stanford's vision group: images.tar."
    licence = "as ImageNet: research and education, not commercial"
    expected = "Images/n02085620-Chihuahua/*.jpg and so on"
    protocol = (
        "all 120 breeds are private and other dogs, such as AFHQ's, public; without those, half of the breeds are"
    )
    shape = (3, 224, 224)
    noun = "breed"
    inside = ("Images", "images")

    def relabelled(self, found: PicturesRead, path: Path) -> Layout:
        names = [(c and c.partition("-")[2].replace("_", " ")) or c for c in found.layout.classes]
        return replace(found.layout, classes=names)
