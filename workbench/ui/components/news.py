"""What a page that watches a run is told: what changed, and of texts that grow only what is new.

The server keeps nothing of who watches: a page says with each question what it has, as the server told it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from dataclasses import dataclass
from typing import Any

from workbench.attacks import ATTACKS
from workbench.core.errors import StoreError
from workbench.core.records import RunState
from workbench.runs.contact_sheet import SheetLayout, media_type
from workbench.runs.progress import last_note, progress, remaining
from workbench.runs.run_folder import RunFolder
from workbench.scenarios import SCENARIOS
from workbench.tabular.kinds import label_of, scenario_title
from workbench.tabular.scenarios import is_table
from workbench.ui.routes.services import Services

TEXTS = {"curves": "curves.csv", "path": "path.csv", "conf": "confidence.csv", "marks": "events.jsonl"}
PIECE = 1 << 22  # bytes of one text in one answer, at most
LOOK = 0.02  # seconds between looks at a folder, however many watch it
LONGEST = 0.25  # seconds that a question waits for news; a browser has six connections for all its tabs
ESTIMATE = 2.0  # seconds after which a waiting run's time is estimated anew
KEPT = 32  # runs whose newest frame is held for whoever asks next


@dataclass(frozen=True)
class Seen:
    """What a page has.

    Attributes:
        stamp: of the run's state as it was told last; "" for nothing.
        scene: of what stays the same throughout the run.
        offsets: of each of `TEXTS`, the bytes that the page was sent.
    """

    stamp: str = ""
    scene: str = ""
    offsets: tuple[int, ...] = (0,) * len(TEXTS)

    def __str__(self) -> str:
        return ".".join([self.stamp, self.scene, *map(str, self.offsets)])

    @classmethod
    def of(cls, text: str) -> Seen:
        """Return what a page says it has; nothing where that makes no sense."""
        stamp, _, rest = text.partition(".")
        scene, *offsets = rest.split(".")
        if len(offsets) == len(TEXTS) and all(o.isascii() and o.isdigit() and len(o) < 16 for o in offsets):
            return cls(stamp, scene, tuple(map(int, offsets)))
        return cls()


def stamped(*what: Any) -> str:
    return hashlib.sha1(repr(what).encode(), usedforsecurity=False).hexdigest()[:12]


def changed(folder: RunFolder, name: str) -> int:
    """Return when a file changed last, 0 if it is not there."""
    try:
        return (folder.path / name).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def piece(folder: RunFolder, name: str, offset: int) -> bytes:
    """Return the whole lines of a file from an offset on."""
    try:
        with (folder.path / name).open("rb") as file:
            file.seek(offset)
            found = file.read(PIECE)
    except FileNotFoundError:
        return b""
    return found[: found.rfind(b"\n") + 1]


def sheet_uri(folder: RunFolder, frame: int | None) -> str:
    """Return a frame's contact sheet as a data address; "" before the first frame."""
    if frame is None:
        return ""
    try:
        sheet = folder.sheet(frame)
        return f"data:{media_type(sheet)};base64,{base64.b64encode(sheet).decode()}"
    except StoreError:  # thinned away between the look and the read
        return ""


def still(folder: RunFolder, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what stays the same; the cloud is a text, which is shorter.

    A run that has not started has no `space` yet, but the candidates that it will have.
    """
    config, scene = manifest["config"], folder.scene()
    if is_table(config["scenario"]):
        return table_still(config, scene, manifest)
    entry, names = ATTACKS.entry(config["attack"]), SCENARIOS.entry(config["scenario"]).item.class_names
    candidates, truth = manifest["candidates"], (folder.path / "truth.webp").is_file()
    return {
        "candidates": [{**c, "label": names[c["class"]]} for c in candidates],
        "sheet": SheetLayout.of(len(candidates), manifest["shape"]).to_json(),
        **scene,
        "cloud": "\n".join(",".join(map(str, point)) for point in scene.get("cloud", [])),
        "truth": truth,
        "pairs": truth or not scene,  # the scene is written after the true pictures, where there are any
        "attack": config["attack"],
        "attack_title": entry.title,
        "black_box": not entry.info.access.inside,
        "scenario": config["scenario"],
        "target": config["target"],
        "scenario_title": SCENARIOS.entry(config["scenario"]).title,
        "noun": SCENARIOS[config["scenario"]].class_noun,
    }


def table_still(config: dict[str, Any], scene: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what stays the same of an attribute inference, which the live view has no picture of."""
    candidates = [{**c, "label": f"record {c['class']}"} for c in manifest["candidates"]]
    return {
        "candidates": candidates,
        "sheet": SheetLayout.of(len(candidates), manifest["shape"]).to_json(),
        **scene,
        "cloud": "",
        "truth": False,
        "pairs": False,
        "attack": config["attack"],
        "attack_title": label_of(config["attack"]),
        "black_box": True,
        "scenario": config["scenario"],
        "target": config["target"],
        "scenario_title": scenario_title(config["scenario"]),
        "noun": "record",
    }


class News:
    """Answers pages that watch runs; what many ask for is read once."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._looks: dict[str, tuple[float, str, str]] = {}  # of each run when it was looked at, and what was seen
        self._heads: dict[str, tuple[str, dict[str, Any]]] = {}  # of each run, the stamp and what all are told
        self._owners: dict[str, str] = {}  # of each run; it never changes

    async def answer(self, run: str, seen: Seen, wait: float = 0.0) -> dict[str, Any] | None:
        """Return what is new of a run, None if nothing is within `wait` seconds, at most `LONGEST`.

        Raises:
            StoreError: there is no such run.
        """
        end = time.monotonic() + min(wait, LONGEST)
        while True:
            folder = self.services.store.folder(run)
            stamp, scene = self._look(folder)
            if stamp != seen.stamp:
                return self._told(folder, stamp, scene, seen)
            if time.monotonic() >= end:
                return None
            await asyncio.sleep(LOOK)

    def owner(self, run: str) -> str:
        """Return who started a run; raises `StoreError` if it is not in the store."""
        if run not in self._owners:
            self._keep(self._owners, run, self.services.store.summary(run).owner)
        return self._owners[run]

    def _look(self, folder: RunFolder) -> tuple[str, str]:
        """Return stamps of a run's state and of its scene."""
        at, *found = self._looks.get(folder.id, (0.0, "", ""))
        if time.monotonic() - at < LOOK:
            return found[0], found[1]
        latest, position, estimate = folder.latest(), None, 0
        if latest is None:
            position = self.services.scheduler.position(folder.id)
            estimate = int(time.monotonic() / ESTIMATE) if position else 0
        scene = stamped(changed(folder, "scene.json"), changed(folder, "truth.webp"))
        files = [changed(folder, name) for name in ("run.json", "events.jsonl", "notes.csv", "nearest.webp")]
        stamp = stamped(latest, scene, files, position, estimate)
        self._keep(self._looks, folder.id, (time.monotonic(), stamp, scene))
        return stamp, scene

    def _told(self, folder: RunFolder, stamp: str, scene: str, seen: Seen) -> dict[str, Any]:
        kept, head = self._heads.get(folder.id, ("", {}))
        if kept != stamp:
            head = self._head(folder)
            self._keep(self._heads, folder.id, (stamp, head))
        offsets = seen.offsets if seen.stamp else Seen().offsets
        pieces = {key: piece(folder, name, o) for (key, name), o in zip(TEXTS.items(), offsets, strict=True)}
        more = any(len(p) > PIECE // 2 for p in pieces.values())  # then the page is to ask again at once
        now = Seen(
            f"more-{stamp}" if more else stamp,
            scene,
            tuple(o + len(p) for o, p in zip(offsets, pieces.values(), strict=True)),
        )
        return {
            **head,
            **({"scene": still(folder, folder.manifest())} if scene != seen.scene or not seen.stamp else {}),
            **{key: p.decode() for key, p in pieces.items()},
            "seen": str(now),
        }

    def _head(self, folder: RunFolder) -> dict[str, Any]:
        """Return what all who watch are told, whatever they have."""
        frame = folder.latest()
        return {
            "run": folder.id,
            "frame": frame,
            "sheet": sheet_uri(folder, frame),
            "status": self._status(folder, folder.manifest()),
        }

    def _status(self, folder: RunFolder, manifest: dict[str, Any]) -> dict[str, Any]:
        state, total, found = RunState(manifest["state"]), folder.scene().get("total") or 0, progress(folder)
        found.setdefault("step", manifest.get("steps", 0))
        position = self.services.scheduler.position(folder.id) if state is RunState.QUEUED else None
        if state.ended and manifest.get("steps_per_second"):
            found["rate"] = manifest["steps_per_second"]
        return {
            **found,
            "total": total,
            "state": state.value,
            "reason": manifest.get("reason", ""),
            "left": remaining(found["step"], total, found.get("rate")) if state is RunState.RUNNING else None,
            "note": last_note(folder.notes()),
            "position": position,
            "wait": self.services.scheduler.eta(folder.id) if position else None,
            "metrics": manifest.get("metrics"),
            "baseline": manifest.get("baseline"),
            "verdict": manifest.get("verdict"),
            "matched": manifest.get("matched"),
            "nearest": (folder.path / "nearest.webp").is_file(),
        }

    @staticmethod
    def _keep(where: dict[str, Any], run: str, what: Any) -> None:
        where.pop(run, None)
        where[run] = what
        while len(where) > KEPT:
            del where[next(iter(where))]
