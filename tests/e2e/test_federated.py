"""The Federated tab in the browser: an update is inverted beside the truth, and who looks on is drawn."""

from __future__ import annotations

from .conftest import Visit
from .test_interface import turn_to, until


def test_an_update_is_inverted_beside_the_truth(everyday: Visit) -> None:
    page = everyday.page
    turn_to(page, "Federated")
    page.get_by_role("heading", name="What an update gives away").wait_for()
    update = page.locator(".wb-federated section", has=page.get_by_role("heading", name="What an update gives away"))
    update.get_by_label("Scenario").select_option("digits")
    update.get_by_label("Model that was sent").select_option("mlp")
    until(lambda: page.locator(".wb-fed-letter").text_content() == "Threat A")
    page.get_by_role("button", name="Curious participant").click()
    until(lambda: update.get_by_role("button", name="Invert the update").is_disabled())
    assert "no update reaches it" in (update.locator(".wb-problem").text_content() or "")
    page.get_by_role("button", name="Curious server").click()
    until(lambda: update.get_by_role("button", name="Invert the update").is_enabled())
    update.get_by_role("button", name="Invert the update").click()
    until(lambda: "dB" in (update.locator(".wb-fed-near").text_content() or ""))
    assert update.locator(".wb-fed-picture img:visible").count() == 2
    assert page.get_by_test_id("protocol-costs").locator("tbody tr").count() == 5
    assert everyday.faults == []
