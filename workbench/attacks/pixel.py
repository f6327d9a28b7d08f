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
        self._apart: Tensor | None = None

    def look(self, layer: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        """Add a layer's squared distance from its memory, (N,); a forward pre-hook."""
        if layer.running_mean is None or layer.running_var is None:
            return
        x = inputs[0]
        mean = x.mean((2, 3))
        variance = x.square().mean((2, 3)) - mean.square()  # two thirds of what torch.var_mean takes on a CPU
        apart = (mean - layer.running_mean).pow(2).mean(1) + (variance - layer.running_var).pow(2).mean(1)
        self._apart = apart if self._apart is None else self._apart + apart

    def apart(self, images: Tensor) -> Tensor:
        """Return the squared distance of the images (N, ...) watched last, (N,); 0 where no layer remembers."""
        return images.new_zeros(len(images)) if self._apart is None else self._apart

    @contextmanager
    def watching(self, module: nn.Module) -> Iterator[None]:
        """Watch one forward pass; the hooks are gone afterwards, whatever happened."""
        self._apart = None
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

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        shape = (len(ctx.classes), *ctx.target.input_shape)
        x = ctx.start_or(lambda: (0.45 + 0.1 * torch.rand(shape, generator=ctx.rng)).to(ctx.device))
        yield Frame(0, self.steps, Images(x))
        memory, streams = Statistics(), Streams(ctx)
        view = View(scale=(self.crop, 1.0), mirror=0.5 * ctx.flips)

        def evaluated(x: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
            """Return what is minimised, (N,), the losses it is made of, and the logits (N, K) of views of x."""
            seen = views(view, x, streams)
            module = ctx.target.module(seen)
            with memory.watching(module):
                logits = module(seen)
            losses = {
                "identity": IDENTITY[self.identity_loss](logits, ctx.classes),
                "statistics": memory.apart(x),
                "roughness": total_variation(x),
            }
            total = (
                losses["identity"]
                + ctx.live(self, "smoothness") * losses["roughness"]
                + ctx.live(self, "statistics") * losses["statistics"]
                + ctx.live(self, "size") * x.pow(2).mean((1, 2, 3))
            )
            return total, losses, logits

        stepper = AdamSteps(x.requires_grad_(True), project=lambda moved: moved.clamp(0, 1))
        for step in range(self.steps):  # looks at the image after `step` updates
            total, losses, logits = evaluated(x)
            (gradient,) = torch.autograd.grad(total.sum(), x)
            if step > 0 and ctx.due(step):
                ensure_finite(step, total=total, image=x.detach())
                losses["gradient norm"] = gradient.flatten(1).norm(dim=1)
                payload = Images(x, confidence=confidence(logits, ctx.classes))
                yield Frame(step, self.steps, payload, losses, ctx.target.queries)
            stepper.step(gradient, ctx.live(self, "lr"))
        with torch.no_grad():
            _, losses, _ = evaluated(x)
            logits = ctx.target.logits(x)  # of the images themselves
        ensure_finite(self.steps, image=x.detach(), logits=logits)
        payload = Images(x, confidence=confidence(logits, ctx.classes))
        yield Frame(self.steps, self.steps, payload, losses, ctx.target.queries)
