"""The Attributes tab in the browser: a run's posterior steps query by query, and privacy is marked where the slider stands."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from playwright.sync_api import expect

from workbench.core.paths import data_dir

from .conftest import Visit
from .test_interface import turn_to

SLOWLY = 120_000  # ms; a busy machine trains the target first


def test_a_posterior_fills_in_beside_the_baselines_and_privacy_is_told(everyday: Visit) -> None:
    page = everyday.page
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


def test_a_csv_is_brought_in_the_page(everyday: Visit, tmp_path: Path) -> None:
    name = f"clinic-{uuid4().hex[:8]}"
    good, bad = tmp_path / f"{name}.csv", tmp_path / "bad.csv"
    rows = [f"{20 + i % 40};{'ABC'[i % 3]};{'no' if i % 4 else 'yes'};{'lo' if i % 2 else 'hi'}" for i in range(60)]
    good.write_text("\n".join(["age;city;ill;pay", *rows]), encoding="utf-16")
    bad.write_text("\n".join(["age;age;ill;pay", *rows]))
    page, faults = everyday.page, everyday.faults
    turn_to(page, "Attributes")
    tab = page.get_by_test_id("attributes")
    chosen = tab.get_by_label("CSV file")
    try:
        chosen.set_input_files(bad)
        expect(tab.get_by_text("Several columns are called 'age'")).to_be_visible(timeout=SLOWLY)
        faults.clear()  # the browser's own word of the refusal
        chosen.set_input_files(good)
        expect(tab.get_by_label("Name", exact=True)).to_have_value(name, timeout=SLOWLY)
        tab.get_by_label("Private column, which is inferred").select_option("ill")
        tab.get_by_label("Column that the target predicts").select_option("pay")
        tab.get_by_role("button", name="Keep the table").click()
        expect(tab.get_by_role("combobox", name="Table")).to_have_value(f"table:{name}", timeout=SLOWLY)
        expect(tab.get_by_text("42 private records")).to_be_visible()
        expect(tab.get_by_role("combobox", name="Sensitive column")).to_have_value("ill")
        assert faults == []
    finally:
        for kept in (data_dir() / "tables").glob(f"{name}.*"):
            kept.unlink()
