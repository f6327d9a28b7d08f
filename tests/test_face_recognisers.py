"""The face recognisers that judge: they know held-out photographs, and nobody in what shows nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.errors import DataMissing
from workbench.core.weights import read_card
from workbench.engine.judging import kept_ceiling
from workbench.priors import load_prior
from workbench.recognisers import RECOGNISERS, Panel
from workbench.recognisers.base import Card
from workbench.recognisers.face_resnet import FaceResNet, ResidualBlock, dequantised
from workbench.recognisers.gallery import (
    FaceGallery,
    FaceNetwork,
    GalleryCalibration,
    calibration_of,
    gallery_name,
    open_gallery,
    threshold_at,
)
from workbench.scenarios import SCENARIOS, Labelled

KEYS = ["face-resnet", "face-mobilefacenet"]


@pytest.fixture(scope="module", params=KEYS)
def judge(request) -> FaceGallery:
    found = RECOGNISERS[request.param](SCENARIOS["faces"](), torch.device("cpu"))
    assert isinstance(found, FaceGallery)
    return found


@pytest.fixture(scope="module")
def heldout(judge) -> GalleryCalibration:
    return calibration_of(judge, SCENARIOS["faces"]().private.heldout)


def named(judge: FaceGallery, images: torch.Tensor) -> torch.Tensor:
    """Return (N,) whether the judge names anybody in images (N, C, H, W) in [0, 1]."""
    return judge.scores(images).amax(1) >= judge.threshold


def test_held_out_photographs_are_recognised_and_nobody_for_another(heldout):
    assert heldout.n == 120
    assert heldout.recognised >= 0.95
    assert heldout.false_matches <= 0.01


def test_the_card_tells_what_is_measured(judge, heldout):
    card = read_card(gallery_name("faces", judge.key))
    assert card["heldout"]["recognised"] == pytest.approx(heldout.recognised, abs=1e-3)
    assert card["heldout"]["false_matches"] == pytest.approx(heldout.false_matches, abs=1e-3)


@pytest.mark.parametrize("count", [10, pytest.param(120, marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", ["noise", "smooth noise", "grey", "stripes", "blurred photographs of anybody"])
def test_nobody_is_seen_where_nobody_is(judge, what, count):
    rng = torch.Generator().manual_seed(0)
    noise = torch.rand(count, 1, 64, 64, generator=rng)
    heldout = SCENARIOS["faces"]().private.heldout.images[:: 120 // count]
    images = {
        "noise": noise,
        "smooth noise": F.interpolate(noise[..., :8, :8], (64, 64), mode="bilinear"),
        "grey": noise[:, :, :1, :1].expand(-1, -1, 64, 64),
        "stripes": (noise[:, :, :1, :] > 0.5).float().expand(-1, -1, 64, 64),
        "blurred photographs of anybody": F.interpolate(F.interpolate(heldout, (8, 8), mode="area"), (64, 64)),
    }[what]
    assert named(judge, images).float().mean() <= 0.01


@pytest.mark.parametrize("count", [20, pytest.param(120, marks=pytest.mark.slow)])
def test_random_samples_of_a_prior_are_nobody(judge, count):
    prior, rng = load_prior("faces", "gan"), torch.Generator().manual_seed(0)
    with torch.no_grad():
        images = prior.random_images(count, rng)
    labels = torch.arange(count) % 40
    scores = judge.scores(images)
    assert ((scores.argmax(1) == labels) & named(judge, images)).float().mean() <= 0.01


@pytest.mark.slow
def test_a_kept_gallery_is_the_one_that_is_made(judge):
    scenario = SCENARIOS["faces"]()
    strange = replace(judge.card, weights="another network")
    made = open_gallery(scenario, judge.network, judge.key, judge.title, strange)
    assert made is not None
    assert torch.allclose(made.people, judge.people, atol=1e-3)
    assert made.threshold == pytest.approx(judge.threshold, abs=1e-3)


def test_they_judge_faces_alone_and_not_a_target_with_their_body():
    assert [RECOGNISERS[key](SCENARIOS["digits"](), torch.device("cpu")) for key in KEYS] == [None, None]
    panel = Panel.of(SCENARIOS["faces"]())
    assert {m.key for m in panel} >= {*KEYS, "evaluator"}
    rest = panel.apart_from("mobilefacenet")
    assert "face-mobilefacenet" in {out.key for out in rest.left_out}
    assert "face-mobilefacenet" not in {m.key for m in rest}


def test_a_threshold_lets_its_share_of_false_pairs_pass():
    cosines = torch.rand(200, 20, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(200) % 20
    cosines[torch.arange(200), labels] = 2.0  # right pairs, which must not count
    limit = threshold_at(0.05, cosines, labels)
    false = cosines[cosines < 2]
    assert (false >= limit).float().mean().item() == pytest.approx(0.05, abs=2e-3)


def test_a_halving_block_pads_what_is_smaller():
    torch.manual_seed(0)
    block = ResidualBlock(2, 3, halves=True).eval()
    x = torch.rand(1, 2, 8, 8)
    y = block.conv2(block.conv1(x).relu())
    assert y.shape[-1] == 3
    expected = torch.zeros(1, 3, 4, 4)
    expected[..., :3, :3] = y
    expected[:, :2] += F.avg_pool2d(x, 2)
    assert torch.allclose(block(x), expected.relu(), atol=1e-6)


def test_bytes_become_floats_again():
    tensors = {
        "a": torch.tensor([0, 255], dtype=torch.uint8),
        "a.scale": torch.tensor(0.5),
        "a.min": torch.tensor(-1.0),
        "b": torch.tensor([3.0]),
    }
    found = dequantised(tensors)
    assert found.keys() == {"a", "b"}
    assert found["a"].tolist() == [-1.0, 126.5]
    assert set(FaceResNet().state_dict()) == {
        name for name in dequantised_names() if not name.endswith((".scale", ".min"))
    }


def dequantised_names() -> set[str]:
    from workbench.core.weights import load_weights

    return set(load_weights("recognisers/face-resnet")[0])


def test_the_border_continues_the_image():
    seen = []

    class Probe(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return images.flatten(1)

    image = torch.zeros(1, 1, 8, 8)
    image[..., 0, :] = 1.0
    FaceNetwork(Probe(), 12, border=0.25).embed(image)
    assert seen[0].shape == (1, 3, 12, 12)
    assert torch.equal(seen[0][0, 0, :, 0], torch.tensor([1.0] * 3 + [0.0] * 9))


class Gone(type(SCENARIOS["lfw"]())):
    def load_private(self):
        raise DataMissing("not here")


def test_without_photographs_the_gallery_that_was_kept_judges():
    found = RECOGNISERS["face-resnet"](Gone(), torch.device("cpu"))
    assert isinstance(found, FaceGallery) and len(found.people) == 62 and found.heldout is None
    assert found.on_photographs == read_card(gallery_name("lfw", "face-resnet"))["heldout"]["recognised"]
    assert kept_ceiling(Panel((found,))) == found.on_photographs
    assert not named(found, torch.rand(8, 3, 64, 64)).any()


def test_without_photographs_and_a_gallery_of_this_network_nobody_is_known(monkeypatch):
    network = FaceNetwork(nn.Flatten(), 8)
    assert open_gallery(Gone(), network, "face-resnet", "", Card("other faces", weights="of another network")) is None
    monkeypatch.setattr("workbench.recognisers.gallery.has_weights", lambda name: False)
    assert open_gallery(Gone(), network, "face-resnet", "", Card("other faces")) is None


def test_means_are_of_each_person_alone():
    from workbench.recognisers.gallery import means_of

    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -2.0]])
    found = means_of(features, Labelled(torch.zeros(3, 1, 1, 1), torch.tensor([0, 1, 1])), 2)
    assert torch.allclose(found, torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
