"""The first page before anything has run: recorded examples, the guided lesson, type for a projector."""

from __future__ import annotations

import pytest

from workbench.engine.examples import has_example
from workbench.engine.presets import PRESETS

from .conftest import DESKTOP

SIZE = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
BEYOND = "document.documentElement.scrollWidth - innerWidth"


def test_an_example_fills_the_stage_until_something_runs(everyday, served):
    page, live = everyday.page, everyday.page.locator(".wb-live")
    runs = sorted(served.runs.glob("*/run.json"))
    cards = [card for card in PRESETS if has_example(card)]
    if not cards:  # none was recorded with the cards' present settings: the stage says what to do
        assert page.get_by_test_id("empty").is_visible()
        return
    page.locator(f".wb-live[data-example={cards[0].key}]").wait_for()
    label = page.get_by_test_id("example")
    page.emulate_media(reduced_motion="no-preference")
    assert "Recorded example" in label.inner_text() and cards[0].title in label.inner_text()
    assert page.get_by_test_id("card").count() == len(cards[0].config.classes) * cards[0].config.restarts
    assert page.get_by_test_id("verdict").inner_text()
    page.get_by_test_id(f"preset-{cards[-1].key}").hover()
    page.locator(f".wb-live[data-example={cards[-1].key}]").wait_for()
    shown = page.evaluate("document.querySelector('.wb-live').dataset.shown")
    page.wait_for_function("was => document.querySelector('.wb-live').dataset.shown !== was", arg=shown)
    page.emulate_media(reduced_motion="reduce")
    assert "run=" not in page.evaluate("location.href")
    assert sorted(served.runs.glob("*/run.json")) == runs, "an example is no run"
    # As a click on a card does it, but without a run: the stage is cleared at once, and is the example's again.
    page.evaluate("import('/wb/assets/state.js').then(m => m.page.view.expect())")
    page.locator(".wb-live[data-state=queued]").wait_for()
    assert live.get_attribute("data-example") is None and not label.is_visible()
    page.evaluate("import('/wb/assets/state.js').then(m => m.page.view.giveUp())")
    page.locator(f".wb-live[data-example={cards[0].key}]").wait_for()
    assert page.get_by_test_id("play").inner_text() == "Play", "less motion is asked for"
    assert not everyday.faults, everyday.faults


@pytest.fixture(scope="module")
def projected(everyday, served):
    """Ask for type for a projector on a small screen, and open the page anew, at the lesson.

    Returns the usual size of type, that on the press, and by how much the page was too wide then.
    """
    page = everyday.page
    page.set_viewport_size({"width": 1024, "height": 768})
    usual = page.evaluate(SIZE)
    page.get_by_role("button", name="Type for a projector").click()
    pressed = page.evaluate(SIZE), page.evaluate(BEYOND)
    page.goto(f"{served.url}/?lesson=1")
    page.locator("body.wb-there").wait_for()
    everyday.faults.clear()  # the browser's own word of questions that nobody waits for any more
    yield usual, *pressed
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})


@pytest.mark.usefixtures("projected")
def test_the_lesson_goes_by_keys_and_leaves_the_page_as_it_was(everyday):
    page, lesson = everyday.page, everyday.page.get_by_test_id("lesson")
    lesson.get_by_role("heading", name="The target").wait_for()
    assert not page.locator("#panel").is_visible()
    for title in ("What the attacker has", "Watch a run", "100 % is not recognition"):
        page.keyboard.press("ArrowRight")
        lesson.get_by_role("heading", name=title).wait_for()
    page.keyboard.press("ArrowLeft")
    lesson.get_by_role("heading", name="Watch a run").wait_for()
    assert lesson.get_by_role("button", name="Run it live").is_enabled()
    assert "lesson=3" in page.evaluate("location.href")
    page.keyboard.press("Escape")
    page.locator("#panel").wait_for()
    assert not lesson.is_visible()
    assert "lesson" not in page.evaluate("location.href")
    page.get_by_role("tab", name="Runs").click()
    page.get_by_test_id("open-lesson").click()
    lesson.get_by_role("heading", name="The target").wait_for()
    page.keyboard.press("Escape")
    lesson.wait_for(state="hidden")
    assert not everyday.faults, everyday.faults


def test_type_for_a_projector_is_remembered_and_fits(everyday, projected):
    page, (usual, large, beyond) = everyday.page, projected
    assert large > 1.3 * usual
    assert beyond <= 0
    page.locator("#tabs").get_by_role("tab", name="Invert", exact=True).click()
    page.get_by_test_id(f"preset-{PRESETS[0].key}").wait_for()
    assert page.evaluate(SIZE) == large
    assert page.evaluate(BEYOND) <= 0
    page.get_by_role("button", name="Normal type").click()
    assert page.evaluate(SIZE) == usual
