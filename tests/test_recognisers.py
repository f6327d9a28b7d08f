"""The panel of recognisers: who is asked, who is left out, and what their votes become."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from workbench.metrics import EvalContext
from workbench.metrics.judge import judge, panel_json
from workbench.recognisers import RECOGNISERS, Card, Panel, recogniser
from workbench.scenarios import SCENARIOS

TOY = Card("nothing at all", body="lamp", weights="abc")


@dataclass(frozen=True)
class Brightness:
    """A toy: the brighter a picture, the higher its class; dark ones are nobody."""

    classes: int
    key: str = "brightness"
    title: str = "Brightness"
    card: Card = TOY
    threshold: float | None = 0.1
    least_detail: float = 0.0
    heldout: Tensor | None = None

    def features(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))[:, None]

    def scores(self, images: Tensor) -> Tensor:
        scores = torch.zeros(len(images), self.classes)
        bright = self.features(images)[:, 0]
        scores[torch.arange(len(images)), (bright * self.classes).long().clamp(max=self.classes - 1)] = bright
        return scores


@pytest.fixture
def second(monkeypatch):
    """Register the toy for one test only; of digits alone."""
    RECOGNISERS.load()
    monkeypatch.setattr(RECOGNISERS, "_entries", dict(RECOGNISERS._entries))

    @recogniser("brightness", title="Brightness", order=5)
    def opened(scenario, device):
        return Brightness(scenario.num_classes) if scenario.key == "digits" else None


def test_a_registered_recogniser_joins_the_panel_of_its_scenarios(second):
    keys = [m.key for m in Panel.of(SCENARIOS["digits"]())]
    assert (keys[0], keys[-1]) == ("evaluator", "brightness"), "by their order"
    assert "brightness" not in [m.key for m in Panel.of(SCENARIOS["faces"]())]


def test_every_member_votes_on_every_image(second):
    panel = Panel.of(SCENARIOS["digits"]())
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    votes = panel.votes(images)
    assert votes.shape == (len(panel), 3, 5)
    assert torch.allclose(votes[0].sum(1), torch.ones(3)) and torch.equal(votes[-1], panel.members[-1].scores(images))
    with pytest.raises(ValueError, match="nobody"):
        Panel(()).votes(images)


def test_a_verdict_may_be_none_of_these(second):
    scenario = SCENARIOS["digits"]()
    context = EvalContext(Panel.of(scenario), scenario.private)
    images = torch.tensor([0.05, 0.5, 0.9])[:, None, None, None].expand(-1, 1, 32, 32)
    found = judge(images, torch.tensor([0, 2, 3]), context).panel[-1]
    assert found.choice == [None, 2, 4] and found.right == [False, True, False]
    assert found.score == pytest.approx([0.05, 0.5, 0.9]) and found.accuracy == pytest.approx(1 / 3)
    assert found.seen == "nothing at all" and found.interval[0] < 1 / 3 < found.interval[1]


@pytest.mark.parametrize(("body", "weights", "word"), [("lamp", "", "body"), ("resnet", "abc", "same weights")])
def test_who_shares_the_targets_body_or_weights_is_left_out_and_named(second, body, weights, word):
    panel = Panel.of(SCENARIOS["digits"]()).apart_from(body, weights)
    assert [m.key for m in panel] == [m.key for m in Panel.of(SCENARIOS["digits"]())][:-1]
    (left,) = panel.left_out
    assert (left.key, left.title) == ("brightness", "Brightness") and word in left.why


def test_who_shares_nothing_with_the_target_stays(second):
    panel = Panel.of(SCENARIOS["digits"]())
    assert panel.apart_from("resnet", "def").members == panel.members
    assert panel.apart_from("", "").members == panel.members, "a target elsewhere of which nothing is known"


def test_a_judge_without_the_evaluator_is_refused():
    with pytest.raises(ValueError, match="evaluator"):
        EvalContext(Panel((Brightness(5),)), SCENARIOS["digits"]().private)


def test_the_panels_verdicts_stand_beside_floor_and_ceiling(second):
    scenario = SCENARIOS["digits"]()
    context = EvalContext(Panel.of(scenario), scenario.private)
    bright, dark = (torch.full((1, 1, 32, 32), level) for level in (0.5, 0.0))
    found, floor = (judge(images, torch.tensor([2]), context) for images in (bright, dark))
    assert "panel" not in found.to_json()
    row = panel_json(found, floor, None)[-1]
    assert row["key"] == "brightness" and row["choice"] == [2] and row["right"] == [True]
    assert (row["accuracy"], row["baseline"], row["ceiling"]) == (1.0, 0.0, None)
