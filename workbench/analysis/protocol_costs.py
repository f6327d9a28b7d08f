"""What a protocol costs beside the plain sum, and what is left of a single update for the server to invert."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.attacks.parts.first_layer import first_linear, rank_one, unnormalized
from workbench.core.errors import DataMissing, Incompatible
from workbench.core.paths import ASSETS
from workbench.core.shapes import image_shape
from workbench.federated.local_steps import LocalSteps, parameters_of, pulled
from workbench.federated.protocols.base import PROTOCOLS
from workbench.federated.update import flat, unflat
from workbench.metrics.pixels import psnr
from workbench.scenarios import SCENARIOS
from workbench.targets.architectures import Classifier

SAMPLE = 126  # numbers on which a slow protocol is measured; two ciphertexts of Paillier


@dataclass(frozen=True)
class Measured:
    """One protocol, measured on one round.

    Attributes:
        sent, received: bytes of one participant.
        seconds: for all participants and the server together, in one process.
        error: largest difference of a number of the sum from the plain one.
        view: PSNR in dB of the image that the closed form finds in what the server sees of one update; None where it sees
            nothing that could be inverted, or the network does not begin with a linear layer.
        measured: numbers that it was measured on; bytes and seconds are scaled to the whole update.
        problem: why it could not be measured, a sentence.
    """

    title: str
    sent: int = 0
    received: int = 0
    seconds: float = 0.0
    error: float = 0.0
    view: float | None = None
    measured: int = 0
    problem: str = ""


def shipped_costs() -> dict[str, Any]:
    """Return what is shipped of these figures: "measured", how, and "rows", one a protocol with its title and texts for people."""
    held = json.loads((ASSETS / "tables" / "protocol-costs.json").read_text())
    return {**held, "rows": [{"title": PROTOCOLS.entry(row["key"]).title, **row} for row in held["rows"]]}


def costs(scenario: str, arch: str, participants: int = 10, gone: int = 0, seed: int = 0) -> Iterator[Measured]:
    """Yield each protocol on the gradients that participants with one private image each send of a fresh model.

    Args:
        gone: participants who drop out.

    Raises:
        UnknownName, DataMissing.
    """
    place = SCENARIOS[scenario]()
    images, labels = place.private.train.images[::7][:participants], place.private.train.labels[::7][:participants]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(arch, place.input_shape, place.num_classes).eval()
    parameters = parameters_of(model)
    sent = [pulled(model, parameters, x[None], y[None], LocalSteps()) for x, y in zip(images, labels, strict=True)]
    vectors = {number: flat(each).detach() for number, each in enumerate(sent)}
    lost = frozenset(range(1, 1 + gone))
    plain = sum((vectors[p].double() for p in vectors if p not in lost), start=torch.zeros((), dtype=torch.float64))
    for entry in PROTOCOLS:
        taken = vectors if not entry.info.most else {p: vector[:SAMPLE] for p, vector in vectors.items()}
        measured, whole = len(taken[0]), len(vectors[0])
        begun = time.perf_counter()
        try:
            summed = entry.item().sum(taken, lost)
        except DataMissing as error:
            yield Measured(entry.title, problem=str(error))
            continue
        scale = whole / measured
        seconds = (time.perf_counter() - begun) * scale
        apart = (summed.total - plain[:measured]).abs().max().item()
        view = None if summed.seen is None else inverted(model, summed.seen, sent[0], images[:1])
        sent_, received = round(summed.sent * scale), round(summed.received * scale)
        yield Measured(entry.title, sent_, received, seconds, apart, view, measured)


def inverted(model: Classifier, seen: Tensor, like: dict[str, Tensor], truth: Tensor) -> float | None:
    """Return the PSNR in dB of what the closed form finds in a vector (n,), beside the true image (1, C, H, W)."""
    try:
        name, _, normalize = first_linear(model)
    except Incompatible:
        return None
    update = unflat(seen, {key: value.double() for key, value in like.items()})
    found = rank_one(update[f"{name}.weight"], update[f"{name}.bias"])[None]
    shape = image_shape(truth.shape[1:])
    return psnr(unnormalized(found, normalize, shape).float().clamp(0, 1), truth).item()
