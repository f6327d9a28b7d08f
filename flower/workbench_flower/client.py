"""A participant: it trains on its own share of the private images, by the very code that the workbench runs itself."""

from __future__ import annotations

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from workbench.core.errors import UsageError
from workbench.federated.answering import Answering
from workbench.federated.update import weights_of
from workbench.scenarios import SCENARIOS
from workbench_flower.wire import PARTICIPANT, federation_of, reply, update_in

LAST = "last"  # where a participant keeps what it sent in the round before

app = ClientApp()


def number_of(context: Context) -> int:
    """Return which participant this node is."""
    if PARTICIPANT not in context.node_config:
        raise UsageError(f"This node has no number. Start it with --node-config '{PARTICIPANT}=0', the next with 1.")
    return int(context.node_config[PARTICIPANT])


@app.query()
def who(message: Message, context: Context) -> Message:
    """Say which participant this is."""
    said = ConfigRecord({"participant": number_of(context)})
    return Message(RecordDict({"said": said}), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the server's weights, and send what that changed."""
    told = message.content["told"]
    federation, participant = federation_of(told), number_of(context)
    here = Answering(federation, SCENARIOS[federation.scenario]())
    if (state := context.state.get(LAST)) is not None:
        here.last[participant] = update_in(RecordDict({"said": state, "delta": context.state[f"{LAST} delta"]}))
    weights = weights_of(message.content["weights"].to_torch_state_dict())
    content = reply(here.answer(told["round"], participant, weights))
    context.state[LAST], context.state[f"{LAST} delta"] = content["said"], content["delta"]
    return Message(content, reply_to=message)
