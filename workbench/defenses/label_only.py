"""Label only: the predicted class is all that is released, as a confidence of one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.records import Access
from workbench.defenses.base import Defense, defense
from workbench.defenses.parts.output import Released


@defense(
    "label-only",
    title="Label only",
    stage="output",
    paper="Fredrikson et al., CCS 2015",
    order=23,
    summary="Releases no confidence at all. Attacks that live on labels alone are untouched.",
)
@dataclass(frozen=True)
class LabelOnly(Defense):
    def note(self, access: Access) -> str | None:
        if access is Access.LABEL:
            return super().note(access)
        return "Only the label is released: this attack sees a confidence of one for the predicted class."

    def wrap(self, target: nn.Module, trained: object = None) -> nn.Module:
        return Labelling(target)


class Labelling(Released):
    def release(self, confidences: Tensor, images: Tensor) -> Tensor:
        return F.one_hot(confidences.argmax(1), confidences.shape[1]).to(confidences.dtype)
