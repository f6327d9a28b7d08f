"""The table of runs, and two of them side by side, without a page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.core.records import Fork, RunState
from workbench.engine.presets import default_config
from workbench.reports.differences import differences
from workbench.runs.store import RunStore
from workbench.ui.tabs.run_list import PAGE, Look, listing
from workbench.workers.scheduler import Scheduler

CONFIG = default_config("faces", "gmi", classes=list(range(8)))
SHAPE = (1, 64, 64)


def everybodys(owner: str) -> bool:
    return True


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """A store of 230 runs, more than were ever listed at once."""
    store = RunStore(tmp_path_factory.mktemp("runs"))
    for i in range(230):
        store.create(replace(CONFIG, seed=i, attack="mi-face" if i % 10 == 0 else "gmi"), shape=SHAPE)
    return store


def test_every_run_is_on_some_page(store: RunStore) -> None:
    first = listing(store, Look(), everybodys)
    assert (first["total"], first["pages"], len(first["rows"])) == (230, 5, PAGE)
    seeds = [row["seed"] for page in range(first["pages"]) for row in listing(store, Look(page), everybodys)["rows"]]
    assert sorted(seeds) == list(range(230))
    assert listing(store, Look(99), everybodys)["page"] == 4, "a page that is no more leads to the last"


def test_runs_are_found_by_words(store: RunStore) -> None:
    run = listing(store, Look(3), everybodys)["rows"][0]["id"]
    store.update(run, name="For the 100% lecture")
    found = listing(store, Look(search="lecture 100%"), everybodys)
    assert [row["id"] for row in found["rows"]] == [run] and found["total"] == 1
    assert listing(store, Look(search="mi-face"), everybodys)["total"] == 23
    assert listing(store, Look(search="10_%"), everybodys)["total"] == 0, "what SQL reads as a pattern is text here"
    assert listing(store, Look(search="'; DROP TABLE runs"), everybodys)["total"] == 0
    assert listing(store, Look(), everybodys)["total"] == 230


@pytest.mark.parametrize(
    ("value", "look"),
    [
        ({"page": 2, "search": " x "}, Look(2, "x")),
        ({"page": -1}, Look()),
        ({"page": "2", "search": 3}, Look()),
        (None, Look()),
        ({"search": "x" * 999}, Look(0, "x" * 80)),
    ],
)
def test_what_the_page_says_is_not_believed(value: object, look: Look) -> None:
    assert Look.of(value) == look


def test_lines_call_things_as_menus_do(store: RunStore) -> None:
    said = {row["what"] for row in listing(store, Look(), everybodys)["rows"]}
    assert said == {f"{attack} on Faces (AT&T, 40 people), ResNet" for attack in ("GMI", "MI-Face")}


def test_a_line_leads_with_what_the_judges_recognise(tmp_path) -> None:
    store = RunStore(tmp_path)
    judged, chosen, broken = (store.create(CONFIG, shape=SHAPE).id for _ in range(3))
    for run in (judged, chosen, broken):
        store.update(run, accuracy=0.875)
    store.update(judged, verdict={"recognised": 6, "n": 8, "judges": ["Face ResNet"]})
    (tmp_path / broken / "run.json").write_text("{}")
    rows = {row["id"]: row for row in listing(store, Look(), everybodys)["rows"]}
    assert {run: (rows[run]["recognised"], rows[run]["judged"], rows[run]["accuracy"]) for run in rows} == {
        judged: (6, 8, 0.875),
        chosen: (None, None, 0.875),
        broken: (None, None, 0.875),
    }


def test_differences_are_in_words() -> None:
    other = replace(CONFIG, restarts=3, budget=100, fork=Fork("0101-000000-gmi-abcd", 7), prior=None, asks=2)
    found = {name: (a, b) for name, a, b in differences(CONFIG, other)}
    assert found["tries per class"] == ("1", "3") and found["query limit"] == ("–", "100")
    assert found["begun from"] == ("–", "run 0101-000000-gmi-abcd, frame 7")
    assert found["prior"] == ("gan", "–")
    assert not [text for pair in found.values() for text in pair if "None" in text or "{" in text]


def test_an_index_that_was_made_anew_is_told_over_the_table(tmp_path) -> None:
    RunStore(tmp_path).create(CONFIG, shape=SHAPE)
    assert listing(RunStore(tmp_path), Look(), everybodys)["said"] == ""
    (tmp_path / "index.sqlite").write_bytes(b"no index")
    store = RunStore(tmp_path)
    for said in (listing(store, Look(), everybodys)["said"], Scheduler(store).status()["repaired"]):
        assert "made anew from the folders of 1 run" in said
    assert listing(store, Look(), everybodys, "One deleted.")["said"].startswith("One deleted. The index")


def test_a_line_says_whether_it_is_for_who_looks_to_change(store: RunStore) -> None:
    own = store.create(CONFIG, owner="me", shape=SHAPE).id
    mine = {row["id"]: row["mine"] for row in listing(store, Look(), lambda owner: owner == "me")["rows"]}
    assert mine.pop(own) and not any(mine.values())
    store.update(own, RunState.STOPPED)
    store.delete(own)
