"""Choosing where to begin, by the target's confidence."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext
from workbench.attacks.parts.questions import AnswerPool, ask
from workbench.attacks.parts.search_frames import SearchFrames
from workbench.core.records import Frame
from workbench.priors import Prior

CHUNK = 250
TRUNCATION = "How close to the prior's centre a search begins: 1 as samples come, 0 at the centre."


def sureness(ctx: AttackContext[Prior], images: Tensor) -> Tensor:
    """Return the target's confidences (n, K); n queries of a white-box attacker."""
    return ctx.target.logits(images).softmax(1)


def both_sides(ctx: AttackContext[Prior], images: Tensor) -> Tensor:
    """Return the confidences (n, K), averaged over each image and its mirror image; 2n queries."""
    return (sureness(ctx, images) + sureness(ctx, images.flip(3))) / 2


def asking_steps(size: int) -> int:
    """Return the steps that `initial` takes for `size` samples."""
    return -(-size // CHUNK)


def chosen_start(
    frames: SearchFrames, size: int, tries: int, *, share: float, mirrored: bool
) -> Generator[Frame, None, Tensor]:
    """Return latents (N·tries, D) to search from: the run's own start, copied, or what `initial` chooses."""
    if frames.ctx.start is not None:
        return frames.ctx.start.clone()
    return (yield from frames.while_preparing(initial(frames.ctx, size, tries, share=share, mirrored=mirrored)))


def initial(
    ctx: AttackContext[Prior], size: int, tries: int, *, share: float = 1.0, mirrored: bool = True
) -> Generator[str, None, Tensor]:
    """Choose the `tries` best of `size` prior samples for each candidate, (N·tries, D); yield a few words a chunk.

    Struppek et al., ICML 2022 (PPA), section 3.2; An et al., NDSS 2022 (MIRROR), section IV-B. Every class
    looks at the same samples.

    Args:
        share: truncation of the samples.
        mirrored: average over the mirror image too.
    """
    latents, answers = list[Tensor](), list[Tensor]()
    for done in range(0, size, CHUNK):
        latents.append(ctx.prior.truncate(ctx.prior.sample(min(CHUNK, size - done), ctx.rng), share))
        answers.append(ask(ctx, partial(both_sides if mirrored else sureness, ctx), latents[-1]))
        yield f"asking about samples to begin with, {100 * done // size} %"
    pool = AnswerPool(torch.cat(latents), torch.cat(answers))
    return pool.best(pool.answers, ctx.classes, tries).flatten(0, 1)


def drawn_starts(ctx: AttackContext[Prior], tries: int, truncation: float) -> Tensor:
    """Return what the context says to begin from, (N, D), else `tries` truncated samples a candidate, (N·tries, D)."""
    return ctx.start_or(lambda: ctx.prior.truncate(ctx.prior.sample(tries * len(ctx.classes), ctx.rng), truncation))
