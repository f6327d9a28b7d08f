"""The live view: one component, one small message a frame, nothing ever sent twice.

A message's texts only grow, so that Gradio sends the difference and a view that is opened late still
gets everything; `assets/live/view.js` remembers how far it has read.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.attacks import ATTACKS
from workbench.core.errors import StoreError
from workbench.core.paths import ASSETS
from workbench.core.records import RunState
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import SCENARIOS
from workbench.ui.shell import App, drawn_by

POLL = 0.03  # seconds between looks at the folder
FASTEST = 1 / 15  # seconds between messages, at least
WINDOW = 20  # frames over which the speed is measured


class Tail:
    """A text file that only grows, read a piece at a time and cut at whole lines."""

    def __init__(self, path: Path) -> None:
        self.path, self.text, self._offset = path, "", 0

    def read(self) -> str:
        """Return everything written so far."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                piece = file.read()
        except FileNotFoundError:
            return self.text
        piece = piece[: piece.rfind(b"\n") + 1]
        self._offset += len(piece)
        self.text += piece.decode()
        return self.text


def progress(curves: str) -> dict[str, Any]:
    """Return step, queries, seconds and steps a second of the last line of a run's curves."""
    lines = curves.splitlines()
    if len(lines) < 2:
        return {}
    head, last = lines[0].split(","), lines[-1].split(",")
    first = lines[max(1, len(lines) - WINDOW)].split(",")
    step, seconds, queries = (head.index(name) for name in ("step", "seconds", "queries"))
    steps, spent = int(last[step]) - int(first[step]), float(last[seconds]) - float(first[seconds])
    return {
        "step": int(last[step]),
        "queries": int(last[queries]),
        "seconds": float(last[seconds]),
        "rate": steps / spent if spent > 0 and steps > 0 else None,
    }


def last_note(notes: str) -> str:
    """Return what the attack was last said to do, in a few words, from a run's notes; "" before the first."""
    return notes.splitlines()[-1].split(",", 2)[2] if notes else ""


def remaining(step: int, total: int, rate: float | None) -> float | None:
    """Return the seconds left at this speed, or None where the speed is not known."""
    return (total - step) / rate if rate and total > step else None


class Snapshots:
    """What a viewer of one run is told, read from its folder as it grows.

    Args:
        mine: whether the run is for this viewer to change, or only to watch.

    Raises:
        StoreError: there is no such run.
    """

    def __init__(self, app: App, run: str, *, mine: bool = True) -> None:
        self.app, self.folder, self.mine = app, app.store.folder(run), mine
        self.curves, self.path, self.confidence, self.events, self.notes = (
            Tail(self.folder.path / name)
            for name in ("curves.csv", "path.csv", "confidence.csv", "events.jsonl", "notes.csv")
        )
        self._seen: tuple[Any, ...] | None = None
        self._seq = 0
        self._scene: dict[str, Any] = {}
        self.ended = False

    def news(self) -> dict[str, Any] | None:
        """Return a message if anything changed since the last one."""
        position = None
        if self._waits():
            position = self.app.scheduler.position(self.folder.id)
        seen = (
            self.folder.latest(),
            self._changed("run.json"),
            self._changed("scene.json"),
            self._changed("events.jsonl"),
            position,
        )
        if seen == self._seen:
            return None
        self._seen, self._seq = seen, self._seq + 1
        return self._message(position)

    def _waits(self) -> bool:
        return self._seen is None or self._seen[0] is None

    def _changed(self, name: str) -> int:
        try:
            return (self.folder.path / name).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _message(self, position: int | None) -> dict[str, Any]:
        manifest = self.folder.manifest()
        state = RunState(manifest["state"])
        self.ended = state.ended
        frame = self.folder.latest()
        curves = self.curves.read()
        return {
            "run": self.folder.id,
            "seq": self._seq,
            "frame": frame,
            "sheet": sheet_uri(self.folder, frame),
            "curves": curves,
            "path": self.path.read(),
            "conf": self.confidence.read(),
            "marks": self.events.read(),
            "scene": self._still(manifest),
            "status": self._status(manifest, state, frame, position, curves),
        }

    def _still(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Return what stays the same; the cloud is a text, because the page compares lists slowly."""
        if not self._scene.get("total"):
            config, scene = manifest["config"], self.folder.scene()
            cloud = "\n".join(",".join(map(str, point)) for point in scene.get("cloud", []))
            entry = ATTACKS.entry(config["attack"])
            self._scene = {
                **scene,
                "cloud": cloud,
                "truth": (self.folder.path / "truth.webp").is_file(),
                "attack": config["attack"],
                "attack_title": entry.title,
                "black_box": not entry.info.access.inside,
                "scenario": config["scenario"],
                "target": config["target"],
                "scenario_title": SCENARIOS.entry(config["scenario"]).title,
                "noun": SCENARIOS[config["scenario"]].class_noun,
            }
        return self._scene

    def _status(
        self, manifest: dict[str, Any], state: RunState, frame: int | None, position: int | None, curves: str
    ) -> dict[str, Any]:
        found, total = progress(curves), self._scene.get("total") or 0
        found.setdefault("step", manifest.get("steps", 0))
        left = remaining(found["step"], total, found.get("rate")) if state is RunState.RUNNING else None
        if state.ended and manifest.get("steps_per_second"):
            found["rate"] = manifest["steps_per_second"]
        return {
            **found,
            "total": total,
            "state": state.value,
            "mine": self.mine,
            "reason": manifest.get("reason", ""),
            "left": left,
            "note": last_note(self.notes.read()),
            "position": position,
            "wait": self.app.scheduler.eta(self.folder.id) if position else None,
            "metrics": manifest.get("metrics"),
            "baseline": manifest.get("baseline"),
            "nearest": (self.folder.path / "nearest.webp").is_file(),
        }


def sheet_uri(folder: RunFolder, frame: int | None) -> str:
    """Return a frame's contact sheet as a data address; "" before the first frame."""
    if frame is None:
        return ""
    try:
        return "data:image/webp;base64," + base64.b64encode(folder.sheet(frame)).decode()
    except StoreError:  # thinned away between the look and the read
        return ""


class Watchers:
    """Which run each browser session looks at, so that turning to another run ends the old stream."""

    def __init__(self) -> None:
        self._tokens: dict[str, object] = {}

    def claim(self, session: str) -> object:
        self._tokens[session] = token = object()
        return token

    def holds(self, session: str, token: object) -> bool:
        return self._tokens.get(session) is token

    def release(self, session: str, token: object) -> None:
        if self.holds(session, token):
            del self._tokens[session]


def attacher(app: App) -> Any:
    """Return the event that follows a run until it ends; any number of browsers may follow one run."""
    watchers = Watchers()

    async def follow(run: str, request: gr.Request) -> AsyncIterator[dict[str, Any]]:
        run, session = (run or "").strip(), request.session_hash or ""
        token = watchers.claim(session)
        try:
            yield {"run": "", "seq": 0} if not run else {"run": run, "seq": 0, "pending": True}
            if not run:
                return
            try:
                snapshots = Snapshots(app, run, mine=app.mine(run, request))
            except StoreError as error:
                yield {"run": "", "seq": 1, "problem": str(error)}
                return
            while watchers.holds(session, token):
                begun = time.monotonic()
                if (message := snapshots.news()) is not None:
                    yield message
                    if snapshots.ended:
                        return
                    await asyncio.sleep(max(POLL, FASTEST - (time.monotonic() - begun)))
                else:
                    await asyncio.sleep(POLL)
        except StoreError:  # deleted while it was watched
            yield {"run": "", "seq": 2, "problem": "This run was deleted."}
        finally:
            watchers.release(session, token)

    return follow


def component() -> gr.HTML:
    """Return the live view; its `select` and, for what starts a run, `submit` events carry
    what the person asked for, as ``{"do": ...}``."""
    return gr.HTML(
        value={"run": "", "seq": 0},
        html_template=(ASSETS / "live.html").read_text(),
        js_on_load=drawn_by("live/main", "live"),
        apply_default_css=False,
        elem_id="live",
    )
