"""DLG: image and label together, by L-BFGS on the distance of gradients.

Zhu, Liu and Han, NeurIPS 2019, https://arxiv.org/abs/1906.08935, Algorithm 1: min over x, y of Σ ‖∇(x, y) − g‖². It needs a model
that can be differentiated twice, and starts anew where it got stuck: networks of ReLUs mostly resist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.deep_leakage import leak
from workbench.attacks.parts.on_updates import OnUpdates
from workbench.core.knobs import knob
from workbench.core.records import Access, Frame, Recovers


@attack(
    "dlg",
    title="DLG",
    access=Access.WHITE_BOX,
    prior=None,
    order=42,
    recovers=Recovers.BATCH,
    threat="A",
    paper="Zhu et al., NeurIPS 2019",
    summary="Looks for an image and a label whose gradient is the update, without knowing anything else.",
    presets={"demo": dict(steps=200), "paper": dict(steps=300)},
    departs="A strong Wolfe line search, since the fixed step of 1 leaves the smallest gradients where they are; labels are the search's own, whatever is chosen beside it.",
)
@dataclass(frozen=True)
class DLG(OnUpdates):
    steps: int = knob(200, 1, 5000, log=True, help="Iterations of L-BFGS.", unit="steps")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        yield from leak(ctx, self, self.steps, joint=True)
