"""The run store: one folder a run or training, and an index over them that can be made anew from the folders.

::

    0412-093005-gmi-a1b2/   a run
    trainings/              a folder a training
    damaged/                what is left of runs whose record cannot be read
    index.sqlite            a row a run or training
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.core.errors import DamagedRun, StoreError
from workbench.core.records import Fork, RunConfig, RunState, TrainingConfig
from workbench.runs.run_folder import RunFolder
from workbench.runs.run_index import COLUMNS, RunIndex, RunPage, RunSummary
from workbench.runs.training_folder import TrainingFolder

RUN_ID = re.compile(r"(?=.{1,80}$)[a-z0-9]+(-[a-z0-9]+)*")
TRAININGS = "trainings"  # the folder of the trainings, beside those of the runs
DAMAGED = "damaged"  # the folder of what is left of runs that cannot be read
OWNER = "owner"  # a file of a folder, never handed out: who started it
ROOM = 20e6  # bytes that must be free before a run starts: what a usual one records
FILED = ("reason", "seconds", "steps", "queries", "accuracy", "name")  # of a record, what the index holds too

log = logging.getLogger(__name__)


class RunStore:
    """Creates, finds and deletes runs. Safe to open from several processes at once.

    Args:
        root: the store's folder; made if it is not there.
        room: bytes that must be free for a run to start.

    Raises:
        StoreError: the folder cannot be written.
    """

    def __init__(self, root: Path, room: float = ROOM) -> None:
        self.root, self.room = root, room
        try:
            root.mkdir(parents=True, exist_ok=True)
            self.index = RunIndex(root, self._rows)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The run folder {root} cannot be written ({error}). Choose another with --runs DIR or "
                "the WORKBENCH_RUNS variable."
            ) from None

    def room_problem(self) -> str | None:
        """Return why nothing more can be recorded here, None if there is room."""
        try:
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            return f"The run folder {self.root} cannot be reached ({error.strerror})."
        if free >= self.room:
            return None
        return (
            f"The disk of the run folder {self.root} is full: {free / 1e6:.0f} MB are left, a run needs "
            f"{self.room / 1e6:.0f} MB. Free some space; what waits then goes on by itself."
        )

    def create(
        self,
        config: RunConfig,
        *,
        owner: str = "",
        shape: tuple[int, int, int],
        state: RunState = RunState.QUEUED,
        **fields: Any,
    ) -> RunFolder:
        """File a new run; returns its folder.

        Args:
            state: `QUEUED` for one that an application's queue takes up, if need be after a restart; who carries it
                out himself files it as `RUNNING`.
            fields: more fields of its manifest, such as `again`, the run that it repeats.

        Raises:
            StoreError: it cannot be written, or the frame that it is to begin from is gone.
        """
        folder = RunFolder(new_path(self.root, config.attack))
        with whole_or_nothing(folder.path):
            RunFolder.fresh(folder.path, config, shape, created=time.time(), state=state.value, **fields)
            if config.fork is not None:
                self._keep_start(folder, config.fork, fields.get("again", ""))
            self._file_new(folder, owner)
        return folder

    def create_training(self, config: TrainingConfig, *, owner: str = "", **fields: Any) -> TrainingFolder:
        """File a new training as queued; returns its folder.

        Args:
            fields: more fields of its manifest.
        """
        folder = TrainingFolder(new_path(self.root / TRAININGS, f"train-{config.prior or config.what}"))
        with whole_or_nothing(folder.path):
            TrainingFolder.fresh(folder.path, config, created=time.time(), **fields)
            self._file_new(folder, owner)
        return folder

    def _keep_start(self, folder: RunFolder, fork: Fork, again: str) -> None:
        """Keep what a run begins from before it waits: the one that it goes on from may drop the frame meanwhile."""
        if not (again and folder.begin_as(self.folder(again))):
            folder.begin_from(self.folder(fork.run), fork.frame)

    def _file_new(self, folder: RunFolder | TrainingFolder, owner: str) -> None:
        if owner:
            (folder.path / OWNER).write_text(owner)
        self.index.put(row_of(folder))

    def folder(self, run: str) -> RunFolder:
        """Return a run's folder; raises `StoreError` for an id that is malformed or not here."""
        return RunFolder(self._path(self.root, run, "run"))

    def training(self, run: str) -> TrainingFolder:
        """Return a training's folder; raises `StoreError` for an id that is malformed or not here."""
        return TrainingFolder(self._path(self.root / TRAININGS, run, "training"))

    def _path(self, parent: Path, run: str, kind: str) -> Path:
        if RUN_ID.fullmatch(run):
            if (parent / run / "run.json").is_file():
                return parent / run
            if (known := self.index.find(run)) is not None and known.kind == kind:
                why = known.reason if known.state is RunState.DAMAGED else "its folder or its run.json is gone"
                raise DamagedRun(f"There is no {kind} '{run}' to look at any more: {why}.")
        raise StoreError(f"There is no {kind} '{run[:60]}' in this store. It may have been deleted.")

    def job(self, run: str) -> RunFolder | TrainingFolder:
        """Return the folder of a run or a training; raises `StoreError`."""
        if RUN_ID.fullmatch(run) and not (self.root / run).is_dir():
            if (self.root / TRAININGS / run).is_dir():
                return self.training(run)
            if (known := self.index.find(run)) is not None and known.kind == "training":
                return self.training(run)
        return self.folder(run)

    def update(self, run: str, state: RunState | None = None, **fields: Any) -> None:
        """Set columns of the index and the same fields of `run.json`.

        Args:
            fields: `reason`, `seconds`, `steps`, `queries`, `accuracy`, `name`, or any field of the manifest.

        Raises:
            DamagedRun: the run's own folder is gone or unreadable.
            StoreError: nothing can be written now.
        """
        if state is not None:
            fields["state"] = state.value
        self.job(run).update(**fields)
        columns = {k: v for k, v in fields.items() if k in (*FILED, "state")}
        if columns:
            self.index.change(run, columns)

    def file(self, run: str, state: RunState, reason: str) -> None:
        """File how a run ended; one whose folder is damaged is put aside as such.

        Raises:
            StoreError: nothing can be written now.
        """
        try:
            self.update(run, state, reason=reason, ended=time.time())
        except DamagedRun as error:
            self.put_aside(run, str(error))

    def put_aside(self, run: str, reason: str) -> None:
        """File a run as damaged and move what is left of it out of the way, for a person to look at.

        Raises:
            StoreError: the index cannot be written now.
        """
        known = self.index.find(run)
        left = self._move_aside(self.root / TRAININGS / run) or self._move_aside(self.root / run)
        said = f"{reason} What is left of it is in {left}." if left else reason
        log.warning("%s is damaged: %s", run, said)
        row = {c: getattr(known, c) for c in COLUMNS} if known else damaged_row(run, "run")
        self.index.put({**row, "state": RunState.DAMAGED.value, "reason": said})

    def _move_aside(self, path: Path) -> Path | None:
        """Move a folder into that of the damaged ones; returns where it is then, None if there is none."""
        goal = self.root / DAMAGED / path.name
        if not path.is_dir():
            return goal if goal.is_dir() else None
        try:
            goal.parent.mkdir(exist_ok=True)
            if goal.exists():
                goal = goal.with_name(f"{path.name}.{secrets.token_hex(2)}")
            path.replace(goal)
        except OSError as error:
            log.warning("%s cannot be moved aside (%s)", path, error.strerror)
            return path
        return goal

    def list(
        self,
        limit: int = 200,
        state: RunState | None = None,
        *,
        offset: int = 0,
        search: str = "",
        owner: str | None = None,
        kind: str | None = "run",
    ) -> RunPage:
        """Return the newest runs first, `limit` of them after the first `offset`; the page knows the total.

        Args:
            search: words, each of which a run's name, id, attack, scenario, target or defense contains.
            kind: "run", "training", or None for both.
        """
        return self.index.page(limit, offset, state=state, owner=owner, kind=kind, search=search)

    def lengths(self, attack: str | None = None, scenario: str | None = None, limit: int = 20) -> RunPage:
        """Return the newest finished runs, of one attack on one scenario if they are named."""
        return self.index.page(limit, state=RunState.FINISHED, kind="run", attack=attack, scenario=scenario)

    def summary(self, run: str) -> RunSummary:
        """Return a run's row; raises `StoreError` if it is not here."""
        found = self.index.find(run)
        if found is None:
            raise StoreError(f"There is no run '{run[:60]}' in this store. It may have been deleted.")
        return found

    def delete(self, run: str) -> None:
        """Remove a run or training that has ended, with everything recorded of it; trained weights stay."""
        known = self.summary(run)
        if not known.state.ended:
            raise StoreError(f"Run {run} is still {known.state.value}. Stop it first.")
        if not RUN_ID.fullmatch(run):
            raise StoreError(f"'{run[:60]}' is not the id of a run.")
        self.index.remove(run)
        parent = self.root / TRAININGS if known.kind == "training" else self.root
        for path in (parent / run, self.root / DAMAGED / run):
            try:
                shutil.rmtree(path)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise StoreError(f"{path} cannot be deleted ({error.strerror}). Delete it by hand.") from None

    def check(self) -> Sequence[str]:
        """Bring index and folders together; returns a sentence for each thing that was amiss.

        A run whose folder is gone, or that would go on but cannot be read, is put aside as damaged. A run that the
        index does not know is filed.
        """
        said = [self.index.repaired] if self.index.repaired else []
        known = self.index.ids()
        for run in known:
            parent = self.root / TRAININGS if (self.root / TRAININGS / run).is_dir() else self.root
            if not (parent / run / "run.json").is_file() and self.summary(run).state is not RunState.DAMAGED:
                said.append(f"{run} is damaged: its folder or its run.json is gone.")
                self.put_aside(run, "Its folder or its run.json is gone.")
        for row in self._rows(known):
            self.index.put(row)
            said.append(f"{row['id']} was not in the index; it is now.")
        for summary in self.index.alive():
            if problem := self._problem(summary):
                said.append(f"{summary.id} is damaged: {problem}")
                self.put_aside(summary.id, problem)
            elif summary.state is RunState.DAMAGED:  # the index alone is wrong
                said.append(f"{summary.id} was filed in an unknown state; its own record tells which.")
                self.index.put(row_of(self.job(summary.id)))
        return said

    def _problem(self, summary: RunSummary) -> str | None:
        try:
            folder = self.job(summary.id)
            folder.state()
            folder.config()
        except StoreError as error:
            return str(error)
        return None

    def waiting(self) -> Sequence[RunSummary]:
        """Return what waits, the oldest first."""
        return [s for s in self.index.alive() if s.state is RunState.QUEUED]

    def mark_interrupted(self, reason: str) -> Sequence[str]:
        """File every run that claims to be going as failed; returns their ids. Frames are kept, what waits goes on waiting."""
        going = [s.id for s in self.index.alive() if s.state is not RunState.QUEUED]
        for run in going:
            self.file(run, RunState.FAILED, reason)
        return going

    def _rows(self, known: set[str] | None = None) -> Iterator[dict[str, Any]]:
        """Read the row of each folder that is not `known`, to be filed; one that is damaged is moved aside.

        Never asks the index, which may be in the making.
        """
        known = known or set()
        for path in sorted((self.root / DAMAGED).glob("*")):
            if RUN_ID.fullmatch(path.name) and path.name not in known:
                kind = "training" if "-train-" in path.name else "run"
                yield damaged_row(path.name, kind, f"It was damaged before. What is left of it is in {path}.")
        for kind, parent in (("run", self.root), ("training", self.root / TRAININGS)):
            for path in sorted(parent.iterdir()) if parent.is_dir() else ():
                if not RUN_ID.fullmatch(path.name) or path.name in known or not (path / "run.json").is_file():
                    continue
                folder = RunFolder(path) if kind == "run" else TrainingFolder(path)
                try:
                    folder.state()
                    folder.config()
                    yield row_of(folder)
                except (DamagedRun, TypeError, ValueError) as error:
                    left = self._move_aside(path)
                    log.warning("%s is damaged: %s It was moved to %s.", path.name, error, left)
                    yield damaged_row(path.name, kind, f"{error} What is left of it is in {left}.")


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[None]:
    """Make a folder inside; nothing of it stays if that fails. Raises `StoreError` where it cannot be written."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, OSError):
            raise StoreError(
                f"{path} cannot be written ({error.strerror}). Free some space or choose another folder with --runs."
            ) from None
        raise


def row_of(folder: RunFolder | TrainingFolder) -> dict[str, Any]:
    """Return the index's row of a run or training, read from its folder; raises `DamagedRun`."""
    manifest, config = folder.manifest(), folder.config()
    owner = folder.path / OWNER
    row: dict[str, Any] = {
        "id": folder.id,
        "created": float(manifest.get("created") or folder.path.stat().st_mtime),
        "state": folder.state().value,
        "scenario": config.scenario,
        "target": config.target or "",
        "defense": config.defense,
        "seed": config.seed,
        "owner": owner.read_text() if owner.is_file() else "",
        "reason": manifest.get("reason") or "",
        "name": manifest.get("name") or "",
        **{figure: manifest.get(figure) for figure in ("seconds", "steps", "queries", "accuracy")},
    }
    if isinstance(config, TrainingConfig):
        return {**row, "attack": config.prior or config.what, "candidates": 0, "kind": "training"}
    return {**row, "attack": config.attack, "candidates": len(config.classes) * config.restarts, "kind": "run"}


def damaged_row(run: str, kind: str, reason: str = "") -> dict[str, Any]:
    """Return the row of a run of which its id alone is known, such as ``0412-093005-gmi-a1b2``."""
    parts = run.split("-")
    return {
        "id": run,
        "created": time.time(),
        "state": RunState.DAMAGED.value,
        "scenario": "",
        "attack": "-".join(parts[3 if kind == "training" else 2 : -1]) or run,
        "target": "",
        "defense": "none",
        "seed": 0,
        "owner": "",
        "candidates": 0,
        "seconds": None,
        "steps": None,
        "queries": None,
        "accuracy": None,
        "reason": reason,
        "name": "",
        "kind": kind,
    }


def new_path(parent: Path, name: str) -> Path:
    """Return a path in `parent` that nothing is at and no other call returns; where it can be written, a folder is there."""
    while True:
        path = parent / new_id(name)
        try:
            path.mkdir(parents=True)
        except FileExistsError:  # hundreds in one second share a time, and some a number
            continue
        except OSError:
            pass  # who writes into it says why it cannot
        return path


def new_id(name: str) -> str:
    """Return an id that says when and what, such as ``0412-093005-gmi-a1b2``."""
    return f"{time.strftime('%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"
