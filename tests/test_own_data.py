"""Pictures of one's own: who would be private, what is wrong, and a scenario of them that runs."""

from __future__ import annotations

import json
import shutil
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from workbench.analysis.own_data import bring, thumbnails
from workbench.commands import main
from workbench.core.errors import UnknownName, UsageError
from workbench.scenarios import SCENARIOS
from workbench.scenarios.own.store import accept, own_dir
from workbench.scenarios.sets.base import DATA_SETS

SIDE = 32


def person(seed: int, i: int, channels: int = 3, side: int = 40) -> Image.Image:
    """Return one of a person's pictures: bars that are the person's own, and noise."""
    rng = np.random.default_rng([seed, i])
    bars = np.random.default_rng(seed).integers(40, 216, (8, 8, channels))
    pixels = np.kron(bars, np.ones((side // 8, side // 8, 1))) + rng.normal(0, 25, (side, side, channels))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8).squeeze())


def people(folder, counts, channels: int = 3, first: int = 0) -> None:
    for p, n in enumerate(counts, first):
        (folder / f"p{p:03}").mkdir(parents=True, exist_ok=True)
        for i in range(n):
            person(p, i, channels).save(folder / f"p{p:03}" / f"{i:02}.png")


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    yield
    shutil.rmtree(own_dir(), ignore_errors=True)
    list(SCENARIOS)  # forgets what lay there


def test_half_of_the_people_are_private_and_a_quarter_of_their_pictures_held_out(tmp_path):
    people(tmp_path / "set", [20] * 8 + [3])
    plan = bring(tmp_path / "set", side=SIDE).plan
    assert plan.problems() == [] and plan.counts() == [(f"p{c:03}", 15, 5) for c in range(4)]
    assert plan.public_names == [f"p{c:03}" for c in range(4, 9)] and plan.too_few == {"p008": 3}
    assert len(plan.public) == 83 and not set(plan.public.tolist()) & set(plan.private.tolist())
    again = bring(tmp_path / "set", side=SIDE).plan
    assert torch.equal(plan.heldout, again.heldout)


def test_folders_and_names_decide_where_they_say_so(tmp_path):
    for side, first in (("private", 0), ("public", 5)):
        people(tmp_path / "said" / side, [14] * 5, first=first)
    plan = bring(tmp_path / "said", side=SIDE).plan
    assert len(plan.class_names) == 5 == len(plan.public_names) and len(plan.public) == 70
    people(tmp_path / "parts" / "train", [10] * 4)
    people(tmp_path / "parts" / "val", [40] * 4)
    plan = bring(tmp_path / "parts", side=SIDE, private=["p003", "p001"]).plan
    assert plan.class_names == ["p003", "p001"] and plan.repeated  # val repeats what train has
    people(tmp_path / "mine", [12] * 3)
    people(tmp_path / "others", [8] * 9, first=20)
    plan = bring(tmp_path / "mine", public=tmp_path / "others", side=SIDE).plan
    assert len(plan.class_names) == 3 and len(plan.public) == 72 and plan.problems() == []
    with pytest.raises(UsageError, match="There is no class 'nobody'"):
        bring(tmp_path / "mine", side=SIDE, private=["nobody"])
    with pytest.raises(UsageError, match="9 classes are to be private; 3 have"):
        bring(tmp_path / "mine", side=SIDE, private=9)


def test_copies_are_found_and_left_out(tmp_path):
    people(tmp_path / "set", [30] * 6)
    place = tmp_path / "set"
    shutil.copy(place / "p000" / "00.png", place / "p000" / "again.png")
    shutil.copy(place / "p001" / "01.png", place / "p002" / "twice.png")
    shutil.copy(place / "p000" / "02.png", place / "p005" / "leak.png")
    Image.open(place / "p000" / "03.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        place / "p004" / "mirrored.png"
    )
    plan = bring(place, side=SIDE, private=["p000", "p001", "p002"]).plan
    assert [(c.first, c.second) for c in plan.repeated] == [("p000/00.png", "p000/again.png")]
    assert [(c.first, c.second) for c in plan.filed_twice] == [("p001/01.png", "p002/twice.png")]
    assert {(c.first, c.second) for c in plan.leaked} == {
        ("p000/02.png", "p005/leak.png"),
        ("p000/03.png", "p004/mirrored.png"),
    }
    names = [plan.public_from.names[i] for i in plan.public.tolist()]
    assert "p005/leak.png" not in names and "p004/mirrored.png" not in names and len(names) == 90
    assert len(plan.private) == 30 + 29 + 30
    assert "p005/leak.png is p000/02.png" in " ".join(plan.remarks())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: [person(0, i).save(f / f"{i}.png") for i in range(80)], "Nothing says who is on which picture"),
        (lambda f: people(f, [3] * 5), "0 of the classes can be private; at least 2 with 4 pictures each"),
        (lambda f: people(f, [9] * 4), "18 public pictures are left for the attacker; at least 64"),
    ],
)
def test_what_cannot_be_accepted_is_said_and_leaves_nothing_behind(tmp_path, make, words, capsys):
    (tmp_path / "set").mkdir()
    make(tmp_path / "set")
    assert main(["data", "check", str(tmp_path / "set")]) == 1
    assert words in capsys.readouterr().out
    assert main(["data", "add", "mine", str(tmp_path / "set")]) == 2
    assert (words in capsys.readouterr().err and not own_dir().exists()) or not any(own_dir().iterdir())


def test_unevenness_is_said(tmp_path):
    people(tmp_path / "set", [50, 5, 40, 4])
    remarks = bring(tmp_path / "set", side=SIDE, private=["p000", "p001"]).plan.remarks()
    assert any("p000 has 50 pictures, p001 has 5" in text for text in remarks)


@pytest.mark.parametrize("name", ["Faces", "a", "../x", "faces", "x" * 31, ""])
def test_names_that_cannot_be_used_are_refused(tmp_path, name, capsys):
    assert main(["data", "add", name, str(tmp_path)]) == 2
    assert "scenario" in capsys.readouterr().err


@pytest.mark.parametrize(("channels", "side", "classes"), [(1, 28, 2), (3, 32, 3), (3, 128, 2)])
def test_an_accepted_scenario_is_one_like_any_other(tmp_path, channels, side, classes):
    people(tmp_path / "set", [8] * classes)
    people(tmp_path / "others", [8] * 9, first=50)
    brought = bring(tmp_path / "set", public=tmp_path / "others", side=side, grey=channels == 1)
    accept(brought.plan, "mine", shape=brought.shape, how="crop", noun="person", source="drawn bars")
    place = SCENARIOS["mine"]()
    assert place.own and place.input_shape == (channels, side, side) and place.num_classes == classes
    assert place.problem() is None and place.public_problem() is None and place.classes_problem() is None
    split = place.private
    assert (len(split.train), len(split.heldout)) == (6 * classes, 2 * classes)
    assert split.train.images.dtype == torch.float32 and split.train.labels.unique().tolist() == list(range(classes))
    assert torch.equal(split.train.of_class(1)[0], place.private.train.of_class(1)[0])
    assert place.public_here().shape == (72, channels, side, side)
    assert len(place.public_labelled()) == 72 and place.all_classes()[1][-1] == "public class 8"


def test_what_another_process_accepts_is_found_and_what_it_removes_is_gone(tmp_path):
    people(tmp_path / "set", [20] * 8)
    brought = bring(tmp_path / "set", side=SIDE)
    accept(brought.plan, "mine", shape=brought.shape, how="crop")
    SCENARIOS.forget("mine")
    assert "mine" in SCENARIOS and "mine" in [entry.key for entry in SCENARIOS]
    (own_dir() / "broken").mkdir()
    (own_dir() / "broken" / "scenario.json").write_text("{")
    assert "broken" not in SCENARIOS
    assert main(["data", "remove", "mine"]) == 0 and "mine" not in SCENARIOS
    with pytest.raises(UnknownName):
        SCENARIOS["mine"]
    assert main(["data", "remove", "faces"]) == 2


def test_the_command_line_checks_adds_and_draws(tmp_path, capsys):
    people(tmp_path / "set", [20] * 8)
    (tmp_path / "set" / "p000" / "99.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    sheet = tmp_path / "sheet.png"
    assert main(["data", "check", str(tmp_path / "set"), "--json", "--sheet", str(sheet)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"] == 160 and found["private"] == 80 and len(found["classes"]) == 4
    assert found["left_out"]["broken"]["files"][0][0] == "p000/99.png"
    assert Image.open(sheet).width >= 8 * 64
    assert (
        main(["data", "add", "mine", str(tmp_path / "set"), "--side", "32", "--noun", "pattern", "--title", "Bars"])
        == 0
    )
    assert "train target --arch resnet --scenario mine" in capsys.readouterr().out
    assert SCENARIOS["mine"].title == "Bars (4 patterns)"
    assert main(["data", "sets"]) == 0 and "identity_CelebA.txt" in capsys.readouterr().out


def test_thumbnails_have_a_row_for_each_class(tmp_path):
    people(tmp_path / "set", [20] * 8)
    brought = bring(tmp_path / "set", side=SIDE)
    assert thumbnails(brought).height > 8 * SIDE


# The data sets of the field, on miniature folders of their layouts


def pictures_of(place, classes, each=16, ending=".jpg", channels=3, side=40, name="{i:04}"):
    for c, label in enumerate(classes):
        (place / label).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            person(zlib.crc32(label.encode()), i, channels, side).save(place / label / (name.format(i=i, c=c) + ending))


def idx(place, kinds=10, each=14):
    place.mkdir(parents=True)
    images = np.stack([np.asarray(person(c, i, 1, 24)) for i in range(each) for c in range(kinds)])
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    labels = np.tile(np.arange(kinds, dtype=np.uint8), each)
    for part, rows in (("train", slice(0, len(labels) * 8 // 10)), ("t10k", slice(len(labels) * 8 // 10, None))):
        head = np.array([len(labels[rows]), 28, 28], ">u4").tobytes()
        (place / f"{part}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + head + images[rows].tobytes())
        (place / f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + head[:4] + labels[rows].tobytes())


def celeba(place):
    (place / "img_align_celeba").mkdir(parents=True)
    rows = []
    for c in range(10):
        for i in range(15):
            name = f"{len(rows) + 1:06}.jpg"
            person(c, i, 3, 40).resize((178, 218)).save(place / "img_align_celeba" / name)
            rows.append(f"{name} {c + 1}")
    (place / "identity_CelebA.txt").write_text("\n".join(rows))


def chest(place):
    rows, names = (
        ["Image Index,Finding Labels,Patient ID"],
        ["Mass", "Nodule", "Hernia", "Edema", "Fibrosis", "Cardiomegaly"],
    )
    (place / "images_001" / "images").mkdir(parents=True)
    for c, finding in enumerate(names):
        for i in range(25):
            name = f"{c:04}_{i:03}.png"
            person(c, i, 1).save(place / "images_001" / "images" / name)
            rows.append(f"{name},{finding + '|Mass' if i == 24 else finding},{c}")
    (place / "Data_Entry_2017.csv").write_text("\n".join(rows))


DOGS = [f"n0208{c}-Dog_{'abcdefgh'[c]}" for c in range(8)]
MINIATURES = {
    "mnist": lambda p: idx(p / "MNIST" / "raw"),
    "fashion-mnist": lambda p: idx(p / "FashionMNIST" / "raw"),
    "cifar10": lambda p: pictures_of(
        p / "train", (*DATA_SETS["cifar10"].private, "dog", "frog", "horse", "ship", "truck")
    ),
    "celeba": celeba,
    "facescrub": lambda p: [
        pictures_of(p / side, names)
        for side, names in (
            ("actors", ["Al A", "Bo B", "Cy C", "Di D", "Ed E"]),
            ("actresses", ["Fa F", "Gi G", "Ha H", "Iv I", "Jo J"]),
        )
    ],
    "chestx-ray8": chest,
    "stanford-dogs": lambda p: pictures_of(p / "Images", DOGS, each=17),
    "att": lambda p: pictures_of(p, [f"s{c}" for c in range(1, 17)], 10, ".pgm", 1),
    "pubfig83": lambda p: pictures_of(p, [f"Person {c}" for c in range(10)]),
    "vggface2": lambda p: [pictures_of(p / part, [f"n{part}{c}" for c in range(5)]) for part in ("train", "test")],
    "mednist": lambda p: pictures_of(p, ["AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT"], 25, ".jpeg", 1),
}
PUBLIC_ONLY = {
    "ffhq": lambda p: pictures_of(p / "thumbnails128x128", ["00000"], 70, ".png"),
    "metfaces": lambda p: pictures_of(p, ["images"], 70, ".png"),
    "afhq-dogs": lambda p: [pictures_of(p / "train", [kind], 70) for kind in ("dog", "cat")],
}
PRIVATE = {
    "mnist": 5,
    "fashion-mnist": 5,
    "cifar10": 5,
    "mednist": 3,
    "vggface2": 5,
    "chestx-ray8": 3,
    "stanford-dogs": 4,
    "att": 8,
}


def test_every_data_set_has_a_miniature():
    assert set(DATA_SETS.keys()) == {*MINIATURES, *PUBLIC_ONLY, "iwpc"} and len(DATA_SETS.keys()) == 15


@pytest.mark.parametrize("key", MINIATURES)
def test_a_data_set_is_read_as_the_papers_use_it(tmp_path, key):
    MINIATURES[key](tmp_path / "set")
    brought, kind = bring(tmp_path / "set", data_set=key), DATA_SETS[key]
    assert brought.shape == kind.shape == tuple(brought.plan.pictures.images.shape[1:])
    assert brought.plan.problems() == [] and brought.plan.pictures.left.broken.count == 0
    assert len(brought.plan.class_names) == PRIVATE.get(key, 5)
    assert not set(brought.plan.class_names) & set(brought.plan.public_names)
    if isinstance(kind.private, tuple):
        assert set(brought.plan.class_names) == set(kind.private)


def test_celeba_keeps_the_middle_and_says_which_file_is_missing(tmp_path):
    celeba(tmp_path / "set")
    image = Image.new("RGB", (178, 218), "red")
    image.paste("blue", (35, 55, 143, 163))
    image.save(tmp_path / "set" / "img_align_celeba" / "000001.jpg", quality=95)
    seen = DATA_SETS["celeba"]().read(tmp_path / "set").images[0]
    assert seen[0, 4:-4, 4:-4].max() < 0.2 and seen[2, 4:-4, 4:-4].min() > 0.8
    (tmp_path / "set" / "identity_CelebA.txt").unlink()
    with pytest.raises(UsageError, match=r"identity_CelebA\.txt is not beside"):
        DATA_SETS["celeba"]().read(tmp_path / "set")


@pytest.mark.parametrize("key", PUBLIC_ONLY)
def test_a_public_data_set_is_what_the_attacker_has(tmp_path, key):
    PUBLIC_ONLY[key](tmp_path / "public")
    people(tmp_path / "mine", [8] * 3, first=300)
    plan = bring(tmp_path / "mine", public=tmp_path / "public", public_set=key, side=SIDE).plan
    assert plan.problems() == [] and len(plan.public) == 70 and plan.public_names == []
    assert (
        "Nothing says who is on which picture" in bring(tmp_path / "public", data_set=key, side=SIDE).plan.problems()[0]
    )


def test_iwpc_is_a_table(tmp_path):
    columns = ["Age", "Race", "VKORC1 -1639 consensus", "Cyp2C9 genotypes", "Therapeutic Dose of Warfarin"]
    (tmp_path / "warfarin.csv").write_text(
        "\ufeff" + ",".join(columns) + "\n60 - 69,White,A/G,*1/*1,49\n", encoding="utf-8"
    )
    assert DATA_SETS["iwpc"]().table(tmp_path)[0]["Age"] == "60 - 69"
    (tmp_path / "warfarin.csv").write_text("Age\n60\n")
    with pytest.raises(UsageError, match="has no column 'Race'"):
        DATA_SETS["iwpc"]().table(tmp_path)
    with pytest.raises(UsageError, match="holds no pictures"):
        bring(tmp_path, data_set="iwpc")
