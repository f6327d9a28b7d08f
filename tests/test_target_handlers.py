"""What the Target tab shows and does, without a page and without Gradio."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.core.errors import KnobError
from workbench.core.records import TrainingConfig
from workbench.scenarios import SCENARIOS
from workbench.ui.catalog import Catalog
from workbench.ui.tabs.target_handlers import WAIT, Picks, TargetHandlers, defense_knobs

FACES = Picks("faces", "resnet")


@pytest.fixture(scope="module")
def do() -> TargetHandlers:
    return TargetHandlers(Catalog())


def test_the_target_is_asked_again_only_for_something_else(do: TargetHandlers) -> None:
    shown = do.show(FACES)
    assert shown["compared"] == {"value": WAIT} and shown["attack"] == {"visible": True}
    assert "Accuracy, unseen images" in shown["card"]["value"]
    assert "compared" not in do.show(FACES, shown["asked"]["value"])
    assert "compared" in do.show(replace(FACES, output="rounding"), shown["asked"]["value"])


def test_knobs_make_the_defense_and_count_only_where_they_are_its_own() -> None:
    knobs = defense_knobs("neg-ls", "training")
    turned = {**knobs, "values": {**knobs["values"], "alpha": -0.2}}
    picks = Picks("faces", "softmax", training="neg-ls", knobs=turned)
    assert picks.named() == ("faces", "softmax", "neg-ls(alpha=-0.2)")
    assert replace(picks, training="bido").named()[2] == "bido"
    with pytest.raises(KnobError):
        replace(picks, knobs={**turned, "values": {"alpha": 99}}).named()


def test_another_defense_brings_its_knobs(do: TargetHandlers) -> None:
    shown = do.choose_defense(replace(FACES, training="bido", output="temperature"))
    assert shown["panels"] == {"visible": True}
    assert (shown["knobs"]["value"]["attack"], shown["around"]["value"]["attack"]) == ("bido", "temperature")
    assert do.choose_defense(FACES)["panels"] == {"visible": False}


def test_another_scenario_brings_its_own_target_and_images(do: TargetHandlers) -> None:
    shown = do.choose_scenario(replace(FACES, scenario="digits", target="softmax"))
    assert shown["target"]["value"] == SCENARIOS["digits"].default_target
    assert shown["page"]["visible"] is False and "digits" in shown["images"]["value"]
    assert shown["asked"]["value"].split()[:2] == ["digits", "resnet"]


def test_a_training_asked_for_elsewhere_is_what_is_shown(do: TargetHandlers) -> None:
    wanted = TrainingConfig("target", "digits", target="mlp", defense="neg-ls(alpha=-0.31)+rounding")
    shown = do.revisit(FACES, wanted)
    assert shown["asked"]["value"] == "digits mlp neg-ls(alpha=-0.31)+rounding"
    assert (shown["training"]["value"], shown["output"]["value"]) == ("neg-ls", "rounding")
    assert shown["knobs"]["value"]["values"]["alpha"] == -0.31
    assert shown["attack"] == {"visible": False}, "what is not trained cannot be attacked"
    assert "scenario" not in do.revisit(FACES, None)
