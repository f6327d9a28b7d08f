"""Pictures made elsewhere: their layouts, their sizes, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from workbench.commands import main
from workbench.core.errors import UsageError
from workbench.scenarios import SCENARIOS
from workbench.scenarios.brought import read_brought


def save(path: Path, image: torch.Tensor, size: int = 64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image[0] * 255).byte().numpy()).resize((size, size)).save(path)


@pytest.fixture(scope="module")
def faces():
    return SCENARIOS["faces"]()


@pytest.fixture(scope="module")
def photographs(faces) -> list[tuple[int, torch.Tensor]]:
    return [(c, faces.private.heldout.of_class(c)[0]) for c in (3, 12)]


@pytest.mark.parametrize(
    "name", ["{c}/a.png", "person_{c:02d}/a.png", "{c}_0.png", "{c}.png", "class_{c}-0.png", "s{c}/0.png"]
)
def test_a_class_is_its_folder_or_how_the_file_name_begins(faces, photographs, tmp_path, name):
    for c, image in photographs:
        save(tmp_path / name.format(c=c), image)
    found = read_brought(tmp_path, faces)
    assert found.labels is not None and sorted(found.labels.tolist()) == [3, 12]
    assert found.images.shape == (2, 1, 64, 64) and found.fitted == 0


def test_a_table_says_who_is_who_and_what_it_does_not_name_is_left_out(faces, photographs, tmp_path):
    for k, (_, image) in enumerate(photographs):
        save(tmp_path / f"x{k}.png", image)
    save(tmp_path / "other.png", photographs[0][1])
    (tmp_path / "made.csv").write_text("File,Label,confidence\nx0.png,12,0.5\nx1.png,person 03,0.6\n")
    found = read_brought(tmp_path, faces)
    assert found.names == ["x0.png", "x1.png"] and found.labels is not None and found.labels.tolist() == [12, 3]


def test_other_sizes_are_fitted_and_counted(faces, photographs, tmp_path):
    save(tmp_path / "3.png", photographs[0][1], size=112)
    save(tmp_path / "12.png", photographs[1][1])
    found = read_brought(tmp_path, faces)
    assert found.fitted == 1 and found.images.shape == (2, 1, 64, 64)


def test_without_classes_nothing_is_made_up(faces, photographs, tmp_path):
    save(tmp_path / "someone.png", photographs[0][1])
    save(tmp_path / "img_0001.png", photographs[0][1])
    found = read_brought(tmp_path, faces)
    assert found.labels is None and found.layout == "no classes"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds 0 pictures"),
        (["99/a.png"], "no class of faces"),
        (["nobody/a.png"], "no class of faces"),
    ],
)
def test_what_is_wrong_is_said(faces, photographs, tmp_path, files, message):
    for name in files:
        save(tmp_path / name, photographs[0][1])
    with pytest.raises(UsageError, match=message):
        read_brought(tmp_path, faces)


def test_a_broken_picture_or_table_is_named(faces, tmp_path):
    (tmp_path / "3.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"3\.png"):
        read_brought(tmp_path, faces)
    (tmp_path / "made.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="columns"):
        read_brought(tmp_path, faces)


def test_pictures_and_runs_are_not_mixed_up(photographs, tmp_path, capsys):
    save(tmp_path / "3.png", photographs[0][1])
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "--images" in capsys.readouterr().err
    assert main(["evaluate", "--images", str(tmp_path)]) == 2
    assert "--scenario" in capsys.readouterr().err
    assert main(["evaluate"]) == 2


def test_photographs_of_the_right_people_are_judged_as_a_run_is(photographs, tmp_path, capsys):
    for c, image in photographs:
        save(tmp_path / f"{c}" / "0.png", image)
    assert main(["evaluate", "--images", str(tmp_path), "--scenario", "faces", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 2 and found["metrics"]["acc@1"] == 1.0 and found["verdict"]["n"] == 2
    assert found["verdict"]["judges"] == ["Face ResNet", "MobileFaceNet"] and found["verdict"]["recognised"] >= 1
    assert found["files"] == ["12/0.png", "3/0.png"] and found["sets"]["recall"]["value"] == 1.0
    named = tmp_path / "nameless"
    save(named / "someone.png", photographs[0][1])
    assert main(["evaluate", "--images", str(named), "--scenario", "faces", "--device", "cpu"]) == 0
    assert "someone.png: Evaluator person 03" in capsys.readouterr().out
