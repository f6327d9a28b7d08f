"""The Attributes tab in the browser: a run's posterior steps query by query, and privacy is marked where the slider stands."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from .conftest import Visit
from .test_interface import turn_to

SLOWLY = 120_000  # ms; a busy machine trains the target first


def test_a_posterior_fills_in_beside_the_baselines_and_privacy_is_told(visit: Callable[..., Visit]) -> None:
    page = visit("").page
    turn_to(page, "Attributes")
    tab = page.get_by_test_id("attributes")
    tab.get_by_label("Records attacked").fill("300")
    tab.get_by_role("button", name="Run").click()
    expect(tab.get_by_role("region", name="Figures over all values")).to_contain_text("Imputation", timeout=SLOWLY)
    query = tab.get_by_label("Query", exact=True)
    query.fill("0")
    expect(tab.get_by_text("Query 0 of 3")).to_be_visible()
    before = tab.locator(".wb-attr-value").all_text_contents()
    tab.get_by_role("button", name="Next query").click()
    tab.get_by_role("button", name="Next query").click()
    tab.get_by_role("button", name="Next query").click()
    expect(tab.get_by_text("Query 3 of 3")).to_be_visible()
    assert len(before) == 3 and tab.locator(".wb-attr-value").all_text_contents() != before
    expect(tab.get_by_text("With no privacy, MAP names")).to_be_visible(timeout=SLOWLY)
    tab.get_by_role("slider", name="Privacy of the training").fill("2")
    expect(tab.get_by_text("With ε = 1, MAP names")).to_be_visible()
    tab.get_by_label("Target").select_option("tree")
    expect(tab.get_by_text("cannot be trained with differential privacy")).to_be_visible()
    expect(tab.get_by_role("button", name="Run")).to_be_disabled()
