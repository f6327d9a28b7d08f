"""GAN prior: a DCGAN-type generator and discriminator, as GMI uses them.

Radford, Metz and Chintala, ICLR 2016, https://arxiv.org/abs/1511.06434; Zhang et al., CVPR 2020,
https://arxiv.org/abs/1911.07135 (GMI).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from workbench.priors.base import Prior, Setting, prior
from workbench.priors.layers import shrinking
from workbench.priors.training.adversarial import FULL, Adversarial, AdversarialRecipe
from workbench.priors.training.registry import trainer

RECIPES = {"quick": AdversarialRecipe(vae_steps=1000, gan_steps=1200), "full": FULL}
LAST = 24  # channels at full size


@prior("gan", title="GAN", paper="Radford et al., ICLR 2016; Zhang et al., CVPR 2020", order=1)
class GAN(Prior):
    """DCGAN: four (or three) transposed convolutions from a 4x4 start.

    Args:
        shape: (C, H, W) of an image; H = W = 4·2^len(widths).
        latent_dim: D.
        widths: channels from the 4x4 start towards the image, one per doubling.
    """

    discriminates = True

    def __init__(
        self, shape: tuple[int, int, int], latent_dim: int, widths: list[int], critic_widths: list[int]
    ) -> None:
        super().__init__()
        self.shape, self.latent_dim, self.widths = tuple(shape), latent_dim, list(widths)
        self.critic_widths = list(critic_widths)
        layers: list[nn.Module] = []
        for before, after in zip(widths, [*widths[1:], LAST], strict=True):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.start = nn.Sequential(
            nn.Linear(latent_dim, widths[0] * 16, bias=False), nn.BatchNorm1d(widths[0] * 16), nn.ReLU()
        )
        self.grow = nn.Sequential(*layers, nn.Conv2d(LAST, shape[0], 3, padding=1))
        self.critic = shrinking(shape[0], critic_widths)
        self.critic_head = nn.Linear(critic_widths[-1] * 16, 1)

    @property
    def architecture(self) -> dict[str, Any]:
        return dict(
            shape=list(self.shape), latent_dim=self.latent_dim, widths=self.widths, critic_widths=self.critic_widths
        )

    @property
    def noise_dim(self) -> int:
        return self.latent_dim

    def paint(self, noise: Tensor) -> Tensor:
        return self.decode(noise)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.grow(self.start(latents).unflatten(1, (self.widths[0], 4, 4))).sigmoid()

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.critic_head(self.critic(images * 2 - 1).flatten(1))[:, 0]


@trainer("gan")
def gan_trainer(setting: Setting, recipe: Mapping[str, Any]) -> Adversarial:
    torch.manual_seed(setting.seed)
    shape = tuple(setting.public.shape[1:])
    large = shape[-1] >= 64
    model = (
        GAN(shape, 128, [256, 128, 96, 64], [32, 64, 128, 256])
        if large
        else GAN(shape, 64, [128, 96, 48], [32, 64, 128])
    )
    return Adversarial(model, model.widths, setting, RECIPES[setting.quality], recipe)
