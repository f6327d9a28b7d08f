"""The run store: one folder a run or training, and a SQLite index over them."""

from __future__ import annotations

import re
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import StoreError
from workbench.core.records import RunConfig, RunState, TrainingConfig
from workbench.runs.run_folder import RunFolder
from workbench.runs.training_folder import TrainingFolder

RUN_ID = re.compile(r"(?=.{1,80}$)[a-z0-9]+(-[a-z0-9]+)*")
TRAININGS = "trainings"  # the folder of the trainings, beside those of the runs

SEARCHED = ("name", "id", "attack", "scenario", "target", "defense")

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, created REAL NOT NULL, state TEXT NOT NULL, scenario TEXT NOT NULL,
  attack TEXT NOT NULL, target TEXT NOT NULL, defense TEXT NOT NULL, seed INTEGER NOT NULL,
  owner TEXT NOT NULL DEFAULT '', candidates INTEGER NOT NULL, seconds REAL, steps INTEGER, queries INTEGER,
  accuracy REAL, reason TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL DEFAULT 'run'
);
CREATE INDEX IF NOT EXISTS by_time ON runs (created DESC);
"""


@dataclass(frozen=True)
class RunSummary:
    """One row of the index.

    Attributes:
        kind: "run" or "training".
        attack: of a training, what is trained: a prior's key, or "target".
    """

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
    kind: str


class RunPage(list[RunSummary]):
    """Some rows of the index, which know how many there are in all.

    Attributes:
        total: rows that match, on this page or not.
    """

    def __init__(self, rows: Iterable[RunSummary], total: int) -> None:
        super().__init__(rows)
        self.total = total


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
                if "kind" not in {row["name"] for row in db.execute("PRAGMA table_info(runs)")}:
                    db.execute("ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'run'")
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The run folder {root} cannot be written ({error}). Choose another with --runs DIR or "
                "the WORKBENCH_RUNS variable."
            ) from None

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.root / "index.sqlite", timeout=10, isolation_level=None)
        db.row_factory = sqlite3.Row
        return db

    def create(self, config: RunConfig, *, owner: str = "", shape: tuple[int, int, int]) -> RunFolder:
        """File a new run as queued; returns its folder."""
        run, created = new_id(config.attack), time.time()
        folder = RunFolder.fresh(self.root / run, config, shape, created=created)
        with closing(self._connect()) as db:
            db.execute(
                "INSERT INTO runs (id, created, state, scenario, attack, target, defense, seed, owner, candidates)"
                " VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    run,
                    created,
                    "queued",
                    config.scenario,
                    config.attack,
                    config.target,
                    config.defense,
                    config.seed,
                    owner,
                    len(config.classes) * config.restarts,
                ),
            )
        return folder

    def create_training(self, config: TrainingConfig, *, owner: str = "", **fields: Any) -> TrainingFolder:
        """File a new training as queued; returns its folder.

        Args:
            fields: more fields of its manifest.
        """
        trained = config.prior or config.what
        run, created = new_id(f"train-{trained}"), time.time()
        folder = TrainingFolder.fresh(self.root / TRAININGS / run, config, created=created, **fields)
        with closing(self._connect()) as db:
            db.execute(
                "INSERT INTO runs (id, created, state, scenario, attack, target, defense, seed, owner, candidates,"
                " kind) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (
                    run,
                    created,
                    "queued",
                    config.scenario,
                    trained,
                    config.target or "",
                    config.defense,
                    config.seed,
                    owner,
                    0,
                    "training",
                ),
            )
        return folder

    def folder(self, run: str) -> RunFolder:
        """Return a run's folder; raises `StoreError` for an id that is malformed or not here."""
        if not RUN_ID.fullmatch(run) or not (self.root / run / "run.json").is_file():
            raise StoreError(f"There is no run '{run[:60]}' in this store. It may have been deleted.")
        return RunFolder(self.root / run)

    def training(self, run: str) -> TrainingFolder:
        """Return a training's folder; raises `StoreError` for an id that is malformed or not here."""
        if not RUN_ID.fullmatch(run) or not (self.root / TRAININGS / run / "run.json").is_file():
            raise StoreError(f"There is no training '{run[:60]}' in this store. It may have been deleted.")
        return TrainingFolder(self.root / TRAININGS / run)

    def job(self, run: str) -> RunFolder | TrainingFolder:
        """Return the folder of a run or a training; raises `StoreError`."""
        known = RUN_ID.fullmatch(run) is not None  # before the file system is asked
        return self.training(run) if known and (self.root / TRAININGS / run).is_dir() else self.folder(run)

    def update(self, run: str, state: RunState | None = None, **fields: Any) -> None:
        """Set columns of the index and the same fields of `run.json`.

        Args:
            fields: `reason`, `seconds`, `steps`, `queries`, `accuracy`, `name`, or any field of the manifest.
        """
        if state is not None:
            fields["state"] = state.value
        columns = {
            k: v
            for k, v in fields.items()
            if k in ("state", "reason", "seconds", "steps", "queries", "accuracy", "name")
        }
        self.job(run).update(**fields)
        if columns:
            with closing(self._connect()) as db:
                db.execute(
                    f"UPDATE runs SET {', '.join(f'{c}=?' for c in columns)} WHERE id=?", (*columns.values(), run)
                )

    def list(
        self,
        limit: int = 200,
        state: RunState | None = None,
        *,
        offset: int = 0,
        search: str = "",
        kind: str | None = "run",
    ) -> RunPage:
        """Return the newest runs first, `limit` of them after the first `offset`; the page knows the total.

        Args:
            search: words, each of which a run's name, id, attack, scenario, target or defense contains.
            kind: "run", "training", or None for both.
        """
        asked = {"state": state and state.value, "kind": kind}
        terms = [f"{column}=?" for column, value in asked.items() if value]
        values: list[Any] = [value for value in asked.values() if value]
        for word in search.split():
            terms.append("(" + " OR ".join(f"{column} LIKE ? ESCAPE '!'" for column in SEARCHED) + ")")
            literal = word.replace("!", "!!").replace("%", "!%").replace("_", "!_")
            values += [f"%{literal}%"] * len(SEARCHED)
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        with closing(self._connect()) as db:
            rows = db.execute(
                f"SELECT * FROM runs {where} ORDER BY created DESC, rowid DESC LIMIT ? OFFSET ?",
                (*values, limit, offset),
            ).fetchall()
            (total,) = db.execute(f"SELECT COUNT(*) FROM runs {where}", values).fetchone()
        return RunPage((RunSummary(**{**dict(row), "state": RunState(row["state"])}) for row in rows), total)

    def summary(self, run: str) -> RunSummary:
        with closing(self._connect()) as db:
            row = db.execute("SELECT * FROM runs WHERE id=?", (run,)).fetchone()
        if row is None:
            raise StoreError(f"There is no run '{run[:60]}' in this store. It may have been deleted.")
        return RunSummary(**{**dict(row), "state": RunState(row["state"])})

    def delete(self, run: str) -> None:
        """Remove a run or training that has ended, with everything recorded of it; trained weights stay."""
        folder = self.job(run)
        if not self.summary(run).state.ended:
            raise StoreError(f"Run {run} is still {folder.state().value}. Stop it first.")
        with closing(self._connect()) as db:
            db.execute("DELETE FROM runs WHERE id=?", (run,))
        shutil.rmtree(folder.path)

    def mark_interrupted(self, reason: str) -> list[str]:
        """File every run that claims to be alive as failed; returns their ids. Frames are kept."""
        with closing(self._connect()) as db:
            alive = [
                row["id"] for row in db.execute("SELECT id FROM runs WHERE state IN ('queued','running','paused')")
            ]
        for run in alive:
            self.update(run, RunState.FAILED, reason=reason)
        return alive


def new_id(name: str) -> str:
    """Return an id that says when and what, such as ``0412-093005-gmi-a1b2``."""
    return f"{time.strftime('%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"
