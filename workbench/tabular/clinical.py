"""What a dosing model's errors would do to patients, in a simulation; no clinical advice.

Fredrikson et al. (USENIX Security 2014, section 5) simulate trials of patients who are dosed by a private model, and tell how
their risk of stroke, bleeding and death grows. This is a smaller model of the same shape, whose assumptions are all here: a
patient begins with the predicted dose, the INR settles where the ratio of that dose to the stable one puts it, a clinic
corrects the dose every week, and each day costs the risk of its INR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.tabular.table import Array

DAYS, WEEK = 30, 7
NORMAL, AIMED = 1.0, 2.5  # INR without the drug, and at the stable dose
STEEPNESS = 1.5  # exponent of the dose's ratio: how fast the INR rises beyond the stable dose (assumed)
SETTLING = 4.0  # days in which the INR covers 63 % of the way to where it settles (assumed)
CORRECTION, MOST_CORRECTION = 0.5, 0.2  # of the dose, for an INR off by its aim; at most this share a week (assumed)
BOUNDS = (1.5, 2.0, 3.0, 4.0, 4.5)  # of INR
# Events in 100 patient-years in each range of INR, assumed: ischaemic stroke, and bleeding into the skull. Sizes and shape are
# chosen after Hylek et al. (NEJM 349, 2003, https://doi.org/10.1056/NEJMoa022913), strokes rising steeply below 2 and bleeds
# above 4, but are no cells of its table; that strokes above 4.5 are as many as from 4 to 4.5 is a guess. Other cohorts differ:
# Nelson et al. (Int J Clin Pharm 37, 2015, https://doi.org/10.1007/s11096-014-0038-3) count 10.3 strokes below 2.
STROKES = (7.7, 1.9, 0.6, 0.6, 1.4, 1.4)
BLEEDS = (0.5, 0.3, 0.4, 0.5, 2.7, 9.4)


@dataclass(frozen=True)
class Outcome:
    """What a month of dosing came to.

    Attributes:
        in_range: share of days with an INR from 2 to 3.
        strokes, bleeds: events in 100 patient-years, at the rates of that month.
    """

    in_range: float
    strokes: float
    bleeds: float

    @property
    def events(self) -> float:
        """Strokes and bleeds together."""
        return self.strokes + self.bleeds


def simulated(doses: Array, stable: Array) -> Outcome:
    """Return the outcome of a month that patients begin with doses (N,), each of whom has a stable dose (N,)."""
    inr, dose = np.full(len(doses), NORMAL), doses.clip(1.0, None).astype(float)
    within = strokes = bleeds = 0.0
    for day in range(1, DAYS + 1):
        settled = NORMAL + (AIMED - NORMAL) * (dose / stable) ** STEEPNESS
        inr = inr + (settled - inr) * (1 - np.exp(-1 / SETTLING))
        place = np.digitize(inr, BOUNDS)
        within += float(((inr >= 2) & (inr <= 3)).mean())
        strokes += float(np.take(STROKES, place).mean())
        bleeds += float(np.take(BLEEDS, place).mean())
        if day % WEEK == 0:
            dose = dose * (1 + (CORRECTION * (AIMED - inr) / AIMED).clip(-MOST_CORRECTION, MOST_CORRECTION))
    return Outcome(within / DAYS, strokes / DAYS, bleeds / DAYS)
