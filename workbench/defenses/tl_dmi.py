"""TL-DMI: the first layers are learnt from public images and then held still.

Ho et al., CVPR 2024, https://arxiv.org/abs/2405.05588: the fewer parameters the private images may change,
the less an inversion finds in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from workbench.core.errors import DataMissing
from workbench.core.knobs import knob
from workbench.core.weights import has_weights, load_weights
from workbench.defenses.base import Defense, defense
from workbench.targets import ARCHITECTURES, Classifier
from workbench.targets.pretraining import public_name, train_public
from workbench.targets.training import DefenseSetting, EpochProgress, Shaping


def learning_layers(model: Classifier) -> list[nn.Module]:
    """Return the body's innermost modules that have parameters, from the image on."""
    return [m for m in model.body.modules() if not list(m.children()) and list(m.parameters())]


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
        0.5, 0.0, 1.0, help="Share of the body's layers, from the image on, that private images never change."
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
        scenario, arch = self.case.scenario, self.case.arch
        name = public_name(scenario.key, arch)
        if self.case.public is not None or not has_weights(name):
            try:
                yield from train_public(
                    scenario,
                    arch,
                    folder=self.case.public,
                    source=self.case.source,
                    seed=self.case.seed,
                    device=str(self.case.device),
                )
            except DataMissing as error:
                raise DataMissing(
                    f"TL-DMI starts from a {arch} of public classes, and there is none for {scenario.key}. {error}"
                ) from None
        tensors, card = load_weights(name)
        body = {k.removeprefix("body."): v for k, v in tensors.items() if k.startswith("body.")}
        model.body.load_state_dict(body)
        layers = learning_layers(model)
        self.still = layers[: round(self.share * len(layers))]
        for layer in self.still:
            layer.requires_grad_(False)
        held = sum(p.numel() for layer in self.still for p in layer.parameters())
        self.told = {
            "frozen_layers": len(self.still),
            "frozen_parameters": held,
            "free_parameters": sum(p.numel() for p in model.parameters()) - held,
            "public": {"name": name, "sha256": card["sha256"], "data": card["data"]},
        }

    def mode(self, model: nn.Module) -> None:
        model.train()
        for layer in self.still:
            layer.eval()  # the statistics of a frozen batch norm stay those of public images

    def facts(self) -> dict[str, Any]:
        return self.told
