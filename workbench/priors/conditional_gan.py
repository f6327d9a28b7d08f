"""Conditional GAN: draws each of the target's classes, from public images that the target itself has labelled.

Yuan, Chen, Zhang, Zhang and Yu, AAAI 2023, https://arxiv.org/abs/2302.09814 (PLG-MI): pseudo labels by the
target's confidence, class-conditional batch norm (de Vries et al., NeurIPS 2017), a projection discriminator
under spectral norm (Miyato and Koyama, ICLR 2018), and a max-margin term through the target.

Departs from the paper: a DCGAN-type generator instead of a residual one; it and the discriminator's
convolutions start from the scenario's plain GAN, every class alike. The quick recipe, by which the shipped weights are
made, takes 400 steps of the generator, each after one of the discriminator, and what classes do not share learns 25 times
as fast as the paper has it; the discriminator cannot follow, and classes come to differ by patterns that convince the
target. The full recipe is the paper's, for a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.parametrizations import spectral_norm

from workbench.core.errors import DataMissing
from workbench.core.shapes import image_shape
from workbench.priors.base import Prior, Setting, prior
from workbench.priors.gan import GAN, LAST
from workbench.priors.layers import shrinking
from workbench.priors.losses import max_margin
from workbench.priors.sizes import first_side
from workbench.priors.training.loop import augmented
from workbench.priors.training.registry import trainer
from workbench.priors.training.tuned import Tuning, TuningRecipe, grown_from, start_of
from workbench.priors.transforms import color_jitter, flip, random_resized_crop, rotate


@dataclass(frozen=True)
class ConditionalRecipe(TuningRecipe):
    """How a conditional GAN is trained; stored on its card.

    Attributes:
        per_class: public images that each class is given, those of which the target is surest.
        lr_class: of what the classes do not share; each class is drawn in one image of K only.
        margin: weight of the max-margin term.
    """

    lr_class: float = 5e-3
    beta1: float = 0.0
    beta2: float = 0.9
    per_class: int = 30
    margin: float = 0.2


# The paper's: 30,000 steps of the generator, each after five of the discriminator, at one learning rate.
RECIPES = {
    "quick": ConditionalRecipe(),
    "full": ConditionalRecipe(steps=30000, critic_steps=5, lr_class=2e-4, ema=0.999),
}


def pseudo_labels(shares: Tensor, per_class: int) -> Tensor:
    """Return the rows (K, per_class) of which the target is surest, for each class, surest first.

    An image may serve several classes.

    Args:
        shares: (N, K) the target's confidences on public images.
    """
    return shares.topk(per_class, dim=0).indices.T.contiguous()


BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


class ClassNorm(nn.Module):
    """Batch norm whose gain and shift are the class's own."""

    def __init__(self, num_classes: int, norm: BatchNorm) -> None:
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
    def start_from(self, norm: BatchNorm) -> None:
        """Become a plain batch norm, the same for every class."""
        self.class_gain.copy_(norm.weight.expand_as(self.class_gain))
        self.class_shift.copy_(norm.bias.expand_as(self.class_shift))
        self.norm.load_state_dict(dict(norm.named_buffers()))


@prior("conditional-gan", title="Conditional GAN", paper="Yuan et al., AAAI 2023", order=3)
class ConditionalGAN(Prior):
    """A DCGAN-type generator with class-conditional batch norm beside a projection discriminator.

    Args:
        shape: (C, H, W) of an image; H = W, a multiple of 2^len(widths).
        latent_dim: D.
        widths: channels from the first map towards the image, one per doubling.
        critic_widths: channels from the image down, one per halving.
        num_classes: K.
    """

    discriminates = True
    conditional = True
    tuned = True

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        widths: Sequence[int],
        critic_widths: Sequence[int],
        num_classes: int,
    ) -> None:
        super().__init__()
        self.shape, self.latent_dim, self.num_classes = image_shape(shape), latent_dim, num_classes
        self.widths, self.critic_widths = list(widths), list(critic_widths)
        self.first = first_side(self.shape, len(widths))
        self.start = nn.Linear(latent_dim, widths[0] * self.first**2, bias=False)
        self.start_norm = ClassNorm(num_classes, nn.BatchNorm1d(widths[0] * self.first**2, affine=False))
        after = [*widths[1:], LAST]
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in zip(widths, after, strict=True)
        )
        self.norms = nn.ModuleList(ClassNorm(num_classes, nn.BatchNorm2d(b, affine=False)) for b in after)
        self.paint = nn.Conv2d(LAST, shape[0], 3, padding=1)
        self.critic = shrinking(shape[0], critic_widths)
        for layer in _convolutions(self.critic):
            spectral_norm(layer)
        width = critic_widths[-1] * first_side(self.shape, len(critic_widths)) ** 2
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
        x = self.start_norm(self.start(latents), labels).relu().unflatten(1, (self.widths[0], self.first, self.first))
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
        self.start.load_state_dict(base.start[0].state_dict())
        grown = [layer for layer in base.grow if isinstance(layer, nn.ConvTranspose2d)]
        for own, layer in zip(self.grow, grown, strict=True):
            own.load_state_dict(layer.state_dict())
        norms = [norm for norm in (*base.start, *base.grow) if isinstance(norm, BatchNorm)]
        class_norms = [norm for norm in (self.start_norm, *self.norms) if isinstance(norm, ClassNorm)]
        for class_norm, norm in zip(class_norms, norms, strict=True):
            class_norm.start_from(norm)
        self.paint.load_state_dict(base.grow[-1].state_dict())
        for conv, plain in zip(_convolutions(self.critic), _convolutions(base.critic), strict=True):
            conv.weight = plain.weight.clone()  # through the spectral norm, which may keep what it is given
            if conv.bias is not None and plain.bias is not None:
                conv.bias.copy_(plain.bias)


def _convolutions(layers: nn.Sequential) -> list[nn.Conv2d]:
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


class ConditionalTrainer(Tuning[ConditionalGAN, ConditionalRecipe, Tensor]):
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
    """Return what trains a conditional GAN; raises `DataMissing` where there is no plain GAN to start from."""
    torch.manual_seed(setting.seed)
    base, how = start_of(ConditionalGAN, setting, RECIPES, recipe)
    model = ConditionalGAN(**{**base.architecture, "num_classes": setting.num_classes})
    if isinstance(base, ConditionalGAN):
        grown_from(model, base)
    else:
        model.start_from(base)
    return ConditionalTrainer(model, setting, how)
