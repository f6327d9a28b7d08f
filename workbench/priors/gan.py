"""GAN prior: a DCGAN-type generator and discriminator, as GMI uses them.

Radford, Metz and Chintala, ICLR 2016, https://arxiv.org/abs/1511.06434; Zhang et al., CVPR 2020,
https://arxiv.org/abs/1911.07135 (GMI).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.shapes import image_shape
from workbench.priors.base import Setting, prior
from workbench.priors.critic import Adversary
from workbench.priors.layers import shrinking
from workbench.priors.sizes import first_side, sizes_of
from workbench.priors.training.adversarial import FULL, Adversarial, AdversarialRecipe
from workbench.priors.training.registry import trainer

RECIPES = {"quick": AdversarialRecipe(vae_steps=1000, gan_steps=1200), "full": FULL}
LAST = 24  # channels at full size


@prior("gan", title="GAN", paper="Radford et al., ICLR 2016; Zhang et al., CVPR 2020", order=1)
class GAN(Adversary):
    """DCGAN: a transposed convolution for each doubling of a small first map.

    Args:
        shape: (C, H, W) of an image; H = W, a multiple of 2^len(widths).
        latent_dim: D.
        widths: channels from the first map towards the image, one per doubling.
        critic_widths: channels from the image down, one per halving.

    Raises:
        Incompatible: the image cannot be halved as often as `widths` or `critic_widths` say.
    """

    def __init__(
        self, shape: Sequence[int], latent_dim: int, widths: Sequence[int], critic_widths: Sequence[int]
    ) -> None:
        super().__init__()
        self.shape, self.latent_dim, self.widths = image_shape(shape), latent_dim, list(widths)
        self.noise_dim, self.first = latent_dim, first_side(self.shape, len(widths))
        self.critic_widths = list(critic_widths)
        layers: list[nn.Module] = []
        for before, after in zip(widths, [*widths[1:], LAST], strict=True):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.start = nn.Sequential(
            nn.Linear(latent_dim, widths[0] * self.first**2, bias=False),
            nn.BatchNorm1d(widths[0] * self.first**2),
            nn.ReLU(),
        )
        self.grow = nn.Sequential(*layers, nn.Conv2d(LAST, shape[0], 3, padding=1))
        self.critic = shrinking(shape[0], critic_widths)
        self.critic_head = nn.Linear(critic_widths[-1] * first_side(self.shape, len(critic_widths)) ** 2, 1)

    @property
    def architecture(self) -> dict[str, Any]:
        return dict(
            shape=list(self.shape), latent_dim=self.latent_dim, widths=self.widths, critic_widths=self.critic_widths
        )

    def generate(self, noise: Tensor) -> Tensor:
        return self.decode(noise)

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.grow(self.start(latents).unflatten(1, (self.widths[0], self.first, self.first))).sigmoid()


@trainer("gan")
def gan_trainer(setting: Setting, recipe: Mapping[str, Any]) -> Adversarial[GAN]:
    """Return what trains a plain GAN of the setting's images; raises `Incompatible` for a size none is built for."""
    torch.manual_seed(setting.seed)
    shape = image_shape(setting.public.shape[1:])
    sizes = sizes_of(shape)
    model = GAN(shape, sizes.latent_dim, sizes.widths, sizes.critic_widths)
    return Adversarial(model, model.widths, setting, RECIPES[setting.quality], recipe)
