"""How a target answers about private images that it never saw: what its accuracy alone does not tell."""

from __future__ import annotations

import threading
from functools import lru_cache

import torch

from workbench.core.weights import read_card
from workbench.defenses import load_target
from workbench.defenses.store import release_name, weights_name
from workbench.metrics.calibration import Calibration, calibration
from workbench.scenarios import SCENARIOS

ASKED = 64  # images a query; some defenses compute a gradient for each
_measuring = threading.Lock()  # two who look at once wait for one measurement


def behaviour(scenario: str, arch: str, defense: str = "none") -> Calibration:
    """Return the calibration of a target's answers, as they are released, on the held-out private images.

    Measured once for each set of weights. Defenses that answer at random do so from a fixed seed.

    Raises:
        UnknownName, KnobError, DataMissing, WeightsCorrupt, Incompatible.
    """
    names = [weights_name(scenario, arch, defense), release_name(scenario, arch, defense)]
    with _measuring:
        load_target(scenario, arch, defense)  # says what is missing before its cards are read
        return _measured(scenario, arch, defense, tuple(read_card(name)["sha256"] for name in names if name))


@lru_cache(maxsize=64)
def _measured(scenario: str, arch: str, defense: str, weights: tuple[str, ...]) -> Calibration:
    model, heldout = load_target(scenario, arch, defense), SCENARIOS[scenario]().private.heldout
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shares = torch.cat([model(images).detach().softmax(1) for images in heldout.images.split(ASKED)])
    return calibration(shares, heldout.labels)
