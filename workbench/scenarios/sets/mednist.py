"""MedNIST: 58,954 grey medical pictures of six kinds; three are private."""

from __future__ import annotations

from workbench.scenarios.sets.base import DataSet, data_set


@data_set("mednist", order=20)
class MedNIST(DataSet):
    title = "MedNIST"
    paper = "Erickson, Mayo Clinic; from TCIA, the RSNA bone age challenge and NIH's chest X-rays"
    obtain = "From MONAI's extra test data (MedNIST.tar.gz), or any copy with a folder for each kind."
    licence = "CC BY-SA 4.0, as usually stated"
    expected = "AbdomenCT/*.jpeg, BreastMRI, CXR, ChestCT, Hand and HeadCT, 64 × 64; or a pack in an .npz file"
    protocol = "AbdomenCT, ChestCT and Hand are private, BreastMRI, CXR and HeadCT public"
    shape = (1, 64, 64)
    private = ("AbdomenCT", "ChestCT", "Hand")
    noun = "kind"
    flips = False
