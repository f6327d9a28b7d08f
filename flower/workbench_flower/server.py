"""The server: the workbench's own rounds, checks and store, whose participants are nodes that Flower reaches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import INFO, WARNING

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp

from workbench.core.errors import Failure
from workbench.federated.answering import Answering
from workbench.federated.averaging import train_federated
from workbench.federated.settings import Federation
from workbench.federated.update import State, Update
from workbench.scenarios import SCENARIOS
from workbench_flower.wire import federation_of, question, update_in

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train among the nodes that are there, and keep every round where the workbench looks for it."""
    config = context.run_config
    federation = federation_of(config)
    holding = Answering(federation, SCENARIOS[federation.scenario]()).holding
    nodes = participants(grid, holding, float(config["wait"]))
    for report in train_federated(federation, ask=Asking(grid, nodes, federation, float(config["answer"])).ask):
        log(INFO, "round %s of %s: accuracy %.3f", report.round, report.total, report.accuracy)
        for participant in report.participants:
            if participant.refused:
                log(WARNING, participant.refused)


def participants(grid: Grid, wanted: Sequence[int], seconds: float) -> dict[int, int]:
    """Return the node of each participant, as soon as all are there; raises `Failure` where they are not in time."""
    found: dict[int, int] = {}
    asked: set[int] = set()
    end = time.monotonic() + seconds
    while missing := sorted(set(wanted) - set(found)):
        if time.monotonic() > end:
            raise Failure(
                f"Of {len(wanted)} participants {len(missing)} did not come in {seconds:g} s. Start one node for each: "
                f"flower-supernode --node-config 'partition-id={missing[0]}'"
            )
        new = sorted(set(grid.get_node_ids()) - asked)
        asked |= set(new)
        questions = [Message(RecordDict({"who": ConfigRecord({})}), node, "query") for node in new]
        for answer in grid.send_and_receive(questions, timeout=max(1.0, end - time.monotonic())) if new else ():
            if answer.has_error():
                log(WARNING, "A node does not say who it is: %s", answer.error.reason)
                continue
            number, node = int(answer.content["said"]["participant"]), answer.metadata.src_node_id
            if found.setdefault(number, node) != node:
                log(WARNING, "Two nodes say that they are participant %s; the first is asked.", number)
        time.sleep(0.2)
    return found


@dataclass(frozen=True)
class Asking:
    """Participants as nodes.

    Attributes:
        nodes: by participant, Flower's number of its node.
        seconds: how long a round waits for answers.
    """

    grid: Grid
    nodes: Mapping[int, int]
    federation: Federation
    seconds: float

    def ask(self, round_: int, participants: Sequence[int], weights: State) -> list[Update]:
        """Return what came back in time, in the order of the participants."""
        told = question(self.federation, round_, weights)
        questions = [Message(told, self.nodes[p], "train", group_id=str(round_)) for p in participants]
        of_node = {self.nodes[p]: p for p in participants}
        updates = []
        for answer in self.grid.send_and_receive(questions, timeout=self.seconds):
            participant = of_node[answer.metadata.src_node_id]
            if answer.has_error():
                log(WARNING, "Participant %s: %s", participant, answer.error.reason)
                continue
            updates.append(update_in(answer.content, participant))
        return sorted(updates, key=lambda update: update.participant)
