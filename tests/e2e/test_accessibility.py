"""Every tab, light and dark, against axe-core's rules."""

from __future__ import annotations

import pytest

TABS = ["Target", "Prior", "Invert", "Split", "Judge", "Compare", "Study", "Federated", "Data", "Runs"]


@pytest.fixture(scope="module")
def axe():
    return pytest.importorskip("axe_playwright_python.sync_playwright").Axe()


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_no_tab_breaks_an_accessibility_rule(visit, axe, theme):
    page = visit(f"?__theme={theme}").page
    found = []
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(800)
        for violation in axe.run(page).response["violations"]:
            found += [
                f"{tab}: {violation['id']} ({violation['impact']}): {n['html'][:140]}" for n in violation["nodes"][:3]
            ]
    assert not found, "\n".join(found)
