"""The Target tab: a defense beside none, trained from the page, and handed on to the attack."""

from __future__ import annotations

import pytest

from .conftest import Served, Visit
from .test_interface import turn_to, until


def choose(page, where: str, option: str) -> None:
    page.locator(f"#{where} input").click()
    page.get_by_role("option", name=option, exact=True).click()


@pytest.fixture
def looking(everyday: Visit) -> Visit:
    turn_to(everyday.page, "Target")
    everyday.page.get_by_test_id("comparison").wait_for()
    return everyday


def test_a_defense_is_shown_beside_none(looking: Visit) -> None:
    page = looking.page
    until(lambda: page.get_by_test_id("comparison").locator("thead th").all_inner_texts()[1:] == ["Undefended"])
    choose(page, "target-arch", "ResNet")
    choose(page, "target-training", "BiDO")
    choose(page, "target-output", "Temperature")
    page.locator("[data-testid=comparison] th", has_text="BiDO + Temperature").wait_for()
    rows = {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts()
        for row in page.locator("[data-testid=comparison] tbody tr").all()
    }
    assert rows["Accuracy, 120 unseen images"][0] == "98.3 %"
    without, with_both = rows["Mean confidence"]
    assert float(with_both.split()[0]) < float(without.split()[0]) - 20, "a temperature of 10 leaves little confidence"
    until(lambda: page.locator("[data-testid=comparison] svg").count() == 4)
    page.locator("#output-knob-temperature").wait_for()
    assert looking.faults == []


@pytest.mark.slow
def test_a_defended_target_is_trained_here_and_attacked(looking: Visit, served: Served) -> None:
    page = looking.page
    choose(page, "target-arch", "Softmax regression")
    choose(page, "target-training", "Negative label smoothing")
    alpha = page.locator("#training-knob-alpha")
    alpha.wait_for()
    alpha.fill("-0.2")
    alpha.press("Tab")
    page.locator(".wb-problem", has_text="neg-ls(alpha=-0.2)").first.wait_for()
    page.locator("#target-training-part [data-testid=train]").click()
    page.locator("[data-testid=comparison] th", has_text="alpha=-0.2").wait_for(timeout=120_000)
    assert served.get("/wb/targets/faces/softmax/training.json?defense=neg-ls(alpha=-0.2)")[0] == 200
    page.locator("#target-attack").click()
    page.locator("#command textarea").wait_for()
    page.wait_for_function("document.querySelector('#command textarea').value.includes('neg-ls(alpha=-0.2)')")
    until(lambda: "--target softmax" in page.locator("#command textarea").input_value())
    assert looking.faults == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("faces/resnet/training.json", 200),
        ("faces/resnet/training.json?defense=bido", 200),
        ("faces/resnet/training.json?defense=bido(strength=nan)", 400),
        ("faces/resnet/training.json?defense=../x", 400),
        ("faces/resnett/training.json", 400),
        ("face/resnet/training.json", 400),
    ],
)
def test_requests_are_checked(served: Served, path: str, status: int) -> None:
    answer, body, _ = served.get(f"/wb/targets/{path}")
    assert answer == status, body[:200]
    assert b"Traceback" not in body
