"""A black-box attack on a target that is away at first, goes away in mid-run and comes back, as a person sees it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.conftest import ROOT, Served, Visit
from tests.e2e.test_interface import field, rested, run_of, state, step, turn_to, until


@contextmanager
def offered(port: int, *flags: str) -> Iterator[subprocess.Popen]:
    """RemoteCard a target of the digits on this port, labels only; it is killed at the end."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "workbench",
            "serve-target",
            "--scenario",
            "digits",
            "--labels-only",
            "--device",
            "cpu",
            "--threads",
            "1",
            "--port",
            str(port),
            *flags,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert "releases label only" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def pick(page, label: str, option: str) -> None:
    field(page, label).click()
    page.get_by_role("option", name=re.compile(option)).first.click()


def asked(page) -> int:
    text = page.locator("[data-fig=queries]").inner_text().replace(",", "")
    return int(text) if text.isdigit() else 0


def curve(page) -> list[float]:
    """Return where the points of the first curve stand on the x-axis."""
    return page.evaluate("[...(document.querySelector('.wb-curves .wb-plot').data?.[0]?.x ?? [])]")


def start(page) -> None:
    """Press Run until the target has been found to be there; a server says so before it listens."""

    def pressed() -> str:
        page.locator("#run-button").click()
        time.sleep(1)
        return run_of(page)

    until(pressed, why="the run did not start")


@pytest.fixture(scope="module")
def told(visit: Callable[..., Visit], served: Served) -> dict:
    """What one run showed from before its target was there to its end."""
    visited = visit()
    page, seen = visited.page, {}
    usual = until(lambda: field(page, "Attack").input_value())
    pick(page, "Scenario", "Digits")
    page.get_by_role("group", name="Classes attacked").get_by_label("four").wait_for()
    pick(page, "Attack", "BREP-MI")
    page.get_by_text("Kahla et al.").wait_for()
    pick(page, "Target", "bank")
    reason = page.locator(
        "#problem .wb-problem"
    )  # not all of it: Gradio keeps the time of a pending answer in there, unseen
    seen["before"] = until(
        lambda: reason.count() and reason.inner_text().strip(), why="nothing said that the target is away"
    )
    page.locator("#knob-steps").fill("12")
    page.locator("#knob-steps").press("Enter")
    page.locator("#run-button").click()
    page.get_by_test_id("told").wait_for()
    seen["refused"] = page.get_by_test_id("told").inner_text(), run_of(page), page.locator("#knob-steps").input_value()
    with offered(served.elsewhere, "--rate", "300"):
        start(page)
        until(lambda: not reason.count(), why="the reason outlived its cause")
        until(lambda: len(curve(page)) > 4 and asked(page) > 300, why="no curve was drawn")
        seen["queries"] = curve(page)
        page.get_by_test_id("axis-step").focus()
        page.keyboard.press("Enter")
        seen["steps"] = until(lambda: (x := curve(page)) and x[-1] < 100 and x, why="the switch did nothing")
        page.get_by_test_id("axis-queries").click()
    until(lambda: state(page) == "paused", why="it did not pause")
    until(lambda: page.get_by_test_id("notice").inner_text())
    seen["waiting"] = rested(
        lambda: (page.get_by_test_id("notice").inner_text(), page.get_by_test_id("status").inner_text(), step(page))
    )
    page.get_by_test_id("pause").click()
    seen["resumed"] = [state(page) for _ in range(10) if not time.sleep(0.1)]
    seen["kept"] = step(page)
    late = visit(f"?run={run_of(page)}").page
    seen["late"] = (
        until(lambda: (text := field(late, "Attack").input_value()) != usual and text),
        rested(lambda: state(late)),
    )
    with offered(served.elsewhere):
        until(lambda: state(page) != "paused", why="it did not go on by itself")
        page.locator(".wb-live[data-state=finished]").wait_for(timeout=300_000, state="attached")
        seen["after"] = rested(
            lambda: (page.get_by_test_id("notice").is_visible(), step(page), page.get_by_test_id("card").count())
        )
    page.locator(".wb-legend").click()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    seen["mark"] = rested(
        lambda: (
            page.get_by_test_id("frame").inner_text(),
            page.evaluate("document.querySelector('.wb-curves .wb-plot').layout.shapes?.[0]?.x0"),
        )
    )
    seen["run"], seen["opened"] = run_of(page), late
    turn_to(page, "Judge")
    page.get_by_test_id("queries").wait_for()
    seen["judged"] = page.get_by_test_id("queries").inner_text()
    seen["faults"] = [fault for fault in visited.faults if "page error" in fault or "outside" in fault]
    return seen


def test_a_target_that_is_away_is_said_before_and_when_run_is_pressed(told: dict) -> None:
    assert "cannot be reached: connection refused" in told["before"] and "Start it" in told["before"]
    text, run, steps = told["refused"]
    assert "connection refused" in text and not run, "a run that cannot start was started"
    assert steps == "12", "the settings were lost"


def test_the_curves_of_a_black_box_attack_stand_against_queries_or_steps(told: dict) -> None:
    assert told["queries"] == sorted(told["queries"]) and told["queries"][-1] > 300
    assert told["steps"][-1] < 30
    text, mark = told["mark"]
    assert f"{mark:,.0f} queries" in text, "the scrubber's mark stands elsewhere than its words"


def test_a_run_waits_for_its_target_and_goes_on_by_itself(told: dict) -> None:
    notice, status, at = told["waiting"]
    assert "http:bank" in notice and "connection refused" in notice and "by itself" in notice
    assert status.startswith("Waiting for its target")
    assert set(told["resumed"]) == {"paused"} and told["kept"] == at, "Resume cannot go on without the target"
    visible, last, cards = told["after"]
    assert not visible and last > at and cards == 5
    assert told["faults"] == []


def test_who_opens_a_waiting_run_finds_its_settings(told: dict) -> None:
    assert told["late"] == ("BREP-MI (brep-mi)", "paused")


def test_judge_tells_the_accuracy_for_a_thousand_queries(told: dict) -> None:
    assert re.search(r"[\d,]+ queries, [\d,]+ a class", told["judged"]) and "1,000 queries a class" in told["judged"]


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_no_accessibility_rule_is_broken_where_a_run_is_shown(
    told: dict, visit: Callable[..., Visit], theme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = told["opened"] if theme == "light" else visit(f"?__theme=dark&run={told['run']}").page
    found = []
    page.get_by_test_id("axis-queries").wait_for()
    page.locator("#problem .wb-problem").wait_for()  # its target is away again
    for title, shown in (("Invert", "axis-queries"), ("Judge", "metrics")):
        turn_to(page, title)
        page.get_by_test_id(shown).wait_for()
        page.wait_for_timeout(500)
        found += [f"{title}: {v['id']}: {v['nodes'][0]['html'][:140]}" for v in axe.run(page).response["violations"]]
    assert not found, "\n".join(found)
