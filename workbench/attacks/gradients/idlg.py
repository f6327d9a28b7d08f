"""iDLG: the label read from the sign of the last layer's gradient, then the image by L-BFGS.

Zhao, Mopuri and Bilen, 2020, https://arxiv.org/abs/2001.02610, eq. 3: softmax(s) − onehot(y) is negative for y alone. Labels of a
batch are counted, after Wainakh et al., PoPETs 2022.
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
    "idlg",
    title="iDLG",
    access=Access.WHITE_BOX,
    prior=None,
    order=41,
    recovers=Recovers.BATCH,
    threat="A",
    paper="Zhao et al., 2020",
    summary="Reads the labels from the last layer's gradient, then looks for an image whose gradient is the update.",
    presets={"demo": dict(steps=200), "paper": dict(steps=300)},
    departs="A strong Wolfe line search, since the fixed step of 1 leaves the smallest gradients where they are.",
)
@dataclass(frozen=True)
class IDLG(OnUpdates):
    steps: int = knob(200, 1, 5000, log=True, help="Iterations of L-BFGS.", unit="steps")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        yield from leak(ctx, self, self.steps, joint=False)
