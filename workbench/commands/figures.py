"""What judges found, as a terminal shows it: the verdict, then every measure between floor and ceiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def verdict_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return how many pictures the judges who can say no recognise, and how far the evaluator agrees with them."""
    beside = {
        "random prior": verdict["baseline"],
        "real photographs": verdict["ceiling"],
        "closest this prior can come": verdict.get("reach"),
    }
    said = ", ".join(f"{what} {share:.2f}" for what, share in beside.items() if share is not None)
    rest = f", not {verdict['other']}, too blurred to tell {verdict['unclear']}" if verdict.get("unclear") else ""
    lines = [
        f"recognised by {' and '.join(verdict['judges'])}: {verdict['recognised']} of {verdict['n']}{rest} ({said})"
    ]
    rates = {k: v for k, v in verdict.get("evaluator", {}).items() if k in ("fpr", "fnr", "tpr", "tnr")}
    if told := ", ".join(f"{name.upper()} {value:.2f}" for name, value in rates.items() if value is not None):
        lines.append(f"the evaluator against these judges: {told}")
    return lines


def print_figures(result: Mapping[str, Any]) -> None:
    """Print each measure with its 95 % interval, beside random samples of the prior and real photographs.

    Args:
        result: of `workbench.engine.judging`: what a run's record says of its judgement.
    """
    rows = [
        (name, value, *((result.get(part) or {}).get(name) for part in ("intervals", "baseline", "ceiling")))
        for name, value in result["metrics"].items()
    ]
    rows += [
        (name, figure["value"], figure["interval"], figure["baseline"], figure["ceiling"])
        for name, figure in (result.get("sets") or {}).items()
    ]
    if not rows:
        return
    n = f"{result['judged']} pictures" if result.get("judged") else ""
    print(f"{n:<18} {'this run':>9}  {'95 % interval':>18}  {'random prior':>12}  {'photographs':>11}")
    for name, value, between, floor, ceiling in rows:
        if (value, floor, ceiling) == (None, None, None):  # a measure that says nothing of such a run
            continue
        spread = "" if between is None else f"{between[0]:.3f} to {between[1]:.3f}"
        print(f"{name:<18} {number(value):>9}  {spread:>18}  {number(floor):>12}  {number(ceiling):>11}")


def number(value: float | None) -> str:
    """Return a measure with three places, "n/a" for None."""
    return "n/a" if value is None else f"{value:.3f}"


def print_attributes(result: Mapping[str, Any]) -> None:
    """Print what an attribute inference found over all values and by value, beside every baseline.

    Args:
        result: of `workbench.engine.tables`: what a run's record says of its judgement.
    """
    data = result["data"]
    print(f"{result['judged']} records; {data['source']}")
    names = list(result["metrics"])
    print(f"{'':<18}" + "".join(f"{name:>20}" for name in names))
    rows = {result["attack"]: result["metrics"], **result["baselines"]}
    for key, figures in rows.items():
        spread = result["intervals"] if key == result["attack"] else {}
        print(f"{key:<18}" + "".join(f"{between(figures[name], spread.get(name)):>20}" for name in names))
    for row in result["by_value"]:
        figures = ", ".join(
            f"{name} {between(row[name], row['intervals'].get(name))}"
            for name in ("precision", "recall", "f1", "g_mean", "mcc")
        )
        print(f"{row['value']} ({row['n']}): {figures}")
    for groups in result["disparity"]:
        if groups["gap"] is not None:
            shares = ", ".join(f"{g['group']} {between(g['accuracy'], g['interval'])}" for g in groups["groups"])
            print(f"accuracy by {groups['column']}: {shares}; gap {groups['gap']:.3f}")


def between(value: float, interval: Sequence[float] | None) -> str:
    """Return a figure with its 95 % interval, such as "0.564 [.55 .58]"."""
    if interval is None:
        return f"{value:.3f}"
    low, high = (f"{v:.2f}".replace("0.", ".", 1) for v in interval)
    return f"{value:.3f} [{low} {high}]"
