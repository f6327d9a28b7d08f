"""What server and clients say to each other: a training by name, a round, and weights, exactly as they are.

Weights go as Flower's arrays, float32 to the bit; what a training is goes as the text that `federated train` takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from workbench.core.errors import UsageError
from workbench.core.knobs import changed_text
from workbench.federated.settings import Federation
from workbench.federated.update import State, Update, weights_of

PARTICIPANT = "partition-id"  # what Flower calls a participant's number, in --node-config


def federation_of(config: Mapping[str, Any]) -> Federation:
    """Return the training that a run's configuration tells of; raises `UnknownName`, `KnobError`, `UsageError`."""
    knobs = dict(pair.partition("=")[::2] for pair in str(config["set"]).split())
    federation = Federation.of(str(config["scenario"]), str(config["arch"]), knobs, int(config["seed"]))
    if federation.setting.protocol != "plain":
        raise UsageError(
            f"Over Flower updates are sent as they are: protocol={federation.setting.protocol} runs in one process alone "
            "(python -m workbench federated train). Leave the protocol out."
        )
    if federation.setting.dropped:
        raise UsageError("Over Flower whoever does not answer in time has dropped out. Leave dropped out.")
    return federation


def question(federation: Federation, round_: int, weights: State) -> RecordDict:
    """Return what the server sends: its weights, and which round of which training it is."""
    knobs = " ".join(f"{name}={value}" for name, value in changed_text(federation.setting).items())
    told = {"scenario": federation.scenario, "arch": federation.arch, "set": knobs, "seed": federation.seed}
    return RecordDict({"told": ConfigRecord({**told, "round": round_}), "weights": arrays(weights)})


def reply(update: Update) -> RecordDict:
    """Return what a participant sends."""
    said = {"participant": update.participant, "round": update.round, "examples": update.examples}
    return RecordDict({"said": ConfigRecord(said), "delta": arrays(update.delta)})


def update_in(content: RecordDict, participant: int | None = None) -> Update:
    """Return the update that a participant sent; whose it is says the node that it came from, if it is given."""
    said = content["said"]
    number = said["participant"] if participant is None else participant
    return Update(number, said["round"], said["examples"], weights_of(content["delta"].to_torch_state_dict()))


def arrays(state: State) -> ArrayRecord:
    return ArrayRecord(dict(state))
