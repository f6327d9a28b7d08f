"""Style prior: a mapping network z → w and a synthesis network whose convolutions w modulates.

Karras et al., CVPR 2020, https://arxiv.org/abs/1912.04958 (StyleGAN2), at a size that two cores can train:
one modulated transposed convolution a resolution, images summed over resolutions, noise of learnt strength.
PPA, VMI and MIRROR search its w space, or w+ where each layer has a w of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.shapes import image_shape
from workbench.priors.base import Setting, prior
from workbench.priors.critic import Adversary
from workbench.priors.layers import shrinking
from workbench.priors.sizes import first_side, sizes_of
from workbench.priors.training.adversarial import FULL, Adversarial, AdversarialRecipe
from workbench.priors.training.registry import trainer

RECIPES = {"quick": AdversarialRecipe(vae_steps=1000, gan_steps=1200), "full": FULL}

# What weights saved under other names call the parts.
FORMER_NAMES = (
    (re.compile(r"^start$"), "const"),
    (re.compile(r"^paints\."), "to_rgb."),
    (re.compile(r"^(blocks\.\d+)\.style\."), r"\1.affine."),
)


class Modulated(nn.Module):
    """A convolution whose input channels w scales and whose output is brought back to unit variance.

    Scaling the input is the same as scaling the weights (StyleGAN2, eqs. 1-3) and needs no weights of one's
    own for each image.
    """

    noise: Tensor

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, side: int, *, upsample: bool) -> None:
        """`side` is that of the map that comes out, in pixels; `upsample` doubles it on the way."""
        super().__init__()
        self.upsample = upsample
        kernel = (in_channels, out_channels, 4, 4) if upsample else (out_channels, in_channels, 3, 3)
        self.weight = nn.Parameter(torch.randn(kernel) * (in_channels * (4 if upsample else 9)) ** -0.5)
        self.affine = nn.Linear(style_dim, in_channels)
        nn.init.ones_(self.affine.bias)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, side, side))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return maps (n, out_channels, S, S) of maps x (n, in_channels, s, s) and w (n, W)."""
        style = self.affine(w)
        scaled = x * style[:, :, None, None]
        if self.upsample:
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
class Style(Adversary):
    """StyleGAN2's parts in small. A latent is w (n, D), or w+ (n, L·D) with one w for each of L layers.

    Args:
        shape: (C, H, W) of an image; H = W, a multiple of 2^(len(widths) - 1).
        noise_dim, latent_dim: Z and D, the lengths of z and w.
        widths: channels of the maps from the first towards the image, each twice as large as the one before.
        critic_widths: channels from the image down, one per halving.

    Attributes:
        layers: L, the modulated layers.
        mean_w, std_w: (D,) of w over random z; truncation draws towards the mean, MIRROR's bounds use both.
    """

    space = "w"

    mean_w: Tensor
    std_w: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        noise_dim: int,
        latent_dim: int,
        widths: Sequence[int],
        critic_widths: Sequence[int],
    ) -> None:
        super().__init__()
        self.shape, self.noise_dim, self.latent_dim = image_shape(shape), noise_dim, latent_dim
        self.widths, self.critic_widths = list(widths), list(critic_widths)
        linears = [nn.Linear(noise_dim if k == 0 else latent_dim, latent_dim) for k in range(4)]
        self.mapping = nn.Sequential(*(part for linear in linears for part in (linear, nn.LeakyReLU(0.2))))
        for linear in linears:
            nn.init.kaiming_normal_(linear.weight, 0.2)
            nn.init.zeros_(linear.bias)
        first = first_side(self.shape, len(widths) - 1)
        self.const = nn.Parameter(torch.randn(1, widths[0], first, first))
        self.blocks = nn.ModuleList([Modulated(widths[0], widths[0], latent_dim, first, upsample=False)])
        for k, (in_channels, out_channels) in enumerate(pairwise(widths)):
            side = first * 2 ** (k + 1)
            self.blocks.append(Modulated(in_channels, out_channels, latent_dim, side, upsample=True))
        self.to_rgb = nn.ModuleList(nn.Conv2d(width, shape[0], 1) for width in widths)
        self.critic = shrinking(shape[0], critic_widths)
        self.critic_head = nn.Linear(critic_widths[-1] * first_side(self.shape, len(critic_widths)) ** 2, 1)
        self.register_load_state_dict_pre_hook(_renamed)
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

    def to_w(self, noise: Tensor) -> Tensor:
        """Return w (n, D) of z (n, Z); z is first brought to length √Z, as StyleGAN does."""
        return self.mapping(noise * noise.pow(2).mean(1, keepdim=True).add(1e-8).rsqrt())

    def generate(self, noise: Tensor) -> Tensor:
        return self.decode(self.to_w(noise))

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Return w (n, D) of `n` random z."""
        with torch.no_grad():
            return self.to_w(torch.randn(n, self.noise_dim, generator=rng).to(self.device))

    def truncate(self, latents: Tensor, share: float) -> Tensor:
        mean = self.mean_w.repeat(latents.shape[1] // self.latent_dim)
        return mean + share * (latents - mean)

    def project(self, latents: Tensor) -> Tensor:
        times = latents.shape[1] // self.latent_dim
        mean, half_width = self.mean_w.repeat(times), self.bound * self.std_w.repeat(times)
        return torch.minimum(torch.maximum(latents, mean - half_width), mean + half_width)

    def widen(self, latents: Tensor) -> Tensor:
        """Return w (n, D) as w+ (n, L·D), the same w for every layer."""
        return latents.repeat(1, self.layers)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.leave(*self.enter(latents, 1), latents, 1)

    def enter(self, latents: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Return the maps (n, c, h, w) and the image so far (n, C, h, w), unbounded, after `depth` layers, at least one.

        Args:
            latents: w (n, D) or w+ (n, L·D).
        """
        w = self._each_layers(latents)
        x = self.blocks[0](self.const.expand(len(w), -1, -1, -1), w[:, 0])
        image = self.to_rgb[0](x)
        for k in range(1, depth):
            x, image = self.onward(x, image, latents, k)
        return x, image

    def onward(self, maps: Tensor, image: Tensor, latents: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Return maps (n, c, h, w) and image so far (n, C, h, w) after one layer more than `depth`."""
        maps = self.blocks[depth](maps, self._each_layers(latents)[:, depth])
        grown = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
        return maps, grown + self.to_rgb[depth](maps)

    def leave(self, maps: Tensor, image: Tensor, latents: Tensor, depth: int) -> Tensor:
        """Return images (n, C, H, W) in [0, 1] of maps and image so far as they are after `depth` layers."""
        for k in range(depth, self.layers):
            maps, image = self.onward(maps, image, latents, k)
        return image.sigmoid()

    def _each_layers(self, latents: Tensor) -> Tensor:
        """Return the w of every layer, (n, L, D)."""
        w = latents.unflatten(1, (-1, self.latent_dim))
        return w.expand(-1, self.layers, -1) if w.shape[1] == 1 else w


def _renamed(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Give the parts of a state dict saved under former names the names they have now, in place."""
    for key in [key for key in state if key.startswith(prefix)]:
        name = key.removeprefix(prefix)
        for former, now in FORMER_NAMES:
            name = former.sub(now, name)
        state[prefix + name] = state.pop(key)


class StyleTrainer(Adversarial[Style]):
    paper = "Karras et al., CVPR 2020; warm start after Larsen et al., ICML 2016"

    @torch.no_grad()
    def prior(self) -> Style:
        model = super().prior()
        w = model.sample(4096, torch.Generator().manual_seed(self.seed + 2))
        model.mean_w.copy_(w.mean(0))
        model.std_w.copy_(w.std(0))
        return model


@trainer("style")
def style_trainer(setting: Setting, recipe: Mapping[str, Any]) -> StyleTrainer:
    """Return what trains a style-based GAN of the setting's images; raises `Incompatible` for a size none is built for."""
    torch.manual_seed(setting.seed)
    shape = image_shape(setting.public.shape[1:])
    sizes = sizes_of(shape)
    model = Style(shape, sizes.latent_dim, sizes.latent_dim, sizes.style_widths, sizes.critic_widths)
    return StyleTrainer(model, sizes.widths, setting, RECIPES[setting.quality], recipe)
