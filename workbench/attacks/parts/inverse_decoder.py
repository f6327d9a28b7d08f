"""Inverse networks: a decoder trained on what the target said of public images, then shown a class's own vector.

Yang, Zhang, Chang and Liang, CCS 2019, https://arxiv.org/abs/1902.08552. Two attacks differ in where the
vectors come from: the target's scores, or an estimate from labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workbench.attacks.base import AttackContext, ensure_finite
from workbench.attacks.parts.candidate_rng import Streams
from workbench.attacks.parts.networks import fresh
from workbench.attacks.parts.questions import AnswerPool
from workbench.core.payloads import Images
from workbench.core.records import Frame
from workbench.priors.decoder import Decoder

FAINTEST = 12.0  # nats: a confidence below e^−12 counts as none; the paper's code shifts by 50
BATCH = 64
FIRST = 64  # public images among which each candidate finds what is shown before the first query
HELD_OUT = 10  # one in so many answers judges the decoder and never trains it
MOST_HELD_OUT = 2 * BATCH  # a look costs a third of what as many answers cost in training
LOOKS = 2  # in each pass


def vectors_of(scores: Tensor, kept: int) -> Tensor:
    """Return what the decoder is fed, (n, K) in [0, 1]: log p of the `kept` best, shifted; 0 for the rest.

    Yang et al., section 4.3: the logarithm spreads the small confidences, truncation drops those that only
    tell of the image and not of the class.
    """
    shifted = (scores.clamp(min=1e-30).log() / FAINTEST + 1).clamp(0, 1)
    least = shifted.topk(min(kept, scores.shape[1]), 1).values[:, -1:]
    return torch.where(shifted >= least, shifted, 0.0)


def class_vectors(ctx: AttackContext[None], scores: Tensor, kept: int, leaders: int) -> Tensor:
    """Return the vector of each candidate's class, (N, K) in [0, 1].

    The mean vector of the `leaders` answers (M, K) that were surest of the class: a one-hot vector, which none of
    the answers was, lies where the decoder was never trained. The second candidate of a class has the next
    `leaders`, and so on. With `leaders` 0 it is the one-hot vector all the same.
    """
    if leaders == 0:
        return F.one_hot(ctx.classes, scores.shape[1]).float()
    rows = AnswerPool(scores, scores).pick(scores, ctx.classes, leaders)
    return vectors_of(scores, kept)[rows].mean(1)


def varied(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return images (n, C, H, W) in [0, 1] shifted by up to a tenth of their side and changed in contrast, for more than were given."""
    n, _, height, width = images.shape
    reach = max(1, min(height, width) // 10)
    dx, dy = (torch.randint(-reach, reach + 1, (n,), generator=rng).to(images.device) for _ in range(2))
    contrast = (0.7 + 0.5 * torch.rand(n, 1, 1, 1, generator=rng)).to(images.device)
    across = (torch.arange(width, device=images.device) + dx[:, None]).clamp(0, width - 1)
    down = (torch.arange(height, device=images.device) + dy[:, None]).clamp(0, height - 1)
    moved = images[torch.arange(n, device=images.device)[:, None, None], :, down[:, :, None], across[:, None, :]]
    moved, centre = moved.permute(0, 3, 1, 2), images.mean((1, 2, 3), keepdim=True)
    return ((moved - centre) * contrast + centre).clamp(0, 1)


def to_ask_about(public: Tensor, count: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield `count` images in batches (b, C, H, W), b ≤ 64: the public ones (M, C, H, W) in random order, then variations."""
    for begun in range(0, count, BATCH):
        places = torch.arange(begun, min(begun + BATCH, count))
        if begun % len(public) < BATCH:
            order = torch.randperm(len(public), generator=rng)
        batch = public[order[places % len(public)].to(public.device)]
        yield batch if begun + BATCH <= len(public) else varied(batch, rng)


class InverseTraining:
    """A decoder in training, and what it makes of each candidate's class.

    Args:
        asked: how many answers it will be trained on; one in ten is held out, but no more than 128.
        epochs: passes over the answers.
        lr: of Adam; falls to nothing over the epochs.
        width: of the decoder.

    Attributes:
        images: (N, C, H, W) what the decoder made of the classes when it did best on the held-out answers.
        steps: batches it will be trained on.
    """

    def __init__(self, ctx: AttackContext[None], *, asked: int, epochs: int, lr: float, width: int) -> None:
        self.ctx, self.epochs, self.out = ctx, epochs, min(asked // HELD_OUT, MOST_HELD_OUT)
        self.batches = max(1, math.ceil((asked - self.out) / BATCH))
        self.public = ctx.images_to_ask_about()
        few, chance = self.public.take(FIRST), Streams(ctx).uniform(1)[:, 0]
        self.images = ctx.start_or(lambda: few[(chance * len(few)).long()])
        shape, classes = ctx.target.input_shape, ctx.target.num_classes
        self.decoder = fresh(lambda: Decoder(classes, shape, width), ctx.rng, ctx.device)
        self.decoder.to(memory_format=torch.channels_last)  # a fifth less time on a CPU
        self.optimiser = torch.optim.Adam(self.decoder.parameters(), lr, (0.5, 0.999), amsgrad=True)
        self.schedule = torch.optim.lr_scheduler.LinearLR(self.optimiser, 1.0, 0.02, self.steps)
        self.error, self.least = torch.zeros((), device=ctx.device), torch.full((), torch.inf, device=ctx.device)

    @property
    def steps(self) -> int:
        return self.epochs * self.batches

    def train(self, images: Tensor, vectors: Tensor, wanted: Tensor) -> Iterator[str]:
        """Train on images (M, C, H, W) and vectors (M, K), a batch a step; the first `out` are held out.

        Args:
            wanted: (N, K) the vector of each candidate's class.
        """
        held = images[: self.out], vectors[: self.out]
        look_every = max(1, -(-self.batches // LOOKS))
        for epoch in range(self.epochs):
            order = self.out + torch.randperm(len(images) - self.out, generator=self.ctx.rng).to(images.device)
            for k, rows in enumerate(order.tensor_split(self.batches), 1):
                self.decoder.train(len(rows) > 1)  # one row has no variance to normalise by
                loss = F.mse_loss(self.decoder(vectors[rows]), images[rows])
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                self.schedule.step()
                self.error = loss.detach()
                if k % look_every == 0 or k == self.batches:
                    self._look(*held, wanted)
                yield f"training the decoder, pass {epoch + 1} of {self.epochs}; {self.public.note}"

    @torch.no_grad()
    def _look(self, images: Tensor, vectors: Tensor, wanted: Tensor) -> None:
        """Show what the decoder makes of the classes if it does better on answers it was not trained on."""
        self.decoder.eval()
        error = self.error
        if len(images):
            error = (
                torch.stack(
                    [
                        F.mse_loss(self.decoder(v), x, reduction="sum")
                        for v, x in zip(vectors.split(BATCH), images.split(BATCH), strict=True)
                    ]
                ).sum()
                / images.numel()
            )
        self.images = torch.where(error <= self.least, self.decoder(wanted), self.images)
        self.least = torch.minimum(error, self.least)

    def frame(self, step: int, total: int, note: str) -> Frame:
        ensure_finite(step, error=self.error)
        n, losses = len(self.images), dict[str, Tensor]()
        if torch.isfinite(self.least):
            losses = {"training error": self.error.expand(n), "held-out error": self.least.expand(n)}
        return Frame(step, total, Images(self.images), losses=losses, queries=self.ctx.target.queries, note=note)
