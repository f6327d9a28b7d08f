"""Template inversion: a face of a prior whose embedding is the one that a database keeps.

The deepest cut of a recogniser is its embedding, which is what databases of faces store as a template. Zhmoginov and Sandler,
"Inverting face embeddings with convolutional neural networks", 2016, https://arxiv.org/abs/1606.04189, follow the gradient of
the distance of embeddings; Mai, Cao, Yuen and Jain, IEEE TPAMI 2019, https://arxiv.org/abs/1703.00832, ask whether the result
passes for the person. Here the search is over the latents of a prior of other people's faces, white-box.

It begins at the prior's most ordinary face and minimises 1 - cosine. Each step goes the same length along the gradient, of
which those before are remembered, and not, as Adam's, equally far along every latent: latents have equal spread, but some
change a picture little, and turned as far as the others they draw what convinces one recogniser alone. Of six people of
`faces` twenty such steps come as near by another recogniser (mean cosine .39) as forty of Adam's (.38). The recogniser looks
at a randomly moved, mirrored and lit view in each step: a pattern that convinces it in one exact place is no face, and without
views the cosine comes to 0.99 of pictures in which other recognisers see nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext, attack, ensure_finite
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.views import View, views
from workbench.attacks.split.parts.layers import layer_knob
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, Recovers
from workbench.priors import Prior


@attack(
    "template",
    title="Template inversion",
    access=Access.WHITE_BOX,
    prior="refined-pca",
    order=6,
    needs=("shared",),
    recovers=Recovers.PICTURE,
    target="facenet",
    paper="Zhmoginov and Sandler, 2016",
    summary="Searches a prior of other people's faces for one with the embedding that a database keeps.",
    departs="Searches the latents of a prior, through random views, where the paper moves pixels or trains a network.",
    presets={"demo": dict(steps=60)},
)
@dataclass(frozen=True)
class Template:
    layer: str = layer_knob("embedding")
    steps: int = knob(60, 1, 5000, log=True, help="Gradient steps.", unit="steps")
    lr: float = knob(
        1.0, 1e-3, 20.0, log=True, live=True, help="Length of a step in latents; half a cosine to nothing."
    )
    memory: float = knob(0.8, 0.0, 0.99, help="Share of the direction before that a step keeps.")
    ordinary: float = knob(
        0.02, 0.0, 10.0, live=True, help="Weight of the squared latent: how ordinary a face is to be."
    )
    shake: float = knob(0.06, 0.0, 0.5, help="Share of the side by which a view is moved and scaled at most.")
    light: float = knob(0.2, 0.0, 0.9, help="Share by which a view's light and contrast are changed at most.")

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        scene, prior, streams = ctx.intercepted(), ctx.prior, Streams(ctx)
        sent = F.normalize(scene.sent.flatten(1))
        z = ctx.start_or(lambda: torch.zeros(len(sent), prior.latent_dim, device=ctx.device))
        view = View(
            scale=((1 - self.shake) ** 2, (1 + self.shake) ** 2),
            shift=self.shake,
            mirror=0.5 * ctx.flips,
            light=self.light,
            contrast=self.light,
        )

        def apart(images: Tensor) -> Tensor:
            return 1 - (F.normalize(scene.view.activations(images).flatten(1)) * sent).sum(1)

        with torch.no_grad():
            yield Frame(0, self.steps, Images(prior.decode(z, ctx.classes), z))
        z = z.requires_grad_()
        heading = torch.zeros_like(z)
        for step in range(self.steps):
            far = apart(views(view, prior.decode(z, ctx.classes), streams))
            loss = far + ctx.live(self, "ordinary") * z.pow(2).mean(1)
            length = ctx.live(self, "lr") * (1 + math.cos(math.pi * step / self.steps)) / 2
            (slope,) = torch.autograd.grad(loss.sum(), z)
            with torch.no_grad():
                heading = self.memory * heading + (1 - self.memory) * F.normalize(slope)
                z.copy_(prior.project(z - length * F.normalize(heading)))
                if step + 1 == self.steps or ctx.due(step + 1):
                    ensure_finite(step + 1, latents=z, apart=far)
                    images, losses = prior.decode(z, ctx.classes), {"1 - cosine of the last view": far}
                    yield Frame(step + 1, self.steps, Images(images, z), losses, ctx.target.queries)
