"""Adult: who earns more than 50,000 dollars, and whether they are married (Mehnaz et al., USENIX Security 2022)."""

from __future__ import annotations

from workbench.tabular.scenarios.base import Records, Response, TableScenario, brought, table_scenario
from workbench.tabular.scenarios.pairs import read_pair

HINT = (
    "The census records are not on this machine: take Adult_35222.csv and Adult_10000.csv, the split of Mehnaz et al. "
    "(github.com/smehnaz/Black-box-Model-Inversion-Attribute-Inference, folder data)."
)


@table_scenario("adult", order=1)
class Adult(TableScenario):
    title = "Adult (census income)"
    summary = "A model of income gives away who is married."
    response = Response("income", ("<=50K", ">50K"))
    sensitive = ("marital",)
    groups = ("sex", "race")
    noun = "person"

    def load(self) -> Records:
        files = brought("adult", HINT), brought("adult-public", HINT)
        return read_pair(*files, self, "UCI Adult, split of Mehnaz et al.")
