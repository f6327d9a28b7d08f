"""Networks for images of any side: they are built, draw and learn at their size, or a sentence says what is possible."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from workbench.core.errors import Incompatible
from workbench.core.shapes import image_shape
from workbench.priors.base import Setting
from workbench.priors.gan import GAN
from workbench.priors.sizes import SIDES, sizes_of
from workbench.priors.style import Style
from workbench.priors.training import denoising
from workbench.priors.training.registry import TRAINERS
from workbench.targets import ARCHITECTURES, Classifier

SIDES_ASKED = (28, 32, 48, 64, 96, 128)
# The larger sides are tried in grey and in colour by turns; with -m slow, in both.
SHAPES = [
    pytest.param(
        (channels, side, side), marks=[pytest.mark.slow] if at > 1 and (channels == 3) == (at % 2 == 0) else []
    )
    for at, side in enumerate(SIDES_ASKED)
    for channels in (1, 3)
]
FEW = {"gan": {"batch": 2}, "style": {"batch": 2}, "diffusion": {"batch": 2}}
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}")


def setting(shape, **changes) -> Setting:
    public = torch.rand(8, *shape, generator=torch.Generator().manual_seed(0))
    return replace(Setting("digits", public, False, torch.device("cpu")), **changes)


def learns(trainer, shape, step: int) -> None:
    """Check that a step of training changes the weights, and that the prior draws images of the right shape."""
    before = {name: p.clone() for name, p in trainer.model.named_parameters()}
    losses = trainer.step(step, torch.Generator().manual_seed(0))
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert any(not torch.equal(p, before[name]) for name, p in trainer.model.named_parameters())
    model = trainer.model.eval()
    with torch.no_grad():
        latents = model.sample(2, torch.Generator().manual_seed(1))
        images = model.decode(latents, torch.zeros(2, dtype=torch.int64))
    assert images.shape == (2, *shape) and images.min() >= 0 and images.max() <= 1


@each_shape
@pytest.mark.parametrize("key", ["gan", "style"])
def test_a_generator_is_built_for_every_side_and_both_phases_take_a_step(key, shape):
    trainer = TRAINERS[key](setting(shape), {**FEW[key], "vae_steps": 1, "gan_steps": 1})
    learns(trainer, shape, 0)
    trainer.model.train()
    learns(trainer, shape, 1)


@each_shape
@pytest.mark.parametrize("quality", ["quick", "full"])
def test_a_diffusion_prior_is_built_for_every_side(quality, shape):
    size = denoising.size_of(shape, quality)
    assert len(size.widths) == len(size.attends) >= 2
    small = replace(size, widths=(32,) * len(size.widths), layers=1)
    model = denoising.Diffusion(shape, denoising.unet_of(shape, small), denoising.SCHEDULER, size.patch, steps=1)
    with torch.no_grad():
        images = model.decode(model.sample(1, torch.Generator().manual_seed(0)))
    assert images.shape == (1, *shape)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 48, 48)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_a_diffusion_prior_of_an_odd_side_takes_a_step(shape):
    learns(TRAINERS["diffusion"](setting(shape), FEW["diffusion"]), shape, 0)


@each_shape
@pytest.mark.parametrize("key", ["inversion-gan", "conditional-gan"])
def test_a_tuned_prior_is_built_for_every_side(key, shape):
    torch.manual_seed(0)
    sizes = sizes_of(shape)
    base = GAN(shape, 4, [8] * len(sizes.widths), [8] * len(sizes.critic_widths))
    target = nn.Sequential(nn.Flatten(), nn.Linear(base.decode(torch.zeros(2, 4))[0].numel(), 3))
    recipe = {"batch": 4, **({"per_class": 2} if key == "conditional-gan" else {})}
    learns(TRAINERS[key](setting(shape, base=base, target=target, num_classes=3), recipe), shape, 0)


@pytest.mark.parametrize("key", ["gan", "style"])
@pytest.mark.parametrize("side", [30, 33, 100, 8, 512])
def test_a_side_that_no_generator_draws_is_refused_with_those_that_it_does(key, side):
    with pytest.raises(Incompatible, match=rf"images of {side}x{side} pixels.* 28, 32, .* 224 pixels a side"):
        TRAINERS[key](setting((1, side, side)), {})


@pytest.mark.parametrize("side", [33, 31])
def test_a_side_that_no_diffusion_prior_draws_is_refused(side):
    with pytest.raises(
        Incompatible, match=rf"images of {side}x{side} pixels: their sides must be multiples of 4 pixels"
    ):
        TRAINERS["diffusion"](setting((1, side, side)), {})


def test_a_generator_of_images_that_are_not_square_is_refused():
    with pytest.raises(Incompatible, match="32x64 pixels cannot be halved 3 times: they must be square"):
        GAN((1, 32, 64), 8, [8, 8, 8], [8, 8, 8])
    with pytest.raises(Incompatible, match="must be square"):
        sizes_of((1, 32, 64))


@pytest.mark.parametrize("side", SIDES)
def test_sizes_start_from_a_map_of_four_to_seven_pixels(side):
    sizes = sizes_of((1, side, side))
    assert side % 2 ** len(sizes.widths) == 0 and 4 <= side // 2 ** len(sizes.widths) <= 7
    assert len(sizes.widths) == len(sizes.critic_widths) == len(sizes.style_widths) - 1


@each_shape
@pytest.mark.parametrize("arch", ARCHITECTURES.keys())
def test_a_classifier_is_built_for_every_side_and_takes_a_step(arch, shape):
    torch.manual_seed(0)
    model = Classifier(arch, shape, 3).train()
    images, labels = setting(shape).public[:2], torch.tensor([0, 2])
    before = model.head.weight.clone()
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    logits = model(images)
    nn.functional.cross_entropy(logits, labels).backward()
    optimiser.step()
    assert logits.shape == (2, 3) and not torch.equal(model.head.weight, before)


def test_a_cnn_refuses_images_that_its_poolings_leave_nothing_of():
    with pytest.raises(Incompatible, match="6x6 pixels: it needs 8 pixels a side"):
        Classifier("cnn", (1, 6, 6), 3)


def test_weights_of_a_style_prior_saved_under_former_names_load_unchanged():
    torch.manual_seed(0)
    saved, fresh = (Style((1, 16, 16), 4, 6, [8, 8, 8], [8, 8]).eval() for _ in range(2))
    former = {}
    for name, value in saved.state_dict().items():
        name = name.replace("const", "start").replace("to_rgb.", "paints.").replace(".affine.", ".style.")
        former[name] = value
    assert {"start", "paints.0.weight", "blocks.1.style.bias"} <= set(former)
    fresh.load_state_dict(former, strict=True)
    latents = saved.sample(2, torch.Generator().manual_seed(1))
    assert torch.equal(fresh.decode(latents), saved.decode(latents))


def test_the_shape_of_an_image_is_three_numbers():
    assert image_shape([3, 32, 32]) == (3, 32, 32) == image_shape(torch.zeros(5, 3, 32, 32).shape[1:])
    with pytest.raises(ValueError, match="unpack"):
        image_shape([32, 32])
