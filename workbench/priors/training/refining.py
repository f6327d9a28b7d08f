"""Training a refiner of eigenimages: the components in one step, then pixels, features and adversaries.

Adversaries are a critic of pixels, which stays with the prior, and heads that look at an ImageNet network's maps
(Sauer et al., NeurIPS 2021, https://arxiv.org/abs/2111.01007), which does in hours what a critic from scratch does in days.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.parametrizations import spectral_norm

from workbench.core.shapes import image_shape
from workbench.priors.base import Setting
from workbench.priors.pca import principal_components
from workbench.priors.refined_pca import RefinedPCA, planes_length, small_planes
from workbench.priors.sizes import sizes_of
from workbench.priors.training.loop import MovingAverage, batch_of
from workbench.priors.training.perception import Perception, unlikeness
from workbench.priors.training.registry import trainer

PENALTY_EVERY = 16
LIGHT, TINT = 512, 96  # components for luminance, and on top of them for colour


@dataclass(frozen=True)
class RefiningRecipe:
    """How a refiner is trained; stored on its card.

    Attributes:
        steps: optimiser steps; in the first `warm` no adversary is asked.
        batch: public images a step, and as many random latents beside them.
        pixels: weight of the mean absolute error.
        features: weight of the distance in an ImageNet network's maps.
        adversarial: weight of each of the two adversaries' hinge losses.
        r1: weight of the pixel critic's gradient penalty on real images.
        anneal: share of the steps over which the learning rate falls to a twentieth, at the end.
    """

    steps: int = 3000
    warm: int = 300
    batch: int = 24
    lr: float = 5e-4
    lr_critic: float = 3e-4
    pixels: float = 10.0
    features: float = 2.0
    adversarial: float = 0.1
    r1: float = 0.2
    ema: float = 0.998
    anneal: float = 0.4


RECIPES = {"quick": RefiningRecipe(), "full": RefiningRecipe(steps=40000, batch=64, ema=0.9995)}


class Heads(nn.Module):
    """One opinion a place for each of a network's maps, (n, F, h, w) to logits; maps are mixed at random once and for all."""

    def __init__(self, widths: list[int], width: int = 64) -> None:
        super().__init__()
        self.mixes = nn.ModuleList(nn.Conv2d(w, width, 1) for w in widths).requires_grad_(False)
        for mix in self.mixes:
            nn.init.kaiming_normal_(mix.weight)  # type: ignore[arg-type]
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(width, width, 3, 1, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, width, 3, 1, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, 1, 1)),
            )
            for _ in widths
        )

    def forward(self, seen: list[Tensor]) -> list[Tensor]:
        return [head(mix(maps)) for head, mix, maps in zip(self.heads, self.mixes, seen, strict=True)]


class Refining:
    """Trains a `RefinedPCA`; implements `workbench.priors.training.loop.Trainer`."""

    paper = "Turk and Pentland, CVPR 1991; Ledig et al., CVPR 2017; Sauer et al., NeurIPS 2021"

    def __init__(self, setting: Setting, recipe: RefiningRecipe, overrides: Mapping[str, Any]) -> None:
        self.how = how = replace(recipe, **overrides)
        self.total, self.recipe = how.steps, asdict(how)
        self.public, self.flips, self.device = setting.public.to(setting.device), setting.flips, setting.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setting.seed)
            self.model = _fitted(setting).to(setting.device).to(memory_format=torch.channels_last)
            self.sight = Perception().to(setting.device).to(memory_format=torch.channels_last)
            self.heads = Heads(self.sight.widths).to(setting.device)
        self.judges = [
            *self.model.critic.parameters(),
            *self.model.critic_head.parameters(),
            *self.heads.heads.parameters(),
        ]
        self.drawing = torch.optim.Adam(self.model.refiner.parameters(), how.lr, betas=(0.5, 0.99))
        self.judging = torch.optim.Adam(self.judges, how.lr_critic, betas=(0.0, 0.99))
        self.average = MovingAverage(self.model, how.ema)
        self.parts: dict[str, nn.Module | torch.optim.Optimizer] = {
            "model": self.model,
            "average": self.average.kept,
            "heads": self.heads,
            "drawing": self.drawing,
            "judging": self.judging,
        }

    def prior(self) -> RefinedPCA:
        return copy.deepcopy(self.average.kept).eval()

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        how, model = self.how, self.model
        pace = min(1.0, (step + 1) / 50, max(0.05, (self.total - step) / max(1, how.anneal * self.total)))
        self.drawing.param_groups[0]["lr"], self.judging.param_groups[0]["lr"] = how.lr * pace, how.lr_critic * pace
        real = batch_of(self.public, how.batch, rng)
        if self.flips:
            mirrored = torch.rand(len(real), 1, 1, 1, generator=rng) < 0.5
            real = torch.where(mirrored.to(real.device), real.flip(3), real)
        real = real.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):  # weights change within
            latents = model.encode(real)
            adversarial = step >= how.warm
            if adversarial:
                latents = torch.cat([latents, model.sample(how.batch, rng)])
            drawn = model.draw(latents).float()
            copied = drawn[: how.batch]
            pixels = (copied - real).abs().mean()
            # One pass of the network for reals and drawn ones alike.
            seen = self.sight(torch.cat([real, drawn]))
            wanted, of_drawn = [s[: how.batch].detach() for s in seen], [s[how.batch :] for s in seen]
            features = unlikeness([s[: how.batch] for s in of_drawn], wanted)
            loss, losses = how.pixels * pixels + how.features * features, {"pixels": pixels, "features": features}
            if adversarial:
                losses["critic"] = self._judge(step, real, drawn.detach(), wanted, [s.detach() for s in of_drawn])
                for p in self.judges:
                    p.requires_grad_(False)
                fooled = -self._opinion(drawn, of_drawn)
                loss, losses["fooled"] = loss + how.adversarial * min(1, (step - how.warm) / 300) * fooled, fooled
        self.drawing.zero_grad(set_to_none=True)
        loss.backward()
        for p in self.judges:
            p.requires_grad_(True)
        self.drawing.step()
        self.average.update(model, step)
        return {name: value.detach().float() for name, value in losses.items()}

    def _opinion(self, images: Tensor, seen: list[Tensor]) -> Tensor:
        """Return how real the adversaries find images (n, C, H, W) and their maps, a scalar."""
        opinions = [self.model.discriminate(images), *self.heads(seen)]
        return torch.stack([o.float().mean() for o in opinions]).sum()

    def _judge(self, step: int, real: Tensor, drawn: Tensor, wanted: list[Tensor], seen: list[Tensor]) -> Tensor:
        """Train the adversaries once."""
        shown = real.clone().requires_grad_(step % PENALTY_EVERY == 0)
        with torch.autocast(self.device.type, enabled=False):
            by_pixels = self.model.discriminate(shown)
        pairs = zip([by_pixels, *self.heads(wanted)], [self.model.discriminate(drawn), *self.heads(seen)], strict=True)
        judged = torch.stack(
            [F.relu(1 - yes.float()).mean() + F.relu(1 + no.float()).mean() for yes, no in pairs]
        ).sum()
        loss = judged
        if shown.requires_grad:
            (slope,) = torch.autograd.grad(by_pixels.sum(), shown, create_graph=True)
            loss = loss + self.how.r1 / 2 * PENALTY_EVERY * slope.pow(2).sum((1, 2, 3)).mean()
        self.judging.zero_grad(set_to_none=True)
        loss.backward()
        self.judging.step()
        return judged


@torch.no_grad()
def _fitted(setting: Setting) -> RefinedPCA:
    """Return a prior whose components are those of the public images, and whose refiner adds nothing yet."""
    shape, public = image_shape(setting.public.shape[1:]), setting.public
    count = min(LIGHT + (TINT if shape[0] == 3 else 0), planes_length(shape), len(public) - 1)
    widths, side = [48, 96, 160], shape[1] // 2
    while side % 2 ** (len(widths) - 1):
        widths.pop()
    model = RefinedPCA(shape, count, widths, 24, sizes_of(shape).critic_widths)
    planes = small_planes(torch.cat([public, public.flip(3)]) if setting.flips else public)
    mean, components, _ = principal_components(planes, count, torch.Generator().manual_seed(setting.seed))
    model.mean.copy_(mean)
    model.components.copy_(components)
    return model


@trainer("refined-pca")
def refined_trainer(setting: Setting, overrides: Mapping[str, Any]) -> Refining:
    """Return what trains refined eigenimages; raises `Incompatible` for a size none is built for, `DataMissing` as `Perception`."""
    return Refining(setting, RECIPES[setting.quality], overrides)
