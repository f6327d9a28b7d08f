"""Inverse network: ask the client about one's own images, and learn to turn its answers back into them.

He, Zhang and Lee, "Model inversion attacks against collaborative inference", ACSAC 2019, section 5,
https://doi.org/10.1145/3359789.3359824; black-box: nothing of the client's half is known but what it answers. After a face
recogniser's last layer it is NbNet of Mai, Cao, Yuen and Jain, IEEE TPAMI 2019, https://arxiv.org/abs/1703.00832.

Departs from the paper: activations are brought to unit spread before they are decoded, and the step size falls to nothing
over a few epochs instead of being halved every twenty of fifty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext, attack, ensure_finite
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.inverse_decoder import to_ask_about
from workbench.attacks.parts.networks import fresh
from workbench.attacks.split.parts.feature_decoder import DecoderKnobs, FeatureDecoder
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, Recovers

BATCH = 64  # of questions; see `to_ask_about`


@attack(
    "inverse-network",
    title="He et al., inverse network",
    access=Access.FEATURES,
    prior=None,
    order=2,
    public=True,
    recovers=Recovers.PICTURE,
    target="cnn",
    paper="He et al., ACSAC 2019",
    summary="Asks the client about public images, and trains a network that turns its answers back into them.",
    departs="Activations are brought to unit spread, and the step size falls to nothing over a few epochs.",
    presets={
        "demo": dict(queries=2000, width=16),
        "paper": dict(queries=50_000, epochs=50, lr=1e-3, batch=32, width=64),
    },
)
@dataclass(frozen=True)
class InverseNetwork(DecoderKnobs):
    queries: int = knob(
        2000, 1, 1_000_000, log=True, help="Public images that the client is asked about.", unit="queries"
    )
    epochs: int = knob(5, 1, 500, log=True, help="Passes over the answers.")
    batch: int = knob(32, 1, 512, log=True, help="Answers a step.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        scene, public = ctx.intercepted(), ctx.images_to_ask_about()
        view = scene.view
        asked = max(1, view.affordable(self.queries))
        asking, per_epoch = -(-asked // BATCH), -(-asked // self.batch)
        total = asking + self.epochs * per_epoch
        width = max(4, self.width // 4 * 4)
        start = ctx.start_or(lambda: torch.full((len(ctx.classes), *view.input_shape), 0.5, device=ctx.device))
        network: FeatureDecoder | None = None
        error = torch.zeros(())

        def steps() -> Iterator[str]:
            nonlocal network, error
            pictures, answers = list[Tensor](), list[Tensor]()
            for images in to_ask_about(public.choice(asked), asked, ctx.rng):
                pictures.append(images)
                answers.append(view.activations(images))
                yield public.note
            images, answered = torch.cat(pictures), torch.cat(answers)
            ensure_finite(asking, activations=answered)
            network = fresh(lambda: FeatureDecoder(view.cut.shape, view.input_shape, width), ctx.rng, ctx.device)
            network.standardise(answered)
            optimiser = torch.optim.Adam(network.parameters(), self.lr, eps=1e-3, amsgrad=True)
            schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, self.epochs * per_epoch)
            for epoch in range(self.epochs):
                order = torch.randperm(len(images), generator=ctx.rng).to(images.device)
                for rows in order.tensor_split(per_epoch):
                    loss = F.mse_loss(network(answered[rows]), images[rows])
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
                    schedule.step()
                    error = loss.detach()
                    yield f"training the inverse network, pass {epoch + 1} of {self.epochs}; {public.note}"

        def frame(step: int, note: str) -> Frame:
            if network is None:
                return Frame(step, total, Images(start), queries=view.queries, note=note)
            with torch.no_grad():
                images = network(scene.sent)
            ensure_finite(step, images=images, error=error)
            return Frame(step, total, Images(images), {"training error": error.expand(len(images))}, view.queries, note)

        yield from frames_of_steps(ctx, steps(), frame)
