"""Signal detection: how well people tell a person's pictures from others', whatever they lean to.

Macmillan and Creelman, "Detection Theory: A User's Guide", 2nd ed., 2005, chapters 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Detection:
    """d' = z(H) - z(F) (equation 1.5) and the criterion c = -(z(H) + z(F)) / 2 (equation 2.1); c > 0 leans to "no"."""

    d_prime: float
    criterion: float


def detection(hits: int, signals: int, false_alarms: int, noises: int) -> Detection | None:
    """Return d' and criterion of `hits` in `signals` trials and `false_alarms` in `noises`; None without either.

    Half a trial is added to each count and one to each total, so that shares of 0 and 1 have a z as well: the log-linear rule
    of Hautus, Behavior Research Methods 27, 1995.
    """
    if not signals or not noises:
        return None
    z = NormalDist().inv_cdf
    h, f = z((hits + 0.5) / (signals + 1)), z((false_alarms + 0.5) / (noises + 1))
    return Detection(h - f, -(h + f) / 2)
