"""ChestX-Ray8: 108,948 chest X-rays with findings (112,120 and 14 findings since); seven findings are private."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path, PurePosixPath

from workbench.core.errors import UsageError
from workbench.scenarios.reading.layout import Layout
from workbench.scenarios.reading.read import PicturesRead
from workbench.scenarios.sets.base import DataSet, data_set

TABLES = ("Data_Entry_2017*.csv", "Data_Entry*.csv")
IMAGE, FINDINGS = "Image Index", "Finding Labels"


@data_set("chestx-ray8", order=6)
class ChestXRay8(DataSet):
    title = "ChestX-Ray8"
    paper = "Wang et al., CVPR 2017"
    obtain = "From the NIH Clinical Center's page of chest X-rays: images_001 and so on, and Data_Entry_2017.csv."
    licence = "free to use with a reference to the NIH Clinical Center, as it states"
    expected = "images_001/images/*.png and so on, 1024 × 1024, with Data_Entry_2017.csv beside them"
    protocol = "of pictures with one finding: the seven findings with most pictures are private, the others public"
    shape = (1, 64, 64)
    private = 7
    noun = "finding"
    classes_from = "none"

    def relabelled(self, found: PicturesRead, path: Path) -> Layout:
        table = next((file for pattern in TABLES for file in sorted(path.glob(pattern))), None)
        if table is None:
            raise UsageError(f"Data_Entry_2017.csv is not in {path}; it says what each X-ray shows. {self.obtain}")
        with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.DictReader(file)
            if not {IMAGE, FINDINGS} <= set(rows.fieldnames or ()):
                raise UsageError(f"{table} has no columns '{IMAGE}' and '{FINDINGS}'. Download it again.")
            said = {row[IMAGE]: row[FINDINGS] or "" for row in rows}
        findings = [said.get(PurePosixPath(name).name, "") for name in found.names]
        alone = [f if f and "|" not in f and f != "No Finding" else None for f in findings]
        return replace(found.layout, text=f"findings from {table.name}", classes=alone)
