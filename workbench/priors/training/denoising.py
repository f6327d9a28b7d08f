"""Training a diffusion prior: predict what was mixed into an image, at every share of noise.

Salimans and Ho, ICLR 2022, https://arxiv.org/abs/2202.00512 (v-prediction); Nichol and Dhariwal, ICML 2021,
https://arxiv.org/abs/2102.09672 (cosine schedule); Hang et al., ICCV 2023, https://arxiv.org/abs/2303.09556
(Min-SNR: nearly clean images count for less).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.errors import Incompatible
from workbench.core.shapes import Shape, image_shape
from workbench.priors.base import Setting
from workbench.priors.diffusion import Diffusion
from workbench.priors.training.loop import MovingAverage, batch_of
from workbench.priors.training.registry import trainer

SCHEDULER = dict(
    num_train_timesteps=1000,
    beta_schedule="squaredcos_cap_v2",
    prediction_type="v_prediction",
    clip_sample=True,
    timestep_spacing="trailing",
)


@dataclass(frozen=True)
class DenoisingRecipe:
    """How a diffusion prior is trained; stored on its card.

    Attributes:
        warm: steps over which the learning rate rises.
        anneal: share of the steps over which it falls to a hundredth, at the end.
        gamma: the weight of a step's loss is min(1, γ·(1-ᾱ)), Min-SNR's for v.
        clip: largest gradient norm.
    """

    steps: int
    batch: int
    lr: float = 5e-4
    warm: int = 100
    anneal: float = 0.5
    gamma: float = 5.0
    ema: float = 0.998
    clip: float = 1.0


@dataclass(frozen=True)
class UNetSize:
    """How large a U-Net is, and over how many pixels it sees at once.

    Attributes:
        widths: channels of each resolution, finest first, each half the one before.
        attends: at which of them every pixel sees every other.
    """

    patch: int
    widths: tuple[int, ...]
    attends: tuple[bool, ...]
    layers: int = 1


# By quality, then whether images are large (64 pixels and more).
RECIPES = {
    "quick": {False: DenoisingRecipe(2000, 64), True: DenoisingRecipe(3500, 32)},
    "full": {
        False: DenoisingRecipe(40000, 256, lr=3e-4, ema=0.9995),
        True: DenoisingRecipe(120000, 256, lr=3e-4, ema=0.9998),
    },
}
SIZES = {
    "quick": {
        False: UNetSize(2, (32, 64, 96), (False, False, False)),
        True: UNetSize(4, (64, 128, 192), (False, False, False)),
    },
    "full": {
        False: UNetSize(1, (32, 64, 128), (False, False, True), 2),
        True: UNetSize(2, (64, 96, 128, 128), (False, False, True, True), 2),
    },
}


def size_of(shape: Shape, quality: str) -> UNetSize:
    """Return how large the U-Net for images (C, H, W) is to be: as many maps as the image can be halved into, up to four.

    Raises:
        Incompatible: the image cannot be halved even once.
    """
    _, height, width = shape
    size = SIZES[quality][is_large(shape)]
    maps = 1
    while maps < len(size.widths) and not (height % (size.patch * 2**maps) or width % (size.patch * 2**maps)):
        maps += 1
    if maps == 1:
        raise Incompatible(
            [
                f"No diffusion prior can be built for images of {height}x{width} pixels: their sides must be multiples of "
                f"{2 * size.patch} pixels."
            ]
        )
    return replace(size, widths=size.widths[:maps], attends=size.attends[:maps])


def is_large(shape: Shape) -> bool:
    """Return whether images (C, H, W) are of 64 pixels a side or more."""
    return shape[-1] >= 64


def unet_of(shape: Shape, size: UNetSize) -> dict[str, Any]:
    """Return the configuration of a `UNet2DModel` for images (C, H, W)."""
    channels = shape[0] * size.patch**2
    down = ["AttnDownBlock2D" if a else "DownBlock2D" for a in size.attends]
    up = ["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(size.attends)]
    return dict(
        sample_size=shape[1] // size.patch,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=list(size.widths),
        layers_per_block=size.layers,
        down_block_types=down,
        up_block_types=up,
        norm_num_groups=16,
        attention_head_dim=32,
    )


@trainer("diffusion")
def diffusion_trainer(setting: Setting, overrides: Mapping[str, Any]) -> Denoising:
    """Return what trains a diffusion prior of the setting's images and quality; raises `Incompatible` as `size_of` does."""
    shape = image_shape(setting.public.shape[1:])
    size = size_of(shape, setting.quality)
    model = Diffusion(shape, unet_of(shape, size), SCHEDULER, size.patch)
    return Denoising(model, setting, RECIPES[setting.quality][is_large(shape)], overrides)


class Denoising:
    """Trains a `Diffusion` that predicts v; implements `workbench.priors.training.loop.Trainer`."""

    paper = "Ho et al., NeurIPS 2020; Salimans and Ho, ICLR 2022"

    def __init__(
        self, model: Diffusion, setting: Setting, recipe: DenoisingRecipe, overrides: Mapping[str, Any]
    ) -> None:
        self.how = how = replace(recipe, **overrides)
        self.total, self.recipe = how.steps, asdict(how)
        self.model = model.to(setting.device).to(memory_format=torch.channels_last)
        self.public, self.flips, self.device = setting.public.to(setting.device), setting.flips, setting.device
        self.optimiser = torch.optim.AdamW(model.parameters(), how.lr, betas=(0.9, 0.99), weight_decay=1e-4)
        self.average = MovingAverage(model, how.ema)
        self.parts: dict[str, nn.Module | torch.optim.Optimizer] = {
            "model": model,
            "average": self.average.kept,
            "optimiser": self.optimiser,
        }

    def prior(self) -> Diffusion:
        return copy.deepcopy(self.average.kept).eval()

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        how, model = self.how, self.model
        for group in self.optimiser.param_groups:
            group["lr"] = how.lr * self._pace(step)
        clean = self._images(rng)
        t = self._steps(rng)
        noise = torch.randn_like(clean)  # from the generator that `train` seeds at every step
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            predicted = model.output(model.noised(clean, noise, t), t)
        alpha = model.alpha(t)
        error = (predicted - alpha.sqrt() * noise + (1 - alpha).sqrt() * clean).pow(2).mean((1, 2, 3))
        loss = (error * (how.gamma * (1 - alpha.flatten())).clamp_max(1)).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), how.clip)
        self.optimiser.step()
        self.average.update(model, step)
        return {"denoising": loss.detach()}

    def _images(self, rng: torch.Generator) -> Tensor:
        """Return a batch on the network's scale, half of it mirrored where that changes no class."""
        images = batch_of(self.public, self.how.batch, rng) * 2 - 1
        if not self.flips:
            return images
        mirrored = (torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5).to(self.device)
        return torch.where(mirrored, images.flip(3), images)

    def _steps(self, rng: torch.Generator) -> Tensor:
        """Return one step for each image, evenly spread over the schedule: the loss varies less than with free draws."""
        spread = (torch.arange(self.how.batch) + torch.rand((), generator=rng)) / self.how.batch
        return (spread * (len(self.model.levels) - 1)).long().to(self.device)

    def _pace(self, step: int) -> float:
        left = (self.total - step) / max(1, self.how.anneal * self.total)
        return min(1.0, (step + 1) / self.how.warm, max(0.01, left))
