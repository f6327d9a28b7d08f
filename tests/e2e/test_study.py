"""People who judge, in the browser: a study is made at the desk and answered on a phone; Judge enlarges a run's pictures."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from tests.e2e.conftest import Served, Visit
from tests.e2e.test_interface import turn_to, until
from workbench.core.records import RunConfig, RunState
from workbench.core.weights import write_atomically
from workbench.runs.contact_sheet import SheetLayout, webp
from workbench.runs.store import RunStore
from workbench.scenarios import SCENARIOS

CLASSES = (0, 1, 2, 3, 4)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def run(served: Served) -> str:
    """File a run whose pictures are digits that were held out, as if an attack had made them; returns its id."""
    store, scenario = RunStore(served.runs), SCENARIOS["digits"]()
    images = torch.stack([scenario.private.heldout.of_class(c)[0] for c in CLASSES])
    config = RunConfig("digits", "random", "resnet", classes=CLASSES)
    folder = store.create(config, owner="command line", shape=scenario.input_shape, state=RunState.RUNNING)
    layout = SheetLayout.of(len(CLASSES), scenario.input_shape)
    save_file({"images": images, "labels": torch.tensor(CLASSES)}, folder.path / "result.safetensors")
    write_atomically(folder.path / "frames" / "000000.webp", webp(images, layout))
    write_atomically(folder.path / "frames" / "latest", b"0")
    for line in ("0,10,20,30,40,50", "1,20,30,40,50,60"):
        folder.append("confidence.csv", line)
    names = [{"class": c, "restart": 0, "label": scenario.class_names[c]} for c in CLASSES]
    folder.write_json("scene.json", {"candidates": names, "sheet": layout.to_json(), "payload": "images", "total": 1})
    said = {"key": "evaluator", "title": "Evaluator", "seen": "all", "threshold": None, "choice": list(CLASSES)}
    said |= {"score": [0.9, 0.8, 0.7, 0.6, 0.5], "right": [True, True, False, True, True]}
    found = {"n": 5, "overall": {"acc@1": 0.8}, "per_image": {"acc@1": [1, 1, 0, 1, 1]}, "intervals": {}}
    folder.write_json("judgement.json", {"reconstruction": found, "panel": [said], "left_out": []})
    store.update(folder.id, RunState.FINISHED, name="Digits as they are", accuracy=0.8)
    return folder.id


@pytest.fixture(scope="module")
def desk(everyday: Visit, run: str) -> Visit:
    return everyday


def test_a_study_is_made_at_the_desk_and_answered_on_a_phone(desk: Visit, chromium, run: str) -> None:
    page = desk.page
    turn_to(page, "Study")
    page.get_by_label("Digits as they are").check()
    page.get_by_role("button", name="Make the study").click()
    page.get_by_test_id("tally").wait_for()
    link = page.get_by_label("Link for raters").input_value()
    context = chromium.new_context(viewport=PHONE, has_touch=True)
    phone, faults = context.new_page(), []
    phone.on("pageerror", lambda error: faults.append(str(error)))
    phone.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    phone.goto(link)
    phone.get_by_role("button", name="Start").tap()
    phone.get_by_role("heading", name="Does picture A show the same digit").wait_for()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert phone.evaluate("document.documentElement.scrollHeight") <= PHONE["height"], "a question needs scrolling"
    box = phone.get_by_alt_text("Picture A").bounding_box()
    assert box["width"] >= 180 and abs(box["width"] - box["height"]) < 2
    assert run not in phone.content() and phone.locator("main img").count() == 5
    phone.get_by_role("button", name="Same digit").tap()  # waits until it may be pressed
    phone.get_by_text("1 of", exact=False).wait_for()
    phone.locator("main[data-trial='1'] .choice:enabled").first.wait_for()
    phone.keyboard.press("n")
    phone.locator("main[data-trial='2']").wait_for()
    phone.get_by_role("button", name="Back one").tap()
    phone.locator("main[data-trial='1']").wait_for()
    phone.reload()
    phone.locator("main[data-trial='1'] img").first.wait_for()
    until(lambda: "1 rater, 0 finished · 1 answers" in page.get_by_test_id("tally").inner_text())
    page.get_by_role("button", name="Show what was found").click()
    page.get_by_test_id("findings").wait_for()
    context.close()
    assert faults == desk.faults == []


def test_judge_enlarges_pictures_by_keys_and_sorts_classes(desk: Visit, run: str) -> None:
    page = desk.page
    turn_to(page, "Judge")
    page.locator("#judge-run input").click()
    page.get_by_role("option", name="Digits as they are").click()
    until(
        lambda: (
            [said.count("✗ Evaluator: two, 70 %") for said in page.locator(".wb-judged").all_inner_texts()]
            == [0, 0, 1, 0, 0]
        )
    )
    page.get_by_label("Order of the pictures").select_option("worst")
    first = page.locator(".wb-judged").first
    until(lambda: "two" in first.inner_text())
    first.press("Enter")
    enlarged = page.locator("dialog.wb-enlarged")
    enlarged.get_by_text("Pixels", exact=True).wait_for()
    page.keyboard.press("ArrowRight")
    enlarged.get_by_role("heading", name="four").wait_for()
    page.keyboard.press("Escape")
    until(lambda: first.evaluate("card => card === document.activeElement"), why="the focus is lost")
    bars = page.get_by_test_id("class-bars")
    assert bars.locator("b").all_inner_texts()[-1] == "two"
    page.get_by_label("Order of the bars").select_option("class")
    assert bars.locator("b").all_inner_texts()[2] == "two"
    assert desk.faults == []
