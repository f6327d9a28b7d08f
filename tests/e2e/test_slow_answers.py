"""A page that waits long for the server's answers, as on a busy machine: nothing that a person does is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from .conftest import Served, Visit
from .test_interface import field, run_of, state, step, until
from .test_target_elsewhere import pick

# Of the events that do not queue, and of what is asked of a run that goes.
ANSWERS = re.compile("/gradio_api/run/|/wb/runs/[^/]+/commands")


@contextmanager
def held(page) -> Iterator[list]:
    """Keep the page's questions from the server until the block ends."""
    kept: list = []
    page.route(ANSWERS, lambda route: kept.append(route))
    yield kept
    for route in kept:
        route.continue_()
    page.unroute(ANSWERS)


@pytest.fixture(scope="module")
def going(visit: Callable[..., Visit], served: Served) -> Iterator[Visit]:
    """A long run, opened by its link in the browser that started it, while no question is answered."""
    visited = visit()
    page = visited.page
    pick(page, "Attack", "GMI")  # it has several knobs that may be turned while it goes
    steps = page.locator("#knob-steps")
    steps.fill("10000")
    steps.press("Enter")
    page.keyboard.press("Control+Enter")
    run = until(lambda: run_of(page))
    with held(page) as kept:
        page.goto(f"{served.url}/?run={run}")
        page.get_by_test_id("card").first.wait_for()
        until(lambda: step(page) > 3, seconds=150)
        assert kept, "the opened run's settings are not asked for"
        page.keyboard.press("Space")
        until(lambda: len(kept) > 1, why="the command was dropped")
    yield visited
    page.get_by_test_id("stop").click()
    until(lambda: state(page) == "stopped")


def test_a_command_is_carried_out_though_an_answer_is_awaited(going: Visit) -> None:
    until(lambda: state(going.page) == "paused")


def test_two_knobs_turned_at_once_both_reach_the_run(going: Visit, served: Served) -> None:
    page = going.page
    until(lambda: state(page) == "paused")
    page.evaluate("""() => { for (const [name, share] of [['lr', 250], ['momentum', 500]]) {
        const slider = document.querySelector(`[data-knob=${name}] input[type=range]`);
        slider.value = share; slider.dispatchEvent(new Event('input')); } }""")
    page.wait_for_timeout(1000)  # a slider sends where it came to rest
    wanted = {name: float(page.locator(f"#knob-{name}").input_value()) for name in ("lr", "momentum")}
    page.get_by_test_id("pause").click()
    events = served.runs / run_of(page) / "events.jsonl"

    def turned() -> dict[str, float]:
        lines = [json.loads(line) for line in events.read_text().splitlines()] if events.exists() else []
        return {e["name"]: e["value"] for e in lines if e["kind"] == "knob"}

    until(lambda: turned() == wanted, why="not both knobs reached the run")


@pytest.mark.slow
def test_the_last_of_two_picks_is_shown(visit: Callable[..., Visit]) -> None:
    page = visit().page
    with held(page) as kept:
        for title in ("KED-MI", "PPA"):
            field(page, "Attack").click()
            page.get_by_role("option").filter(has_text=title).first.click()
            until(lambda: kept)
    until(lambda: "ppa" in page.locator("#command textarea").input_value(), why="the second pick was dropped")
