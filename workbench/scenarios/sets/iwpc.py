"""IWPC: 5,700 warfarin patients; a table, of which attributes are inferred and no pictures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NoReturn

from workbench.core.errors import UsageError
from workbench.core.shapes import Shape
from workbench.scenarios.reading.picture import Fitting
from workbench.scenarios.reading.read import Progress
from workbench.scenarios.sets.base import DataSet, data_set

NAMES = ("warfarin.csv", "iwpc.csv")
NEEDED = ("Age", "Race", "VKORC1 -1639 consensus", "Cyp2C9 genotypes", "Therapeutic Dose of Warfarin")


@data_set("iwpc", order=14)
class IWPC(DataSet):
    title = "IWPC"
    paper = "International Warfarin Pharmacogenetics Consortium, New England Journal of Medicine 2009"
    obtain = "From PharmGKB (the IWPC data set), saved as warfarin.csv or iwpc.csv."
    licence = "CC BY-SA 4.0, as PharmGKB states; it is about real patients"
    expected = "warfarin.csv: a row for each patient, with age, race, genotypes and the stable dose"
    protocol = "a model of the dose is attacked for VKORC1 and CYP2C9; three patients of four are learnt from"
    shape = (1, 28, 28)
    noun = "patient"

    def table(self, path: Path) -> list[dict[str, str]]:
        """Return a row for each patient, column to text; raises `UsageError` where it is not there or not this table."""
        file = next((f for name in NAMES if (f := path / name).is_file()), path)
        if not file.is_file():
            raise UsageError(f"{path} holds no warfarin.csv. {self.obtain}")
        with file.open(newline="", encoding="utf-8-sig", errors="replace") as opened:
            rows = csv.DictReader(opened)
            columns = " ".join(rows.fieldnames or ()).lower()
            if missing := [name for name in NEEDED if name.lower() not in columns]:
                raise UsageError(f"{file} has no column '{missing[0]}'. {self.obtain}")
            return [{key: value or "" for key, value in row.items() if key} for row in rows]

    def read(
        self, path: Path, shape: Shape | None = None, how: Fitting = "crop", progress: Progress | None = None
    ) -> NoReturn:
        raise UsageError("IWPC is a table and holds no pictures; it is read by `table`.")
