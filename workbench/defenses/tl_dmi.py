"""TL-DMI: the first layers are learnt from public images and then held still.

Ho et al., CVPR 2024, https://arxiv.org/abs/2405.05588: the fewer parameters the private images may change,
the less an inversion finds in them. As in the paper, how many are held is counted in parameters, not in layers: the first
half of a network's layers may be a tenth of what it can learn. Layers are held whole, from the image on, as many as come
nearest to the share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from torch import nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.public_body import learning_layers, public_body
from workbench.targets import ARCHITECTURES, Classifier
from workbench.targets.training import DefenseSetting, EpochProgress, Shaping


def first_layers(layers: list[nn.Module], share: float) -> list[nn.Module]:
    """Return the first of `layers`, as many as hold the share of all their parameters that is nearest to `share`, 0 to 1."""
    held = [0, *accumulate(sum(p.numel() for p in layer.parameters()) for layer in layers)]
    count = min(range(len(held)), key=lambda k: abs(held[k] - share * held[-1]))
    return layers[:count]


@defense(
    "tl-dmi",
    title="TL-DMI (frozen layers)",
    stage="training",
    paper="Ho et al., CVPR 2024",
    order=4,
    strength="frozen",
    levels=(0.25, 0.5, 0.75, 1.0),
    needs="labelled public images",
    summary="Learns the first layers from public images only; the private ones shape the rest.",
)
@dataclass(frozen=True)
class TLDMI(Defense):
    frozen: float = knob(
        0.5, 0.0, 1.0, help="Share of the body's parameters, from the image on, that private images never change."
    )

    def problem(self, arch: str) -> str | None:
        if learning_layers(Classifier(arch, (1, 32, 32), 2)):
            return None
        return (
            f"TL-DMI freezes hidden layers, and the {ARCHITECTURES.entry(arch).title.lower()} has none. "
            "Choose another target."
        )

    def shaping(self, case: DefenseSetting) -> Shaping:
        return Transferred(self.frozen, case)


class Transferred(Shaping):
    """Starts from the public classifier's body and freezes its beginning."""

    def __init__(self, share: float, case: DefenseSetting) -> None:
        self.share, self.case = share, case
        self.still: list[nn.Module] = []
        self.told: dict[str, Any] = {}

    def prepare(self, model: Classifier) -> Iterator[EpochProgress]:
        public = yield from public_body(model, self.case, "TL-DMI")
        layers = learning_layers(model)
        self.still = first_layers(layers, self.share)
        learnt = sum(p.numel() for layer in self.still for p in layer.parameters() if p.requires_grad)
        for layer in self.still:
            layer.requires_grad_(False)
        held = sum(p.numel() for layer in self.still for p in layer.parameters())
        body = sum(p.numel() for layer in layers for p in layer.parameters())
        self.told = {
            "frozen_layers": len(self.still),
            "frozen_parameters": held,
            "frozen_share_of_body": round(held / body, 4),
            "free_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            **({"public": public} if public else {}),
        }
        if not learnt:
            self.told["warning"] = "Without TL-DMI this target holds as many of its parameters still: raise 'frozen'."

    def mode(self, model: nn.Module) -> None:
        model.train()
        for layer in self.still:
            layer.eval()  # the statistics of a frozen batch norm stay those of public images

    def facts(self) -> dict[str, Any]:
        return self.told
