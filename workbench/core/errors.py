"""Everything the workbench raises on purpose.

::

    WorkbenchError
    ├── UsageError            the request was wrong: nothing ran (exit status 2)
    │   ├── UnknownName       no such scenario, attack, knob, ...
    │   ├── KnobError         a knob's value is of the wrong type or out of range
    │   ├── Incompatible      the parts of an experiment do not fit together
    │   └── NotYours          a run or training that somebody else started was to be changed
    └── Failure               the request was fine, carrying it out failed (exit status 1)
        ├── DataMissing       images or a package that the scenario needs are not here
        ├── WeightsCorrupt    a weight file differs from its card
        ├── AccessDenied      an attack asked the target for more than its access level grants
        ├── BudgetSpent       an attack asked for more queries than its budget allows
        ├── NotFinite         a loss, a latent or an image became NaN or infinite
        ├── TargetAway        a target elsewhere does not answer, for now
        ├── BadAnswer         a target elsewhere answers with something that is no answer
        └── StoreError        the run folder cannot be read or written
            └── DamagedRun    one run's own folder is gone or cannot be read; the others are well
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WorkbenchError(Exception):
    """A failure with a message meant for a person: what was wrong, what is allowed, what to do."""

    exit_status = 1


class UsageError(WorkbenchError):
    exit_status = 2


class UnknownName(UsageError):
    """A name that is not registered; suggests the nearest one that is."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        super().__init__(f"No {kind} named '{name}'.{hint} Known: {', '.join(known) or 'none'}.")
        self.kind, self.name = kind, name


class KnobError(UsageError):
    pass


class Incompatible(UsageError):
    """Parts that do not fit; `problems` holds one sentence for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(self.problems))


class NotYours(UsageError):
    pass


class Failure(WorkbenchError):
    pass


class DataMissing(Failure):
    pass


class WeightsCorrupt(Failure):
    pass


class AccessDenied(Failure):
    pass


class BudgetSpent(Failure):
    pass


class NotFinite(Failure):
    pass


class TargetAway(Failure):
    pass


class BadAnswer(Failure):
    pass


class StoreError(Failure):
    pass


class DamagedRun(StoreError):
    pass
