"""LOKT: learn stand-ins for the target from its labels, then attack the stand-ins with their gradients.

Nguyen, Chandrasegaran, Abdollahzadeh and Cheung, "Label-only model inversion attacks via knowledge transfer",
NeurIPS 2023, https://arxiv.org/abs/2310.19342: a class-conditional generator (T-ACGAN) draws images for every
class, the target labels them, classifiers are trained on these pairs, and a white-box attack runs on the
classifiers alone.

Reduced for small machines: in the place of T-ACGAN stands the scenario's prior, whose condition is a set of
latents for each class. Latents that the target put into a class are mixed with fresh noise to draw more of it,
which evens the classes out as the conditional generator does; its adversarial training is left out. The
stand-ins are small networks on images of at most 32 pixels a side, not DenseNets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext, attack, ensure_finite
from workbench.attacks.parts.black_box_frames import frames_of_steps
from workbench.attacks.parts.box import Box
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.inverse_decoder import varied
from workbench.attacks.parts.losses import IDENTITY
from workbench.attacks.parts.networks import fresh
from workbench.attacks.parts.questions import AnswerPool, ask, pools
from workbench.core.knobs import knob
from workbench.core.payloads import Images
from workbench.core.records import Access, Frame
from workbench.priors import Prior

SIDE = 32  # pixels a side that a stand-in looks at, at most
BATCH = 64
ROUNDS = 3  # of drawing more of the rare classes
CHUNK = 256


class StandIn(nn.Module):
    """Three strided convolutions with batch norm and a linear head; (n, C, H, W) to logits (n, K)."""

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int) -> None:
        super().__init__()
        self.size = tuple(min(SIDE, side) for side in shape[1:])
        widths = [shape[0], width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(widths[-1] * math.prod(-(-side // 8) for side in self.size), classes)

    def forward(self, images: Tensor) -> Tensor:
        if tuple(images.shape[2:]) != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", align_corners=False)
        return self.head(self.body(4 * images - 2))


@attack(
    "lokt",
    title="LOKT",
    access=Access.LABEL,
    prior="gan",
    order=42,
    needs=("shared",),
    paper="Nguyen et al., NeurIPS 2023",
    summary="Trains classifiers of its own on images that the target labelled, then follows their gradients.",
    departs="In the place of the class-conditional T-ACGAN stands the scenario's prior, of which latents that the "
    "target put into a class are mixed; small networks on 32 pixels stand in for DenseNets.",
    presets={
        "demo": dict(steps=60, queries=2400, epochs=4),
        "paper": dict(queries=300_000, stand_ins=3, epochs=200, width=64, steps=600, lr=0.1),
    },
)
@dataclass(frozen=True)
class LOKT:
    queries: int = knob(
        3000, 2, 10_000_000, log=True, help="Images that the target labels, for all classes together.", unit="queries"
    )
    stand_ins: int = knob(2, 1, 5, help="Classifiers that are trained and then attacked together.")
    epochs: int = knob(6, 1, 500, log=True, help="Passes over the labelled images, for each classifier.")
    width: int = knob(24, 4, 128, log=True, help="Channels of a classifier's first layer.")
    likeness: float = knob(0.8, 0.0, 0.99, help="How like a known latent of its class a new one is; 0 draws afresh.")
    steps: int = knob(100, 1, 10_000, log=True, help="Gradient steps on the classifiers.", unit="steps")
    lr: float = knob(0.1, 1e-4, 1.0, log=True, live=True, help="Adam's step size on the latents.")
    bound: float = knob(1.5, 0.1, 5.0, help="Latents are kept within ± this many standard deviations of the prior's.")
    confirm: int = knob(
        10,
        0,
        1000,
        help="Ask the target for each candidate's label every so many steps and keep the last "
        "latent that had its class; 0 trusts the classifiers.",
        unit="steps",
    )

    def run(self, ctx: AttackContext[Prior]) -> Iterator[Frame]:
        streams, box = Streams(ctx), Box.of(ctx.prior, ctx.rng, self.bound)
        start = box.clamp(ctx.start_or(lambda: streams.sample(ctx.prior)))
        looks = len(start) * -(-self.steps // self.confirm) if self.confirm else 0  # questions left for the search
        asked = min(
            self.queries, max(ctx.target.affordable(self.queries + looks) - looks, ctx.target.affordable(len(start)))
        )
        sizes = [asked - ROUNDS * (asked // 5), *[asked // 5] * ROUNDS]
        batches = max(1, asked // BATCH)
        total = sum(-(-size // CHUNK) for size in sizes) + self.stand_ins * self.epochs * batches + self.steps
        known = _Known(ctx, start, max(1, total))
        yield from frames_of_steps(ctx, self._steps(ctx, known, box, sizes, batches), known.frame)

    def _steps(
        self, ctx: AttackContext[Prior], known: _Known, box: Box, sizes: list[int], batches: int
    ) -> Iterator[str]:
        if not sum(sizes):
            ctx.target.labels(known.images())  # not one query is left: the target says so
        pool: AnswerPool | None = None
        for pool in pools(ctx, ctx.target.labels, sizes[0], box.clamp):
            known.meet(pool)
            yield "the target labels samples of the prior"
        if pool is None:
            return
        for size in sizes[1:]:
            for done in range(0, size, CHUNK):
                latents = self._more(ctx, pool, box, min(CHUNK, size - done))
                labels = ask(ctx, ctx.target.labels, latents)
                pool = AnswerPool(torch.cat([pool.latents, latents]), torch.cat([pool.answers, labels]))
                known.meet(pool)
                yield "drawing more of the classes that are rare"
        with torch.no_grad():
            images = torch.cat([ctx.prior.decode(z) for z in pool.latents.split(BATCH)])
        shape, classes = ctx.target.input_shape, ctx.target.num_classes
        nets = [fresh(lambda: StandIn(shape, classes, self.width), ctx.rng, ctx.device) for _ in range(self.stand_ins)]
        for number, net in enumerate(nets, 1):
            for loss in self._trained(ctx, net, images, pool.answers, batches):
                known.error = loss
                yield f"training classifier {number} of {len(nets)}"
        yield from self._search(ctx, known, [net.requires_grad_(False).eval() for net in nets], pool, box)

    def _more(self, ctx: AttackContext[Prior], pool: AnswerPool, box: Box, count: int) -> Tensor:
        """Return `count` latents (count, D) near those known of a class, the more of a class the rarer it is."""
        seen = torch.bincount(pool.answers, minlength=ctx.target.num_classes)
        rarity = (1 / seen.clamp(min=1).float().cpu()).masked_fill(seen.cpu() == 0, 0)
        wanted = torch.multinomial(rarity, count, replacement=True, generator=ctx.rng).to(ctx.device)
        # A random member of each wanted class: the first of its members in a random order.
        chance = torch.rand(count, len(pool.answers), generator=ctx.rng).to(ctx.device)
        parent = torch.where(pool.answers == wanted[:, None], chance, -1.0).argmax(1)
        fresh_ones = torch.randn(count, pool.latents.shape[1], generator=ctx.rng).to(ctx.device)
        like = self.likeness * box.to_units(pool.latents[parent]) + (1 - self.likeness**2) ** 0.5 * fresh_ones
        return box.clamp(box.from_units(like))

    def _trained(
        self, ctx: AttackContext[Prior], net: StandIn, images: Tensor, labels: Tensor, batches: int
    ) -> Iterator[Tensor]:
        """Train on images (M, C, H, W) and labels (M,), half of the loss on variations of them; yield each step's loss."""
        optimiser = torch.optim.Adam(net.parameters(), 2e-3, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.epochs * batches, 1e-5)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(images), generator=ctx.rng).to(ctx.device).tensor_split(batches):
                both = torch.cat([images[rows], varied(images[rows], ctx.rng)])
                loss = F.cross_entropy(net.train()(both), labels[rows].repeat(2))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                yield loss.detach()

    def _search(
        self, ctx: AttackContext[Prior], known: _Known, nets: list[nn.Module], pool: AnswerPool, box: Box
    ) -> Iterator[str]:
        """Descend the sum of the stand-ins' max-margin losses by Adam, from where the classes are known."""
        units = box.to_units(known.latents).requires_grad_(True)
        optimiser = torch.optim.Adam([units], self.lr, foreach=False)
        for step in range(self.steps + 1):  # looks at the latents after `step` updates
            latents = box.from_units(units)
            images = ctx.prior.decode(latents)
            loss = torch.stack([IDENTITY["max-margin"](net(images), ctx.classes) for net in nets]).sum(0)
            known.margin = -loss.detach() / len(nets)
            if step > 0:
                asks = self.confirm and (step % self.confirm == 0 or step == self.steps)
                if asks and ctx.target.affordable(len(latents)) == len(latents):
                    known.keep(latents.detach(), ask(ctx, ctx.target.labels, latents.detach()) == ctx.classes)
                elif not self.confirm:
                    known.keep(latents.detach(), torch.ones_like(ctx.classes).bool())
                yield "following the classifiers' gradients"
            if step < self.steps:
                optimiser.param_groups[0]["lr"] = ctx.live(self, "lr")
                (units.grad,) = torch.autograd.grad(loss.sum(), units)
                optimiser.step()
                with torch.no_grad():
                    units.copy_(box.to_units(box.clamp(box.from_units(units))))


@dataclass
class _Known:
    """The best latent known of each candidate's class, (N, D), and what the curves show, (N,) or a single number."""

    ctx: AttackContext[Prior]
    latents: Tensor
    total: int
    error: Tensor | None = None
    margin: Tensor | None = None
    moves: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.moves = self.latents.new_zeros(len(self.latents))
        self.met = torch.zeros(len(self.latents), dtype=torch.bool, device=self.latents.device)

    def meet(self, pool: AnswerPool) -> None:
        """Take a sample of its class for each candidate that has none."""
        own = F.one_hot(pool.answers, self.ctx.target.num_classes).bool()
        found = own.any(0)[self.ctx.classes] & ~self.met
        self.latents = torch.where(
            found[:, None], pool.best(own.float(), self.ctx.classes, among=own)[:, 0], self.latents
        )
        self.met |= found

    def keep(self, latents: Tensor, allowed: Tensor) -> None:
        self.latents = torch.where(allowed[:, None], latents, self.latents)
        self.moves += allowed

    def images(self) -> Tensor:
        with torch.no_grad():
            return self.ctx.prior.decode(self.latents)

    def frame(self, step: int, note: str) -> Frame:
        n, losses = len(self.latents), {}
        if self.error is not None:
            margin = self.moves.new_zeros(n) if self.margin is None else self.margin
            ensure_finite(step, error=self.error, margin=margin)
            losses = {"classifiers' error": self.error.expand(n), "margin": margin, "confirmed moves": self.moves}
        return Frame(
            step, self.total, Images(self.images(), self.latents), losses, queries=self.ctx.target.queries, note=note
        )
