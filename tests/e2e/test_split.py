"""The Split tab in the browser: a layer is inverted beside the true pictures, and the slider walks through the layers."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .conftest import Visit
from .test_interface import turn_to

SLOWLY = 120_000  # ms; a busy machine inverts slowly


def test_a_layer_is_inverted_and_stands_in_the_strip_of_all(everyday: Visit) -> None:
    page = everyday.page
    turn_to(page, "Split")
    tab, strip = page.get_by_test_id("split"), page.get_by_test_id("split-layers")
    strip.wait_for()  # the menus act once the page has drawn the first answer
    page.locator("#split-attack input").click()
    page.get_by_role("option", name=re.compile("rMLE")).click()
    expect(strip).to_contain_text("Nothing has been inverted yet", timeout=SLOWLY)
    expect(tab.locator(".wb-split-head")).to_contain_text(re.compile(r"conv1sends \d+ × 32 × 32 numbers"))
    page.get_by_test_id("split-run").click()
    expect(tab.locator(".wb-split-figures")).to_contain_text("dB", timeout=2 * SLOWLY)
    assert tab.locator(".wb-split-pair").count() == 5, "one picture of each digit"
    columns = strip.locator(".wb-split-column")
    layers = columns.count() - 1  # beside the true pictures
    expect(columns.nth(1)).to_contain_text(re.compile(r"\d\d\.\d dB"))
    slider = page.get_by_test_id("split-slider")
    slider.focus()
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "logits")
    expect(tab.locator(".wb-split-figures")).to_have_text("Not inverted yet.")
    expect(strip.get_by_role("button", name="logits", exact=True)).to_have_attribute("aria-pressed", "true")
    strip.get_by_role("button", name="conv1", exact=True).click()
    expect(slider).to_have_attribute("aria-valuetext", "conv1")
    expect(page.get_by_test_id("split-all")).to_have_text(f"Invert every layer ({layers - 1} to go)")
    assert everyday.faults == []
