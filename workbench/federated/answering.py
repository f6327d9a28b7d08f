"""What participants do when they are asked, wherever they run: all in this process, or each on a machine of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from workbench.federated.faults import FAULTS
from workbench.federated.participant import generator, local_update
from workbench.federated.privacy import noised
from workbench.federated.settings import FedAvg, Federation
from workbench.federated.start import first_model, local_rate, local_training, shares
from workbench.federated.update import State, Update
from workbench.scenarios import Labelled, Scenario

# From a round, the participants that the server asks and its weights to what came back, in their order; some may be silent.
Ask = Callable[[int, Sequence[int], State], list[Update]]


def asked(setting: FedAvg, seed: int, holding: Sequence[int], round_: int) -> list[int]:
    """Return whom the server asks in a round, in order, at least one of those who hold an image."""
    count = max(1, round(setting.participation * len(holding)))
    drawn = torch.randperm(len(holding), generator=generator(seed, round_, 10**6))[:count]
    return sorted(holding[i] for i in drawn.tolist())


def gone(setting: FedAvg, seed: int, round_: int, number: int) -> frozenset[int]:
    """Return which of the `number` asked drop out, by their place among them."""
    count = int(setting.dropped * number)
    return frozenset(torch.randperm(number, generator=generator(seed, round_, 10**7))[:count].tolist())


class Answering:
    """Participants of one training, with their images.

    Attributes:
        shares: what each holds.
        model: the network in which they train; its weights are replaced with every question.
        last: by number, what a participant sent last.
    """

    def __init__(self, federation: Federation, scenario: Scenario, device: torch.device | str = "cpu") -> None:
        self.federation, self.setting = federation, federation.setting
        self.shares: list[Labelled] = shares(federation, scenario.private.train)
        self.how = local_training(federation, scenario)
        self.model = first_model(federation, scenario).to(device)
        self.last: dict[int, Update] = {}

    @property
    def holding(self) -> list[int]:
        """Those who hold an image, in order."""
        return [participant for participant, share in enumerate(self.shares) if len(share)]

    def ask(self, round_: int, participants: Sequence[int], weights: State) -> list[Update]:
        """Return what each of these answers to the weights of the server."""
        return [self.answer(round_, participant, weights) for participant in participants]

    def answer(self, round_: int, participant: int, weights: State) -> Update:
        """Return what one participant, who holds an image, sends after training on what it holds."""
        how = replace(self.how, lr=local_rate(self.setting, round_))
        update = local_update(
            self.model, weights, self.shares[participant], how, participant=participant, round_=round_
        )
        if self.setting.privacy == "client":
            update = self._noised(update)
        if participant == 0 and self.setting.fault != "none":
            update = FAULTS[self.setting.fault].spoil(update, self.last.get(participant))
        self.last[participant] = update
        return update

    def _noised(self, update: Update) -> Update:
        seed, number = self.federation.seed, len(asked(self.setting, self.federation.seed, self.holding, update.round))
        sharers = number - len(gone(self.setting, seed, update.round, number))
        rng = generator(seed, update.round, update.participant, 10**8)
        return noised(update, self.setting.bound, self.setting.noise, sharers, rng)
