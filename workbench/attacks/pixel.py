"""Pixels with priors of the hand-made kind: smoothness, and the statistics that the target's own layers remember.

Yin et al., CVPR 2020, https://arxiv.org/abs/1912.08795 (DeepInversion), eq. 4: identity + α_tv·TV + α_l2·‖x‖² +
α_bn·Σ_l (‖μ_l(x) − m_l‖² + ‖σ²_l(x) − v_l‖²) over batch-norm layers. For contrast: it shows how far one gets
without a generative prior. Statistics are taken of each image alone, so that candidates do not depend on each
other; the paper takes them over a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.attacks.base import AttackContext, attack, ensure_finite
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.latent_search import AdamSteps
from workbench.attacks.parts.losses import CHOICES, IDENTITY, confidence, total_variation
from workbench.attacks.parts.views import View, views
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame

WITHOUT_FEATURES = {key: title for key, title in CHOICES.items() if key != "logit"}


class Statistics:
    """What batch-norm layers see of each image, against what they remember of the training data."""

    def __init__(self) -> None:
        self.apart: Tensor | float = 0.0

    def look(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Add a layer's squared distance from its memory, (N,); a forward pre-hook."""
        x = inputs[0]
        mean = x.mean((2, 3))
        variance = x.square().mean((2, 3)) - mean.square()  # two thirds of what torch.var_mean takes on a CPU
        self.apart = (
            self.apart + (mean - layer.running_mean).pow(2).mean(1) + (variance - layer.running_var).pow(2).mean(1)
        )

    @contextmanager
    def watching(self, module: nn.Module) -> Iterator[None]:
        """Watch one forward pass; the hooks are gone afterwards, whatever happened."""
        self.apart = 0.0
        hooks = [
            layer.register_forward_pre_hook(self.look)
            for layer in module.modules()
            if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


@attack(
    "pixel",
    title="Yin et al., pixels with statistics",
    access=Access.WHITE_BOX,
    prior=None,
    survey_ref=None,
    order=3,
    paper="Yin et al., CVPR 2020",
    summary="Optimises pixels towards the class, kept smooth and close to what the target's layers remember.",
    presets={"demo": dict(steps=400, lr=0.03), "paper": dict(steps=2000, lr=0.05)},
)
@dataclass(frozen=True)
class Pixel:
    identity_loss: str = knob("cross-entropy", choices=WITHOUT_FEATURES, help="How far a candidate is from its class.")
    steps: int = knob(400, 1, 20000, log=True, help="Optimisation steps.", unit="steps")
    lr: float = knob(0.03, 1e-4, 1.0, log=True, live=True, help="Adam's step size, in grey levels of 0 to 1.")
    smoothness: float = knob(5.0, 0.0, 1000.0, live=True, help="Weight of the total variation.")
    size: float = knob(0.0, 0.0, 10.0, live=True, help="Weight of the squared pixels.")
    statistics: float = knob(
        1.0, 0.0, 100.0, live=True, help="Weight of the batch-norm statistics, where there are any."
    )
    crop: float = knob(0.85, 0.4, 1.0, help="Least share of the area that random crops keep.")

    def run(self, ctx: AttackContext) -> Iterator[Frame]:
        n, shape = len(ctx.classes), ctx.target.input_shape
        if ctx.start is not None:
            x = ctx.start.clone()
        else:
            x = (0.45 + 0.1 * torch.rand(n, *shape, generator=ctx.rng)).to(ctx.device)
        yield Frame(0, self.steps, Images(x))
        loss, memory, streams = IDENTITY[self.identity_loss], Statistics(), Streams(ctx)
        view = View(scale=(self.crop, 1.0), mirror=0.5 * ctx.flips)
        stepper = AdamSteps(x.requires_grad_(True))
        for step in range(1, self.steps):
            seen = views(view, x, streams)
            module = ctx.target.module(seen)
            with memory.watching(module):
                identity = loss(logits := module(seen), ctx.classes)
            apart, rough = memory.apart + torch.zeros_like(identity), total_variation(x)
            total = (
                identity
                + ctx.live(self, "smoothness") * rough
                + ctx.live(self, "statistics") * apart
                + ctx.live(self, "size") * x.pow(2).mean((1, 2, 3))
            )
            (gradient,) = torch.autograd.grad(total.sum(), x)
            if ctx.due(step):
                ensure_finite(step, total=total, image=x.detach())
                yield Frame(
                    step,
                    self.steps,
                    Images(x, confidence=confidence(logits, ctx.classes)),
                    {
                        "identity": identity,
                        "statistics": apart,
                        "roughness": rough,
                        "gradient norm": gradient.flatten(1).norm(dim=1),
                    },
                    queries=ctx.target.queries,
                )
            stepper.step(gradient, ctx.live(self, "lr"))
            with torch.no_grad():
                x.clamp_(0, 1)
        with torch.no_grad():
            logits = ctx.target.logits(x)
        ensure_finite(self.steps, image=x.detach(), logits=logits)
        yield Frame(
            self.steps,
            self.steps,
            Images(x, confidence=confidence(logits, ctx.classes)),
            {"identity": loss(logits, ctx.classes)},
            queries=ctx.target.queries,
        )
