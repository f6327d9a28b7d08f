"""A scenario as one zip: there and back, and archives that are none."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from workbench.__main__ import main
from workbench.core.errors import UsageError, WorkbenchError
from workbench.core.weights import load_weights, save_weights
from workbench.scenarios import SCENARIOS
from workbench.scenarios.own.archive import INDEX, export_scenario, import_scenario
from workbench.scenarios.own.store import FACTS, PICTURES, own_dir, register, remove


@pytest.fixture(autouse=True)
def _places(tmp_path, monkeypatch) -> Iterator[None]:
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path / "models"))
    yield
    SCENARIOS.forget("mine")


def made() -> None:
    """An accepted scenario of two people, with a weight."""
    folder = own_dir() / "mine"
    folder.mkdir(parents=True)
    images = torch.randint(0, 256, (8, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    held = {
        "private_images": images,
        "private_labels": torch.arange(8).int() % 2,
        "private_heldout": torch.arange(8) > 5,
    }
    save_file({**held, "public_images": images.clone(), "public_labels": -torch.ones(8).int()}, folder / PICTURES)
    facts = {"title": "Mine", "class_names": ["ann", "bob"], "public_names": [], "noun": "person", "shape": [1, 32, 32]}
    (folder / FACTS).write_text(json.dumps({**facts, "how": "crop", "source": "a test", "flips": True}))
    register(folder)
    save_weights("mine/target-toy", {"w": torch.ones(3)}, {"what": "a toy", "scenario": "mine"})


def gone(tmp_path: Path) -> None:
    remove("mine")
    for path in (tmp_path / "models" / "mine").iterdir():
        path.unlink()


@pytest.mark.parametrize("pictures", [True, False])
def test_a_scenario_goes_there_and_back(tmp_path, capsys, pictures):
    made()
    before = SCENARIOS["mine"]().private.train
    goal = tmp_path / "mine.zip"
    assert main(["export", "scenario", "--scenario", "mine", "--to", str(goal), *["--pictures"] * pictures]) == 0
    gone(tmp_path)
    assert "mine" not in SCENARIOS
    assert main(["import", "scenario", "--from", str(goal)]) == 0
    assert ("belong into" in capsys.readouterr().out) != pictures
    place = SCENARIOS["mine"]()
    assert place.class_names == ("ann", "bob") and torch.equal(load_weights("mine/target-toy")[0]["w"], torch.ones(3))
    if pictures:
        assert torch.equal(place.private.train.images[:].float(), before.images[:].float())
    else:
        assert "cannot be read" in str(place.problem())
    with pytest.raises(UsageError, match="already"):
        import_scenario(goal)


def rewritten(source: Path, goal: Path, changes: dict[str, bytes | None], index: dict | None = None) -> Path:
    """Write an archive anew with other files; None leaves one out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(goal, "w") as new:
        held = {name: old.read(name) for name in old.namelist()}
        told = json.loads(held.pop(INDEX)) | (index or {})
        held |= changes
        new.writestr(INDEX, json.dumps(told))
        for name, data in held.items():
            if data is not None:
                new.writestr(name, data)
    return goal


WEIGHT = "weights/target-toy.safetensors"
BAD = {
    "a file that its index does not name": ({"weights/x.safetensors": b"1"}, None, "does not belong"),
    "a path that climbs out": ({"../../evil.json": b"{}"}, None, "does not belong"),
    "a path that climbs out, named": ({"../evil.json": b"{}"}, {"files": {"../evil.json": "0"}}, "does not belong"),
    "other bytes than its index says": ({WEIGHT: save({"w": torch.zeros(3)})}, None, "not the file that its index"),
    "a missing file": ({WEIGHT: None}, None, "lacks weights/target-toy.safetensors"),
    "an index of another version": ({}, {"format": 9}, "cannot read"),
    "an index that is none": ({}, {"files": 3}, "cannot read"),
    "a name that is a path": ({}, {"scenario": "../up"}, "cannot read"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_archive_that_is_not_right_leaves_nothing(tmp_path, kind):
    made()
    export_scenario("mine", tmp_path / "mine.zip", pictures=True)
    gone(tmp_path)
    changes, index, words = BAD[kind]
    bad = rewritten(tmp_path / "mine.zip", tmp_path / "bad.zip", changes, index)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(WorkbenchError, match=words):
        import_scenario(bad)
    assert sorted(tmp_path.rglob("*")) == before and "mine" not in SCENARIOS


@pytest.mark.parametrize("data", [b"", b"PK", b"not at all", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_archive_is_refused(tmp_path, data):
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(WorkbenchError, match=r"no whole archive|no archive of a scenario"):
        import_scenario(tmp_path / "x.zip")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["x.zip"]


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    made()
    (tmp_path / "x.zip").write_bytes(b"mine")
    with pytest.raises(UsageError, match="there already"):
        export_scenario("mine", tmp_path / "x.zip")
    with pytest.raises(UsageError, match="not kept here"):
        export_scenario("digits", tmp_path / "y.zip", pictures=True)
