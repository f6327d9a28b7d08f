"""What black-box attacks share: a box to search in, questions in batches, a pool of answered prior samples.

A question is a function from images (n, C, H, W) to one row of answer each, such as `TargetView.scores`;
the target counts its rows. Nothing here remembers an answer for later, so no question goes uncounted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext
from workbench.priors import Prior

Question = Callable[[Tensor], Tensor]
BATCH = {"cpu": 64, "cuda": 1024}  # images decoded and asked about at once; beyond it a CPU leaves its caches


def ask(ctx: AttackContext[Prior], question: Question, latents: Tensor) -> Tensor:
    """Return the answers (..., A) about the images of latents (..., D), or (...) where an answer is one number."""
    batches = latents.flatten(0, -2).split(BATCH[ctx.device.type])
    with torch.no_grad():
        answers = torch.cat([question(ctx.prior.decode(batch)) for batch in batches])
    return answers.unflatten(0, latents.shape[:-1])


@dataclass(frozen=True)
class AnswerPool:
    """Samples of the prior with what the target said of them; every class shares it.

    Attributes:
        latents: (P, D).
        answers: (P, A) or (P,).
    """

    latents: Tensor
    answers: Tensor

    def pick(self, worth: Tensor, classes: Tensor, count: int = 1, among: Tensor | None = None) -> Tensor:
        """Return which latents are each candidate's `count` best, (N, count), best first.

        The candidates of one class take turns, so that restarts begin from different places as long as there
        are enough.

        Args:
            worth: (P, K) how good each latent is for each class.
            among: (P, K) bool, which latents may be picked for a class; all where None or where there are none.
        """
        names = classes.tolist()
        repeats, turn, picked = Counter(names), Counter[int](), list[Tensor]()
        order = {c: worth[:, c].argsort(descending=True, stable=True) for c in repeats}
        if among is not None:
            order = {c: ranked[among[ranked, c]] if among[:, c].any() else ranked for c, ranked in order.items()}
        for c in names:
            ranks = turn[c] + repeats[c] * torch.arange(count, device=worth.device)
            picked.append(order[c][ranks % len(order[c])])
            turn[c] += 1
        return torch.stack(picked)

    def best(self, worth: Tensor, classes: Tensor, count: int = 1, among: Tensor | None = None) -> Tensor:
        """Return the latents that `pick` picks, (N, count, D)."""
        return self.latents[self.pick(worth, classes, count, among)]


def pools(
    ctx: AttackContext[Prior], question: Question, size: int, place: Callable[[Tensor], Tensor]
) -> Iterator[AnswerPool]:
    """Yield a pool of the prior's samples that grows to `size`, or as far as the budget lets it.

    Args:
        place: latents (n, D) to where they are asked about, such as `Box.clamp`.
    """
    latents, answers = list[Tensor](), list[Tensor]()
    count = ctx.target.affordable(min(256, size))
    while count > 0:
        latents.append(place(ctx.prior.sample(count, ctx.rng)))
        answers.append(ask(ctx, question, latents[-1]))
        yield AnswerPool(torch.cat(latents), torch.cat(answers))
        count = ctx.target.affordable(min(256, size - sum(map(len, latents))))


SMALLEST = 1e-30  # a confidence below it counts as this, so that its logarithm is a number


def log_confidences(scores: Tensor) -> Tensor:
    """Return log p of confidences (..., K), for every class, in nats."""
    return scores.clamp(min=SMALLEST).log()


def margins(scores: Tensor) -> Tensor:
    """Return log p − log of the best other confidence, (..., K): the logits' margin, which does not saturate."""
    logs = log_confidences(scores)
    first, second = logs.topk(2, -1).values.split(1, -1)
    return logs - torch.where(logs == first, second, first)


def of_class(values: Tensor, classes: Tensor) -> Tensor:
    """Return each candidate's own value, (N, ...), of values (N, ..., K) for every class."""
    index = classes.view(-1, *[1] * (values.ndim - 1)).expand(*values.shape[:-1], 1)
    return values.gather(-1, index)[..., 0]
