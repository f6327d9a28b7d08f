"""Controls of the live view that do what they say, when they say it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from .conftest import DESKTOP, Served, Visit
from .test_interface import SHIFTS, points, run_of, shifts_while_loading, state, step, turn_to, until
from .test_slow_answers import held

STARTS = "**/gradio_api/run/**"  # events that do not queue; a press of Run is one
PLOTS = ".wb-plots .main-svg"
PHONE = (390, 844)


def started(served: Served) -> set[str]:
    return {path.parent.name for path in served.runs.glob("*/run.json")}


def stop(page) -> None:
    """Stop the run that is shown, unless it was stopped before and is being judged."""
    if state(page) in ("running", "paused", "queued"):
        button, said = page.get_by_test_id("stop"), page.get_by_test_id("status")
        # A run that was just asked for cannot be stopped yet; one that waits would wait for those before it.
        until(lambda: button.is_enabled() or "stopped" in said.inner_text().lower() or state(page) == "stopped")
        if button.is_enabled():
            button.click()
        until(lambda: state(page) == "stopped", seconds=600)


@pytest.mark.slow
def test_on_a_phone_too_the_page_stays_where_it_is(visit: Callable[..., Visit]) -> None:
    page = visit(size=PHONE, script=SHIFTS).page
    assert shifts_while_loading(page) < 0.1, "while it loads"
    page.get_by_test_id("preset-hundred-percent").click()
    until(lambda: points(page) > 1, seconds=150)
    assert page.evaluate("window.shifts") < 0.1, "from a first press to the first points"
    stop(page)


@pytest.fixture(scope="module")
def run(visit: Callable[..., Visit]) -> Iterator[tuple[Visit, str]]:
    """A long run, started by a press of Run."""
    visited = visit()
    page = visited.page
    page.locator("#knob-steps").fill("2000")
    page.locator("#knob-steps").press("Enter")
    page.get_by_role("button", name="Run", exact=True).click()
    name = until(lambda: run_of(page))
    until(lambda: step(page) > 0, seconds=150)
    yield visited, name
    stop(page)


def test_space_pauses_after_a_press_of_run(run: tuple[Visit, str], served: Served) -> None:
    page, before = run[0].page, started(served)
    page.locator("#run-button").focus()
    page.keyboard.press("Space")
    until(lambda: state(page) == "paused", why="Space on the Run button does not pause")
    page.locator(".wb-class").first.focus()
    page.keyboard.press("Space")
    until(lambda: state(page) == "running", why="Space on a picture does not resume")
    assert started(served) == before, "Space started another run"


def test_the_focus_goes_to_what_was_started(run: tuple[Visit, str]) -> None:
    page = run[0].page
    page.evaluate("document.activeElement.blur()")
    with page.expect_request(STARTS):
        page.get_by_test_id("fork").click()
    assert page.evaluate("document.activeElement === document.querySelector('.wb-live')")
    until(lambda: run_of(page) not in ("", run[1]))
    stop(page)


def test_a_press_clears_the_stage_at_once(run: tuple[Visit, str]) -> None:
    page = run[0].page
    page.evaluate("run => import('/wb/assets/live/main.js').then(m => m.follow(run))", run[1])
    until(lambda: points(page) > 1 and page.locator(PLOTS).count() > 0)
    with held(page) as kept:
        page.get_by_test_id("preset-hundred-percent").click()
        assert state(page) == "queued", "the press is not seen before the server has answered"
        assert page.get_by_test_id("status").inner_text() == "Starting"
        until(lambda: page.locator(PLOTS).count() == 0, why="the plots are of the run before")
        assert page.get_by_test_id("card").count() == 0
        assert page.get_by_test_id("preset-hundred-percent").get_attribute("aria-current") == "true"
        until(lambda: kept)
    until(lambda: run_of(page) not in ("", run[1]))
    until(lambda: page.get_by_test_id("card").count() == 8)
    stop(page)


def test_a_refused_press_shows_again_what_was_shown(run: tuple[Visit, str]) -> None:
    page = run[0].page
    page.evaluate("run => import('/wb/assets/live/main.js').then(m => m.follow(run))", run[1])
    until(lambda: points(page) > 1)
    page.route(
        STARTS, lambda route: route.fulfill(status=500, body=json.dumps({"error": "No.", "title": "Not possible"}))
    )
    page.get_by_test_id("preset-hundred-percent").click()
    page.get_by_test_id("told").wait_for()
    page.unroute(STARTS)
    until(lambda: points(page) > 1 and run_of(page) == run[1], why="the stage stays empty")


def test_messages_leave_the_faces_in_sight_and_do_not_pile_up(run: tuple[Visit, str]) -> None:
    page = run[0].page
    page.evaluate("""() => import('/wb/assets/page/toasts.js').then(m => {
        for (let i = 0; i < 6; i++) m.tell('Not possible', `Reason ${i}. ${'Because of this. '.repeat(8)}`); })""")
    told = page.get_by_test_id("told")
    assert told.count() <= 2
    assert "Reason 5" in told.last.inner_text(), "the newest is what counts"
    faces = page.get_by_test_id("gallery").bounding_box()
    for box in (told.nth(i).bounding_box() for i in range(told.count())):
        assert box["x"] + box["width"] <= faces["x"] or box["y"] >= faces["y"] + faces["height"]
    for _ in range(told.count()):
        told.first.get_by_role("button").click()


def test_nothing_is_painted_over_run_while_the_settings_scroll(run: tuple[Visit, str]) -> None:
    page = run[0].page
    over = page.evaluate("""() => { const panel = document.querySelector('#panel'), found = new Set();
        for (panel.scrollTop = 0; ; panel.scrollTop += 7) {
            const b = document.querySelector('#run-button').getBoundingClientRect();
            for (let x = b.x + 4; x < b.right; x += 20) for (let y = b.y + 4; y < b.bottom; y += 8) {
                const e = document.elementFromPoint(x, y); if (!e.closest('#run-row')) found.add(e.textContent.slice(0, 20)); }
            if (panel.scrollTop + panel.clientHeight >= panel.scrollHeight - 1) break; }
        panel.scrollTop = 0; return [...found]; }""")
    assert over == []


def test_a_link_reopens_a_run_on_a_phone_faces_first(
    visit: Callable[..., Visit], run: tuple[Visit, str], served: Served
) -> None:
    run[0].page.evaluate("run => import('/wb/assets/live/main.js').then(m => m.follow(run))", run[1])
    until(lambda: run_of(run[0].page) == run[1])
    stop(run[0].page)
    visited = visit(f"?run={run[1]}", size=PHONE)
    page = visited.page
    lines = (served.runs / run[1] / "curves.csv").read_text().splitlines()[1:]
    until(lambda: points(page) == len(lines), why="not every point is there")
    assert page.get_by_test_id("card").count() == 8
    faces, panel = page.get_by_test_id("gallery").bounding_box(), page.locator("#panel").bounding_box()
    assert faces["width"] > 340
    assert faces["y"] < 500
    assert panel["y"] > faces["y"] + faces["height"]
    first = page.get_by_test_id("card").first.bounding_box()
    assert first["width"] > 130, "faces are too small to be told apart"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    assert visited.faults == []


@pytest.fixture
def on_a_phone(everyday: Visit) -> Iterator[Visit]:
    """The page that stands, as wide as a phone."""
    everyday.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    yield everyday
    everyday.page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})


def test_on_a_phone_every_tab_is_in_reach_and_fits(on_a_phone: Visit) -> None:
    page = on_a_phone.page
    for title in (*page.locator("#tabs").get_by_role("tab").all_inner_texts(), "Invert"):
        tab = page.locator("#tabs").get_by_role("tab", name=title, exact=True)
        tab.scroll_into_view_if_needed()
        box = tab.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390, f"{title} is out of reach"
        turn_to(page, title)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{title} scrolls sideways"
    page.evaluate("[...document.querySelectorAll('#tabs [role=tab]')].find(tab => tab.innerText === 'Data').click()")
    chosen = page.locator("#tabs").get_by_role("tab", name="Data", exact=True)
    until(lambda: (box := chosen.bounding_box())["x"] + box["width"] <= 390, why="the chosen tab is out of view")
    turn_to(page, "Invert")
    head = [
        b
        for b in page.evaluate("""[...document.querySelectorAll('.wb-head > *, #tabs .tab-container [role=tab]')].map(e => {
        const b = e.getBoundingClientRect(); return [b.x, b.y, b.right, b.bottom]; })""")
        if b[2] - b[0] > 2 and b[3] - b[1] > 2
    ]
    for i, a in enumerate(head):
        for b in head[i + 1 :]:
            assert a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1, (
                "parts of the head overlap"
            )
    assert on_a_phone.faults == []


@pytest.mark.slow
def test_eight_tabs_of_one_browser_follow_a_run_and_each_can_stop_it(run: tuple[Visit, str], served: Served) -> None:
    first = run[0].page
    first.evaluate("run => import('/wb/assets/live/main.js').then(m => m.follow(run))", run[1])
    others = []
    for _ in range(7):
        page = first.context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{served.url}/?run={run[1]}")
        others.append(page)
    for page in others:
        until(lambda page=page: points(page) > 1, why="a tab does not load")
    for page in [first, *others]:
        before = step(page)
        until(lambda page=page, before=before: step(page) > before, why="a tab does not follow the run")
    others[-1].get_by_test_id("pause").click()
    for page in [first, *others]:
        until(lambda page=page: state(page) == "paused", why="a tab has not heard of the pause")
    first.get_by_test_id("stop").click()
    for page in [first, *others]:
        said = page.get_by_test_id("status")
        until(lambda said=said: "stopped at step" in said.inner_text(), why="a tab has not heard of the stop")
    for page in [first, *others]:  # once what was found is judged
        until(lambda page=page: state(page) == "stopped", seconds=600, why="a tab has not heard of the end")
    lines = len((served.runs / run[1] / "curves.csv").read_text().splitlines()) - 1  # the last was written at the end
    for page in [first, *others]:
        until(lambda page=page: points(page) == lines, why="a tab misses points")
        if page is not first:
            page.close()
