"""Training a generator of N(0, I): as the decoder of a variational auto-encoder first, then adversarially.

Larsen et al., ICML 2016, https://arxiv.org/abs/1512.09300, with the hinge loss and the lazy gradient
penalty on real images of Mescheder et al., ICML 2018. On two cores this reaches recognisable faces in an
hour, where the Wasserstein recipe of the GMI paper (280 epochs) would need days.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.core.shapes import Shape
from workbench.priors.base import Setting
from workbench.priors.critic import Adversary
from workbench.priors.layers import shrinking
from workbench.priors.sizes import first_side
from workbench.priors.training.loop import MovingAverage, augmented, batch_of, settle_norms

ModelT = TypeVar("ModelT", bound=Adversary)

PASSES = 40  # over the public images in each phase, after which few images have taught what they can
FEWEST = 300  # steps of a phase, however few the images are
PENALTY_EVERY = 8  # as StyleGAN2: seldom, and as many times stronger


@dataclass(frozen=True)
class AdversarialRecipe:
    """How an adversarial prior is trained; stored on its card.

    Attributes:
        vae_steps, gan_steps: optimiser steps of either phase.
        noise: standard deviation of the decoder's pixels, in [0, 1] units.
        kl, kl_gan: weight of the latent's divergence from N(0, I) in either phase; large enough that
            samples of N(0, I) land where the decoder has been.
        adversarial: weight of the generator's hinge loss against the reconstruction's.
        likeness: weight of the reconstruction as the critic's layers see it (Larsen et al., eq. 8).
        r1: weight of the critic's gradient penalty on real images.
        anneal: share of the adversarial phase over which the learning rate falls to a tenth, at its end.
    """

    vae_steps: int = 1200
    gan_steps: int = 1600
    batch: int = 64
    lr_vae: float = 1e-3
    lr_gan: float = 2e-4
    noise: float = 0.12
    kl: float = 6.0
    kl_gan: float = 6.0
    adversarial: float = 40.0
    likeness: float = 100.0
    r1: float = 0.4
    ema: float = 0.998
    anneal: float = 0.25

    def suited(self, images: int) -> AdversarialRecipe:
        """Return the recipe for so many public images: fewer steps where they are few."""
        most = max(FEWEST, PASSES * images // self.batch)
        return replace(self, vae_steps=min(self.vae_steps, most), gan_steps=min(self.gan_steps, most))


FULL = AdversarialRecipe(vae_steps=6000, gan_steps=60000, batch=128, ema=0.9995)


class Encoder(nn.Module):
    """Image to the mean and log-variance of its latent; used in training only."""

    def __init__(self, shape: Shape, latent_dim: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.body = shrinking(shape[0], widths[::-1])
        self.head = nn.Linear(widths[0] * first_side(shape, len(widths)) ** 2, 2 * latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, each (n, D), of images (n, C, H, W) in [0, 1]."""
        mean, logvar = self.head(self.body(images * 2 - 1).flatten(1)).chunk(2, 1)
        return mean, logvar.clamp(-8, 4)


class Adversarial(Generic[ModelT]):
    """Trains an `Adversary`; implements `workbench.priors.training.loop.Trainer`.

    Args:
        widths: channels of the encoder's maps, from the smallest to the one next to the image.
    """

    paper = "Larsen et al., ICML 2016; Radford et al., ICLR 2016"

    def __init__(
        self,
        model: ModelT,
        widths: Sequence[int],
        setting: Setting,
        recipe: AdversarialRecipe,
        overrides: Mapping[str, Any],
    ) -> None:
        self.how = how = replace(recipe.suited(len(setting.public)), **overrides)
        self.total, self.recipe = how.vae_steps + how.gan_steps, asdict(how)
        self.model = model.to(setting.device).to(memory_format=torch.channels_last)
        encoder = Encoder(model.shape, model.noise_dim, widths)
        self.encoder = encoder.to(setting.device).to(memory_format=torch.channels_last)
        self.public, self.flips, self.device = setting.public.to(setting.device), setting.flips, setting.device
        self.seed = setting.seed
        self.critic = [*model.critic.parameters(), *model.critic_head.parameters()]
        judges = {id(p) for p in self.critic}
        self.drawing = torch.optim.Adam(
            [*(p for p in model.parameters() if id(p) not in judges), *self.encoder.parameters()],
            how.lr_vae,
            betas=(0.9, 0.99),
        )
        self.judging = torch.optim.Adam(self.critic, how.lr_gan, betas=(0.0, 0.99))
        self.average = MovingAverage(model, how.ema)
        self.parts: dict[str, nn.Module | torch.optim.Optimizer] = {
            "model": model,
            "encoder": self.encoder,
            "average": self.average.kept,
            "drawing": self.drawing,
            "judging": self.judging,
        }

    def prior(self) -> ModelT:
        model = copy.deepcopy(self.average.kept).eval()
        settle_norms(model, torch.Generator().manual_seed(self.seed + 1))
        return model

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        how, adversarial = self.how, step >= self.how.vae_steps
        for group in self.drawing.param_groups:
            group["lr"] = how.lr_gan * self._slowing(step) if adversarial else how.lr_vae * min(1, (step + 1) / 100)
        real = augmented(batch_of(self.public, how.batch, rng), self.flips, rng)
        real = real.contiguous(memory_format=torch.channels_last)
        mean, logvar = self.encoder(real)
        latent = mean + (logvar / 2).exp() * self._noise(how.batch, rng)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1).mean()
        if adversarial:
            loss, losses = self._adversarial(step, real, latent, kl, rng)
        else:
            error = (self.model.generate(latent) - real).pow(2).sum((1, 2, 3)).mean()
            loss, losses = 0.5 / how.noise**2 * error + how.kl * kl, {"reconstruction": error}
        self.drawing.zero_grad(set_to_none=True)
        loss.backward()
        self.drawing.step()
        for p in self.critic:
            p.requires_grad_(True)
        self.average.update(self.model, step)
        return {name: value.detach() for name, value in {**losses, "kl": kl}.items()}

    def _noise(self, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn(n, self.model.noise_dim, generator=rng).to(self.device)

    def _slowing(self, step: int) -> float:
        left = (self.total - step) / max(1, self.how.anneal * self.how.gan_steps)
        return max(0.1, min(1.0, left))

    def _adversarial(
        self, step: int, real: Tensor, latent: Tensor, kl: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Train the critic once; return the generator's loss, the critic's weights held still."""
        how, model = self.how, self.model
        both = model.generate(torch.cat([latent, self._noise(how.batch, rng)]))
        copied, invented = both.split(how.batch)
        judged = self._judge(step, real, both.detach())
        for p in self.critic:
            p.requires_grad_(False)
        # What the critic has learnt to see says more of likeness than pixels do (Larsen et al., eq. 8).
        seen, wanted = model.critic(copied * 2 - 1), model.critic(real * 2 - 1)
        likeness = (seen - wanted).pow(2).mean()
        error = (copied - real).pow(2).sum((1, 2, 3)).mean()
        fooled = -(model.critic_head(seen.flatten(1)).mean() + model.discriminate(invented).mean()) / 2
        scale = how.adversarial * min(1, (step - how.vae_steps + 1) / 500)
        loss = 0.25 / how.noise**2 * error + how.kl_gan * kl + how.likeness * likeness + scale * fooled
        return loss, {"reconstruction": error, "likeness": likeness, "fooled": fooled, "critic": judged}

    def _judge(self, step: int, real: Tensor, fake: Tensor) -> Tensor:
        penalised = step % PENALTY_EVERY == 0
        shown = real.clone().requires_grad_(penalised)
        real_score = self.model.discriminate(shown)
        judged = F.relu(1 - real_score).mean() + F.relu(1 + self.model.discriminate(fake)).mean()
        loss = judged
        if penalised:
            (slope,) = torch.autograd.grad(real_score.sum(), shown, create_graph=True)
            loss = loss + self.how.r1 / 2 * PENALTY_EVERY / 8 * slope.pow(2).sum((1, 2, 3)).mean()
        self.judging.zero_grad(set_to_none=True)
        loss.backward()
        self.judging.step()
        return judged
