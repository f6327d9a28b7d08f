"""RoLSS and SSF: the shortcuts of the last residual blocks are taken out, or scaled down.

Koh et al., ECCV 2024, https://arxiv.org/abs/2409.01696: a shortcut carries an image's details past the layers that would
forget them, and its gradient back; those of the last stage matter most. RoLSS is a weight of 0, SSF of 0.01.

Departs from the paper: its third way, TTS, which trains with the shortcuts first and fine-tunes without, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets import ARCHITECTURES, Classifier


def residual_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of a network whose shortcut has a weight, from the image on."""
    return [m for m in model.modules() if isinstance(getattr(m, "skip", None), float)]


@defense(
    "rolss",
    title="RoLSS (no last shortcut)",
    stage="training",
    paper="Koh et al., ECCV 2024",
    order=8,
    strength="skip",
    levels=(0.5, 0.1, 0.01, 0.0),
    summary="Takes the last shortcuts out of a residual network, which carry details of the image past its layers.",
)
@dataclass(frozen=True)
class RoLSS(Defense):
    skip: float = knob(0.0, 0.0, 1.0, help="Weight of the last shortcuts: 0 is RoLSS, 0.01 is SSF, 1 no defense.")
    blocks: int = knob(1, 1, 16, help="How many blocks lose theirs, from the last one back.")

    def problem(self, arch: str) -> str | None:
        if residual_blocks(Classifier(arch, (1, 32, 32), 2)):
            return None
        return (
            f"RoLSS takes shortcuts out of a residual network, and the {ARCHITECTURES.entry(arch).title.lower()} has none. "
            "Choose the resnet."
        )

    def build(self, model: Classifier) -> Classifier:
        for block in residual_blocks(model)[-self.blocks :]:
            block.skip = self.skip  # type: ignore[assignment]  # which modules have one, their types do not say
        return model
