"""FaceScrub: photographs of 530 actors and actresses."""

from __future__ import annotations

from workbench.scenarios.sets.base import DataSet, data_set


@data_set("facescrub", order=5)
class FaceScrub(DataSet):
    title = "FaceScrub"
    paper = "Ng and Winkler, ICIP 2014"
    obtain = "Its makers (vintage.winklerbros.net) give lists of addresses; a downloader fetches and crops the faces."
    licence = "the lists: CC BY-NC-ND; the photographs are their owners'"
    expected = "actors/NAME/*.jpeg and actresses/NAME/*.jpeg"
    protocol = (
        "all 530 people are private and other people, such as FFHQ's, public; without those, half of the people are"
    )
    shape = (3, 64, 64)
