"""The tables that come with the workbench, and what a person picks in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from recorded import record

from workbench.engine.presets import default_config
from workbench.grids import GridFile
from workbench.grids.base import GRIDS, gathered
from workbench.grids.own import own_tables
from workbench.runs.store import RunStore

from .conftest import LEFT_OUT, Served, Visit
from .test_interface import run_of, turn_to, until
from .test_target_elsewhere import pick


@pytest.fixture(scope="module")
def compare(everyday: Visit) -> Visit:
    turn_to(everyday.page, "Compare")
    everyday.page.get_by_test_id("grid").first.wait_for()
    return everyday


@pytest.fixture(scope="module")
def pair(served: Served, visit: Callable[..., Visit]) -> Iterator[tuple[Visit, list[str]]]:
    """Return a page with two pinned runs of different lengths, and one run of another scenario."""
    store = RunStore(served.runs)
    faces = default_config("faces", "mi-face", target="softmax", classes=[0, 3], device="cpu")
    digits = default_config("digits", "mi-face", classes=[0, 3], device="cpu")
    runs = [
        record(store, faces, [True, False], name="first").id,
        record(store, replace(faces, seed=1), [True, True], steps=4).id,
        record(store, digits, [True, True]).id,
    ]
    visited = visit(size=(390, 844), moving=True)
    turn_to(visited.page, "Compare")
    visited.page.get_by_test_id("pair-a").select_option(runs[0])
    visited.page.get_by_test_id("pair-b").select_option(runs[1])
    visited.page.locator(".wb-versus-card").first.wait_for()
    yield visited, runs
    for run in runs:
        store.delete(run)


def test_two_runs_are_scrubbed_together_and_laid_over_each_other(pair: tuple[Visit, list[str]]) -> None:
    visited, runs = pair
    page, view = visited.page, visited.page.get_by_test_id("pair")
    until(lambda: view.get_attribute("data-shown") == "8 4", why="not both stand at their end")
    page.get_by_test_id("pair-scrub").fill("500")
    until(lambda: view.get_attribute("data-shown") == "4 2", why="not both stand in the middle")
    assert [text.count("✓") for text in page.locator(".wb-versus-marks").all_inner_texts()] == [2, 1]
    page.get_by_role("button", name="Wipe").click()
    page.keyboard.press("ArrowLeft")
    until(lambda: view.get_attribute("data-shown") == "3 2", why="an arrow key does not go back")
    page.get_by_label("How much of A lies over B").fill("10")
    assert "10%" in page.locator(".wb-versus-faces").get_attribute("style")
    page.get_by_role("button", name="Blink").click()
    until(lambda: view.evaluate("e => e.classList.contains('wb-blink-b')"), why="B does not take its turn")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "it is wider than a phone"
    assert visited.faults == []
    page.get_by_test_id("pair-b").select_option(runs[2])
    page.get_by_text("Choose two runs of one scenario").wait_for()


def test_a_table_of_ones_own_is_made_shown_and_opened(pair: tuple[Visit, list[str]], served: Served) -> None:
    page, store = pair[0].page, RunStore(served.runs)
    page.get_by_role("button", name="A table of your own").click()
    page.get_by_label("More axes").fill("attack=mi-face; target=softmax; seed=0,1")
    page.get_by_label("Seeds, averaged").fill("")
    page.get_by_text("2 cells, one after another").wait_for()
    page.get_by_role("button", name="Make this table").click()
    page.get_by_label("Leave out seed 1").wait_for()
    (own,) = own_tables(served.runs)
    run = record(store, own.cells()[0].config, [True] * 6 + [False] * 2)  # whoever ran it, it is this cell's
    page.get_by_label("Leave out seed 1").click()
    page.get_by_text("1 of 2 seeds; left out").wait_for()
    face = page.locator("td[data-state=finished] .wb-faces")
    face.scroll_into_view_if_needed()
    until(lambda: face.locator("img").evaluate("i => i.naturalWidth") == 4 * 16, why="the cell's faces are not served")
    assert face.bounding_box()["height"] >= 48
    page.locator("td[data-state=finished] .wb-open").click()
    until(lambda: run_of(page) == run.id, why="a cell does not open its run")
    store.delete(run.id)
    GridFile.of(served.runs, own.key).path.unlink()


def points(page, plot: str) -> list[float]:
    return page.evaluate(
        "name => (document.querySelector(`[data-testid=${name}]`)?.data ?? []).flatMap(t => [...t.y])", plot
    )


def states(key: str, served: Served) -> list[tuple[str, dict]]:
    """Return the state and the record of each cell as the application has them: it lacks one prior."""
    records = gathered(key, served.runs)
    return [("missing" if r["config"]["prior"] == LEFT_OUT else r["state"], r) for r in records]


def finished(page) -> list[str]:
    return page.locator("td[data-state=finished] b").all_inner_texts()


def test_the_shipped_cells_are_there_with_pictures(compare: Visit, served: Served) -> None:
    page = compare.page
    first = next(iter(GRIDS)).key  # what the tab opens with
    shipped = {(r["group"], r["row"], r["column"]) for state, r in states(first, served) if state == "finished"}
    assert shipped
    until(lambda: page.locator("td[data-state=finished]").count() == len(shipped), why="cells are missing")
    picture = page.locator("td[data-state=finished] img").first
    picture.scroll_into_view_if_needed()
    until(lambda: picture.evaluate("image => image.complete && image.naturalWidth > 0"), why="a sheet is not served")


def test_another_measure_changes_cells_and_plots(compare: Visit) -> None:
    page = compare.page
    until(lambda: points(page, "scatter"))
    cells, drawn = finished(page), points(page, "scatter")
    assert cells and all(cell.endswith("%") for cell in cells)
    pick(page, "Measure", "KNN")
    until(lambda: finished(page) != cells and points(page, "scatter") != drawn, why="the measure changed nothing")
    until(lambda: len(finished(page)) == len(cells))
    pick(page, "Measure", "Recognised")
    until(lambda: finished(page) == cells)


def test_the_defenses_are_a_table_of_their_own_with_what_they_cost(compare: Visit, served: Served) -> None:
    page = compare.page
    done = [record for state, record in states("table-defenses", served) if state == "finished"]
    accuracies = {(record["group"], record["target_accuracy"]) for record in done}
    varied = {group for group, _ in accuracies if sum(group == g for g, _ in accuracies) > 1}  # else all cost the same
    done = [record for record in done if record["group"] in varied]
    costly = min(done, key=lambda record: record["target_accuracy"])
    pick(page, "Table", "^.{0,2}Defenses")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=costly["row"]))
    until(row.count, why="the other table is not shown")
    until(lambda: any(f"target {costly['target_accuracy']:.1%}" in text for text in row.all_inner_texts()))
    pick(page, "Table", "queries")
    pick(page, "Measure", "Acc@1")
    until(lambda: any(y > 0 for y in points(page, "sweep")), why="no curve over queries")


@pytest.mark.parametrize("key", ["table-strength", "table-queries"])
def test_what_is_missing_can_be_run_only_where_something_is(compare: Visit, served: Served, key: str) -> None:
    page = compare.page
    here = [state for state, _ in states(key, served)]
    whole = here.count("finished") == len(here)
    pick(page, "Table", key.removeprefix("table-"))
    page.get_by_text(f"--preset {key}").wait_for()
    page.get_by_text(re.compile(rf"(All|of) {len(here)} cells")).first.wait_for()
    until(lambda: page.locator("td[data-state=missing]").count() == here.count("missing"))
    assert page.locator("#grid-fill").is_visible() != whole, "what can be run is not what is missing"
    assert compare.faults == []
