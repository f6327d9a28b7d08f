"""Robbing the Fed: a malicious server puts a layer before the model that sorts images into bins and keeps one in each.

Fowl et al., ICLR 2022, https://arxiv.org/abs/2110.13057, section 3: all rows of a linear layer with ReLU measure the same quantity h
of an image, with biases a step apart. A unit learns from every image above its threshold, so the gradients of two neighbours differ
by the images in one bin, and one image alone is (∂L/∂W_i − ∂L/∂W_{i+1}) / (∂L/∂b_i − ∂L/∂b_{i+1}). It is a sum over images, so
it passes through a secure sum of participants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.on_updates import OnUpdates, SeenUpdate, model_sent, placed_by_model, shown_at_once
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, Recovers


class Imprinted(nn.Module):
    """A model behind the imprint: images (n, C, H, W) pass, with a trace of the bins that they fell into.

    Args:
        bins: thresholds on an image's mean grey level, from 0 to 1.
        trace: how much of the bins' sum is added to every pixel; what pulls at each bin is the same.
    """

    def __init__(self, model: nn.Module, shape: tuple[int, int, int], bins: int, trace: float) -> None:
        super().__init__()
        pixels = shape[0] * shape[1] * shape[2]
        self.trace = trace
        self.measure = nn.utils.skip_init(nn.Linear, pixels, bins)  # draws no random numbers
        with torch.no_grad():
            self.measure.weight.fill_(1 / pixels)
            self.measure.bias.copy_(-torch.arange(bins) / bins)
        self.model = model  # after the imprint, as it is asked: the last layer is its own

    def forward(self, images: Tensor) -> Tensor:
        over = self.measure(images.flatten(1)).relu().mean(1)  # (n,)
        return self.model(images + self.trace * over[:, None, None, None])


@attack(
    "imprint",
    title="Robbing the Fed, imprint",
    access=Access.WHITE_BOX,
    prior=None,
    order=46,
    recovers=Recovers.BATCH,
    threat="F",
    paper="Fowl et al., ICLR 2022",
    summary="The server sends a model with a layer before it that sorts images into bins; the sum of all updates holds them.",
    presets={"demo": dict(participants=4)},
    departs="Thresholds are spread evenly over all grey levels, where the paper puts them at quantiles known beforehand.",
)
@dataclass(frozen=True)
class Imprint(OnUpdates):
    bins: int = knob(2000, 2, 8000, log=True, help="Units of the layer: each keeps an image that is alone in its bin.")
    trace: float = knob(1.0, 0.01, 100.0, log=True, help="How strongly the layer acts on what the model sees.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        shape = (len(ctx.classes), *ctx.target.input_shape)
        x = ctx.start_or(lambda: (0.5 + 0.02 * torch.randn(shape, generator=ctx.rng)).clamp(0, 1).to(ctx.device))
        yield Frame(0, 1, Images(x))
        inner = model_sent(ctx, self, x)
        seen = SeenUpdate(ctx, self, x, Imprinted(inner, ctx.target.input_shape, self.bins, self.trace).to(ctx.device))
        weight, bias = seen.update["measure.weight"].double(), seen.update["measure.bias"].double()
        images, alone = sorted_out(weight, bias, seen.count)
        images = images.reshape(-1, *ctx.target.input_shape).float()
        placed = placed_by_model(images, inner, ctx.classes[:: ctx.restarts]).repeat_interleave(ctx.restarts, 0)
        loss = torch.zeros(len(ctx.classes), device=ctx.device)
        note = f"{alone} of {self.bins} bins hold something, of {seen.count} images from {self.participants} participant(s)"
        yield from shown_at_once(x, placed, loss, ctx, note)


def sorted_out(weight: Tensor, bias: Tensor, count: int) -> tuple[Tensor, int]:
    """Return the images (n, D), n = `count`, of the bins that learned most, and how many bins learned at all.

    Args:
        weight, bias: gradients (B, D) and (B,) of B bins, thresholds rising.
    """
    w = weight - torch.cat([weight[1:], torch.zeros_like(weight[:1])])
    b = bias - torch.cat([bias[1:], torch.zeros_like(bias[:1])])
    images = w / torch.where(b.abs() < 1e-300, torch.full_like(b, 1e-300), b)[:, None]
    # An image that is alone lies within the grey levels, at the brightness of its bin; what is left of rounding does not.
    brightness = images.mean(1) * len(bias)
    bins = torch.arange(len(bias), device=bias.device)
    inside = ((images > -0.02) & (images < 1.02)).double().mean(1)
    fits = (brightness >= bins - 0.5) & (brightness <= bins + 1.5)
    worth = b.abs() * inside.pow(8) * fits
    chosen = worth.argsort(descending=True)[:count]
    return images[chosen].nan_to_num(0.5).clamp(0, 1), int((worth > 1e-6 * worth.max()).sum())
