"""The server: the workbench's own rounds, checks and store, whose participants are nodes that Flower reaches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from logging import INFO, WARNING

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp

from workbench.core.errors import Failure, UsageError
from workbench.federated.answering import Answering
from workbench.federated.averaging import train_federated
from workbench.federated.settings import Federation
from workbench.federated.update import State, Update
from workbench.scenarios import SCENARIOS
from workbench_flower.wire import federation_of, question, update_in

TRIES = 3  # of a node that fails

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


def answers(
    grid: Grid, questions: Mapping[int, RecordDict], kind: str, round_: int, seconds: float
) -> Iterator[tuple[int, RecordDict]]:
    """Yield what nodes answer in time, each with its node; one that fails is asked again, for an app may start too slowly.

    Args:
        questions: by node, what it is asked.
        kind: Flower's type of message, "query" or "train".
        seconds: how long to wait for each try.
    """
    left = sorted(questions)
    for _ in range(TRIES):
        asked = [Message(questions[node], node, kind, group_id=str(round_)) for node in left]
        left = []
        for answer in grid.send_and_receive(asked, timeout=seconds) if asked else ():
            node = answer.metadata.src_node_id
            if answer.has_error():
                log(WARNING, "Node %s fails: %s", node, answer.error.reason)
                left.append(node)
            else:
                yield node, answer.content


def participants(grid: Grid, wanted: Sequence[int], seconds: float) -> dict[int, int]:
    """Return the node of each participant, as soon as all are there; raises `Failure` where they are not in time."""
    found: dict[int, int] = {}
    end = time.monotonic() + seconds
    while missing := sorted(set(wanted) - set(found)):
        if time.monotonic() > end:
            raise Failure(
                f"Of {len(wanted)} participants {len(missing)} did not come in {seconds:g} s. Start one node for each: "
                f"flower-supernode --node-config 'partition-id={missing[0]}'"
            )
        new = set(grid.get_node_ids()) - set(found.values())
        questions = {node: RecordDict({"who": ConfigRecord({})}) for node in new}
        for node, content in answers(grid, questions, "query", 0, max(1.0, end - time.monotonic())):
            number = int(content["said"]["participant"])
            if found.setdefault(number, node) != node:
                raise UsageError(
                    f"Two nodes say that they are participant {number}. Give each a partition-id of its own."
                )
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
        number = {self.nodes[p]: p for p in participants}
        back = answers(self.grid, dict.fromkeys(number, told), "train", round_, self.seconds)
        return sorted((update_in(content, number[node]) for node, content in back), key=lambda u: u.participant)
