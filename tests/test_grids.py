"""Grids: cells run apart, resume, and fail alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.__main__ import main
from workbench.attacks import ATTACKS
from workbench.core.errors import StoreError
from workbench.core.knobs import knobs_of
from workbench.core.records import UNDEFENDED
from workbench.core.registry import Entry
from workbench.defenses.plan import DEFENSES
from workbench.engine.presets import default_config
from workbench.grids import GRIDS, Cell, GridFile
from workbench.grids import fill as filling
from workbench.grids.base import gathered, weights_of
from workbench.grids.fill import fill, run_cell
from workbench.grids.markdown import judged, markdown
from workbench.runs.store import RunStore

ROOT = Path(__file__).resolve().parents[1]


def cell(name: str = "random", **overrides) -> Cell:
    return Cell(name, "digits", default_config("digits", "random", classes=[0, 1], device="cpu", **overrides))


@pytest.fixture
def inline(monkeypatch):
    """Run cells in this process, so that a test takes no time to start another."""

    def pool(cells, root, jobs, lost):
        for one in cells:
            yield one, run_cell(one.config, root)

    monkeypatch.setattr(filling, "_pool", pool)


@pytest.mark.parametrize("key", GRIDS.keys())
def test_every_grid_names_each_cell_once(key):
    cells = list(GRIDS[key]())
    assert cells and len({c.id for c in cells}) == len(cells)


def test_a_filled_cell_holds_its_run_and_figures(tmp_path, inline):
    file = GridFile.of(tmp_path, "toy")
    (done,) = fill([cell()], file, tmp_path, device="cpu")
    record = file.records()["random / digits"]
    assert done[1]["state"] == record["state"] == "finished"
    assert RunStore(tmp_path).summary(record["run"]).accuracy == record["metrics"]["acc@1"]
    assert "| random | 2 |" in markdown([record])


def test_what_is_done_is_not_run_again_unless_something_changed(tmp_path, inline, monkeypatch):
    file = GridFile.of(tmp_path, "toy")
    assert len(list(fill([cell()], file, tmp_path, device="cpu"))) == 1
    assert not list(fill([cell()], file, tmp_path, device="cpu"))
    assert len(list(fill([cell(seed=5)], file, tmp_path, device="cpu"))) == 1
    monkeypatch.setattr("workbench.grids.base.target_card", lambda *a: {"sha256": "retrained"})
    assert len(list(fill([cell(seed=5)], file, tmp_path, device="cpu"))) == 1


def shipped_with(monkeypatch, tmp_path, *cells) -> None:
    """Fill a grid of these cells somewhere, and ship the table."""
    monkeypatch.setattr("workbench.grids.base.ASSETS", tmp_path / "assets")
    monkeypatch.setitem(
        GRIDS._entries, "toy", Entry(lambda: cells, replace(GRIDS.entry("table-queries").info, key="toy"))
    )
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "there"))
    list(fill(list(cells), GridFile.of(tmp_path / "there", "toy"), tmp_path / "there", device="cpu"))
    assert (
        main(["grid", "--preset", "toy", "--show", "--device", "cpu", "--write", str(tmp_path / "assets/tables")]) == 0
    )


def test_what_is_shipped_counts_until_something_changes(tmp_path, inline, monkeypatch):
    shipped_with(monkeypatch, tmp_path, cell())
    (record,) = gathered("toy", tmp_path / "here")
    assert record["state"] == "finished" and record["run"] is None and record["sheet"]
    monkeypatch.setitem(GRIDS._entries, "toy", replace(GRIDS.entry("toy"), item=lambda: [cell(seed=9)]))
    assert gathered("toy", tmp_path / "here")[0]["state"] == "missing"
    monkeypatch.setitem(GRIDS._entries, "toy", replace(GRIDS.entry("toy"), item=lambda: [cell()]))
    monkeypatch.setattr("workbench.grids.base.target_card", lambda *a: {"sha256": "retrained"})
    assert gathered("toy", tmp_path / "here")[0]["state"] == "missing"


def test_a_knob_that_came_since_leaves_what_was_filled_before(tmp_path, inline):
    file, tried = GridFile.of(tmp_path, "toy"), Cell("gmi", "digits", default_config("digits", "gmi", classes=[0]))
    knobs = dict(tried.config.knobs)
    assert knobs.pop("steps") and not file.records()
    before = replace(tried, config=replace(tried.config, knobs=knobs))
    file.put(before, state="finished", weights=weights_of(tried.config))
    default = knobs_of(ATTACKS["gmi"])["steps"].default
    assert file.done(replace(tried, config=replace(tried.config, knobs={**knobs, "steps": default})))
    assert not file.done(replace(tried, config=replace(tried.config, knobs={**knobs, "steps": default + 1})))


def test_a_tuned_prior_that_is_not_here_contradicts_nothing_while_its_source_is_the_same(tmp_path, inline, monkeypatch):
    shas = {"none": "plain", "neg-ls": "tuned"}

    def card(scenario, prior, target=None, under=UNDEFENDED):
        if (sha := shas[under.text or "none"]) is None:
            raise StoreError("There is no such prior.")
        return {"sha256": sha}

    monkeypatch.setattr("workbench.grids.base.prior_card", card)
    shipped_with(monkeypatch, tmp_path, cell(defense="neg-ls"))

    def state_with(changed=()) -> str:
        shas.update(changed)
        return gathered("toy", tmp_path / "here")[0]["state"]

    assert state_with() == "finished"
    assert state_with({"neg-ls": "tuned anew"}) == "missing"
    assert state_with({"neg-ls": None}) == "finished"
    assert state_with({"none": "trained anew"}) == "missing"


def test_writing_a_part_of_a_table_keeps_what_is_shipped_of_the_rest(tmp_path, inline, monkeypatch):
    first, second = cell("one"), cell("two", seed=3)
    shipped_with(monkeypatch, tmp_path, first, second)
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "here"))
    list(fill([first], GridFile.of(tmp_path / "here", "toy"), tmp_path / "here", device="cpu"))
    assert main(["grid", "--preset", "toy", "--only", "one", "--show", "--write", str(tmp_path / "assets/tables")]) == 0
    records = {r["row"]: r for r in json.loads((tmp_path / "assets/tables/toy.json").read_text())}
    assert [records[name]["state"] for name in ("one", "two")] == ["finished"] * 2
    assert records["one"]["run"] and not records["two"]["run"] and records["two"]["sheet"]


def test_a_cell_that_cannot_run_says_why_and_sinks_nothing(tmp_path, inline):
    broken = Cell("broken", "digits", replace(cell().config, target="no-such-target"))
    found = dict(
        (c.row, record) for c, record in fill([broken, cell()], GridFile.of(tmp_path, "t"), tmp_path, device="cpu")
    )
    assert found["broken"]["state"] == "unavailable" and "no-such-target" in found["broken"]["reason"]
    assert found["random"]["state"] == "finished"
    assert "unavailable" in markdown([*GridFile.of(tmp_path, "t").records().values()])


@pytest.mark.slow
def test_a_killed_process_costs_its_cell_only(tmp_path, monkeypatch):
    monkeypatch.setattr(filling, "run_cell", die_once)
    monkeypatch.setenv("GRID_TEST_MARK", str(tmp_path / "died"))
    (found,) = fill([cell()], GridFile.of(tmp_path, "t"), tmp_path, device="cpu", jobs=1)
    assert (tmp_path / "died").exists() and found[1]["state"] == "finished"
    monkeypatch.setattr(filling, "run_cell", die)
    (found,) = fill([cell(seed=1)], GridFile.of(tmp_path, "t"), tmp_path, device="cpu", jobs=1)
    assert found[1]["state"] == "failed" and "killed" in found[1]["reason"]


@pytest.mark.slow
def test_a_cell_ends_with_the_process_that_fills_the_grid(tmp_path):
    program = f"""
import multiprocessing
from pathlib import Path
from tests.test_grids import cell, filling, noted_and_long
from workbench.grids import GridFile
filling.run_cell = noted_and_long
if __name__ == "__main__":
    list(filling.fill([cell()], GridFile.of(Path({str(tmp_path)!r}), "t"), Path({str(tmp_path)!r}), device="cpu", jobs=1))
"""
    (tmp_path / "program.py").write_text(program)
    mark = tmp_path / "pid"
    environment = {**os.environ, "GRID_TEST_MARK": str(mark), "PYTHONPATH": str(ROOT)}
    filling_process = subprocess.Popen([sys.executable, str(tmp_path / "program.py")], cwd=ROOT, env=environment)
    try:
        child = int(until(lambda: mark.exists() and mark.read_text()))
        filling_process.terminate()
        assert filling_process.wait(30) != 0
        until(lambda: not alive(child), why="the cell goes on without anybody")
    finally:
        filling_process.kill()
        filling_process.wait()


def until(look, seconds=120, why="it did not happen"):
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, why
        time.sleep(0.1)
    return found


def alive(pid: int) -> bool:
    """Whether a process still runs; one that ended and that nobody has waited for does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def noted_and_long(config, root):
    Path(os.environ["GRID_TEST_MARK"]).write_text(str(os.getpid()))
    time.sleep(600)


def die(config, root):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(config, root):
    mark = os.environ["GRID_TEST_MARK"]
    if not os.path.exists(mark):
        open(mark, "w").close()
        die(config, root)
    return {"state": "finished", "reason": "", "weights": {}, "run": "x"}


def test_a_damaged_grid_file_is_named(tmp_path):
    (tmp_path / "grids").mkdir()
    (tmp_path / "grids" / "t.json").write_text("{")
    with pytest.raises(StoreError, match=r"t\.json"):
        GridFile.of(tmp_path, "t").records()


def test_the_table_of_defenses_has_every_defense_and_no_output_that_is_never_met():
    cells = list(GRIDS["table-defenses"]())
    for entry in DEFENSES:
        own = [c.config for c in cells if c.row == entry.title and c.group == "digits"]
        if entry.info.stage == "split":
            assert not own, "no attack of the table meets it"
            continue
        inside = {c.attack for c in own if ATTACKS.entry(c.attack).info.access.inside}
        assert bool(inside) == (entry.info.stage != "output")
        assert {"brep-mi", "yang"} <= {c.attack for c in own}


def test_the_command_shows_a_table_without_running(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path))
    monkeypatch.setitem(GRIDS._entries, "toy", Entry(lambda: [cell()], replace(next(iter(GRIDS)).info, key="toy")))
    assert main(["grid", "--preset", "toy", "--show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"][0]["state"] == "missing"
    assert main(["grid", "--preset", "toy", "--only", "nothing"]) == 2


def test_a_table_has_the_judges_verdict_and_the_evaluator_against_it():
    rates = {"fpr": 0.75, "fnr": None, "tpr": None, "tnr": 0.25}
    assert judged({"verdict": {"recognised": 3, "n": 8, "baseline": 0.0, "evaluator": rates}}) == [
        "3/8 (0.00)",
        "0.75",
        "–",
        "–",
        "0.25",
    ]
    assert judged({"verdict": None}) == judged({}) == ["–"] * 5
