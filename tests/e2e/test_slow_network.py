"""A page whose scripts come late, as over a slow network or on a busy machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Visit
from .test_interface import turn_to, until
from .test_target_view import choose


@pytest.mark.slow
def test_each_tab_is_drawn_though_its_scripts_come_late(visit: Callable[..., Visit]) -> None:
    visited = visit(late=0.7)
    page = visited.page
    page.locator("#knobs [data-knob]").first.wait_for()
    until(lambda: page.locator(".wb-class").count() == 40)
    for title, drawn in {
        "Compare": "#grid-plots .js-plotly-plot",
        "Runs": ".wb-runs > *",
        "Prior": "#prior-prior .wb-prior > *",
        "Target": "[data-testid=comparison]",
    }.items():
        turn_to(page, title)
        page.locator(drawn).first.wait_for()
    choose(page, "target-training", "BiDO")
    page.locator("#training-knobs [data-knob]").first.wait_for()
    page.locator("#target-training-part .wb-training > *").first.wait_for()
    assert not visited.faults
    page.context.close()
