"""What the form of a grid of one's own says, as a plan; nothing of Gradio."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.core.errors import UsageError
from workbench.engine.compatibility import problems
from workbench.grids.axes import GridPlan, plan_of
from workbench.grids.estimate import Estimator, minutes

LONGEST = 400  # characters of what is typed


def plan_from(
    scenario: str, attacks: Sequence[str], defenses: Sequence[str], seeds: str, more: str, classes: str
) -> GridPlan:
    """Return the plan that the form says.

    Args:
        seeds: such as ``"0, 1, 2"``.
        more: further axes, apart by semicolons or lines, such as ``"lr=0.01,0.03; target=resnet,cnn"``.
        classes: such as ``"0-7"``; "" for all.

    Raises:
        UsageError, UnknownName: it says no plan.
    """
    if max(len(seeds), len(more), len(classes)) > LONGEST:
        raise UsageError(f"At most {LONGEST} characters are read of a field.")
    axes = [f"{name}={','.join(chosen)}" for name, chosen in (("attack", attacks), ("defense", defenses)) if chosen]
    axes += [line.strip() for line in re.split(r"[;\n]", more) if line.strip()]
    if numbers := ",".join(part for part in re.split(r"[,\s]+", seeds) if part):
        axes.append(f"seed={numbers}")
    return plan_of(scenario, axes, classes=classes.strip())


def sentence_of(plan: GridPlan, estimator: Estimator) -> str:
    """Return what a plan would be and take, in a sentence."""
    cells = plan.cells()
    able = [cell for cell in cells if not cell.problem and not problems(cell.config)]
    unable = len(cells) - len(able)
    found = estimator.of(able)
    apart = f" {unable} of {len(cells)} cannot run; the table says why." if unable else ""
    asked = f", about {found.queries:,} queries to black-box targets" if found.queries else ""
    guess = "" if found.known == found.cells else f" {found.cells - found.known} are like no run before: a guess."
    one = "cell" if found.cells == 1 else "cells"
    return f"{found.cells} {one}, one after another about {minutes(found.seconds)}{asked}.{apart}{guess}"
