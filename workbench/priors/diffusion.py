"""Diffusion prior: diffusers' `UNet2DModel` takes noise off step by step, by deterministic DDIM.

Ho, Jain and Abbeel, NeurIPS 2020, https://arxiv.org/abs/2006.11239 (DDPM); Song, Meng and Ermon, ICLR 2021,
https://arxiv.org/abs/2010.02502 (DDIM), equation 12 with σ = 0, so that a latent draws one image only.

The latent is the noise x_T. Besides `decode`, the parts of a step are open to an attack that guides it.
Within them images are on the network's scale: [-1, 1] when clean, whatever the noise makes of them when not;
ᾱ is the share of the clean image's variance in x_t = √ᾱ·x_0 + √(1-ᾱ)·noise. Guidance through a target
(Dhariwal and Nichol, NeurIPS 2021, algorithm 2) is::

    x = prior.canvas(latents)
    for t, after in prior.walk():
        x = x.detach().requires_grad_(True)
        clean, noise = prior.predict(x, t)
        (slope,) = torch.autograd.grad(loss(prior.picture(clean)).sum(), x)
        noise = noise.detach() + strength * (1 - prior.alpha(t)).sqrt() * slope
        x = prior.noised(prior.clean_of(x, noise, t), noise, after)
    images = prior.picture(x)

and a refinement starts anywhere: ``x = prior.noised(found, fresh_noise, t)``, then walks on from `t`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from workbench.core.shapes import image_shape
from workbench.priors.base import Prior, prior
from workbench.priors.plane import Plane, principal_plane

CLEAN = -1  # the step after the last: no noise is left
CLOUD = 500  # points of noise in the latent plot


class Denoised(NamedTuple):
    """What the network makes of a noisy image: the image and the noise it is the mixture of, each (n, C, H, W)."""

    clean: Tensor
    noise: Tensor


@prior("diffusion", title="Diffusion", paper="Ho et al., NeurIPS 2020; Song et al., ICLR 2021", order=5)
class Diffusion(Prior):
    """An unconditional pipeline of diffusers: a U-Net and the schedule it was trained with.

    Args:
        shape: (C, H, W) of an image.
        unet: configuration of the `UNet2DModel`.
        scheduler: configuration of the `DDIMScheduler`.
        patch: p; the U-Net sees every p×p pixels as one with C·p² channels, which costs a p²-th.
        steps: DDIM steps of `decode`.

    Attributes:
        levels: (T + 1,) ᾱ of every step, `CLEAN` first.
    """

    space = "noise"
    bound = 4.0  # one in 16,000 coordinates of N(0, I) is beyond
    shown = 64

    levels: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        unet: Mapping[str, Any],
        scheduler: Mapping[str, Any],
        patch: int = 1,
        steps: int = 15,
    ) -> None:
        # Takes seconds; nobody else should wait for it.
        from diffusers.models.unets.unet_2d import UNet2DModel
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        super().__init__()
        self.shape, self.patch, self.steps = image_shape(shape), patch, steps
        self.latent_dim = shape[0] * shape[1] * shape[2]
        self.settings = {"unet": dict(unet), "scheduler": dict(scheduler)}
        plan = DDIMScheduler(**scheduler)
        self.kind = plan.config.prediction_type
        self.limit = plan.config.clip_sample_range if plan.config.clip_sample else None
        self.register_buffer(
            "levels", torch.cat([plan.final_alpha_cumprod.reshape(1), plan.alphas_cumprod]).float(), persistent=False
        )
        self.unet = UNet2DModel(**unet)

    @property
    def architecture(self) -> dict[str, Any]:
        return dict(shape=list(self.shape), **self.settings, patch=self.patch, steps=self.steps)

    def alpha(self, t: int | Tensor) -> Tensor:
        """Return ᾱ of step `t`, (1, 1, 1, 1) for a number or (n, 1, 1, 1) for one for each row, to scale images."""
        return self.levels[t + 1].reshape(-1, 1, 1, 1)

    def schedule(self, steps: int | None = None) -> list[int]:
        """Return `steps` steps of the T it was trained with, evenly spread, noisiest first; the first is T - 1."""
        total, steps = len(self.levels) - 1, steps or self.steps
        return [round(total - k * total / steps) - 1 for k in range(steps)]

    def walk(self, steps: int | None = None, start: int | None = None) -> list[tuple[int, int]]:
        """Return (t, after) for every DDIM step, the last to `CLEAN`.

        Args:
            steps: of the whole schedule; the prior's own number if None.
            start: leave out what is noisier than this step.
        """
        plan = [t for t in self.schedule(steps) if start is None or t <= start]
        return [*zip(plan, [*plan[1:], CLEAN], strict=True)]

    def canvas(self, latents: Tensor) -> Tensor:
        """Return x_T (n, C, H, W) of latents (n, D)."""
        return latents.unflatten(1, self.shape)

    def picture(self, x: Tensor) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of clean ones on the network's scale; differentiable."""
        return (x / 2 + 0.5).clamp(0, 1)

    def output(self, x: Tensor, t: int | Tensor) -> Tensor:
        """Return what the network itself says of x, both (n, C, H, W), as its kind of prediction has it."""
        return F.pixel_shuffle(self.unet(F.pixel_unshuffle(x, self.patch), t).sample.float(), self.patch)

    def predict(self, x: Tensor, t: int | Tensor) -> Denoised:
        """Return what a noisy image (n, C, H, W) is made of; differentiable.

        Args:
            t: the step that `x` is at, or one for each row, (n,) int64.
        """
        out, alpha = self.output(x, t), self.alpha(t)
        signal, blur = alpha.sqrt(), (1 - alpha).sqrt()
        if self.kind == "v_prediction":  # Salimans and Ho, ICLR 2022
            clean, noise = signal * x - blur * out, signal * out + blur * x
        elif self.kind == "sample":
            clean, noise = out, (x - signal * out) / blur
        else:
            clean, noise = (x - blur * out) / signal, out
        return Denoised(clean if self.limit is None else clean.clamp(-self.limit, self.limit), noise)

    def clean_of(self, x: Tensor, noise: Tensor, t: int | Tensor) -> Tensor:
        """Return the clean image that `noise`, changed by guidance perhaps, leaves of `x` at step `t`; all (n, C, H, W)."""
        alpha = self.alpha(t)
        clean = (x - (1 - alpha).sqrt() * noise) / alpha.clamp_min(1e-8).sqrt()
        return clean if self.limit is None else clean.clamp(-self.limit, self.limit)

    def noised(self, clean: Tensor, noise: Tensor, t: int | Tensor) -> Tensor:
        """Return x (n, C, H, W) at step `t` of a pair of that shape; with a predicted pair, this is the DDIM step to `t`."""
        alpha = self.alpha(t)
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    def step(self, x: Tensor, t: int, after: int) -> Tensor:
        """Return x (n, C, H, W) taken from step `t` to step `after`."""
        return self.noised(*self.predict(x, t), after)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.canvas(latents)
        for t, after in self.walk():
            if torch.is_grad_enabled() and x.requires_grad:  # else every step's activations would be kept
                x = checkpoint(self.step, x, t, after, use_reentrant=False, preserve_rng_state=False)
            else:
                x = self.step(x, t, after)
        return self.picture(x)

    def latent_plane(self, latents: Tensor, images: Tensor) -> Plane:
        """Return the images' principal directions, as directions of the noise.

        Samples are far fewer than dimensions, so a regression would only find their accidents. But were images
        Gaussian, with covariance Σ, DDIM would be the map Σ^½, along whose principal directions images change
        most, and by themselves. The cloud is of other noise, which on any orthonormal basis is N(0, I): the noise
        of these very images lies along their directions more than any new one would.
        """
        basis, centre = principal_plane(images.flatten(1)).basis, torch.zeros_like(latents[0])
        return Plane(centre, basis, torch.randn(CLOUD, 3, generator=torch.Generator().manual_seed(0)).to(basis))
