"""LoFt: a low-rank neck before the head, through which less of an image's features can pass.

Yu et al., 2024, https://arxiv.org/abs/2410.05814 (with it: CALoR): the head d → C becomes d → k, tanh, k → C with k < C.
What an inversion can recover is bounded by the rank of what the logits see, and tanh, which saturates, leaves its
gradients faint.

Departs from the paper: k follows our few classes (the paper has 50 for 530), training is that of the undefended target
rather than a longer fine-tuning, and CALoR's further step with the inverse focal loss is left out. An attack that needs no
gradient is not held back by their faintness.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.targets import Classifier


@defense(
    "loft",
    title="LoFt (low-rank neck)",
    stage="training",
    paper="Yu et al., arXiv 2410.05814",
    order=7,
    strength="rank",
    levels=(32, 16, 8, 4),
    summary="A narrow layer with tanh before the head: few numbers for an inversion to hold on to, and faint gradients.",
)
@dataclass(frozen=True)
class LoFt(Defense):
    rank: int = knob(8, 2, 512, help="Width k of the neck.")

    def build(self, model: Classifier) -> Classifier:
        model.head = nn.Sequential(
            nn.Linear(model.width, self.rank), nn.Tanh(), nn.Linear(self.rank, model.num_classes)
        )
        return model
