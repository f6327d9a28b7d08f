"""Privacy against use: what an attack finds, how far doses are off and what that costs, as the privacy budget shrinks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from workbench.core.records import RunConfig
from workbench.tabular.clinical import simulated
from workbench.tabular.fitting import default_table_config
from workbench.tabular.inquiry import Inquiry, inquiry_of, scenario_now
from workbench.tabular.protection import DifferentialPrivacy
from workbench.tabular.table import DataTable
from workbench.tabular.target import TrainedTarget
from workbench.tabular.training import train

LEVELS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
DRAWS = 12  # trainings at each level; the noise of one is luck
RECORDS = 1500


@dataclass(frozen=True)
class Level:
    """Means over trainings at one privacy budget.

    Attributes:
        epsilon: None without privacy.
        found: share of records of which the attack names the value.
        spread: standard deviation of `found` over trainings.
        error: mean error of the dose, mg a week.
        events: simulated strokes and bleeds in 100 patient-years.
        in_range: simulated share of days with an INR from 2 to 3.
    """

    epsilon: float | None
    found: float
    spread: float
    error: float
    events: float
    in_range: float


@lru_cache(maxsize=8)
def tradeoff(sensitive: str = "") -> dict[str, Any]:
    """Return the levels of the warfarin dosing equation under MAP, with the floor of the marginals, as plain data.

    Raises:
        UsageError: the column cannot be inferred.
    """
    config = default_table_config("warfarin", "map", knobs={"records": RECORDS, "sensitive": sensitive})
    usual = inquiry_of(config)
    levels = [level(config, usual, epsilon) for epsilon in (*LEVELS, None)]
    most = float((usual.baseline("majority") == usual.truth).mean())
    return {
        "sensitive": usual.sensitive,
        "source": scenario_now("warfarin").records.source,
        "records": len(usual.attacked),
        "draws": DRAWS,
        "floor": round(most, 4),
        "levels": [{k: None if v is None else round(v, 4) for k, v in asdict(one).items()} for one in levels],
    }


def level(config: RunConfig, usual: Inquiry, epsilon: float | None) -> Level:
    """Return what comes of trainings with a budget; of one where there is none to be unlucky with."""
    protection = None if epsilon is None else DifferentialPrivacy(epsilon)
    records = usual.scenario.records
    rows = []
    for seed in range(DRAWS if protection else 1):
        target = train(records.private, usual.scenario.response, "linear", protection, seed, usual.public)
        values = {name: getattr(usual, name) for name in usual.__dataclass_fields__} | {"target": target}
        answers = Inquiry(**values).answers()
        rows.append((float((answers == usual.truth).mean()), *cost_of(target, usual.public)))
    found, error, events, within = np.mean(rows, 0).tolist()
    return Level(epsilon, found, float(np.std([row[0] for row in rows])), error, events, within)


def cost_of(target: TrainedTarget, public: DataTable) -> tuple[float, float, float]:
    """Return the mean error of a dosing target's doses, simulated events and time in range, of people it never saw."""
    stable = public.of(target.response.name)
    doses = target.natural(target.values(public.without(target.response.name).data))
    outcome = simulated(doses, stable)
    return float(np.abs(doses - stable).mean()), outcome.events, outcome.in_range
