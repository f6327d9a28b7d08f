"""Raters and their answers, in SQLite: what was confirmed to a rater outlives a killed process and a power cut.

A write is on the disk before it is confirmed (WAL, synchronous=FULL). One connection of a process writes, one thread at a
time; other processes, such as the command line, may read and write beside it.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from workbench.core.errors import Failure, StoreError, UsageError

NAME = "answers.sqlite"
MOST_RATERS = 2000
SCHEMA = """
CREATE TABLE IF NOT EXISTS raters (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created REAL NOT NULL, simulated INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, rater TEXT NOT NULL, trial INTEGER NOT NULL, stimulus INTEGER NOT NULL,
  repeat_of INTEGER, swapped INTEGER NOT NULL, response TEXT NOT NULL, shown TEXT NOT NULL, rt INTEGER NOT NULL,
  at REAL NOT NULL, undone INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS one_answer ON answers (rater, trial) WHERE undone = 0;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value REAL NOT NULL);
"""


class Ended(UsageError):
    """The study takes no more answers."""

    def __init__(self) -> None:
        super().__init__("This study has ended; it takes no more answers. Thank you for coming.")


@dataclass(frozen=True)
class Rater:
    """Who answers, without a name.

    Attributes:
        number: counts from 0 and is never given twice.
        simulated: whether a program answers in a person's place.
    """

    id: str
    number: int
    created: float
    simulated: bool


@dataclass(frozen=True)
class RaterAnswer:
    """One confirmed answer.

    Attributes:
        response: what was meant, whatever stood where: "yes", "first", a class's number, "skip".
        shown: what was pressed, such as "left".
        rt: from the pictures' showing to the answer, in ms.
        at: seconds since 1970.
    """

    rater: str
    trial: int
    stimulus: int
    repeat_of: int | None
    swapped: bool
    response: str
    shown: str
    rt: int
    at: float


class AnswerStore:
    """Answers of one study.

    Raises:
        StoreError: the file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self._lock = folder / NAME, threading.Lock()
        try:
            self._db = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA secure_delete=ON")  # who is deleted is overwritten
            self._db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"The answers in {self.path} cannot be opened ({error}).") from None

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the writer; what is done inside is on the disk afterwards, or nothing of it."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise Failure(f"The answer could not be kept ({error}). Try again in a moment.") from None

    def _rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"The answers in {self.path} cannot be read ({error}).") from None

    # Raters

    def join(self, *, simulated: bool = False) -> Rater:
        """Return a new rater.

        Raises:
            Ended: the study is over.
            UsageError: there are too many raters.
        """
        key, now = f"r-{secrets.token_hex(8)}", time.time()
        with self._writing() as db:
            self._refuse_ended(db)
            if db.execute("SELECT COUNT(*) FROM raters").fetchone()[0] >= MOST_RATERS:
                raise UsageError(f"This study has its {MOST_RATERS} raters; it takes no more.")
            db.execute("INSERT INTO raters (id, created, simulated) VALUES (?, ?, ?)", (key, now, int(simulated)))
            number = db.execute("SELECT number FROM raters WHERE id = ?", (key,)).fetchone()[0]
        return Rater(key, number - 1, now, simulated)

    def rater(self, key: str) -> Rater | None:
        """Return a rater by id, None for one who never came or was deleted."""
        found = self._rows("SELECT * FROM raters WHERE id = ?", key)
        return rater_of(found[0]) if found else None

    def raters(self) -> list[Rater]:
        return [rater_of(row) for row in self._rows("SELECT * FROM raters ORDER BY number")]

    def delete(self, key: str) -> int:
        """Remove a rater and everything they answered, from the disk too; returns how many answers that was.

        Raises:
            StoreError: there is no such rater.
        """
        with self._writing() as db:
            if not db.execute("DELETE FROM raters WHERE id = ?", (key,)).rowcount:
                raise StoreError(f"There is no rater '{key[:40]}' in this study.")
            gone = db.execute("DELETE FROM answers WHERE rater = ?", (key,)).rowcount
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")  # until then the log has the old pages
        return gone

    # Answers

    def add(self, answer: RaterAnswer) -> None:
        """Keep an answer; the same once more changes nothing, as when a confirmation was lost on its way.

        Raises:
            Ended: the study is over.
            UsageError: this trial has another answer already.
            StoreError: the rater was deleted.
        """
        row = asdict(answer)
        with self._writing() as db:
            self._refuse_ended(db)
            if not db.execute("SELECT 1 FROM raters WHERE id = ?", (answer.rater,)).fetchone():
                raise StoreError("These answers were deleted. Open the study's link again to start anew.")
            held = db.execute(
                "SELECT response FROM answers WHERE rater = ? AND trial = ? AND undone = 0",
                (answer.rater, answer.trial),
            ).fetchone()
            if held and held["response"] != answer.response:
                raise UsageError("This question was answered already. Undo takes the last answer back.")
            if not held:
                places = ", ".join(f":{name}" for name in row)
                db.execute(f"INSERT INTO answers ({', '.join(row)}) VALUES ({places})", row)

    def undo(self, rater: str) -> int | None:
        """Take a rater's last answer back; returns its trial, None where there is none. What was taken back stays on record."""
        with self._writing() as db:
            self._refuse_ended(db)
            last = db.execute(
                "SELECT seq, trial FROM answers WHERE rater = ? AND undone = 0 ORDER BY trial DESC LIMIT 1", (rater,)
            ).fetchone()
            if last is None:
                return None
            db.execute("UPDATE answers SET undone = 1 WHERE seq = ?", (last["seq"],))
        return int(last["trial"])

    def done(self, rater: str) -> int:
        """Return how many trials a rater has answered; they are answered in order."""
        return int(self._rows("SELECT COUNT(*) FROM answers WHERE rater = ? AND undone = 0", rater)[0][0])

    def answers(self) -> list[RaterAnswer]:
        """Return every answer that stands, by rater and trial."""
        names = ", ".join(f"a.{field.name}" for field in fields(RaterAnswer))
        rows = self._rows(
            f"SELECT {names} FROM answers a JOIN raters r ON r.id = a.rater WHERE undone = 0 ORDER BY r.number, a.trial"
        )
        return [RaterAnswer(**{**row, "swapped": bool(row["swapped"])}) for row in map(dict, rows)]

    # The study's end

    def end(self) -> None:
        """Take no more answers."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO state VALUES ('ended', ?)", (time.time(),))

    def ended(self) -> float | None:
        """Return when the study ended, in seconds since 1970; None while it goes on."""
        found = self._rows("SELECT value FROM state WHERE name = 'ended'")
        return float(found[0][0]) if found else None

    @staticmethod
    def _refuse_ended(db: sqlite3.Connection) -> None:
        if db.execute("SELECT 1 FROM state WHERE name = 'ended'").fetchone():
            raise Ended


def rater_of(row: sqlite3.Row) -> Rater:
    return Rater(row["id"], row["number"] - 1, row["created"], bool(row["simulated"]))
