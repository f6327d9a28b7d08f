"""PubFig83: 13,838 photographs of 83 public figures."""

from __future__ import annotations

from workbench.scenarios.sets.base import DataSet, data_set


@data_set("pubfig83", order=9)
class PubFig83(DataSet):
    title = "PubFig83"
    paper = "Pinto, Stone, Zickler and Cox, CVPR workshops 2011"
    obtain = "From the page of its makers (Harvard): one archive of cropped faces, 100 × 100."
    licence = "research only; the photographs are their owners'"
    expected = "NAME/*.jpg for each of 83 people"
    protocol = "the 50 people with most photographs are private, the other 33 public"
    shape = (3, 64, 64)
    private = 50
