"""General Social Survey: how happy a marriage is, and who watched an X-rated film (Mehnaz et al., USENIX Security 2022)."""

from __future__ import annotations

from workbench.tabular.scenarios.base import Records, Response, TableScenario, brought, table_scenario
from workbench.tabular.scenarios.pairs import read_pair

HINT = (
    "The survey's records are not on this machine: take GSS_15235.csv and GSS_5079.csv, the split of Mehnaz et al. "
    "(github.com/smehnaz/Black-box-Model-Inversion-Attribute-Inference, folder data)."
)


@table_scenario("gss", order=2)
class GeneralSocialSurvey(TableScenario):
    title = "General Social Survey"
    summary = "A model of marital happiness gives away who watched an X-rated film."
    response = Response("hapmar", ("nottoohappy", "prettyhappy", "veryhappy"))
    sensitive = ("xmovie",)
    groups = ("relig", "sex", "race")
    noun = "person"

    def load(self) -> Records:
        files = brought("gss", HINT), brought("gss-public", HINT)
        return read_pair(*files, self, "General Social Survey, split of Mehnaz et al.")
