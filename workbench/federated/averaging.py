"""Federated averaging on one machine: a loop over rounds that keeps every global model and every update.

McMahan et al., AISTATS 2017, https://arxiv.org/abs/1602.05629, Algorithm 1.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.core.errors import NotFinite
from workbench.core.knobs import values_of
from workbench.core.rounds import GLOBAL
from workbench.federated.aggregate import GONE, aggregated
from workbench.federated.answering import Answering, Ask, asked, gone
from workbench.federated.checks import Reception
from workbench.federated.privacy import epsilon
from workbench.federated.settings import Federation
from workbench.federated.store import forget, model_of, rounds_done, save_model, update_of
from workbench.federated.update import State, Update, plus, weights_of
from workbench.scenarios import SCENARIOS, Labelled, Scenario
from workbench.targets.training import accuracy


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
        epsilon: ε of all rounds so far, under differential privacy.
    """

    round: int
    total: int
    accuracy: float
    participants: list[Participation]
    seconds: float
    epsilon: float | None = None


def train_federated(
    federation: Federation, *, device: torch.device | str = "cpu", resume: bool = False, ask: Ask | None = None
) -> Iterator[RoundReport]:
    """Train, keep and report every round; closing it after a round leaves all there is to go on from.

    Args:
        resume: go on after the last complete round; otherwise what there was of this training is deleted first.
        ask: how participants are asked that run elsewhere; in this process if None.

    Raises:
        UnknownName, DataMissing, Incompatible.
        NotFinite: everybody's update was refused, in the first round already.
    """
    begun = time.monotonic()
    scenario = SCENARIOS[federation.scenario]()
    training = _Training(federation, scenario, device, ask)
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
    """The server of one training."""

    def __init__(
        self, federation: Federation, scenario: Scenario, device: torch.device | str, ask: Ask | None = None
    ) -> None:
        self.federation, self.scenario, self.setting = federation, scenario, federation.setting
        self.heldout = scenario.private.heldout
        self.here = Answering(federation, scenario, device)
        self.ask = ask or self.here.ask
        self.shares, self.model = self.here.shares, self.here.model
        self.weights: State = weights_of(self.model.state_dict())
        self.reception = Reception(self.weights)

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
                    self.here.last[update.participant] = update

    def asked(self, round_: int) -> list[int]:
        """Return whom the server asks in a round."""
        return asked(self.setting, self.federation.seed, self.here.holding, round_)

    def round(self, round_: int) -> list[Participation]:
        """Ask, check, average and keep; the old weights stay where every update is refused."""
        wanted = self.asked(round_)
        updates = self.ask(round_, wanted, self.weights)
        lost = gone(self.setting, self.federation.seed, round_, len(wanted))
        away = {wanted[place] for place in lost}
        places = frozenset(place for place, update in enumerate(updates) if update.participant in away)
        outcome = aggregated(self.reception, updates, places, self.setting.protocol, round_)
        refused = outcome.refused
        participants = [self._kept(update, round_, refused.get(update.participant, "")) for update in updates]
        participants += [self._silent(number) for number in wanted if number not in {u.participant for u in updates}]
        participants.sort(key=lambda p: p.number)
        if outcome.mean is not None:
            self.weights = plus(self.weights, outcome.mean)
        elif round_ == 1:
            raise NotFinite(f"Nobody's update could be taken in round 1. {' '.join(refused.values())}")
        facts = {
            "heldout_accuracy": round(self._accuracy(self.weights), 4),
            "train_accuracy": round(self._accuracy(self.weights, self.scenario.private.train), 4),
            "participants": [asdict(p) for p in participants],
            "protocol": {"key": self.setting.protocol, **outcome.cost},
            **self._spent(round_),
        }
        self._save(round_, GLOBAL, self.weights, facts)
        return participants

    def _spent(self, round_: int) -> dict[str, Any]:
        """Return what the card of a round says of privacy: the ε that every round so far has spent together, of the worst off.

        Whoever is not asked in a round sends nothing, so that counting every round for everybody is an upper bound for
        participants; images are counted in the rounds that they were in.
        """
        setting = self.setting
        if setting.privacy == "none":
            return {}
        if setting.privacy == "client":
            spent = epsilon(setting.noise, 1.0, round_, setting.delta)
        else:
            asked = Counter(p for earlier in range(1, round_ + 1) for p in self.asked(earlier))
            steps = {p: math.ceil(len(self.shares[p]) / setting.batch) for p in asked}  # of an epoch
            spent = max(
                epsilon(setting.noise, 1 / steps[p], rounds * setting.epochs * steps[p], setting.delta)
                for p, rounds in asked.items()
            )
        return {"privacy": {"of": setting.privacy, "epsilon": round(spent, 3), "delta": setting.delta}}

    def _kept(self, update: Update, round_: int, refused: str) -> Participation:
        """Keep the model that a participant sent, if it is one, and return how it fared."""
        number = update.participant
        held, examples = self._held(number)
        if refused:
            return Participation(number, examples, held, refused=refused)
        own = plus(self.weights, update.delta)
        reached = round(self._accuracy(own), 4)
        self._save(
            round_, f"participant:{number}", own, {"heldout_accuracy": reached, "examples": examples, "classes": held}
        )
        return Participation(number, examples, held, reached)

    def _silent(self, number: int) -> Participation:
        """Return how a participant fared that did not answer."""
        held, examples = self._held(number)
        return Participation(number, examples, held, refused=GONE.format(number))

    def _held(self, number: int) -> tuple[list[int], int]:
        """Return the classes of which a participant holds images, and how many images that is."""
        return self.shares[number].labels.unique().tolist(), len(self.shares[number])

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
        spent = card.get("privacy", {}).get("epsilon")
        return RoundReport(round_, self.setting.rounds, card["heldout_accuracy"], participants, seconds, spent)
