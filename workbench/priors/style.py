"""Style prior: a mapping network z → w and a synthesis network whose convolutions w modulates.

Karras et al., CVPR 2020, https://arxiv.org/abs/1912.04958 (StyleGAN2), at a size that two cores can train:
one modulated transposed convolution a resolution, images summed over resolutions, noise of learnt strength.
PPA, VMI and MIRROR search its w space, or w+ where each layer has a w of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.priors.base import Prior, Setting, prior
from workbench.priors.layers import shrinking
from workbench.priors.training.adversarial import FULL, Adversarial, AdversarialRecipe
from workbench.priors.training.registry import trainer

RECIPES = {"quick": AdversarialRecipe(vae_steps=1000, gan_steps=1200), "full": FULL}


class Modulated(nn.Module):
    """A convolution whose input channels w scales and whose output is brought back to unit variance.

    Scaling the input is the same as scaling the weights (StyleGAN2, eqs. 1-3) and needs no weights of one's
    own for each image.
    """

    def __init__(self, before: int, after: int, style_dim: int, size: int, *, doubles: bool) -> None:
        super().__init__()
        self.doubles = doubles
        shape = (before, after, 4, 4) if doubles else (after, before, 3, 3)
        self.weight = nn.Parameter(torch.randn(shape) * (before * (4 if doubles else 9)) ** -0.5)
        self.style = nn.Linear(style_dim, before)
        nn.init.ones_(self.style.bias)
        self.bias = nn.Parameter(torch.zeros(after))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, size, size))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return (n, after, S, S) of x (n, before, s, s) and w (n, W)."""
        style = self.style(w)
        scaled = x * style[:, :, None, None]
        if self.doubles:
            out = F.conv_transpose2d(scaled, self.weight, stride=2, padding=1)
            energy = self.weight.pow(2).sum((2, 3)) / 4  # a quarter of the taps meets each output pixel
        else:
            out = F.conv2d(scaled, self.weight, padding=1)
            energy = self.weight.pow(2).sum((2, 3)).T
        norm = (style.pow(2) @ energy + 1e-6).rsqrt()
        noise = torch.randn_like(out[:, :1]) if self.training else self.noise
        return (
            F.leaky_relu(out * norm[:, :, None, None] + self.bias[:, None, None] + self.strength * noise, 0.2) * 2**0.5
        )


@prior("style", title="Style-based GAN", paper="Karras et al., CVPR 2020", order=4)
class Style(Prior):
    """StyleGAN2's parts in small. A latent is w (n, D), or w+ (n, L·D) with one w for each of L layers.

    Attributes:
        layers: L, the modulated layers.
        mean_w, std_w: (D,) of w over random z; truncation draws towards the mean, MIRROR's bounds use both.
    """

    discriminates = True
    space = "w"

    def __init__(
        self, shape: tuple[int, int, int], noise_dim: int, latent_dim: int, widths: list[int], critic_widths: list[int]
    ) -> None:
        super().__init__()
        self.shape, self.noise_dim, self.latent_dim = tuple(shape), noise_dim, latent_dim
        self.widths, self.critic_widths = list(widths), list(critic_widths)
        mapping: list[nn.Module] = []
        for k in range(4):
            mapping += [nn.Linear(noise_dim if k == 0 else latent_dim, latent_dim), nn.LeakyReLU(0.2)]
        self.mapping = nn.Sequential(*mapping)
        for layer in self.mapping[::2]:
            nn.init.kaiming_normal_(layer.weight, 0.2)
            nn.init.zeros_(layer.bias)
        self.start = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        sizes = [4 * 2**k for k in range(len(widths))]
        self.blocks = nn.ModuleList([Modulated(widths[0], widths[0], latent_dim, 4, doubles=False)])
        for before, after, size in zip(widths, widths[1:], sizes[1:], strict=False):
            self.blocks.append(Modulated(before, after, latent_dim, size, doubles=True))
        self.paints = nn.ModuleList(nn.Conv2d(width, shape[0], 1) for width in widths)
        self.critic = shrinking(shape[0], critic_widths)
        self.critic_head = nn.Linear(critic_widths[-1] * 16, 1)
        self.register_buffer("mean_w", torch.zeros(latent_dim))
        self.register_buffer("std_w", torch.ones(latent_dim))

    @property
    def architecture(self) -> dict[str, Any]:
        return dict(
            shape=list(self.shape),
            noise_dim=self.noise_dim,
            latent_dim=self.latent_dim,
            widths=self.widths,
            critic_widths=self.critic_widths,
        )

    @property
    def layers(self) -> int:
        return len(self.blocks)

    def map(self, noise: Tensor) -> Tensor:
        """Return w (n, D) of z (n, Z); z is first brought to length √Z, as StyleGAN does."""
        return self.mapping(noise * noise.pow(2).mean(1, keepdim=True).add(1e-8).rsqrt())

    def paint(self, noise: Tensor) -> Tensor:
        return self.decode(self.map(noise))

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Return w (n, D) of `n` random z."""
        with torch.no_grad():
            return self.map(torch.randn(n, self.noise_dim, generator=rng).to(self.device))

    def truncate(self, latents: Tensor, share: float) -> Tensor:
        mean = self.mean_w.repeat(latents.shape[1] // self.latent_dim)
        return mean + share * (latents - mean)

    def project(self, latents: Tensor) -> Tensor:
        times = latents.shape[1] // self.latent_dim
        mean, reach = self.mean_w.repeat(times), self.bound * self.std_w.repeat(times)
        return torch.minimum(torch.maximum(latents, mean - reach), mean + reach)

    def widen(self, latents: Tensor) -> Tensor:
        """Return w (n, D) as w+ (n, L·D), the same w for every layer."""
        return latents.repeat(1, self.layers)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        w = latents.unflatten(1, (-1, self.latent_dim))
        w = w.expand(-1, self.layers, -1) if w.shape[1] == 1 else w
        x, image = self.start.expand(len(w), -1, -1, -1), None
        for k, (block, paint) in enumerate(zip(self.blocks, self.paints, strict=True)):
            x = block(x, w[:, k])
            grown = 0 if image is None else F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
            image = grown + paint(x)
        return image.sigmoid()

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.critic_head(self.critic(images * 2 - 1).flatten(1))[:, 0]


class StyleTrainer(Adversarial):
    paper = "Karras et al., CVPR 2020; warm start after Larsen et al., ICML 2016"

    @torch.no_grad()
    def prior(self) -> Style:
        model = super().prior()
        w = model.sample(4096, torch.Generator().manual_seed(self.seed + 2))
        model.mean_w.copy_(w.mean(0))
        model.std_w.copy_(w.std(0))
        return model


@trainer("style")
def style_trainer(setting: Setting, recipe: Mapping[str, Any]) -> Adversarial:
    torch.manual_seed(setting.seed)
    shape = tuple(setting.public.shape[1:])
    large = shape[-1] >= 64
    model = (
        Style(shape, 128, 128, [256, 160, 96, 48, 24], [32, 64, 128, 256])
        if large
        else Style(shape, 64, 64, [128, 96, 64, 32], [32, 64, 128])
    )
    return StyleTrainer(
        model, [256, 128, 96, 64] if large else [128, 96, 48], setting, RECIPES[setting.quality], recipe
    )
