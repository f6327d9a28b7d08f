"""The Data tab: it names what lies in the data folder, and makes a scenario of it."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from test_own_data import people

from workbench.core.errors import NotYours, UsageError
from workbench.scenarios import SCENARIOS
from workbench.scenarios.own.store import own_dir
from workbench.ui.tabs.data import LastLook, ensure_operator
from workbench.ui.tabs.data_handlers import Asked, about_set, accepted, added, entries, looked, place_of, report


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    people(tmp_path / "mine", [20] * 8)
    yield tmp_path
    shutil.rmtree(own_dir(), ignore_errors=True)
    list(SCENARIOS)


def test_it_offers_what_lies_in_the_data_folder_and_takes_no_path(place):
    (place / "set.zip").touch()
    (place / ".hidden").mkdir()
    (place / "notes.txt").touch()
    own_dir().mkdir()
    assert entries() == ["mine", "set.zip"] and place_of("mine") == place / "mine"
    for name in ("../mine", "/etc", "scenarios", ".hidden", "notes.txt", ""):
        with pytest.raises(UsageError, match="in the data folder"):
            place_of(name)


def test_what_is_found_is_shown_before_it_is_kept(place):
    (place / "mine" / "p001" / "<b>.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    asked = Asked("mine", side=32)
    brought = looked(asked)
    page = report(brought)
    assert page.count("data:image/webp;base64,") == 5 and "&lt;b&gt;.png" in page and "<b>.png" not in page
    assert not own_dir().exists()
    made = added(asked, brought, " mine ", "", "pattern")
    assert SCENARIOS["mine"].title == "mine (4 patterns)" and "mine (4 patterns) is a scenario" in accepted(made)
    with pytest.raises(UsageError, match="already"):
        added(asked, brought, "mine", "", "")
    assert "identity_CelebA.txt" in about_set("celeba") and about_set("no such") == ""


def test_what_was_looked_through_is_not_read_again_unless_something_else_is_asked():
    last, asked = LastLook(), Asked("mine", side=32)
    brought = last.keep(asked, looked(asked))
    assert last.of(Asked("mine", side=32)) is brought
    other = last.of(Asked("mine", side=28, private="3"))
    assert other.shape == (3, 28, 28) and len(other.plan.class_names) == 3


def test_visitors_of_a_shared_server_do_not_read_the_operators_folder():
    with pytest.raises(NotYours, match="for who runs this server"):
        ensure_operator(SimpleNamespace(owns=lambda owner, request: False), None)
