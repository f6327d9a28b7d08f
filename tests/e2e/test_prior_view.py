"""The Prior tab: what it draws follows the controls, its neighbours are said, its trainings queue and stop."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import Served, Visit
from tests.e2e.test_interface import contrast, rested, turn_to, until


def settled(page, prior: str) -> None:
    """Wait until every part of the tab shows this prior."""
    page.locator(f".wb-prior[data-prior='{prior}'][data-drawn][data-way]").wait_for()
    page.locator(f".wb-training[data-prior='{prior}']").wait_for(state="attached")


def drawn(page) -> list[str]:
    return page.locator(".wb-prior").get_attribute("data-drawn").split()


@pytest.fixture(scope="module")
def looking(everyday: Visit) -> Visit:
    """The tab with the digits' GAN, which two cores draw at once."""
    page = everyday.page
    turn_to(page, "Prior")
    settled(page, "faces/gan")
    page.locator("#prior-scenario input").click()
    page.get_by_role("option", name="Digits").click()
    settled(page, "digits/gan")
    return everyday


def test_the_sheet_follows_seed_and_truncation(looking: Visit) -> None:
    page = looking.page
    until(
        lambda: len(shades := contrast(page, ".wb-samples-grid canvas")) == 24 and min(shades) > 40,
        why="a picture is blank",
    )
    requests: list[str] = []
    page.on("request", lambda r: requests.append(r.url) if "samples.webp" in r.url else None)
    page.evaluate("""() => { const s = document.querySelector("[data-testid=truncation]");
        for (let k = 19; k >= 10; k--) { s.value = k / 20; s.dispatchEvent(new Event("input")); } }""")
    until(lambda: drawn(page)[1] == "0.50")
    assert len(requests) < 6, "ten turns of the slider are not ten requests"
    seed = rested(lambda: drawn(page))[0]
    page.get_by_test_id("prior-dice").click()
    until(lambda: drawn(page)[0] != seed)


def test_two_clicks_make_a_way_that_plays(looking: Visit) -> None:
    page = looking.page
    page.get_by_role("button", name="Sample 3", exact=True).click()
    page.get_by_role("button", name="Sample 9", exact=True).click()
    seed = rested(lambda: drawn(page))[0]
    until(lambda: page.locator(".wb-prior").get_attribute("data-way").startswith(f"{seed}.2 {seed}.8"))
    until(
        lambda: page.locator(".wb-sample[data-end=A]").count() == 2, why="it is not both in the sheet and in the strip"
    )
    before = int(page.get_by_test_id("way").input_value())
    page.get_by_test_id("way-play").click()
    until(lambda: int(page.get_by_test_id("way").input_value()) > before + 2)
    page.get_by_test_id("way-play").click()
    until(lambda: min(contrast(page, ".wb-way-strip canvas")) > 20)


def test_arrows_move_between_the_samples(looking: Visit) -> None:
    page = looking.page
    page.get_by_role("button", name="Sample 9, point B").focus()
    for key, name in (("ArrowRight", "Sample 10"), ("ArrowDown", "Sample 18")):
        page.keyboard.press(key)
        until(lambda name=name: page.evaluate("document.activeElement.getAttribute('aria-label')") == name)


def test_the_nearest_public_and_private_images_are_said(looking: Visit) -> None:
    page = looking.page
    page.get_by_role("button", name="Sample 1", exact=True).click()
    page.locator(".wb-near[data-ready='finished finished']").wait_for()
    said = page.get_by_test_id("nearest").inner_text()
    assert "2,500" in said and said.count("away") == 2 and ("training" in said or "held out" in said)
    until(lambda: page.locator(".wb-near img").count() == 3)
    until(lambda: "evaluator" in page.locator(".wb-prior").inner_text())


def test_the_reach_is_searched_once(looking: Visit) -> None:
    page = looking.page
    page.get_by_test_id("reach-classes").fill("3")
    page.get_by_test_id("reach-classes").press("Tab")
    page.get_by_test_id("reach-go").click()
    page.locator(".wb-reach[data-state=finished]").wait_for(timeout=300_000)
    until(lambda: page.locator(".wb-reached").count() == 1)
    until(lambda: "PSNR" in (text := page.get_by_test_id("reach-sum").inner_text()) and "of 1" in text)


@pytest.mark.slow
def test_a_training_is_queued_listed_stopped_and_can_be_resumed(looking: Visit) -> None:
    page = looking.page
    page.locator(".wb-training summary").click()
    page.get_by_test_id("train").click()
    going = page.locator(".wb-training[data-state=running]")
    going.wait_for()
    until(lambda: "Step" in page.get_by_test_id("training-status").inner_text())
    turn_to(page, "Runs")
    row = page.locator("tr", has_text="Training: GAN prior on digits")
    row.wait_for()
    row.get_by_role("button", name="Watch").click()
    going.wait_for()
    page.get_by_test_id("train-stop").click()
    page.locator(".wb-training[data-state=stopped]").wait_for()
    page.get_by_test_id("train-resume").wait_for()
    until(lambda: "can be resumed" in page.get_by_test_id("training-status").inner_text())
    turn_to(page, "Judge")
    time.sleep(1)
    page.locator("#judge-run input").click()
    assert page.get_by_role("option", name="train-gan").count() == 0, "there is nothing to judge in a training"
    page.keyboard.press("Escape")


def test_what_is_not_trained_says_how(looking: Visit) -> None:
    page = looking.page
    turn_to(page, "Prior")
    page.locator("#prior-key input").click()
    missing = page.get_by_role("option", name="(not trained)")
    if not missing.count():
        page.keyboard.press("Escape")
        pytest.skip("every prior is trained here")
    missing.first.click()
    page.locator(".wb-command", has_text="python -m workbench train prior --scenario digits").first.wait_for()
    page.get_by_test_id("train").wait_for()
    assert looking.faults == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("digits/gan/samples.webp?seed=5&share=0.4", 200),
        ("digits/gan/samples.webp?seed=-1", 400),
        ("digits/gan/samples.webp?share=2", 400),
        ("digits/gan/samples.webp?seed=a", 400),
        ("digits/gan/samples.webp?share=nan", 400),
        ("digits/gan/samples.webp?target=resnet", 400),
        ("digits/gam/samples.webp", 400),
        ("digit/gan/samples.webp", 400),
        ("digits/gan/between.webp?a=0.1&b=0.x", 400),
        ("digits/gan/between.webp?a=0.1&b=0.99", 400),
        ("digits/gan/nearest.json?point=..%2f..", 400),
        ("digits/gan/reach.json?classes=9", 400),
        ("digits/gan/reach.json?classes=0&wide=true", 400),
        ("digits/gan/training.json", 200),
        ("..%2f..%2fetc/gan/samples.webp", 404),
    ],
)
def test_requests_are_checked(served: Served, path: str, status: int) -> None:
    answer, body, _ = served.get(f"/wb/priors/{path}")
    assert answer == status, body[:200]
    assert b"root:" not in body and b"Traceback" not in body
