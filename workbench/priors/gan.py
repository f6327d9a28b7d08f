"""GAN prior: a DCGAN-type generator and discriminator, as GMI uses them.

Radford, Metz and Chintala, ICLR 2016, https://arxiv.org/abs/1511.06434; Zhang et al., CVPR 2020,
https://arxiv.org/abs/1911.07135 (GMI). The generator starts as the decoder of a variational
auto-encoder and is then trained adversarially, Larsen et al., ICML 2016,
https://arxiv.org/abs/1512.09300: on two cores this reaches recognisable faces in an hour, where the
Wasserstein recipe of the GMI paper (280 epochs) would need days.
"""

from __future__ import annotations

from torch import Tensor, nn

from workbench.priors.base import Prior, prior


def shrinking(channels: int, widths: list[int]) -> nn.Sequential:
    """Return stride-2 convolutions halving the image once per width, without normalisation."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels = width
    return nn.Sequential(*layers)


class Encoder(nn.Module):
    """Image to the mean and log-variance of its latent; used in training only."""

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, widths: list[int]) -> None:
        super().__init__()
        self.body = shrinking(shape[0], widths[::-1])
        self.head = nn.Linear(widths[0] * 16, 2 * latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, each (n, D), of images (n, C, H, W) in [0, 1]."""
        mean, logvar = self.head(self.body(images * 2 - 1).flatten(1)).chunk(2, 1)
        return mean, logvar.clamp(-8, 4)


@prior("gan", title="GAN", paper="Radford et al., ICLR 2016; Zhang et al., CVPR 2020", order=1)
class GAN(Prior):
    """DCGAN: four (or three) transposed convolutions from a 4x4 start.

    Args:
        shape: (C, H, W) of an image; H = W = 4·2^len(widths).
        latent_dim: D.
        widths: channels from the 4x4 start towards the image, one per doubling.
    """

    discriminates = True

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, widths: list[int],
                 critic_widths: list[int]) -> None:
        super().__init__()
        self.shape, self.latent_dim, self.widths = tuple(shape), latent_dim, list(widths)
        self.critic_widths = list(critic_widths)
        layers: list[nn.Module] = []
        for before, after in zip(widths, [*widths[1:], 24], strict=True):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.start = nn.Sequential(nn.Linear(latent_dim, widths[0] * 16, bias=False),
                                   nn.BatchNorm1d(widths[0] * 16), nn.ReLU())
        self.grow = nn.Sequential(*layers, nn.Conv2d(24, shape[0], 3, padding=1))
        self.critic = shrinking(shape[0], critic_widths)
        self.critic_head = nn.Linear(critic_widths[-1] * 16, 1)

    @property
    def architecture(self) -> dict:
        return dict(shape=list(self.shape), latent_dim=self.latent_dim, widths=self.widths,
                    critic_widths=self.critic_widths)

    def decode(self, latents: Tensor) -> Tensor:
        return self.grow(self.start(latents).unflatten(1, (self.widths[0], 4, 4))).sigmoid()

    def discriminate(self, images: Tensor) -> Tensor:
        return self.critic_head(self.critic(images * 2 - 1).flatten(1))[:, 0]
