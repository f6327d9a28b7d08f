"""What queries are told of: a table over budgets, and the accuracy that they bought."""

from __future__ import annotations

from workbench.attacks import ATTACKS
from workbench.grids import GRIDS
from workbench.grids.queries import PER_CLASS
from workbench.ui.tabs.judge import cost


def test_the_table_has_every_black_box_attack_at_every_budget():
    cells = list(GRIDS["table-queries"]())
    for entry in ATTACKS:
        own = [c for c in cells if c.config.attack == entry.key]
        if entry.info.access.inside or entry.key == "random":
            assert not own
            continue
        assert [c.config.budget / len(c.config.classes) for c in own] == [*PER_CLASS], entry.key


def test_judge_says_what_a_thousand_queries_bought():
    manifest = {"queries": 10_000, "config": {"classes": [0, 1, 2, 3, 4]}}
    assert "10,000 queries, 2,000 a class" in cost(manifest, 0.8) and "per 1,000 queries a class: 40 %" in cost(
        manifest, 0.8
    )
    assert "Accuracy" not in cost(manifest, None)
    assert "fewer than 1,000 queries a class: 80 %" in cost({**manifest, "queries": 2_000}, 0.8), (
        "no rate above what was reached"
    )
    assert "not asked" in cost({**manifest, "queries": 0}, 0.8) and cost({"config": manifest["config"]}, 0.8) == ""
