"""Conditional GAN: draws each of the target's classes, from public images that the target itself has labelled.

Yuan, Chen, Zhang, Zhang and Yu, AAAI 2023, https://arxiv.org/abs/2302.09814 (PLG-MI): pseudo labels by the
target's confidence, class-conditional batch norm (de Vries et al., NeurIPS 2017), a projection discriminator
under spectral norm (Miyato and Koyama, ICLR 2018), and a max-margin term through the target.

Departs from the paper: a DCGAN-type generator instead of a residual one; it and the discriminator's
convolutions start from the scenario's plain GAN, every class alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.parametrizations import spectral_norm

from workbench.core.errors import DataMissing
from workbench.priors.base import Prior, Setting, prior
from workbench.priors.gan import GAN, LAST
from workbench.priors.layers import shrinking
from workbench.priors.losses import max_margin
from workbench.priors.training.loop import augmented
from workbench.priors.training.registry import trainer
from workbench.priors.training.tuned import Tuning, grown_from, start_of
from workbench.priors.transforms import color_jitter, flip, random_resized_crop, rotate


@dataclass(frozen=True)
class ConditionalRecipe:
    """How a conditional GAN is trained; stored on its card.

    Attributes:
        steps: of the generator.
        critic_steps: of the discriminator before each.
        per_class: public images that each class is given, those of which the target is surest.
        lr_class: of what the classes do not share; each class is drawn in one image of K only.
        margin: weight of the max-margin term.
    """

    steps: int = 400
    critic_steps: int = 1
    batch: int = 64
    lr: float = 2e-4
    lr_class: float = 5e-3
    lr_critic: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.9
    per_class: int = 30
    margin: float = 0.2
    ema: float = 0.99


# 30,000 steps of the discriminator, one of the generator for every five.
RECIPES = {
    "quick": ConditionalRecipe(),
    "full": ConditionalRecipe(steps=6000, critic_steps=5, lr_class=2e-4, ema=0.999),
}


def pseudo_labels(shares: Tensor, per_class: int) -> Tensor:
    """Return the rows (K, per_class) of which the target is surest, for each class, surest first.

    An image may serve several classes.

    Args:
        shares: (N, K) the target's confidences on public images.
    """
    return shares.topk(per_class, dim=0).indices.T.contiguous()


class ClassNorm(nn.Module):
    """Batch norm whose gain and shift are the class's own."""

    def __init__(self, num_classes: int, norm: nn.Module) -> None:
        """`norm` is a batch norm without gain and shift of its own."""
        super().__init__()
        self.norm = norm
        self.class_gain = nn.Parameter(torch.ones(num_classes, norm.num_features))
        self.class_shift = nn.Parameter(torch.zeros(num_classes, norm.num_features))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return x (n, F, ...) normalised, scaled and shifted for labels (n,)."""
        wide = (len(x), -1, *[1] * (x.ndim - 2))
        return self.norm(x) * self.class_gain[labels].view(wide) + self.class_shift[labels].view(wide)

    @torch.no_grad()
    def start_from(self, norm: nn.Module) -> None:
        """Become a plain batch norm, the same for every class."""
        self.class_gain.copy_(norm.weight.expand_as(self.class_gain))
        self.class_shift.copy_(norm.bias.expand_as(self.class_shift))
        self.norm.running_mean.copy_(norm.running_mean)
        self.norm.running_var.copy_(norm.running_var)


@prior("conditional-gan", title="Conditional GAN", paper="Yuan et al., AAAI 2023", order=3)
class ConditionalGAN(Prior):
    """A DCGAN-type generator with class-conditional batch norm beside a projection discriminator.

    Args:
        shape: (C, H, W) of an image; H = W = 4·2^len(widths).
        latent_dim: D.
        widths: channels from the 4x4 start towards the image, one per doubling.
        num_classes: K.
    """

    discriminates = True
    conditional = True
    tuned = True

    def __init__(
        self,
        shape: tuple[int, int, int],
        latent_dim: int,
        widths: list[int],
        critic_widths: list[int],
        num_classes: int,
    ) -> None:
        super().__init__()
        self.shape, self.latent_dim, self.num_classes = tuple(shape), latent_dim, num_classes
        self.widths, self.critic_widths = list(widths), list(critic_widths)
        self.start = nn.Linear(latent_dim, widths[0] * 16, bias=False)
        self.start_norm = ClassNorm(num_classes, nn.BatchNorm1d(widths[0] * 16, affine=False))
        after = [*widths[1:], LAST]
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in zip(widths, after, strict=True)
        )
        self.norms = nn.ModuleList(ClassNorm(num_classes, nn.BatchNorm2d(b, affine=False)) for b in after)
        self.paint = nn.Conv2d(LAST, shape[0], 3, padding=1)
        self.critic = shrinking(shape[0], critic_widths)
        for layer in self.critic[::2]:
            spectral_norm(layer)
        width = critic_widths[-1] * 16
        self.critic_head = spectral_norm(nn.Linear(width, 1))
        self.critic_classes = spectral_norm(nn.Embedding(num_classes, width))

    @property
    def architecture(self) -> dict[str, Any]:
        return dict(
            shape=list(self.shape),
            latent_dim=self.latent_dim,
            widths=self.widths,
            critic_widths=self.critic_widths,
            num_classes=self.num_classes,
        )

    def decode(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        labels = self._checked(labels)
        x = self.start_norm(self.start(latents), labels).relu().unflatten(1, (self.widths[0], 4, 4))
        for grow, norm in zip(self.grow, self.norms, strict=True):
            x = norm(grow(x), labels).relu()
        return self.paint(x).sigmoid()

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return how much each image looks like a public one of its class, (n,); Miyato and Koyama, eq. 6."""
        labels = self._checked(labels)
        seen = self.critic(images * 2 - 1).flatten(1)
        return self.critic_head(seen)[:, 0] + (self.critic_classes(labels) * seen).sum(1)

    def _checked(self, labels: Tensor | None) -> Tensor:
        if labels is None:
            raise ValueError("a conditional prior needs labels (n,): which class to draw or judge")
        return labels

    @torch.no_grad()
    def start_from(self, base: GAN) -> None:
        """Become `base`, the same for every class; the discriminator starts from its convolutions."""
        linear, norm, _ = base.start
        self.start.load_state_dict(linear.state_dict())
        self.start_norm.start_from(norm)
        *blocks, paint = base.grow
        for own, layer in zip(self.grow, blocks[::3], strict=True):
            own.load_state_dict(layer.state_dict())
        for own, layer in zip(self.norms, blocks[1::3], strict=True):
            own.start_from(layer)
        self.paint.load_state_dict(paint.state_dict())
        for own, layer in zip(self.critic[::2], base.critic[::2], strict=True):
            own.weight = layer.weight.clone()  # through the spectral norm, which may keep what it is given
            own.bias.copy_(layer.bias)


class ConditionalTrainer(Tuning):
    paper = "Yuan et al., AAAI 2023 (PLG-MI)"

    def __init__(self, model: ConditionalGAN, setting: Setting, how: ConditionalRecipe) -> None:
        super().__init__(model, setting, how, faster={"class_": how.lr_class})

    @cached_property
    def chosen(self) -> Tensor:
        """Return the rows (K, per_class) of the public images that the target takes for each class.

        Raises:
            DataMissing: there are fewer.
        """
        if len(self.public) < self.how.per_class:
            raise DataMissing(
                f"The target cannot choose {self.how.per_class} public images for each class from "
                f"{len(self.public)}. Give a folder with more, or --set per_class=N."
            )
        with torch.no_grad():
            shares = torch.cat([self.target(images).softmax(1) for images in self.public.split(256)])
        return pseudo_labels(shares, self.how.per_class)

    def draw(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        labels = self._classes(rng)
        return self.model.decode(self.noise(rng), labels), labels

    def judged(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        own = self._classes(rng)
        rank = torch.randint(self.how.per_class, (self.how.batch,), generator=rng).to(self.device)
        real = augmented(self.public[self.chosen[own, rank]], self.flips, rng)
        real = real + torch.rand(real.shape, generator=rng).to(real) / 256  # undoes the steps of 8-bit images
        loss = (
            F.relu(1 - self.model.discriminate(real, own)).mean()
            + F.relu(1 + self.model.discriminate(images, labels)).mean()
        )
        return loss, {"critic": loss}

    def drawn(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        fooled = -self.model.discriminate(images, labels).mean()
        margin = max_margin(self.target(self._view(images, rng)), labels).mean()
        return fooled + self.how.margin * margin, {"fooled": fooled, "margin": margin}

    def _view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return random views of images; no mirrored ones where mirroring changes the class."""
        images = color_jitter(random_resized_crop(images, rng), rng, p=0.5)
        return rotate(flip(images, rng) if self.flips else images, rng, 5.0)

    def _classes(self, rng: torch.Generator) -> Tensor:
        return torch.randint(self.num_classes, (self.how.batch,), generator=rng).to(self.device)


@trainer("conditional-gan")
def conditional_trainer(setting: Setting, recipe: Mapping[str, Any]) -> ConditionalTrainer:
    torch.manual_seed(setting.seed)
    base, how = start_of(ConditionalGAN, setting, RECIPES, recipe)
    model = ConditionalGAN(**{**base.architecture, "num_classes": setting.num_classes})
    if isinstance(base, ConditionalGAN):
        grown_from(model, base)
    else:
        model.start_from(base)
    return ConditionalTrainer(model, setting, how)
