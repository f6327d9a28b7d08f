"""FFHQ: 70,000 aligned faces from Flickr, nobody named; what priors are trained on."""

from __future__ import annotations

from workbench.scenarios.reading.picture import PictureCut
from workbench.scenarios.sets.base import DataSet, data_set


@data_set("ffhq", order=11)
class FFHQ(DataSet):
    title = "FFHQ"
    paper = "Karras, Laine and Aila, CVPR 2019"
    obtain = "From NVIDIA's repository ffhq-dataset; thumbnails128x128 is enough here."
    licence = "CC BY-NC-SA 4.0; each photograph has its own Creative Commons or public-domain licence"
    expected = "thumbnails128x128/00000.png or 00000/00000.png and so on"
    protocol = "public only: nobody is named"
    shape = (3, 64, 64)
    cut = PictureCut(20 / 128, 20 / 128, 108 / 128, 108 / 128)  # the middle 88 of 128
    classes_from = "none"
    inside = ("thumbnails128x128", "images1024x1024", "images")
