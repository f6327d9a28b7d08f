"""The index of the run store: a SQLite table with one row a run or training, made anew from the folders if it is lost."""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from workbench.core.errors import StoreError
from workbench.core.records import RunState

NAME = "index.sqlite"
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
SEARCHED = ("name", "id", "attack", "scenario", "target", "defense")
LOST = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)  # what only a new index cures

log = logging.getLogger(__name__)


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

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> RunSummary:
        """Return a row as a summary; a state that nobody knows is told as damage."""
        try:
            return cls(**{**row, "state": RunState(row["state"])})
        except ValueError:
            reason = f"the index tells of an unknown state, {str(row['state'])[:40]!r}"
            return cls(**{**row, "state": RunState.DAMAGED, "reason": row["reason"] or reason})


class RunPage(list[RunSummary]):
    """Some rows of the index, which know how many there are in all.

    Attributes:
        total: rows that match, on this page or not.
    """

    def __init__(self, rows: Iterable[RunSummary], total: int) -> None:
        super().__init__(rows)
        self.total = total


COLUMNS = tuple(f.name for f in fields(RunSummary))
ALL = ", ".join(COLUMNS)  # by name, so that an index without one of them is noticed


class RunIndex:
    """Answers from one table; safe to open from several processes at once.

    Args:
        root: the store's folder, which holds the index.
        rows: reads every folder again, for an index that has to be made anew.

    Attributes:
        repaired: what was done about a lost index, in a sentence; "" if nothing was.
    """

    def __init__(self, root: Path, rows: Callable[[], Iterable[dict[str, Any]]]) -> None:
        self.root, self.path, self._rows = root, root / NAME, rows
        self.repaired = ""
        if not self.path.exists() or self._fault():
            self.repair()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous=FULL")  # a power cut loses no run that was filed
            yield db

    def run(self, statement: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Carry out one statement; an index that is found lost is made anew first.

        Raises:
            StoreError: it cannot be read or written now, for want of space for instance.
        """
        held = tuple(values)
        try:
            try:
                return self._run(statement, held)
            except sqlite3.Error as error:
                if not self._lost(error):
                    raise
            self.repair()
            return self._run(statement, held)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"The index of the run folder {self.root} cannot be used now ({error}). If the disk is full, free "
                "some space; what is recorded is in the folders all the same."
            ) from None

    def _run(self, statement: str, values: tuple[Any, ...]) -> list[sqlite3.Row]:
        with self._connected() as db:
            return db.execute(statement, values).fetchall()

    @staticmethod
    def _lost(error: sqlite3.Error) -> bool:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return False
        unlike = ("no such table", "no such column", "has no column named")
        return code & 0xFF in LOST or any(words in str(error) for words in unlike)

    def _fault(self) -> str:
        """Return what is wrong with the index, "" if it is well; raises `sqlite3.Error` if it cannot be looked at."""
        try:
            with self._connected() as db:
                found = [row["name"] for row in db.execute("PRAGMA table_info(runs)")]
                if missing := [c for c in COLUMNS if c not in found]:
                    return f"it has no {', '.join(missing)}" if found else "it is empty"
                checked = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                return "" if checked == "ok" else str(checked)
        except sqlite3.Error as error:
            if self._lost(error):
                return str(error)
            raise

    def repair(self) -> None:
        """Put a lost index aside and make a new one from the folders, unless another process has just done so."""
        with (self.root / f".{NAME}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            there = self.path.exists() and self.path.stat().st_size > 0
            fault = self._fault() if there else "it is gone"
            if not fault:
                return
            owners = self._owners() if there else {}
            if there:
                self.path.replace(self.root / f"{NAME}.lost-{time.strftime('%Y%m%d-%H%M%S')}")
            for suffix in ("-wal", "-shm"):
                self.path.with_name(NAME + suffix).unlink(missing_ok=True)
            with self._connected() as db:
                db.execute("PRAGMA journal_mode=WAL")
                db.executescript(SCHEMA)
                count = 0
                db.execute("BEGIN")
                for row in self._rows():
                    row = {**row, "owner": row.get("owner") or owners.get(row["id"], "")}
                    db.execute(*inserted(row))
                    count += 1
                db.execute("COMMIT")
            if count or there:
                runs = f"{count} run{'' if count == 1 else 's'}"
                self.repaired = f"The index of the run folder was made anew from the folders of {runs}: {fault}."
                log.warning("%s", self.repaired)

    def _owners(self) -> dict[str, str]:
        try:
            with self._connected() as db:
                return {row["id"]: row["owner"] for row in db.execute("SELECT id, owner FROM runs")}
        except sqlite3.Error:
            return {}

    def stamp(self) -> str:
        """Return a text that is another one once anything in the index has changed, by whichever process."""
        found = []
        for name in (NAME, f"{NAME}-wal"):
            try:
                stat = (self.root / name).stat()
            except FileNotFoundError:
                continue
            found.append(f"{stat.st_mtime_ns:x}.{stat.st_size:x}")
        return "-".join(found)

    def put(self, row: Mapping[str, Any]) -> None:
        """Add a row, or replace the one with its id."""
        self.run(*inserted(row))

    def change(self, run: str, columns: Mapping[str, Any]) -> None:
        self.run(f"UPDATE runs SET {', '.join(f'{c}=?' for c in columns)} WHERE id=?", (*columns.values(), run))

    def remove(self, run: str) -> None:
        self.run("DELETE FROM runs WHERE id=?", (run,))

    def find(self, run: str) -> RunSummary | None:
        rows = self.run(f"SELECT {ALL} FROM runs WHERE id=?", (run,))
        return RunSummary.of(dict(rows[0])) if rows else None

    def ids(self) -> set[str]:
        return {row["id"] for row in self.run("SELECT id FROM runs")}

    def alive(self) -> list[RunSummary]:
        """Return what has not ended as far as the index knows, the oldest first."""
        ended = [s.value for s in RunState if s.ended]
        rows = self.run(
            f"SELECT {ALL} FROM runs WHERE state NOT IN ({','.join('?' * len(ended))}) ORDER BY created, rowid", ended
        )
        return [RunSummary.of(dict(row)) for row in rows]

    def page(
        self,
        limit: int,
        offset: int = 0,
        *,
        state: RunState | None = None,
        owner: str | None = None,
        kind: str | None = None,
        search: str = "",
        attack: str | None = None,
        scenario: str | None = None,
    ) -> RunPage:
        """Return the newest rows first.

        Args:
            state, owner, kind, attack, scenario: what a row must have there, if given.
            search: words, each of which a row's name, id, attack, scenario, target or defense contains.
        """
        equal = {"state": state and state.value, "owner": owner, "kind": kind, "attack": attack, "scenario": scenario}
        terms = [f"{column}=?" for column, value in equal.items() if value is not None]
        values: list[Any] = [value for value in equal.values() if value is not None]
        for word in search.split():
            terms.append("(" + " OR ".join(f"{column} LIKE ? ESCAPE '!'" for column in SEARCHED) + ")")
            literal = word.replace("!", "!!").replace("%", "!%").replace("_", "!_")
            values += [f"%{literal}%"] * len(SEARCHED)
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        rows = self.run(
            f"SELECT {ALL} FROM runs {where} ORDER BY created DESC, rowid DESC LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        total = self.run(f"SELECT COUNT(*) AS n FROM runs {where}", values)[0]["n"]
        return RunPage([RunSummary.of(dict(row)) for row in rows], total)


def inserted(row: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that adds a row, and its values."""
    columns = [c for c in COLUMNS if c in row]
    marks = ",".join("?" * len(columns))
    return f"INSERT OR REPLACE INTO runs ({','.join(columns)}) VALUES ({marks})", tuple(row[c] for c in columns)
