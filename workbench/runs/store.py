"""The run store: one folder a run, and a SQLite index over them."""

from __future__ import annotations

import re
import secrets
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import StoreError
from workbench.core.records import RunConfig, RunState
from workbench.runs.folder import RunFolder

RUN_ID = re.compile(r"(?=.{1,80}$)[a-z0-9]+(-[a-z0-9]+)*")

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, created REAL NOT NULL, state TEXT NOT NULL, scenario TEXT NOT NULL,
  attack TEXT NOT NULL, target TEXT NOT NULL, defense TEXT NOT NULL, seed INTEGER NOT NULL,
  owner TEXT NOT NULL DEFAULT '', candidates INTEGER NOT NULL, seconds REAL, steps INTEGER, queries INTEGER,
  accuracy REAL, reason TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS by_time ON runs (created DESC);
"""


@dataclass(frozen=True)
class RunSummary:
    """One row of the index."""

    id: str
    created: float
    state: RunState
    scenario: str
    attack: str
    target: str
    defense: str
    seed: int
    owner: str
    candidates: int
    seconds: float | None
    steps: int | None
    queries: int | None
    accuracy: float | None
    reason: str
    name: str


class RunStore:
    """Creates, finds and deletes runs. Safe to open from several processes at once.

    Args:
        root: the store's folder; made if it is not there.

    Raises:
        StoreError: the folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as db:
                db.execute("PRAGMA journal_mode=WAL")
                db.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"The run folder {root} cannot be written ({error}). Choose another with --runs DIR or "
                             "the WORKBENCH_RUNS variable.") from None

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.root / "index.sqlite", timeout=10, isolation_level=None)
        db.row_factory = sqlite3.Row
        return db

    def create(self, config: RunConfig, *, owner: str = "", shape: tuple[int, int, int]) -> RunFolder:
        """File a new run as queued; returns its folder."""
        run = f"{time.strftime('%m%d-%H%M%S')}-{config.attack}-{secrets.token_hex(2)}"
        created = time.time()
        folder = RunFolder.fresh(self.root / run, config, shape, created=created)
        with closing(self._connect()) as db:
            db.execute("INSERT INTO runs (id, created, state, scenario, attack, target, defense, seed, owner, candidates)"
                       " VALUES (?,?,?,?,?,?,?,?,?,?)",
                       (run, created, "queued", config.scenario, config.attack, config.target, config.defense,
                        config.seed, owner, len(config.classes) * config.restarts))
        return folder

    def folder(self, run: str) -> RunFolder:
        """Return a run's folder; raises `StoreError` for an id that is malformed or not here."""
        if not RUN_ID.fullmatch(run) or not (self.root / run / "run.json").is_file():
            raise StoreError(f"There is no run '{run[:60]}' in this store. It may have been deleted.")
        return RunFolder(self.root / run)

    def update(self, run: str, state: RunState | None = None, **fields: Any) -> None:
        """Set columns of the index and the same fields of `run.json`.

        Args:
            fields: `reason`, `seconds`, `steps`, `queries`, `accuracy`, `name`, or any field of the manifest.
        """
        if state is not None:
            fields["state"] = state.value
        columns = {k: v for k, v in fields.items()
                   if k in ("state", "reason", "seconds", "steps", "queries", "accuracy", "name")}
        self.folder(run).update(**fields)
        if columns:
            with closing(self._connect()) as db:
                db.execute(f"UPDATE runs SET {', '.join(f'{c}=?' for c in columns)} WHERE id=?", (*columns.values(), run))

    def list(self, limit: int = 200, state: RunState | None = None) -> list[RunSummary]:
        """Return the newest runs first."""
        where, values = ("WHERE state=?", (state.value,)) if state else ("", ())
        with closing(self._connect()) as db:
            rows = db.execute(f"SELECT * FROM runs {where} ORDER BY created DESC LIMIT ?", (*values, limit)).fetchall()
        return [RunSummary(**{**dict(row), "state": RunState(row["state"])}) for row in rows]

    def summary(self, run: str) -> RunSummary:
        with closing(self._connect()) as db:
            row = db.execute("SELECT * FROM runs WHERE id=?", (run,)).fetchone()
        if row is None:
            raise StoreError(f"There is no run '{run[:60]}' in this store. It may have been deleted.")
        return RunSummary(**{**dict(row), "state": RunState(row["state"])})

    def delete(self, run: str) -> None:
        """Remove a run that has ended, with everything recorded of it."""
        folder = self.folder(run)
        if not self.summary(run).state.ended:
            raise StoreError(f"Run {run} is still {folder.state().value}. Stop it first.")
        with closing(self._connect()) as db:
            db.execute("DELETE FROM runs WHERE id=?", (run,))
        shutil.rmtree(folder.path)

    def mark_interrupted(self, reason: str) -> list[str]:
        """File every run that claims to be alive as failed; returns their ids. Frames are kept."""
        with closing(self._connect()) as db:
            alive = [row["id"] for row in db.execute("SELECT id FROM runs WHERE state IN ('queued','running','paused')")]
        for run in alive:
            self.update(run, RunState.FAILED, reason=reason)
        return alive
