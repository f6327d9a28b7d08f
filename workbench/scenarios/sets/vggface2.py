"""VGGFace2: 3.3 million photographs of 9,131 people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.scenarios.reading.layout import Layout
from workbench.scenarios.reading.read import PicturesRead
from workbench.scenarios.sets.base import DataSet, data_set


@data_set("vggface2", order=10)
class VGGFace2(DataSet):
    title = "VGGFace2"
    paper = "Cao, Shen, Xie, Parkhi and Zisserman, FG 2018"
    obtain = "No longer given out by its makers (Oxford); who has it from before may use it."
    licence = "CC BY-NC 4.0 for what its makers made; the photographs are their owners'"
    expected = "train/n000002/0001_01.jpg and so on, test/n000001/…; the two hold different people"
    protocol = "the people of one part are private, those of the other public; without parts, half of the people are"
    shape = (3, 64, 64)

    def relabelled(self, found: PicturesRead, path: Path) -> Layout:
        """Train and test are different people here, and nobody's pictures lie in both."""
        sides = {"train": "private", "heldout": "public"}
        two = len(set(found.layout.parts)) > 1
        return replace(
            found.layout,
            parts=[None] * len(found),
            sides=[sides.get(part or "") if two else None for part in found.layout.parts],
        )
