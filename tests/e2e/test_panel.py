"""The settings on the left: what cannot run, what is restored, what is remembered, and the keyboard's way through."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Served, Visit
from tests.e2e.test_interface import field, turn_to, until
from tests.e2e.test_target_elsewhere import pick
from workbench.engine.presets import default_config


def opened(visit: Callable[..., Visit]) -> Visit:
    visited = visit()
    visited.page.locator("#knob-steps").wait_for()
    return visited


@pytest.fixture(scope="module")
def settled(visit: Callable[..., Visit]) -> Visit:
    """A page at Invert; of its tests the first leave attack and tab as they found them."""
    return opened(visit)


def seed(page) -> str:
    return field(page, "Seed").input_value()


def type_seed(page, text: str) -> None:
    field(page, "Seed").fill(text)
    field(page, "Seed").press("Tab")


@pytest.mark.parametrize(("text", "says"), [("-3", "Seed -3 is out of range"), ("1.5", "Seed 1.5 is not a whole")])
def test_a_seed_that_is_none_greys_run_out_with_a_sentence(settled: Visit, text: str, says: str) -> None:
    page = settled.page
    type_seed(page, text)
    page.locator("#problem .wb-problem", has_text=says).wait_for()
    until(lambda: page.locator("#run-button").is_disabled(), why="Run is offered")
    type_seed(page, "7")
    until(lambda: page.locator("#run-button").is_enabled(), why="Run is not offered again")
    until(lambda: not page.locator("#problem .wb-problem").count(), why="the reason outlived its cause")
    assert settled.faults == []


def test_headings_in_the_menu_of_attacks_pick_nothing(settled: Visit) -> None:
    page = settled.page
    usual = field(page, "Attack")
    usual.click()
    headings = page.get_by_role("option", name="— ").all_inner_texts()
    assert len(headings) >= 4 and "White-box" in headings[0] and "Label only" in headings[-1]
    page.get_by_role("option", name="— Label only —").dispatch_event("mousedown")
    page.keyboard.press("Escape")
    until(lambda: usual.input_value() == "PPA (ppa)", why="a heading was picked")


def test_the_class_grid_is_one_stop_of_the_tab_key(settled: Visit) -> None:
    page = settled.page
    grid = page.get_by_role("group", name="Classes attacked")
    assert grid.locator("[tabindex='0']").count() == 1
    grid.locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    held = grid.locator(":focus")
    assert held.get_attribute("aria-label") == grid.locator("button").nth(2).get_attribute("aria-label")
    before = held.get_attribute("aria-pressed")
    page.keyboard.press("Space")
    until(lambda: grid.locator("button").nth(2).get_attribute("aria-pressed") != before)
    until(lambda: grid.locator(":focus").count() == 1, why="the focus is lost when a class is picked")
    page.keyboard.press("Tab")
    assert not grid.locator(":focus").count()


def test_arrow_keys_go_through_the_tabs_and_the_help_names_them_all(settled: Visit) -> None:
    page = settled.page
    tabs = page.locator("#tabs [role=tab]:visible").all_inner_texts()
    page.locator("#tabs").get_by_role("tab", name="Invert", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.locator("#tabs [role=tab][aria-selected=true]", has_text=tabs[tabs.index("Invert") + 1]).wait_for()
    page.keyboard.press("Home")
    page.locator("#tabs [role=tab][aria-selected=true]", has_text="Target").wait_for()
    page.locator("#wb-help").click()
    said = page.get_by_role("dialog", name="Help").locator("dt").all_inner_texts()
    assert set(tabs) <= set(said), "the help leaves a tab out"
    page.keyboard.press("Escape")
    turn_to(page, "Invert")


def test_the_first_stop_of_the_tab_key_skips_to_the_run(settled: Visit) -> None:
    page = settled.page
    link = page.get_by_role("link", name="Skip to the run")
    link.focus()
    box = link.bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0, "the link is not seen when it has the focus"
    page.keyboard.press("Enter")
    until(lambda: page.evaluate("location.hash") == "#stage")


def test_a_defense_that_an_attacker_inside_never_meets_is_said(settled: Visit) -> None:
    page, said = settled.page, settled.page.locator(".wb-remark", has_text="holds the model itself")
    field(page, "Defense").click()
    page.get_by_role("option", name="Rounding", exact=True).click()
    said.wait_for()
    page.locator("#defaults").click()
    said.wait_for(state="hidden")
    assert settled.faults == []


def test_the_settings_used_last_are_there_in_a_new_tab_and_defaults_put_them_back(
    settled: Visit, served: Served
) -> None:
    page = settled.page
    type_seed(page, "99")
    page.wait_for_function("document.querySelector('#command textarea').value.includes('--seed 99')")
    fresh = page.context.new_page()
    fresh.goto(served.url)
    until(lambda: fresh.locator("#knob-steps").count() and seed(fresh) == "99", why="the settings are forgotten")
    fresh.locator("#defaults").click()
    until(lambda: seed(fresh) == "0", why="Defaults does nothing")
    fresh.close()


def test_settings_come_back_from_a_file_and_a_forged_one_loses_nothing(settled: Visit, tmp_path: Path) -> None:
    page = settled.page
    config = default_config("digits", "gmi", seed=4321, classes=[1, 3], knobs={"steps": 55})
    record = tmp_path / "run.json"
    record.write_text(json.dumps({"id": "x", "config": config.to_json()}))
    files = page.locator("#restore input[type=file]")
    files.set_input_files(record)
    until(lambda: seed(page) == "4321", why="the seed is not restored")
    until(lambda: page.locator("#knob-steps").input_value() == "55")
    page.locator(".wb-remark", has_text="Settings restored").wait_for()
    for name, body, says in (
        ("forged.json", json.dumps({"config": {**config.to_json(), "target": "../../x"}}), "../../x"),
        ("picture.png", "GIF89a", "neither"),
    ):
        (tmp_path / name).write_text(body)
        files.set_input_files(tmp_path / name)
        page.locator("#restore", has_text=says).wait_for()
        assert seed(page) == "4321", "a file that was refused changed the settings"


def test_what_is_missing_is_trained_by_a_click(visit: Callable[..., Visit]) -> None:
    visited = opened(visit)
    page = visited.page
    pick(page, "Scenario", "Digits")  # its public images are here, so that a prior can be trained
    page.get_by_role("group", name="Classes attacked").get_by_label("four").wait_for()
    pick(page, "Attack", "PLG-MI")  # the served application comes without its prior
    page.locator("#problem .wb-problem", has_text="conditional-gan").wait_for()
    assert page.locator("#run-button").is_disabled()
    page.locator("#remedy").click()
    until(lambda: "onditional" in page.get_by_label("Prior", exact=True).last.input_value(), why="Prior shows another")
    page.locator("#prior-training [data-testid=train]").wait_for()
    assert visited.faults == []


def post(served: Served, body: bytes) -> tuple[int, dict]:
    request = urllib.request.Request(served.url + "/wb/restore", body, {"Content-Type": "application/octet-stream"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_route_tells_settings_back_and_refuses_the_rest(served: Served) -> None:
    config = default_config("faces", "gmi", seed=8)
    assert post(served, json.dumps(config.to_json()).encode())[1]["config"] == json.loads(json.dumps(config.to_json()))
    for body in (b"", b"\x89PNG\r\n\x1a\n", b"x" * 100):
        status, said = post(served, body)
        assert status == 400 and said["error"].endswith(".")
    try:
        assert post(served, b"0" * (8 * 2**20 + 1))[0] == 413
    except urllib.error.URLError as error:  # refused while it was still being sent
        assert isinstance(error.reason, ConnectionError)
