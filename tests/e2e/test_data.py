"""The Data tab in the browser: a zip archive of pictures becomes a scenario, its target and prior are trained, and it is attacked."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect
from test_own_data import people

from workbench.core.paths import data_dir
from workbench.scenarios.own.store import remove

from .conftest import Visit
from .test_interface import turn_to

SLOWLY = 600_000  # ms; a busy machine trains a target in minutes


@pytest.mark.slow
def test_pictures_in_a_zip_lead_to_an_attack(visit: Callable[..., Visit], tmp_path: Path) -> None:
    name = f"club{uuid4().hex[:8]}"
    people(tmp_path / "club", [20] * 8)
    archive = tmp_path / f"{name}.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for picture in sorted((tmp_path / "club").rglob("*.png")):
            packed.write(picture, picture.relative_to(tmp_path))
    visited = visit("")
    page = visited.page
    try:
        turn_to(page, "Data")
        page.get_by_label("Zip archive of pictures").set_input_files(archive)
        expect(page.locator("#data-source input")).to_have_value(archive.name, timeout=SLOWLY)
        page.locator("#data-look").click()
        expect(page.locator("#data-found")).to_contain_text("160", timeout=SLOWLY)
        page.locator("#data-name").wait_for()
        page.locator("#data-name input, #data-name textarea").first.fill(name)
        page.locator("#data-make").click()
        expect(page.locator("#way-scenario input")).to_have_value(re.compile(name), timeout=SLOWLY)
        attack = page.locator("#way-attack")
        expect(page.locator("#way-said")).to_contain_text("waits for its target")
        expect(attack).to_be_disabled()
        page.locator("#way-arch input").click()
        page.get_by_role("option", name=re.compile("perceptron")).first.click()
        page.locator("#way-both").click()
        expect(attack).to_be_enabled(timeout=SLOWLY)
        attack.click()
        expect(page.get_by_role("tab", name="Invert", exact=True)).to_have_attribute("aria-selected", "true")
        page.get_by_test_id("card").first.wait_for(timeout=SLOWLY)
        page.wait_for_function("location.search.includes('run=')")
        page.keyboard.press("Escape")
        assert visited.faults == []
    finally:
        archive_there = data_dir() / archive.name
        archive_there.unlink(missing_ok=True)
        if (data_dir() / "scenarios" / name).is_dir():
            remove(name)
