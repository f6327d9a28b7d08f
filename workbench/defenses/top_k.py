"""Top-k: only the k best confidences are released. Yang et al., CCS 2019, section 4.4 calls it truncation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from workbench.core.knobs import knob
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.output import Released


@defense(
    "top-k",
    title="Top-k only",
    stage="output",
    paper="Fredrikson et al., CCS 2015; Yang et al., CCS 2019",
    order=22,
    strength="k",
    levels=(5, 3, 2, 1),
    summary="Releases the best confidences only; the others share what is left equally, which anyone could work out.",
)
@dataclass(frozen=True)
class TopK(Defense):
    k: int = knob(1, 1, 100, help="How many confidences are released; as many as there are classes changes nothing.")

    def wrap(self, target: nn.Module, trained: object = None) -> nn.Module:
        return Truncated(target, self.k)


class Truncated(Released):
    def __init__(self, target: nn.Module, k: int) -> None:
        super().__init__(target)
        self.k = k

    def release(self, confidences: Tensor, images: Tensor) -> Tensor:
        classes = confidences.shape[1]
        if self.k >= classes:
            return confidences
        best = confidences.topk(self.k, 1)
        rest = (1 - best.values.sum(1, keepdim=True)).clamp(min=0) / (classes - self.k)
        return rest.expand(-1, classes).scatter(1, best.indices, best.values)
