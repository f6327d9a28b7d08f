"""Query-free: train a shadow of the client's half against the server's half, then invert the shadow.

He, Zhang and Lee, "Model inversion attacks against collaborative inference", ACSAC 2019, section 6,
https://doi.org/10.1145/3359789.3359824. The attacker is the server: it holds the second half and the data that the network
was trained on, and may not ask the client. A shadow that the second half classifies rightly by stands in for the first half
(equation 5), and rMLE inverts it (equation 6).

Departs from the paper: besides classifying, the shadow's activations are to have the statistics of those intercepted, which
the server sees anyway: means and deviations of the channels, how channels vary with each other and with their neighbours, and
the mean at each place. What classifies rightly may answer a picture as the client answers its negative; of a linear layer these
statistics leave little else than the client's own filters. The shadow has as many halvings as the map shows, whatever the
client's half is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext, attack, ensure_finite
from workbench.attacks.parts.networks import fresh
from workbench.attacks.split.parts.descent import DescentKnobs, descend
from workbench.attacks.split.parts.shadow import Shadow, unlikeness
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, Recovers

BATCH = 32


@attack(
    "query-free",
    title="He et al., query-free",
    access=Access.SERVER,
    prior=None,
    order=3,
    labelled=True,
    recovers=Recovers.PICTURE,
    target="cnn",
    paper="He et al., ACSAC 2019",
    summary="Asks nothing: trains a shadow of the client's half that the server's half classifies by, and inverts that.",
    departs="The shadow is also to have the statistics of what was intercepted: means, deviations, and how channels and neighbours "
    "vary together.",
    presets={"demo": dict(steps=150, smoothness=0.1), "paper": dict(steps=500, lr=0.1, smoothness=2.0)},
)
@dataclass(frozen=True)
class QueryFree(DescentKnobs):
    training: int = knob(450, 1, 20000, log=True, help="Steps in which the shadow is trained.", unit="steps")
    shadow_lr: float = knob(0.03, 1e-5, 0.1, log=True, help="Adam's step size for the shadow; falls to nothing.")
    width: int = knob(16, 4, 256, log=True, help="Channels of the shadow's first convolution.")
    likeness: float = knob(10.0, 0.0, 100.0, help="Weight of the shadow's statistics being those intercepted.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        scene, known = ctx.intercepted(), ctx.images_with_classes()
        view, total = scene.view, self.training + self.steps
        start = ctx.start_or(lambda: torch.full((len(ctx.classes), *view.input_shape), 0.5, device=ctx.device))
        yield Frame(0, total, Images(start))
        rectified = bool((scene.sent >= 0).all())
        shadow = fresh(lambda: Shadow(view.input_shape, view.cut.shape, self.width, rectified), ctx.rng, ctx.device)
        optimiser = torch.optim.Adam(shadow.parameters(), self.shadow_lr)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, self.training)
        for step in range(1, self.training + 1):
            rows = torch.randint(len(known), (min(BATCH, len(known)),), generator=ctx.rng)
            activations = shadow(known.images[rows].to(ctx.device))
            wrong = F.cross_entropy(view.server(activations), known.labels[rows].to(ctx.device))
            optimiser.zero_grad()
            (wrong + self.likeness * unlikeness(activations, scene.sent)).backward()
            optimiser.step()
            schedule.step()
            if ctx.due(step):
                ensure_finite(step, loss=wrong)
                note = f"training the shadow, cross-entropy {wrong.item():.2f}"
                yield Frame(step, total, Images(start), queries=view.queries, note=note)
        shadow.requires_grad_(False)
        yield from descend(ctx, self, start, shadow, first=self.training, note="inverting the shadow")
