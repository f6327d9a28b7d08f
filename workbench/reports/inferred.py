"""A report of an attribute inference: each watched record's posterior query by query, and how often it named the truth."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from workbench.reports.figures import UNKNOWN
from workbench.reports.tables import table
from workbench.runs.run_folder import RunFolder
from workbench.tabular.attacks import INFERENCES

KIND = "posteriors"
WATCHED = 16  # records whose posteriors are written out
JOINED = "\N{NO-BREAK SPACE}"  # between what one line is to hold
MEASURES = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "g_mean": "G-mean",
    "mcc": "MCC",
}


def is_inference(folder: RunFolder) -> bool:
    """Return whether a run inferred a column of a table, and so has posteriors where others have pictures."""
    return folder.scene().get("payload") == KIND


def inferred(folder: RunFolder, run: Mapping[str, Any]) -> str:
    """Return the sections of a page that tell of an attribute inference.

    Args:
        run: the run's manifest.

    Raises:
        StoreError: a frame is damaged.
    """
    scene = folder.scene()
    about = f"{scene['sensitive']} of {scene['records']:,} records, from {scene['response']}"
    source = f'<p class="hint">{escape(str(scene["source"]))}</p>' if scene.get("source") else ""
    return (
        f"<section><h2>Posteriors, query by query: {escape(about)}</h2>"
        f'<div class="two">{"".join(_posteriors(folder, scene))}</div>{source}</section>{_figures(scene, run)}'
    )


def _posteriors(folder: RunFolder, scene: Mapping[str, Any]) -> list[str]:
    notes = {int(step): words for step, _, words in (line.split(",", 2) for line in folder.notes().splitlines())}
    frames = [(notes.get(n, "at the end"), folder.tensors(n)["shares"]) for n in folder.frames()]
    if len(frames) > 1 and frames[-1][0] == "at the end" and frames[-1][1].equal(frames[-2][1]):
        del frames[-1]  # the last answer's line says it already
    parts = []
    for row, record in enumerate(scene["candidates"][:WATCHED]):
        rows = [[said, *(_share(share) for share in shares[row].tolist())] for said, shares in frames]
        known = ", ".join(f"{name} {value}" for name, value in record.get("known", {}).items())
        truth = scene["values"][record["truth"]] if "truth" in record else UNKNOWN
        parts.append(
            f"<div><h3>{escape(record['label'])}: in truth {escape(str(truth))}</h3>"
            f'{table(["", *map(str, scene["values"])], rows, True)}<p class="hint">{escape(known)}</p></div>'
        )
    return parts


def _figures(scene: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    if not run.get("metrics"):
        return "<section><h2>Figures</h2><p>This run was not judged.</p></section>"
    beside = run.get("baselines") or {}
    own = ["this attack", *(_with(run["metrics"], run.get("intervals"), name) for name in MEASURES)]
    rows = [own, *([_title(key), *(_number(found.get(n)) for n in MEASURES)] for key, found in beside.items())]
    values = [
        [f"{v['value']} ({v['n']:,})", *(_with(v, v.get("intervals"), n) for n in MEASURES if n != "accuracy")]
        for v in run.get("by_value") or []
    ]
    groups = "".join(
        f"<div><h3>{escape(column['column'])}: {_share(column['gap'])} between best and worst</h3>"
        + table(
            ["group", "right", "MCC"],
            [[f"{g['group']} ({g['n']:,})", _with(g, {"accuracy": g.get("interval")}, "accuracy"), _number(g["mcc"])]
             for g in column["groups"]],
            True,
        )
        + "</div>"
        for column in run.get("disparity") or []
    )  # fmt: skip
    heads = list(MEASURES.values())
    return (
        f"<section><h2>Figures over all values of {escape(str(scene['sensitive']))}</h2>{table(['', *heads], rows, True)}"
        f"<h2>Value by value</h2>{table(['value (records)', *heads[1:]], values, True)}"
        f'<h2>Whom it meets</h2><div class="two">{groups}</div>'
        '<p class="hint">In brackets 95 % intervals. The baselines never ask the target: what they are right about other '
        "people's records tell as well.</p></section>"
    )


def _title(key: str) -> str:
    return INFERENCES.entry(key).info.title if key in INFERENCES else key


def _share(value: float) -> str:
    return f"{100 * value:.0f}{JOINED}%"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _with(found: Mapping[str, Any], intervals: Mapping[str, Any] | None, name: str) -> str:
    spread = (intervals or {}).get(name)
    return _number(found.get(name)) + (f" ({spread[0]:.3f}{JOINED}to{JOINED}{spread[1]:.3f})" if spread else "")
