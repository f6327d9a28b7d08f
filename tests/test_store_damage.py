"""A damaged store: runs whose record is gone or unreadable, an index that is lost, a disk that is full."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from workbench.core.errors import DamagedRun, StoreError
from workbench.core.records import RunConfig, RunState, TrainingConfig
from workbench.engine.presets import default_config
from workbench.runs import job_folder
from workbench.runs.run_folder import RunFolder
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS

CONFIG = RunConfig("faces", "mi-face", "softmax", classes=(0, 1), knobs={"steps": 20})
TRAINING = TrainingConfig("prior", "digits", prior="gan")


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def run_in(store: RunStore, **how) -> RunFolder:
    return store.create(CONFIG, shape=(1, 64, 64), **how)


DAMAGES = {
    "folder gone": lambda folder: shutil.rmtree(folder.path),
    "record gone": lambda folder: (folder.path / "run.json").unlink(),
    "record truncated": lambda folder: (folder.path / "run.json").write_bytes(
        (folder.path / "run.json").read_bytes()[:40]
    ),
    "record empty": lambda folder: (folder.path / "run.json").write_bytes(b""),
    "record binary": lambda folder: (folder.path / "run.json").write_bytes(bytes(range(256))),
    "record of something else": lambda folder: (folder.path / "run.json").write_text("[1, 2]"),
    "record nested without end": lambda folder: (folder.path / "run.json").write_text("[" * 100_000),
    "unknown state": lambda folder: change(folder, state="asleep"),
    "no configuration": lambda folder: change(folder, config={"attack": "gmi"}),
    "configuration of another kind": lambda folder: change(folder, config=7),
}


def change(folder: RunFolder, **fields) -> None:
    path = folder.path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


each_damage = pytest.mark.parametrize("damage", DAMAGES)


@each_damage
@pytest.mark.parametrize("alive", [RunState.QUEUED, RunState.RUNNING])
def test_a_damaged_run_is_named_put_aside_and_keeps_nobody_waiting(store, damage, alive):
    hurt, well = run_in(store, owner="ann", state=alive), run_in(store, owner="bob")
    DAMAGES[damage](hurt)
    again = RunStore(store.root)
    assert any(hurt.id in sentence for sentence in again.check())
    assert again.mark_interrupted("gone") == []
    assert [s.id for s in again.waiting()] == [well.id]
    summary = again.summary(hurt.id)
    assert summary.state is RunState.DAMAGED and summary.state.ended and summary.owner == "ann" and summary.reason
    assert not hurt.path.exists()
    if damage != "folder gone":
        assert (store.root / "damaged" / hurt.id).is_dir() and str(store.root / "damaged") in summary.reason
    with pytest.raises(DamagedRun, match=hurt.id):
        again.job(hurt.id)
    assert again.check() == [], "what was put in order stays so"
    again.delete(hurt.id)
    assert [s.id for s in again.list()] == [well.id] and not (store.root / "damaged" / hurt.id).exists()


@each_damage
def test_how_a_damaged_run_ended_can_be_filed(store, damage):
    folder = run_in(store)
    DAMAGES[damage](folder)
    store.file(folder.id, RunState.FAILED, "the worker died")
    assert store.summary(folder.id).state.ended


def test_a_damaged_training_is_put_aside(store):
    training = store.create_training(TRAINING)
    (training.path / "run.json").write_bytes(b"\x00")
    store.check()
    summary = store.summary(training.id)
    assert (summary.state, summary.kind) == (RunState.DAMAGED, "training") and not training.path.exists()
    store.delete(training.id)


def spoil(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(b"not a database " * 500)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "of another application":
        path.unlink()
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE other (x)")
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute("ALTER TABLE runs DROP COLUMN owner")


each_spoiling = pytest.mark.parametrize(
    "how", ["gone", "empty", "garbage", "truncated", "of another application", "of before"]
)


@each_spoiling
@pytest.mark.parametrize("while_open", [True, False])
def test_a_lost_index_is_made_anew_from_the_folders_and_says_so(store, how, while_open, caplog):
    done, waits, training = run_in(store, owner="ann"), run_in(store, owner="bob"), store.create_training(TRAINING)
    hurt = run_in(store)
    store.update(done.id, RunState.FINISHED, reason="well", seconds=3.5, accuracy=0.25, steps=7)
    store.update(done.id, name="a name")
    (hurt.path / "run.json").write_text("{")
    before = {s.id: s for s in store.list(kind=None)}
    spoil(store.root / "index.sqlite", how)
    if not while_open:
        store = RunStore(store.root)
    rows = {s.id: s for s in store.list(kind=None)}
    assert [s.id for s in store.waiting()] == [waits.id, training.id]
    assert rows.pop(hurt.id).state is RunState.DAMAGED
    before.pop(hurt.id)
    assert rows == before, "owners, names and figures included"
    assert "made anew from the folders of 4 runs" in store.index.repaired
    assert sum("made anew" in record.getMessage() for record in caplog.records) == 1
    assert run_in(store).id in {s.id for s in store.list()}


def test_an_index_of_before_keeps_the_owners_that_it_alone_knows(store):
    folder = run_in(store, owner="ann")
    (folder.path / "owner").unlink()
    with closing(sqlite3.connect(store.root / "index.sqlite")) as db:
        db.execute("ALTER TABLE runs DROP COLUMN kind")
    assert RunStore(store.root).summary(folder.id).owner == "ann"


def test_a_run_that_the_index_does_not_know_is_filed(store):
    folder = run_in(store)
    store.index.remove(folder.id)
    assert any(folder.id in sentence for sentence in store.check())
    assert store.summary(folder.id).state is RunState.QUEUED


def test_an_unknown_state_in_the_index_alone_is_put_right(store):
    folder = run_in(store)
    store.index.change(folder.id, {"state": "asleep"})
    assert [s.state for s in store.list()] == [RunState.DAMAGED], "the list can be read at any rate"
    store.check()
    assert store.summary(folder.id).state is RunState.QUEUED and folder.path.is_dir()


def test_who_started_a_run_is_not_in_the_record_that_is_handed_out(store):
    folder = run_in(store, owner="a-session")
    assert "a-session" not in (folder.path / "run.json").read_text()


# A full disk


@pytest.fixture
def full_disk(monkeypatch):
    """Return a function that fills the disk, as far as run.json is concerned, and one that frees it."""
    write = job_folder.write_atomically

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    return (
        lambda: monkeypatch.setattr(job_folder, "write_atomically", refuse),
        lambda: monkeypatch.setattr(job_folder, "write_atomically", write),
    )


def test_a_run_that_cannot_be_written_is_refused_and_leaves_nothing(store, full_disk):
    fill, free = full_disk
    fill()
    with pytest.raises(StoreError, match="No space left on device"):
        run_in(store)
    with pytest.raises(StoreError, match="No space left on device"):
        store.create_training(TRAINING)
    assert [p.name for p in store.root.iterdir() if p.is_dir() and p.name != "trainings"] == []
    assert store.list(kind=None) == []
    free()
    assert run_in(store).path.is_dir()


def test_too_little_room_is_told_in_figures(tmp_path):
    store = RunStore(tmp_path / "runs", room=1e18)
    assert "is full" in (store.room_problem() or "") and "Free some space" in (store.room_problem() or "")
    assert RunStore(tmp_path / "runs").room_problem() is None


# Pages


def test_every_run_can_be_reached_page_by_page(store):
    made = [run_in(store, owner=f"owner-{i % 2}").id for i in range(7)]
    pages = [store.list(3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [s.id for page in pages for s in page] == made[::-1]
    assert {page.total for page in pages} == {7}
    mine = store.list(2, owner="owner-1")
    assert mine.total == 3 and len(mine) == 2


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", 4),
        ("second", 1),
        ("SECOND", 1),
        ("mi-face", 3),
        ("mi-face softmax", 3),
        ("mi-face cake", 0),
        ("100%", 1),
        ("%", 1),
        ("_", 0),
        ("gan", 1),
        ("'; DROP TABLE runs; --", 0),
    ],
)
def test_names_and_settings_are_searched(store, search, found):
    folders = [run_in(store) for _ in range(3)]
    store.create_training(TRAINING)
    store.update(folders[1].id, name="the second one")
    store.update(folders[2].id, name="100% sure")
    page = store.list(search=search, kind=None)
    assert (len(page), page.total) == (found, found)
    assert store.list(state=RunState.FINISHED, search=search).total == 0


def test_two_runs_never_share_a_folder(tmp_path, monkeypatch):
    numbers = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("workbench.runs.store.secrets.token_hex", lambda _: next(numbers))
    monkeypatch.setattr("workbench.runs.store.time.strftime", lambda _: "0101-000000")
    store = RunStore(tmp_path / "runs")
    shape = SCENARIOS["digits"].input_shape
    first, second = (store.create(default_config("digits", "random", classes=[0]), shape=shape) for _ in range(2))
    assert first.id != second.id
    assert store.list().total == 2
