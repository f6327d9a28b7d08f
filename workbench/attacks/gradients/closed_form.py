"""Closed form: a first linear layer tells its input, exactly and at once.

Phong et al., IEEE TIFS 2018, https://eprint.iacr.org/2017/715, section 3: with y = Wx + b, ∂L/∂W_i = (∂L/∂y_i) x and
∂L/∂b_i = ∂L/∂y_i, so x = (∂L/∂W_i) / (∂L/∂b_i) of any unit i that learns. Of a batch every unit tells a mixture of its images; a
softmax regression mixes little, since each class pulls at its own row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from workbench.attacks.base import AttackContext, attack
from workbench.attacks.parts.first_layer import first_linear, rank_one, ratios, unnormalized
from workbench.attacks.parts.on_updates import OnUpdates, SeenUpdate, shown_at_once
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame, Recovers


@attack(
    "closed-form",
    title="Closed form of a first linear layer",
    access=Access.WHITE_BOX,
    prior=None,
    order=40,
    recovers=Recovers.BATCH,
    threat="A",
    paper="Phong et al., IEEE TIFS 2018",
    summary="Divides the gradient of a first linear layer's weights by that of its bias, which is the image.",
)
@dataclass(frozen=True)
class ClosedForm(OnUpdates):
    grey: float = knob(0.5, 0.0, 1.0, help="What is shown before the update came, in grey levels.")

    def run(self, ctx: AttackContext[None]) -> Iterator[Frame]:
        shape = (len(ctx.classes), *ctx.target.input_shape)
        x = ctx.start_or(lambda: (self.grey + 0.02 * torch.randn(shape, generator=ctx.rng)).clamp(0, 1).to(ctx.device))
        yield Frame(0, 1, Images(x))
        seen = SeenUpdate(ctx, self, x)
        name, layer, normalize = first_linear(seen.model)
        prefix = f"{name}." if name else ""
        weight, bias = seen.update[f"{prefix}weight"].cpu(), seen.update[f"{prefix}bias"].cpu()
        if seen.count == 1:
            found, said = rank_one(weight, bias)[None], "exact: one image, one linear layer"
        elif layer.out_features == ctx.target.num_classes:
            found, said = ratios(weight, bias, seen.labels.cpu()), "each class's own row: little of the others in it"
        else:
            strongest = bias.abs().argsort(descending=True)[: seen.count]
            found, said = ratios(weight, bias, strongest), "units that learn most: mixtures of the batch"
        images = unnormalized(found, normalize, ctx.target.input_shape).float().to(ctx.device)
        images = images.repeat_interleave(ctx.restarts, 0)
        loss = torch.zeros(len(ctx.classes), device=ctx.device)
        yield from shown_at_once(x, images, loss, ctx, f"{said}; {seen.said}")
