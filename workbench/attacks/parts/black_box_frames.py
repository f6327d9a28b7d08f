"""The frames of a black-box attack: the start, what is due, and, out of queries, its best so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from workbench.attacks.base import AttackContext
from workbench.core.errors import BudgetSpent
from workbench.core.records import Frame
from workbench.priors import Prior


def frames_of_steps(
    ctx: AttackContext[Prior | None], steps: Iterator[str], frame: Callable[[int, str], Frame]
) -> Iterator[Frame]:
    """Yield the frames of an attack written as a generator of steps.

    Args:
        steps: takes one step each time it is asked, and says in a few words what it is doing.
        frame: the frame of a step, from what the attack knows by then; step 0 comes before the first query.

    Raises:
        BudgetSpent: after a frame with the best found until then.
    """
    yield frame(0, "")
    step, due, note = 0, True, ""
    try:
        for step, note in enumerate(steps, 1):
            due = ctx.due(step)
            if due:
                yield frame(step, note)
    except BudgetSpent:
        yield frame(step + 1, "out of queries: the best found until here")
        raise
    if not due:
        yield frame(step, note)
