"""Every tab, light and dark, against axe-core's rules."""

from __future__ import annotations

import pytest

from tests.e2e.test_interface import TABS

# What a tab shows is marked, so that what stands around every tab is gone through once.
MARK = """() => { for (const panel of document.querySelectorAll('[role=tabpanel]'))
    panel.toggleAttribute('data-shown', panel.checkVisibility()); }"""

FAULTS = {"resultTypes": ["violations"]}  # what is as it should be need not be told


@pytest.fixture(scope="module")
def axe():
    return pytest.importorskip("axe_playwright_python.sync_playwright").Axe()


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_no_tab_breaks_an_accessibility_rule(request, axe, theme):
    opened = (
        request.getfixturevalue("everyday") if theme == "light" else request.getfixturevalue("visit")("?__theme=dark")
    )
    page = opened.page
    assert page.evaluate("document.body.classList.contains('dark')") is (theme == "dark")
    found = []
    for tab in TABS:
        page.locator("#tabs").get_by_role("tab", name=tab, exact=True).click()
        page.wait_for_timeout(800)
        page.evaluate(MARK)
        assert page.locator("[data-shown]").count()
        for violation in axe.run(page, None if tab == "Invert" else "[data-shown]", FAULTS).response["violations"]:
            found += [
                f"{tab}: {violation['id']} ({violation['impact']}): {n['html'][:140]}" for n in violation["nodes"][:3]
            ]
    assert not found, "\n".join(found)
