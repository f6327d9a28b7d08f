"""What things are called: the same in menus, lists, tables and on the command line."""

from __future__ import annotations

from collections import Counter

import pytest

from workbench.__main__ import main
from workbench.attacks import ATTACKS, attack_label, attacks_by_access
from workbench.core.errors import UnknownName
from workbench.core.records import Access
from workbench.engine.presets import PRESETS, preset_of
from workbench.grids import GRIDS
from workbench.grids.base import gathered, shipped
from workbench.scenarios import SCENARIOS


def test_a_label_says_the_name_of_the_literature_and_the_key():
    assert attack_label("gmi") == "GMI (gmi)"
    for key, author in (("yang", "Yang"), ("zhu", "Zhu"), ("yoshimura", "Yoshimura"), ("pixel", "Yin")):
        assert attack_label(key).startswith(f"{author} et al.") and attack_label(key).endswith(f"({key})")
    assert attack_label("of-an-extension-that-is-gone") == "of-an-extension-that-is-gone"


def test_no_label_stacks_parentheses():
    assert not [entry.info.label for entry in ATTACKS if entry.info.label.count("(") != 1]


def test_attacks_are_grouped_from_everything_to_the_label_alone():
    groups = attacks_by_access()
    assert list(groups) == [access for access in Access if access in groups]
    assert Counter(info.key for infos in groups.values() for info in infos) == Counter(ATTACKS.keys())
    assert all(info.access is access for access, infos in groups.items() for info in infos)


def test_the_list_of_attacks_is_grouped_and_labelled(capsys):
    assert main(["list", "attacks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    groups = attacks_by_access()
    assert [line for line in lines if not line.startswith(" ")] == [f"{access.label}:" for access in groups]
    start = lines.index(f"{Access.SCORES.label}:") + 1
    expected = groups[Access.SCORES]
    assert [line.split()[0] for line in lines[start : start + len(expected)]] == [info.key for info in expected]
    assert all(info.title in line for info, line in zip(expected, lines[start:], strict=False))


@pytest.mark.parametrize("key", GRIDS.keys())
def test_what_is_shipped_is_found_whatever_its_row_is_called(key, tmp_path):
    finished = sum(record["state"] == "finished" for record in shipped(key))
    assert sum(record["state"] == "finished" for record in gathered(key, tmp_path)) == finished > 0


def test_a_renamed_row_keeps_its_figures_under_the_new_name(tmp_path, monkeypatch):
    before = gathered("table-white-box", tmp_path)
    renamed = [{**record, "row": f"{record['row']}, as it was called once"} for record in shipped("table-white-box")]
    monkeypatch.setattr("workbench.grids.base.shipped", lambda key: renamed)
    assert gathered("table-white-box", tmp_path) == before


@pytest.mark.parametrize("scenario", SCENARIOS.keys())
def test_a_scenarios_first_attack_reaches_more_than_random_samples_in_the_shipped_table(scenario):
    accuracy = {
        record["config"]["attack"]: record["metrics"]["acc@1"]
        for record in reversed(shipped("table-white-box"))
        if record["config"]["scenario"] == scenario and record["state"] == "finished"
    }
    assert accuracy[SCENARIOS[scenario].default_attack] >= accuracy["random"] + 0.3


def test_cards_are_records_with_a_configuration_each():
    assert len({preset.key for preset in PRESETS}) == len(PRESETS) > 0
    assert preset_of("eight-faces").config.attack == "ppa"
    with pytest.raises(UnknownName, match="eight-faces"):
        preset_of("eight-facs")
