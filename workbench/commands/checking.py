"""``run --check``: what a target answers about its own people, before anything attacks it."""

from __future__ import annotations

import json
from typing import Any

from workbench.core.errors import UsageError
from workbench.engine.sanity import looked_at
from workbench.scenarios import SCENARIOS
from workbench.targets.sanity import Sanity

SHOWN = 8  # photographs, and ways of asking


def check(scenario: str, target: str, as_json: bool = False) -> int:
    """Print what a target answers as it is asked and as it might have been meant; return 1 where something is wrong.

    Raises:
        UsageError: the private images are not here.
    """
    place, found = SCENARIOS[scenario](), looked_at(scenario, target)
    if found is None:
        raise UsageError(f"{place.key}'s private images are not here, so that nobody can be asked about.")
    warning = found.warning(target)
    if as_json:
        print(json.dumps({**told(found), "warning": warning or ""}))
        return 1 if warning else 0
    print(f"{target}, asked as '{found.spec}': {found.accuracy:.1%} of {found.n} photographs of its own people")
    for of, named, sure in list(zip(found.labels, found.predicted, found.confidence, strict=True))[:SHOWN]:
        print(
            f"  {place.class_names[of]:<24} {'is' if of == named else 'is taken for'} {place.class_names[named]} ({sure:.2f})"
        )
    for spec, share in found.tried[:SHOWN]:
        print(f"  asked as '{spec}': {share:.1%}")
    if warning:
        print(f"warning: {warning}")
    return 1 if warning else 0


def told(found: Sanity) -> dict[str, Any]:
    """Return a look at a target as plain data."""
    return {
        "input": str(found.spec),
        "accuracy": found.accuracy,
        "photographs": found.n,
        "tried": {str(spec): share for spec, share in found.tried},
        "best": str(found.best[0]),
    }
