"""A run as one page that opens anywhere: from a stick, years later, without a server and without a network.

It holds the recorded frames with a slider, curves, the verdict in the live view's own words, figures, settings, the
command line that repeats it, versions, and what changed against the run that it comes from. Names are other people's
text, and so escaped; a policy inside the page allows the one script that is its own and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from html import escape
from typing import Any

from workbench.attacks import ATTACKS
from workbench.core.paths import ASSETS
from workbench.reports.bundle import bundled
from workbench.reports.differences import setting, written
from workbench.reports.figures import UNKNOWN, arrow, metric_name, number
from workbench.reports.inferred import inferred, is_inference
from workbench.reports.record import record_of
from workbench.reports.tables import table
from workbench.reports.thinning import sheets_within
from workbench.runs.contact_sheet import media_type
from workbench.runs.run_folder import RunFolder

FRAMES = 120  # of the slider, at most
FRAME_BYTES = 9_000_000  # of all of them together; a page of twelve megabytes still travels by mail
LINES = 600  # of a curve


def report_html(folder: RunFolder, against: RunFolder | None = None) -> str:
    """Return a run's report as one HTML page.

    Args:
        against: the run that changes are told against; its parent, where it has one, if None.

    Raises:
        StoreError: there is no such run, or its record is damaged.
    """
    record = record_of(folder, against)
    if is_inference(folder):
        return _page(record, inferred(folder, record["run"]))
    frames = sheets_within(folder, FRAMES, FRAME_BYTES)
    found = f"{_frames(record, frames)}{_curves()}{_figures(record)}"
    return _page(record, found, bundled("report/report.js"), _data(folder, record, frames))


def _page(record: dict[str, Any], found: str, script: str = "", data: dict[str, Any] | None = None) -> str:
    """Return the page; `script` is what draws `data` where there are pictures, and the only one that may run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"'sha256-{digest}'" if script else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )
    drawn = (
        f'<script type="application/json" id="data">{_inside(data)}</script><script>{script}</script>' if script else ""
    )
    title = escape(record["name"] or record["title"])
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{(ASSETS / 'report/report.css').read_text()}</style></head><body>"
        f"{_head(record, title, bool(script))}{found}{_changes(record)}{_settings(record)}{_again(record)}"
        f"{drawn}</body></html>\n"
    )


def _inside(data: Any) -> str:
    """Return JSON that ends no script and begins no comment, whatever it holds."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")


def _address(data: bytes) -> str:
    return f"data:{media_type(data)};base64,{base64.b64encode(data).decode()}"


def _data(folder: RunFolder, record: dict[str, Any], frames: Sequence[tuple[int, bytes]]) -> dict[str, Any]:
    """Return what the page's script draws from."""
    run, scene, truth = record["run"], folder.scene(), folder.path / "truth.webp"
    attack = run["config"]["attack"]
    every = -(-len(next(iter(record["curves"].values()), [])) // LINES) or 1
    return {
        "status": {name: run.get(name) for name in ("state", "reason", "metrics", "baseline", "verdict")},
        "candidates": record["candidates"],
        "marks": record["marks"],
        "sheet": scene.get("sheet"),
        "black_box": attack in ATTACKS and not ATTACKS.entry(attack).info.access.inside,
        "truth": _address(truth.read_bytes()) if truth.is_file() else "",
        "frames": [{"number": n, "picture": _address(data)} for n, data in frames],
        "curves": {name: column[::every] for name, column in record["curves"].items()},
        "confidence": record["confidence"][::every],
    }


def _head(record: dict[str, Any], title: str, scripted: bool) -> str:
    run = record["run"]
    begun = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.get("created", 0)))
    what = f"{escape(record['title'])} · " if record["name"] else ""
    why = f", {escape(str(run['reason']))}" if run.get("reason") else ""
    without = (
        "<noscript><p>The slider, the curves and the verdict in words need JavaScript; all figures are below.</p></noscript>"
        if scripted
        else ""
    )
    return (
        f"<header><h1>{title}</h1><p>{what}run {escape(str(record['id']))} of {begun} · "
        f'{escape(str(run["state"]))}{why}</p><p id="verdict" hidden></p>{without}</header>'
    )


def _frames(record: dict[str, Any], frames: Sequence[tuple[int, bytes]]) -> str:
    recorded = len(record["frames"])
    if not frames:
        return "<section><h2>Frames</h2><p>No frame of this run can be shown.</p></section>"
    count = f"All {recorded} recorded frames" if len(frames) == recorded else f"{len(frames)} of {recorded} frames"
    thinned = "" if len(frames) == recorded else ", evenly apart, so that the page stays small"
    return (
        '<section><h2>Frames</h2><div class="controls"><button type="button" id="play">Play</button>'
        '<input type="range" id="slider" min="0" max="0" value="0" aria-label="Recorded frame">'
        '<output id="where" for="slider"></output></div><div id="frames"></div>'
        f'<p class="hint">Left: the private image, where it is here. Right: the reconstruction. {count}{thinned}.</p>'
        "</section>"
    )


def _curves() -> str:
    return (
        '<section id="curves-part" hidden><h2>Curves</h2><div id="curves"></div>'
        '<p class="hint">Means over all candidates. The dashed line is the frame that is shown above.</p></section>'
    )


def _figures(record: dict[str, Any]) -> str:
    judgement = record["judgement"]
    if judgement is None:
        return "<section><h2>Figures</h2><p>This run was not judged.</p></section>"
    found, sides = judgement["reconstruction"], [judgement.get("baseline") or {}, judgement.get("ceiling") or {}]

    def row(metric: str) -> list[str]:
        interval = (found.get("intervals") or {}).get(metric)
        spread = f" ({number(metric, interval[0])} to {number(metric, interval[1])})" if interval else ""
        beside = [number(metric, (side.get("overall") or {}).get(metric)) for side in sides]
        name = f"{metric_name(metric)} {arrow(metric)}".strip()
        return [name, number(metric, found["overall"].get(metric)) + spread, *beside]

    def share(value: float | None) -> str:
        return UNKNOWN if value is None else f"{100 * value:.0f} %"

    panel = [
        [str(v["title"]), *(share(v.get(name)) for name in ("accuracy", "baseline", "ceiling"))]
        for v in judgement.get("panel") or []
    ]
    said = [metric for metric, value in found["overall"].items() if value is not None]
    heads = ["this run", "floor", "ceiling"]
    judges = f"<h2>Judges</h2>{table(['names the person', *heads], panel, True)}" if panel else ""
    return (
        f'<section><div class="two"><div><h2>Figures of {found["n"]} reconstructions</h2>'
        f"{table(['measure', *heads], map(row, said), True)}</div><div>{judges}</div></div>"
        '<p class="hint">Floor: random samples of the prior. Ceiling: real photographs that the target never saw. '
        "In brackets 95 % intervals, a person counted once. ↑ ↓ say which way more leaked.</p></section>"
    )


def _changes(record: dict[str, Any]) -> str:
    changes = record["changes"]
    if changes is None:
        return ""
    head = f"<section><h2>What changed</h2><p>This run was {escape(changes['how'])} {escape(changes['run'])}.</p>"
    if changes["how"] == "beside":
        head = f"<section><h2>What changed</h2><p>Against run {escape(changes['run'])}.</p>"
    if changes["problem"]:
        return f"{head}<p>{escape(changes['problem'])}</p></section>"
    titles = {"settings": "set differently", "versions": "versions", "figures": "came of it"}
    parts = []
    for kind, title in titles.items():
        rows = [[_name(kind, n), _value(kind, n, before), _value(kind, n, now)] for n, before, now in changes[kind]]
        if rows:
            parts.append(table([title, "before", "now"], rows))
    same = "" if changes["settings"] else "<p>The settings are the same.</p>"
    return f'{head}{same}<div class="two">{"".join(f"<div>{part}</div>" for part in parts)}</div></section>'


def _name(kind: str, name: str) -> str:
    return metric_name(name) if kind == "figures" else name


def _value(kind: str, name: str, value: Any) -> str:
    if kind == "figures" and isinstance(value, (int, float)):
        return number(name, value)
    return written(value)


def _settings(record: dict[str, Any]) -> str:
    run = record["run"]
    config = {**run["config"], **run.get("requested", {})}
    knobs = config.pop("knobs", {})
    rows = [[setting(name), written(value)] for name, value in config.items() if value is not None]
    device = run.get("device") or {}
    software = {**(run.get("versions") or {}), **{f"device {k}": v for k, v in device.items() if v is not None}}
    spent = [[name, written(run.get(name))] for name in ("steps", "seconds", "queries") if run.get(name) is not None]
    return (
        '<section><div class="two">'
        f"<div><h2>Settings</h2>{table(['setting', 'value'], rows)}</div>"
        f"<div><h2>Knobs</h2>{table(['knob', 'value'], [[k, written(v)] for k, v in knobs.items()])}</div>"
        f"<div><h2>Spent</h2>{table(['what', 'how much'], spent)}</div>"
        f"<div><h2>Versions</h2>{table(['software', 'version'], [[k, str(v)] for k, v in software.items()])}</div>"
        "</div></section>"
    )


def _again(record: dict[str, Any]) -> str:
    if not record["command"]:
        return ""
    anew = (
        " It starts anew, not from the frame that this run went on from." if record["run"]["config"].get("fork") else ""
    )
    return (
        f"<section><h2>The same on the command line</h2><pre><code>{escape(record['command'])}</code></pre>"
        f'<p class="hint">The same device and versions give the same pictures.{anew}</p></section>'
    )
