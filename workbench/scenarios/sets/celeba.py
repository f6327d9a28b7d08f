"""CelebA: 202,599 photographs of 10,177 famous people; the 1,000 with most photographs are private."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from workbench.core.errors import UsageError
from workbench.scenarios.reading.layout import Layout
from workbench.scenarios.reading.picture import PictureCut
from workbench.scenarios.reading.read import PicturesRead
from workbench.scenarios.sets.base import DataSet, data_set

IDENTITIES = "identity_CelebA.txt"


@data_set("celeba", order=4)
class CelebA(DataSet):
    title = "CelebA"
    paper = "Liu, Luo, Wang and Tang, ICCV 2015"
    obtain = (
        "From the CelebA page of MMLAB, Chinese University of Hong Kong; identity_CelebA.txt comes on request there."
    )
    licence = "research only, not commercial; not to be passed on"
    expected = "img_align_celeba/000001.jpg and so on, 178 × 218, with identity_CelebA.txt beside or in the folder"
    protocol = "the 1,000 people with most photographs are private (some 30,000 photographs), everyone else public"
    shape = (3, 64, 64)
    cut = PictureCut(35 / 178, 55 / 218, 143 / 178, 163 / 218)  # the middle 108 × 108
    private = 1000
    classes_from = "none"
    inside = ("img_align_celeba", "celeba/img_align_celeba", "Img/img_align_celeba")

    def relabelled(self, found: PicturesRead, path: Path) -> Layout:
        places = (self.place(path), self.place(path).parent, path, path / "Anno", path.parent)
        table = next((place / IDENTITIES for place in places if (place / IDENTITIES).is_file()), None)
        if table is None:
            raise UsageError(f"{IDENTITIES} is not beside the pictures of CelebA in {path}. {self.obtain}")
        people = dict(line.split()[:2] for line in table.read_text().splitlines() if len(line.split()) >= 2)
        classes = [people.get(PurePosixPath(name).name) for name in found.names]
        return replace(found.layout, text=f"who is who from {IDENTITIES}", classes=[c and f"{c:0>5}" for c in classes])
