"""Federated averaging on one machine: a loop over rounds that keeps every global model and every update.

McMahan et al., AISTATS 2017, https://arxiv.org/abs/1602.05629, Algorithm 1.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.core.errors import NotFinite
from workbench.core.knobs import values_of
from workbench.core.rounds import GLOBAL
from workbench.federated.aggregate import aggregated
from workbench.federated.checks import Reception
from workbench.federated.faults import FAULTS
from workbench.federated.participant import generator, local_update
from workbench.federated.settings import Federation
from workbench.federated.splits.base import SPLITS
from workbench.federated.store import forget, model_of, rounds_done, save_model, update_of
from workbench.federated.update import State, Update, plus, weights_of
from workbench.scenarios import SCENARIOS, Labelled, Scenario
from workbench.targets.architectures import ARCHITECTURES, Classifier
from workbench.targets.store import built_as, shipped_body
from workbench.targets.training import accuracy, recipe_for


@dataclass(frozen=True)
class Participation:
    """How one participant fared in a round.

    Attributes:
        examples: its images.
        classes: the classes it holds, by number.
        accuracy: of its own model on the scenario's held-out images, 0 to 1; None where it sent none that can be asked.
        refused: why the server did not take its update, a sentence; "" where it did.
    """

    number: int
    examples: int
    classes: list[int]
    accuracy: float | None = None
    refused: str = ""


@dataclass(frozen=True)
class RoundReport:
    """One round that is over, or with `round` 0 the first weights.

    Attributes:
        accuracy: of the global model on held-out images, 0 to 1.
        participants: those who were asked.
        seconds: since the training began, or was resumed.
    """

    round: int
    total: int
    accuracy: float
    participants: list[Participation]
    seconds: float


def shares(federation: Federation, train: Labelled) -> list[Labelled]:
    """Return what each participant holds of the private training images; some may hold nothing."""
    setting = federation.setting
    rng = generator(federation.seed, 0)
    parts = SPLITS[setting.split](train.labels, setting.participants, setting.alpha, rng)
    return [Labelled(train.images[rows], train.labels[rows]) for rows in parts]


def train_federated(
    federation: Federation, *, device: torch.device | str = "cpu", resume: bool = False
) -> Iterator[RoundReport]:
    """Train, keep and report every round; closing it after a round leaves all there is to go on from.

    Args:
        resume: go on after the last complete round; otherwise what there was of this training is deleted first.

    Raises:
        UnknownName, DataMissing, Incompatible.
        NotFinite: everybody's update was refused, in the first round already.
    """
    begun = time.monotonic()
    scenario = SCENARIOS[federation.scenario]()
    training = _Training(federation, scenario, device)
    done = rounds_done(federation) if resume else -1
    if done < 0:
        forget(federation)
        training.start()
        done = 0
    else:
        training.take_up(done)
    yield training.report(done, [], time.monotonic() - begun)
    for round_ in range(done + 1, federation.setting.rounds + 1):
        participants = training.round(round_)
        yield training.report(round_, participants, time.monotonic() - begun)


class _Training:
    """The server with its participants, all in this process."""

    def __init__(self, federation: Federation, scenario: Scenario, device: torch.device | str) -> None:
        self.federation, self.scenario, self.setting = federation, scenario, federation.setting
        self.heldout = scenario.private.heldout
        self.shares = shares(federation, scenario.private.train)
        self.recipe = recipe_for(scenario, federation.arch, federation.seed)
        arch = built_as(scenario, federation.arch)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(federation.seed)
            self.model = Classifier(arch, scenario.input_shape, scenario.num_classes)
        if begun := ARCHITECTURES.entry(arch).info.pretrained:
            self.model.body.load_state_dict(shipped_body(begun))
        self.model.to(device)
        self.weights: State = weights_of(self.model.state_dict())
        self.reception = Reception(self.weights)
        self.last: dict[int, Update] = {}

    def start(self) -> None:
        """Keep the first weights."""
        self._save(
            0, GLOBAL, self.weights, {"heldout_accuracy": round(self._accuracy(self.weights), 4), "participants": []}
        )

    def take_up(self, round_: int) -> None:
        """Stand where the server stood after a round."""
        tensors, _ = model_of(self.federation, round_)
        self.weights = weights_of(tensors)
        for earlier in range(1, round_ + 1):
            _, card = model_of(self.federation, earlier)
            for said in card["participants"]:
                if said["accuracy"] is not None and not said["refused"]:
                    delta = update_of(self.federation, earlier, said["number"])
                    update = Update(said["number"], earlier, said["examples"], delta)
                    self.reception.taken[update.digest] = (update.participant, earlier)
                    self.last[update.participant] = update

    def asked(self, round_: int) -> list[int]:
        """Return whom the server asks in a round, at least one of those who hold an image."""
        holding = [p for p, share in enumerate(self.shares) if len(share)]
        count = max(1, round(self.setting.participation * len(holding)))
        drawn = torch.randperm(len(holding), generator=generator(self.federation.seed, round_, 10**6))[:count]
        return sorted(holding[i] for i in drawn.tolist())

    def gone(self, round_: int, asked: int) -> frozenset[int]:
        """Return which of those asked drop out, by their place among them."""
        count = int(self.setting.dropped * asked)
        return frozenset(
            torch.randperm(asked, generator=generator(self.federation.seed, round_, 10**7))[:count].tolist()
        )

    def lr(self, round_: int) -> float:
        """Return the local learning rate of a round: from the knob's to a tenth of it, by equal factors."""
        share = (round_ - 1) / max(1, self.setting.rounds - 1)
        return self.setting.lr * 0.1**share

    def sent(self, participant: int, round_: int) -> Update:
        """Return what a participant answers."""
        update = local_update(
            self.model,
            self.weights,
            self.shares[participant],
            participant=participant,
            round_=round_,
            epochs=self.setting.epochs,
            batch=self.setting.batch,
            lr=self.lr(round_),
            recipe=self.recipe,
            flips=self.scenario.flips and self.recipe.mirror,
            seed=self.federation.seed,
        )
        if participant == 0 and self.setting.fault != "none":
            update = FAULTS[self.setting.fault].spoil(update, self.last.get(participant))
        return update

    def round(self, round_: int) -> list[Participation]:
        """Ask, check, average and keep; the old weights stay where every update is refused."""
        updates = [self.sent(participant, round_) for participant in self.asked(round_)]
        outcome = aggregated(self.reception, updates, self.gone(round_, len(updates)), self.setting.protocol, round_)
        refused = outcome.refused
        self.last |= {update.participant: update for update in updates if update.participant not in refused}
        participants = [self._kept(update, round_, refused.get(update.participant, "")) for update in updates]
        if outcome.mean is not None:
            self.weights = plus(self.weights, outcome.mean)
        elif round_ == 1:
            raise NotFinite(f"Nobody's update could be taken in round 1. {' '.join(refused.values())}")
        facts = {
            "heldout_accuracy": round(self._accuracy(self.weights), 4),
            "train_accuracy": round(self._accuracy(self.weights, self.scenario.private.train), 4),
            "participants": [asdict(p) for p in participants],
            "protocol": {"key": self.setting.protocol, **outcome.cost},
        }
        self._save(round_, GLOBAL, self.weights, facts)
        return participants

    def _kept(self, update: Update, round_: int, refused: str) -> Participation:
        """Keep the model that a participant sent, if it is one, and return how it fared."""
        held = self.shares[update.participant].labels.unique().tolist()
        number, examples = update.participant, update.examples
        if refused:
            return Participation(number, examples, held, refused=refused)
        own = plus(self.weights, update.delta)
        reached = round(self._accuracy(own), 4)
        self._save(
            round_, f"participant:{number}", own, {"heldout_accuracy": reached, "examples": examples, "classes": held}
        )
        return Participation(number, examples, held, reached)

    @torch.no_grad()
    def _accuracy(self, weights: State, data: Labelled | None = None) -> float:
        self.model.load_state_dict(weights, strict=False)
        return accuracy(self.model.eval(), data or self.heldout)

    def _save(self, round_: int, victim: str, weights: State, facts: Mapping[str, Any]) -> None:
        counters: dict[str, Tensor] = {
            name: value.cpu() for name, value in self.model.state_dict().items() if name not in weights
        }
        save_model(
            self.federation,
            round_,
            victim,
            {**weights, **counters},
            {
                "what": f"round {round_} of a federated training, {victim}",
                "arch": self.model.arch,
                "scenario": self.federation.scenario,
                "shape": list(self.scenario.input_shape),
                "num_classes": self.scenario.num_classes,
                "data": self.scenario.private_source,
                "federated": {"knobs": values_of(self.setting), "seed": self.federation.seed, "round": round_},
                **facts,
            },
        )

    def report(self, round_: int, participants: list[Participation], seconds: float) -> RoundReport:
        """Return how a round that is kept ended."""
        _, card = model_of(self.federation, round_)
        return RoundReport(round_, self.setting.rounds, card["heldout_accuracy"], participants, seconds)


def bytes_needed(federation: Federation) -> int:
    """Return how many bytes the rounds of a training will take on disk, about."""
    place = SCENARIOS.entry(federation.scenario).item
    model = Classifier(federation.arch, place.input_shape, len(place.class_names))
    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    setting = federation.setting
    asked = max(1, round(setting.participation * setting.participants))
    return size * (1 + setting.rounds * (1 + asked))
