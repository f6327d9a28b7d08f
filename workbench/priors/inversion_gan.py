"""Inversion-specific GAN: its discriminator predicts what the target says of public images.

Chen, Kahla, Jia and Qi, ICCV 2021, https://arxiv.org/abs/2010.04092 (KED-MI), section 3.2, after the
semi-supervised GAN of Salimans et al., NeurIPS 2016, https://arxiv.org/abs/1606.03498. A generator that must
match the features of such a discriminator, and be decidable to it, keeps what the target attends to.

Departs from the paper: the generator and the discriminator's convolutions start from the scenario's plain GAN. The quick
recipe, by which the shipped weights are made, takes 400 steps of the generator, each after one of the discriminator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.priors.base import Setting, prior
from workbench.priors.gan import GAN
from workbench.priors.losses import entropy, feature_matching, log_fakeness, log_realness, soft_cross_entropy
from workbench.priors.sizes import first_side
from workbench.priors.training.loop import batch_of
from workbench.priors.training.registry import trainer
from workbench.priors.training.tuned import Tuning, TuningRecipe, grown_from, start_of


@dataclass(frozen=True)
class InversionRecipe(TuningRecipe):
    """How an inversion-specific GAN is trained; stored on its card.

    Attributes:
        kernels, kernel_dim: of the minibatch discrimination; the paper's are 64 and 50.
        unlabelled: weight of telling photographs from samples, against predicting the target's answers.
        entropy: weight of the summed entropy of the discriminator's opinion of samples.
    """

    kernels: int = 16
    kernel_dim: int = 8
    unlabelled: float = 0.5
    entropy: float = 1e-4


# 120 epochs of 30,000 images, a generator step every fifth batch.
RECIPES = {
    "quick": InversionRecipe(),
    "full": InversionRecipe(steps=11000, critic_steps=5, kernels=64, kernel_dim=16, ema=0.999),
}


class ClassHead(nn.Module):
    """Features to class logits, beside how close an image is to the others of its batch (Salimans et al., 3.2).

    Attributes:
        peers: (M, B, C) what stands for the rest of the batch in eval mode, so that an image's score does not
            depend on the images beside it: public images, as the training's last batch was.
    """

    peers: Tensor

    def __init__(self, width: int, num_classes: int, kernels: int, kernel_dim: int, peers: int) -> None:
        super().__init__()
        self.kernels = nn.Parameter(torch.randn(width, kernels, kernel_dim) * width**-0.5)
        self.logits = nn.Linear(width + kernels, num_classes)
        self.register_buffer("peers", torch.zeros(peers, kernels, kernel_dim))

    def place(self, features: Tensor) -> Tensor:
        """Return (n, B, C), where features (n, F) lie for each of B kernels."""
        return (features @ self.kernels.flatten(1)).unflatten(1, self.kernels.shape[1:])

    def forward(self, features: Tensor) -> Tensor:
        """Return class logits (n, K) of features (n, F)."""
        placed = self.place(features)
        among = placed if self.training else self.peers
        near = (-(placed[:, None] - among[None]).abs().sum(3)).exp().sum(1)  # (n, B)
        if self.training:
            near = near - 1  # an image's closeness to itself
        return self.logits(torch.cat([features, near], 1))


@prior("inversion-gan", title="Inversion GAN", paper="Chen et al., ICCV 2021", order=2)
class InversionGAN(GAN):
    """A plain GAN's generator beside a discriminator with K class logits.

    `discriminate` is −L_prior of KED-MI, eq. 5: log D(x) = lse d − sp(lse d), at most 0.
    """

    tuned = True

    critic_head: ClassHead

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        widths: Sequence[int],
        critic_widths: Sequence[int],
        num_classes: int,
        kernels: int,
        kernel_dim: int,
        peers: int,
    ) -> None:
        super().__init__(shape, latent_dim, widths, critic_widths)
        self.num_classes, self.kernels, self.kernel_dim, self.peers = num_classes, kernels, kernel_dim, peers
        width = critic_widths[-1] * first_side(self.shape, len(critic_widths)) ** 2
        self.critic_head = ClassHead(width, num_classes, kernels, kernel_dim, peers)

    @property
    def architecture(self) -> dict[str, Any]:
        return {
            **super().architecture,
            "num_classes": self.num_classes,
            "kernels": self.kernels,
            "kernel_dim": self.kernel_dim,
            "peers": self.peers,
        }

    def features(self, images: Tensor) -> Tensor:
        """Return what the discriminator sees in images (n, C, H, W), (n, F)."""
        return self.critic(images * 2 - 1).flatten(1)

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return log_realness(self.critic_head(self.features(images)))


class InversionTrainer(Tuning[InversionGAN, InversionRecipe, None]):
    paper = "Chen et al., ICCV 2021 (KED-MI)"

    def draw(self, rng: torch.Generator) -> tuple[Tensor, None]:
        return self.model.decode(self.noise(rng)), None

    def judged(self, images: Tensor, labels: None, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        model, labelled, real = self.model, self.photographs(rng), self.photographs(rng)
        with torch.no_grad():
            shares = self.target(labelled).softmax(1)
        agreed = soft_cross_entropy(model.critic_head(model.features(labelled)), shares).mean()
        real_score = log_realness(model.critic_head(model.features(real))).mean()
        fake_score = log_fakeness(model.critic_head(model.features(images))).mean()
        loss = agreed - self.how.unlabelled * (real_score + fake_score)
        return loss, {"labels": agreed, "critic": -(real_score + fake_score)}

    def drawn(self, images: Tensor, labels: None, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        features = self.model.features(images)
        with torch.no_grad():
            wanted = self.model.features(self.photographs(rng))
        matched = feature_matching(features, wanted)
        unsure = entropy(self.model.critic_head(features))
        return matched + self.how.entropy * unsure.sum(), {"features": matched, "entropy": unsure.mean()}

    def prior(self) -> InversionGAN:
        model = super().prior()
        rng = torch.Generator().manual_seed(self.seed + 3)
        with torch.no_grad():
            model.critic_head.peers.copy_(
                model.critic_head.place(model.features(batch_of(self.public, model.peers, rng)))
            )
        return model


@trainer("inversion-gan")
def inversion_trainer(setting: Setting, recipe: Mapping[str, Any]) -> InversionTrainer:
    """Return what trains an inversion-specific GAN; raises `DataMissing` where there is no plain GAN to start from."""
    torch.manual_seed(setting.seed)
    base, how = start_of(InversionGAN, setting, RECIPES, recipe)
    model = InversionGAN(
        **{
            **base.architecture,
            "num_classes": setting.num_classes,
            "kernels": how.kernels,
            "kernel_dim": how.kernel_dim,
            "peers": how.batch - 1,
        }
    )
    grown_from(model, base)
    return InversionTrainer(model, setting, how)
