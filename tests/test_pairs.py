"""Two runs person by person, and why some cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded import record

from workbench.core.errors import UsageError
from workbench.engine.presets import default_config
from workbench.reports.pairs import pair_of
from workbench.runs.store import RunStore

CONFIG = default_config("digits", "mi-face", classes=[0, 3], device="cpu", knobs={"steps": 8})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("runs"))


def test_people_are_found_on_either_sheet_and_who_is_alone_is_said(store: RunStore) -> None:
    a = record(store, CONFIG, [True, False])
    b = record(store, replace(CONFIG, classes=(3, 1), restarts=2, seed=7), [True, False, False, True], steps=4)
    found = pair_of(a, b)
    assert found["people"] == [{"label": "person 3", "a": 1, "b": 0}]
    assert found["alone"] == "Not shown: 1 only in A and 3 only in B."
    first, second = found["sides"]
    assert [first["marks"][1]["said"], second["marks"][0]["said"]] == ["no", "yes"]
    assert second["steps"][-1] == 4 and first["frames"][-1] == 8 and second["sure"][4][0] == 100
    assert ["seed", "0", "7"] in found["settings"] and ["Attack accuracy (top 1) ↑", "50 %", "50 %"] in found[
        "measures"
    ]


def test_what_cannot_be_compared_is_refused_in_a_sentence(store: RunStore) -> None:
    one = record(store, CONFIG, [True, False])
    faces = record(store, default_config("faces", "mi-face", target="softmax", classes=[0]), [True])
    with pytest.raises(UsageError, match="Choose two runs of one scenario"):
        pair_of(one, faces)
    with pytest.raises(UsageError, match="different people"):
        pair_of(one, record(store, replace(CONFIG, classes=(1,)), [True]))
    with pytest.raises(UsageError, match=r"B, run .* no picture yet"):
        pair_of(one, store.create(CONFIG, shape=(1, 16, 16)))


def test_pictures_that_no_judge_spoke_of_have_no_mark(store: RunStore) -> None:
    one = record(store, CONFIG, [True, False])
    other = record(store, CONFIG, [True, False])
    other.write_json("judgement.json", {"panel": [{"title": "J", "threshold": 0.1, "right": [True]}]})
    assert [mark["said"] for mark in pair_of(one, other)["sides"][1]["marks"]] == ["yes", ""]
