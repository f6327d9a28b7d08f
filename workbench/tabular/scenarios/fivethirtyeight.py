"""FiveThirtyEight: how Americans like their steak, and what else they told (Fredrikson et al., CCS 2015)."""

from __future__ import annotations

import lzma

import numpy as np

from workbench.core.paths import ASSETS
from workbench.tabular.reading import Sheet, parse, table_of
from workbench.tabular.scenarios.base import Records, Response, TableScenario, complete, table_scenario
from workbench.tabular.scenarios.pairs import recoded

QUESTIONS = {
    "hypothetical situations": "lottery",
    "smoke": "smoking",
    "alcohol": "alcohol",
    "gamble": "gambling",
    "skydiving": "skydiving",
    "speed limit": "speeding",
    "cheated": "infidelity",
    "how do you like your steak": "steak_type",
    "gender": "gender",
    "age": "age",
    "household income": "income",
    "education": "education",
    "location": "location",
}  # a part of each question, and what Mehnaz et al. call its column
SOURCE = "FiveThirtyEight, steak-risk-survey.csv, CC BY 4.0"


@table_scenario("fivethirtyeight", order=3)
class FiveThirtyEight(TableScenario):
    title = "FiveThirtyEight (steak survey)"
    summary = "A model of how people like their steak gives away what else they told."
    response = Response("steak_type", ("Rare", "Medium rare", "Medium", "Medium Well", "Well"))
    sensitive = ("alcohol", "infidelity", "age")
    groups = ("gender", "age")
    noun = "person"

    def load(self) -> Records:
        """Return those who answered everything (332), as private records; the others who told how they like it are public."""
        data = lzma.decompress((ASSETS / "records" / "steak-risk-survey.csv.xz").read_bytes())
        sheet = renamed(parse(data))
        table = recoded(table_of(sheet, keep=QUESTIONS.values())[0], sheet, self)
        private = complete(table, *table.names)
        rest = table.rows(np.flatnonzero(np.isnan(table.data).any(1)))
        return Records(private, complete(rest, self.response.name), SOURCE)


def renamed(sheet: Sheet) -> Sheet:
    """Return the survey with short names for its questions, and without the line under its header."""
    names = {name: short for part, short in QUESTIONS.items() for name in sheet.names if part in name.lower()}
    kept = [(i, names[name]) for i, name in enumerate(sheet.names) if name in names]
    rows = [[row[i] for i, _ in kept] for row in sheet.rows if row[0] is not None]
    return Sheet(tuple(name for _, name in kept), rows)
