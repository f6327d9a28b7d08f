"""What is shipped or should be: every file of weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import WeightsCorrupt, WorkbenchError
from workbench.core.weights import carded_names, has_weights, read_card
from workbench.defenses.plan import under
from workbench.defenses.store import release_name
from workbench.defenses.store import weights_name as target_name
from workbench.priors import PRIORS
from workbench.priors.base import weights_name as prior_name
from workbench.priors.training.registry import TRAINERS
from workbench.recognisers.open_set import KEY, open_set_name
from workbench.scenarios import SCENARIOS
from workbench.targets import ARCHITECTURES
from workbench.targets.pretraining import public_name
from workbench.targets.store import EVALUATOR

PUBLIC, TARGETS, RELEASES, EVALUATORS, GANS, OTHERS, TUNED, FIGURES = range(8)  # the order of making


@dataclass(frozen=True)
class WeightFile:
    """One file of weights: a target, what is put around its output, the evaluator, a judge, a prior, or a public classifier."""

    what: str  # "target", "evaluator", "judge", "prior" or "public": of public classes, which targets are built on
    scenario: str
    key: str
    target: str | None = None  # of a tuned prior
    defense: str = "none"

    @property
    def name(self) -> str:
        if self.what == "prior":
            return prior_name(self.scenario, self.key, self.target, under(self.defense))
        if self.what == "public":
            return public_name(self.scenario, self.key)
        if self.what == "judge":
            return open_set_name(self.scenario)
        return self.around or target_name(self.scenario, self.key, self.defense)

    @property
    def around(self) -> str | None:
        """The weights of what a defense puts around the output, None if these weights are no such thing."""
        return release_name(self.scenario, self.key, self.defense) if self.what == "target" else None

    @property
    def stage(self) -> int:
        if self.what != "prior":
            return {"evaluator": EVALUATORS, "judge": OTHERS, "public": PUBLIC}.get(
                self.what, RELEASES if self.around else TARGETS
            )
        return TUNED if PRIORS[self.key].tuned else GANS if self.key == "gan" else OTHERS


def card_of(name: str) -> dict[str, Any]:
    """Return the card of `name`; empty if it is not there or cannot be read."""
    try:
        return read_card(name) if has_weights(name) else {}
    except WeightsCorrupt:
        return {}


def weight_files(scenario: str | None = None) -> list[WeightFile]:
    """Return every weight that is shipped or should be, in the order of making."""
    scenarios = [entry.key for entry in SCENARIOS if scenario in (None, entry.key) and not entry.item.own]
    wanted = {weights.name: weights for place in scenarios for weights in _registered(place)}
    for name in carded_names():
        if name.split("/")[0] in scenarios and name not in wanted and (weights := _carded(name)):
            wanted[name] = weights
    order = {weights.name: (weights.stage, scenarios.index(weights.scenario)) for weights in wanted.values()}
    return sorted(wanted.values(), key=lambda weights: order[weights.name])


def _registered(scenario: str) -> Iterator[WeightFile]:
    for entry in ARCHITECTURES:
        if entry.key != EVALUATOR and entry.info.role == EVALUATOR:
            continue  # a scenario may choose it as its evaluator
        yield WeightFile("evaluator" if entry.key == EVALUATOR else "target", scenario, entry.key)
    for prior in PRIORS:
        kind = prior.item
        if prior.key not in TRAINERS:
            continue  # it is not trained but brought along
        weights = WeightFile("prior", scenario, prior.key, SCENARIOS[scenario].default_target if kind.tuned else None)
        # What another scenario lends needs no weights of one's own; but tuned priors start from one's own GAN.
        if kind.tuned or prior.key == "gan" or SCENARIOS[scenario].borrows is None or has_weights(weights.name):
            yield weights


def _carded(name: str) -> WeightFile | None:
    """Return what a card describes, or None if it is of nothing that the command line trains."""
    scenario, stem = name.split("/")
    card = card_of(name)
    defense = card.get("defense", "none")
    defense = defense["text"] if isinstance(defense, dict) else defense
    key = stem.removeprefix("prior-").split("-for-")[0]
    if "brought" in card:
        return None  # nothing here can make it again
    if stem.startswith("target-") and card.get("arch") in ARCHITECTURES:
        if "+" in stem:  # its card names what is around the output, the target's card what was done in training
            trained = card_of(card.get("target", "")).get("defense", {}).get("text")
            defense = "+".join(filter(None, (trained, defense)))
        weights = WeightFile("target", scenario, card["arch"], defense=defense)
    elif stem.startswith("public-") and card.get("arch") in ARCHITECTURES:
        weights = WeightFile("public", scenario, card["arch"])
    elif name == open_set_name(scenario):
        weights = WeightFile("judge", scenario, KEY)
    elif stem.startswith("prior-") and key in PRIORS:
        weights = WeightFile("prior", scenario, key, card.get("target"), defense)
    else:
        return None
    try:
        return weights if weights.name == name else None
    except WorkbenchError:  # a defense that is gone
        return None
