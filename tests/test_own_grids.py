"""Grids over any axes: what their cells are, how they go on, and what several seeds and two rows come to."""

from __future__ import annotations

import json
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
from recorded import record

from workbench.__main__ import main
from workbench.core.errors import UnknownName, UsageError
from workbench.core.records import RunState
from workbench.engine.compatibility import problems
from workbench.grids import Cell, GridFile
from workbench.grids import fill as filling
from workbench.grids.axes import Axis, GridPlan, plan_of
from workbench.grids.estimate import Estimator
from workbench.grids.fill import fill, record_of
from workbench.grids.own import keep, key_of, own_tables, records_of, refresh, skip, table_of
from workbench.grids.places import places, places_markdown
from workbench.grids.ray_pool import ray_pool
from workbench.grids.statistics import average, compare, paired
from workbench.runs.store import RunStore
from workbench.ui.tabs.grid_form import plan_from
from workbench.ui.tabs.grid_table import points, table

PLAN = plan_of("digits", ["attack=mi-face,gmi", "defense=none,rounding", "seed=0,1"], classes="0,3")


def put(cell: Cell, file: GridFile, persons: dict[str, float] | None = None) -> None:
    """File a cell as finished."""
    file.put(
        cell,
        state="finished",
        reason="",
        run=None,
        seconds=1.0,
        metrics={"acc@1": 0.5},
        persons={"acc@1": persons or {}},
    )


def test_a_cell_for_each_combination_seeds_apart_and_the_rest_beside() -> None:
    cells = PLAN.cells()
    assert len(cells) == len({cell.id for cell in cells}) == 8
    assert {(c.config.attack, c.config.defense, c.config.seed) for c in cells} == set(
        product(("mi-face", "gmi"), ("none", "rounding"), (0, 1))
    )
    assert cells[0].config.classes == (0, 3) and cells[0].row.startswith("MI-Face")
    more = plan_of("digits", ["lr=0.01,0.02", "restarts=1,2", "attack=gmi,ked-mi"]).cells()
    assert more[0].group == "GMI" and [c.x for c in more[::2]] == [1.0, 2.0] * 2
    assert {c.config.knobs["lr"] for c in more} == {0.01, 0.02}


def test_brackets_of_a_defense_keep_their_commas() -> None:
    axis = Axis.parse("defense=none,mid(strength=0.1),bido(strength=2)+rounding")
    assert axis.values == ("none", "mid(strength=0.1)", "bido(strength=2)+rounding")
    assert GridPlan.from_json(json.loads(json.dumps(PLAN.to_json()))) == PLAN


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (["attack"], "name=value,value"),
        (["attack=gmi,gmi"], "twice"),
        (["colour=red"], "cannot be varied"),
        (["seed=one"], "whole number"),
        (["attack=gmi", "attack=ppa"], "given twice"),
        ([], "at least one axis"),
        (["attack=nonsense"], "nonsense"),
        (["defense=nonsense"], "nonsense"),
        ([f"seed={','.join(map(str, range(601)))}"], "at most 600"),
    ],
)
def test_what_is_no_plan_is_refused_in_words(axes: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan_of("digits", axes)


def test_what_does_not_fit_together_says_why_and_sinks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = plan_of("digits", ["attack=mi-face,gmi", "prior=gan,diffusion"], classes="0").cells()
    assert ["searches no prior" in cell.problem for cell in cells] == [True, True, False, False]
    knob = plan_of("digits", ["attack=mi-face,brep-mi", "stop_cost=0,0.5"], classes="0").cells()
    assert ["stop_cost" in cell.problem for cell in knob] == [False, False, True, True]
    ran: list[str] = []

    def pool(cells, root, jobs, lost):
        for cell in cells:
            ran.append(cell.id)
            yield cell, {"state": "finished", "reason": "", "weights": {}}

    monkeypatch.setattr(filling, "_pool", pool)
    found = {cell.id: record for cell, record in fill(cells, GridFile.of(tmp_path, "own-1"), tmp_path, device="cpu")}
    assert [found[cell.id]["state"] for cell in cells[:2]] == ["unavailable"] * 2
    assert all(
        found[cell.id]["state"] == ("unavailable" if problems(cell.config) else "finished") for cell in cells[2:]
    )
    assert "searches no prior" in places_markdown(records_like(cells, found), "attack")


def records_like(cells: list[Cell], found: dict) -> list[dict]:
    return [{**cell.place, "config": cell.config.to_json(), **found[cell.id]} for cell in cells]


def test_a_killed_grid_goes_on_at_the_cell_where_it_stopped_and_passes_skipped_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, cells, begun = keep(PLAN, tmp_path), PLAN.cells(), []

    def killed_after(count: int):
        def pool(cells, root, jobs, lost):
            for i, cell in enumerate(cells):
                if i == count:
                    raise KeyboardInterrupt
                begun.append(cell.id)
                put(cell, file)
                yield cell, {**file.records()[cell.id], "weights": filling.weights_of(cell.config)}

        return pool

    skip(cells, file, cells[1].id)
    with pytest.raises(KeyboardInterrupt):
        list(fill(cells, file, tmp_path, device="cpu", jobs=1, pool=killed_after(3)))
    assert begun == [cells[i].id for i in (0, 2, 3)]
    list(fill(cells, file, tmp_path, device="cpu", jobs=1, pool=killed_after(99)))
    assert begun == [cell.id for cell in cells if cell is not cells[1]], "each once, the skipped one never"
    assert GridPlan.from_json(file.plan() or {}) == PLAN, "its plan outlives what is filed"
    skip(cells, file, cells[1].id)
    assert records_of(key_of(PLAN), tmp_path)[1]["state"] == "missing"
    with pytest.raises(UnknownName):
        skip(cells, file, "no such cell")


def test_a_cell_in_the_queue_is_followed_to_its_end(tmp_path: Path) -> None:
    store, file, cells = RunStore(tmp_path), keep(PLAN, tmp_path), PLAN.cells()
    ended = record(store, cells[0].config, [True, False])
    waits = store.create(cells[1].config, shape=(1, 16, 16))
    failed = store.create(cells[2].config, shape=(1, 16, 16))
    store.update(failed.id, RunState.FAILED, reason="no space")
    for cell, run in zip(cells, (ended.id, waits.id, failed.id, "1125-000000-gone-abcd"), strict=False):
        file.put(cell, state="queued", run=run, reason="")
    refresh(cells, file, store)
    records = records_of(key_of(PLAN), tmp_path)
    assert [r["state"] for r in records[:4]] == ["finished", "queued", "failed", "missing"]
    assert records[2]["reason"] == "no space" and records[0]["persons"]["recognised"] == {"0": 1.0, "3": 0.0}
    page = table(records, table_of(key_of(PLAN), tmp_path), "recognised")
    assert f'data-open="{ended.id}"' in page and f'data-pin="{ended.id}"' in page
    assert "1 of 2 seeds" in page and "no space" in page and page.count('aria-label="Leave out seed') == 6
    assert points(records, "recognised")[0]["leak"] == 0.5


def test_seeds_are_averaged_by_person() -> None:
    runs = [
        {"persons": {"acc@1": {"0": 1.0, "1": 0.0, "2": 0.0}}},
        {"persons": {"acc@1": {"0": 1.0, "1": 1.0, "2": 0.0}}},
    ]
    found = average(runs, "acc@1")
    assert found is not None and found.mean == 0.5 and (found.seeds, found.persons) == (2, 3)
    one = average(runs[:1] * 10, "acc@1")
    assert one is not None and one.interval == average(runs[:1], "acc@1").interval, "more seeds make no more people"
    assert average([{"persons": {}}], "acc@1") is None


def test_the_paired_test_is_mcnemars_where_shares_are_yes_and_no() -> None:
    n, gained, lost = 20, 7, 1
    first = {str(i): float(i >= n - lost) for i in range(n)}
    second = {str(i): float(i < gained) for i in range(n)}
    found = paired(first, second)
    tail = sum(math.comb(gained + lost, k) for k in range(lost + 1)) / 2 ** (gained + lost)
    assert found is not None and found.persons == n and found.difference == pytest.approx(0.3)
    assert found.p == pytest.approx(2 * tail, abs=0.01), "exact McNemar; signs are drawn, so within a hundredth"
    few = paired({k: first[k] for k in "01234"}, {k: second[k] for k in "01234"})
    assert few is not None and few.p == pytest.approx(2 / 2**5), "with few people every sign is tried"
    assert paired(first, first).p == 1.0 and paired(first, {}) is None


def test_two_rows_or_two_columns_are_tested_over_what_both_have() -> None:
    def run(row: str, column: str, share: float) -> dict:
        return {
            "row": row,
            "column": column,
            "state": "finished",
            "persons": {"acc@1": {str(i): share for i in range(6)}},
        }

    records = [run("a", "x", 0.0), run("b", "x", 1.0), run("b", "y", 0.0)]
    rows = compare(records, "a", "b", "acc@1")
    assert rows is not None and rows.difference == 1.0 and rows.p == pytest.approx(2 / 2**6), "y has no run of a"
    assert compare(records, "x", "y", "acc@1").difference == -1.0
    assert compare(records, "a", "y", "acc@1") is None


def test_an_estimate_goes_by_runs_before_and_says_where_it_guesses(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    cells = plan_of("digits", ["attack=gmi", "seed=0,1"], classes="0,3").cells()
    assert Estimator(None).of(cells).known == 2, "the shipped table has GMI on digits"
    record(store, replace(cells[0].config, knobs={**cells[0].config.knobs, "steps": 8}), [True, False])
    found = Estimator(store).of(cells)
    steps = cells[0].config.knobs["steps"]
    assert found.cells == 2 and found.seconds == pytest.approx(2 * (1.5 * steps / 8 + 4))
    assert found.elapsed(2) == found.seconds / 2 and found.elapsed(9) == found.seconds / 2
    assert found.queries is None and "guess" not in found.sentence(2)
    assert Estimator(store).of([]).sentence(2) == "Nothing is left to run."


def test_the_form_says_the_same_as_the_command_line() -> None:
    said = plan_from("digits", ["mi-face", "gmi"], ["none", "rounding"], "0, 1", "", "0,3")
    assert said == PLAN
    more = plan_from("digits", [], [], "", "lr=0.01,0.02; target=resnet", "")
    assert [axis.name for axis in more.axes] == ["lr", "target"]
    with pytest.raises(UsageError, match="400"):
        plan_from("digits", [], [], "0" * 401, "", "")


def test_the_command_line_makes_shows_and_estimates_a_grid_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path))
    axes = ["--axis", "attack=mi-face,gmi", "--axis", "defense=none,rounding", "--axis", "seed=0,1"]
    flags = ["grid", "--scenario", "digits", *axes, "--classes", "0,3", "--device", "cpu", "--workers", "2"]
    assert main([*flags, "--estimate"]) == 0
    assert "8 cells: about" in (said := capsys.readouterr()).err and "0 of 2 seeds; not run yet" in said.out
    (kept,) = own_tables(tmp_path)
    file = GridFile.of(tmp_path, kept.key)
    for cell in PLAN.cells():
        put(cell, file, {"0": float(cell.config.attack == "gmi"), "3": float(cell.config.seed)})
    assert main(["grid", "--preset", kept.key, "--show", "--test", *dict.fromkeys(c.row for c in PLAN.cells())]) == 0
    assert "acc@1: GMI less MI-Face +0.500, p = " in (out := capsys.readouterr().out) and "0.75 (" in out
    assert main(["grid", "--axis", "seed=1"]) == 2 and main(["grid", "--preset", "own-nothing"]) == 2
    assert main(["grid", "--preset", kept.key, "--show", "--test", "a", "b"]) == 2


def test_there_are_so_many_tables_of_ones_own_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.grids.own.MOST", 1)
    keep(PLAN, tmp_path)
    keep(PLAN, tmp_path)
    with pytest.raises(UsageError, match="Delete some"):
        keep(replace(PLAN, classes="1"), tmp_path)


def test_several_writers_of_one_grid_lose_nothing(tmp_path: Path) -> None:
    cells = plan_of("digits", [f"seed={','.join(map(str, range(24)))}"], classes="0").cells()
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda cell: put(cell, GridFile.of(tmp_path, "own-w")), cells))
    assert len(GridFile.of(tmp_path, "own-w").records()) == 24


def test_a_file_that_is_no_plan_is_passed_over(tmp_path: Path) -> None:
    keep(PLAN, tmp_path)
    (tmp_path / "grids" / "own-broken.json").write_text('{"cells": {}, "plan": {"axes": 3}}')
    assert [found.key for found in own_tables(tmp_path)] == [key_of(PLAN)]
    with pytest.raises(UnknownName):
        table_of("own-../../etc", tmp_path)


def test_without_ray_the_flag_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.grids.ray_pool.find_spec", lambda name: None)
    with pytest.raises(Exception, match="pip install"):
        ray_pool("auto")


class NoRay:
    """What stands for Ray: carries out at once what it is given; `dies` names seeds whose process is lost."""

    class exceptions:  # noqa: N801
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            cause: Exception | None = None

    def __init__(self, dies: tuple[int, ...]) -> None:
        self.dies, self.up, self.most, self.given = dies, False, 0, []

    def is_initialized(self) -> bool:
        return self.up

    def init(self, **how) -> None:
        self.up, self.how = True, how

    def shutdown(self) -> None:
        self.up = False

    def remote(self, **how):
        def wrapped(function):
            return SimpleNamespace(remote=lambda config, root, variables: (config.seed, function))

        return wrapped

    def wait(self, going: list, num_returns: int):
        self.most = max(self.most, len(going))
        return going[:1], going[1:]

    def get(self, done):
        if done[0] in self.dies:
            raise self.exceptions.RayError("worker died")
        return {"state": "finished", "reason": "", "weights": {}}


def test_a_cluster_carries_out_cells_a_few_at_a_time_and_a_lost_one_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = NoRay(dies=(2,))
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr("workbench.grids.ray_pool.find_spec", lambda name: True)
    monkeypatch.setattr("workbench.grids.fill.problems", lambda config: [])
    cells = plan_of("digits", ["attack=random", "seed=0,1,2,3"], classes="0").cells()
    ended = fill(cells, GridFile.of(tmp_path, "own-ray"), tmp_path, device="cpu", jobs=2, pool=ray_pool("here:6379"))
    states = {cell.seed: record["state"] for cell, record in ended}
    assert states == {0: "finished", 1: "finished", 3: "finished", 2: "failed"}
    assert fake.how["address"] == "here:6379" and fake.most == 2 and not fake.up, "it is left when all is done"


def test_a_record_of_a_run_tells_of_each_person(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    run = record(store, replace(PLAN.cells()[0].config, restarts=2), [True, False, False, False])
    found = record_of(run)
    assert found["persons"] == {"recognised": {"0": 0.5, "3": 0.0}, "acc@1": {"0": 0.5, "3": 0.0}}
    assert found["verdict"]["recognised"] == 1 and found["layout"]["tile"] == [16, 16]


def test_places_say_how_far_they_are() -> None:
    base = {"group": "", "row": "r", "column": "c"}
    (place,) = places([{**base, "state": "finished"}, {**base, "state": "missing"}])
    assert place.state == "partly" and place.word() == "1 of 2 seeds; not run yet"
