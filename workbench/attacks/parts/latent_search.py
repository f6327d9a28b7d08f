"""The loop of every gradient attack on latents: draw, decode, score, step, show when due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.attacks.base import AttackContext, ensure_finite
from workbench.attacks.parts.losses import confidence, cross_entropy
from workbench.core.payloads import Images
from workbench.core.records import Frame


@dataclass(frozen=True)
class Terms:
    """What an objective says of a batch of images.

    Attributes:
        total: (N,) what is minimised, weights included.
        named: (N,) each, for the curves.
        logits: (N, K) of the images that are shown, for the confidence beside them.
    """

    total: Tensor
    named: Mapping[str, Tensor]
    logits: Tensor


class AdamSteps:
    """Adam on a tensor (N, ...); each row's path is its own, since Adam works coordinate by coordinate."""

    def __init__(self, value: Tensor, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.optimiser = torch.optim.Adam([value], betas=betas)
        self.value = value

    def step(self, gradient: Tensor, lr: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.value.grad = gradient
        self.optimiser.step()


class NesterovSteps:
    """Nesterov's step in the form of GMI's released code: v ← m·v − lr·∇, z ← z − m·v_before + (1+m)·v."""

    def __init__(self, value: Tensor, momentum: Callable[[], float]) -> None:
        self.value, self.momentum, self.velocity = value, momentum, torch.zeros_like(value)

    def step(self, gradient: Tensor, lr: float) -> None:
        momentum, before = self.momentum(), self.velocity
        self.velocity = momentum * before - lr * gradient
        with torch.no_grad():
            self.value += (1 + momentum) * self.velocity - momentum * before


@dataclass
class Search:
    """One search, described; `run` carries it out.

    Attributes:
        value: (N, ...) what the steps move: latents, or the parameters of a distribution over them.
        score: the objective, called with images (N, C, H, W) and latents (N, D).
        stepper: moves `value` in place, given its gradient and a learning rate.
        lr: the learning rate of a step, counted from 1; read every step, so that it may be live or scheduled.
        draw: latents of `value`; differentiable. (N, D), or (N·k, D) where candidates have k tries each.
        decode: images of latents and labels; the prior's if None.
        labels: (N·k,) the class of each latent; the candidates' if None.
        pick: which rows (N,) to show, given each latent's confidence; None shows all.
        project: keeps `value` where it belongs, in place; None for nothing to keep.
        first: the frame of step 0; its number of steps is the whole run's.
        note: a few words for the frames.
        offset: steps of the run that came before this search.
        extras: further fields of a frame, such as a cloud.
    """

    ctx: AttackContext
    value: Tensor
    score: Callable[[Tensor, Tensor], Terms]
    stepper: Any
    lr: Callable[[int], float]
    steps: int
    total: int
    draw: Callable[[Tensor], Tensor] = lambda value: value
    decode: Callable[[Tensor, Tensor], Tensor] | None = None
    labels: Tensor | None = None
    pick: Callable[[Tensor], Tensor] | None = None
    project: Callable[[Tensor], None] | None = None
    note: str = ""
    offset: int = 0
    extras: Callable[[], dict[str, Any]] = dict

    def run(self, *, show_last: bool = True) -> Iterator[Frame]:
        """Take the steps; yield a frame when one is due, and at the end unless a selection follows."""
        ctx, value = self.ctx, self.value.requires_grad_(True)
        labels = ctx.classes if self.labels is None else self.labels
        decode = self.decode or ctx.prior.decode
        for step in range(1, self.steps + 1):
            latents = self.draw(value)
            images = decode(latents, labels)
            terms = self.score(images, latents)
            (gradient,) = torch.autograd.grad(terms.total.sum(), value)
            number = self.offset + step
            if (show_last and step == self.steps) or ctx.due(number):
                ensure_finite(number, total=terms.total, gradient=gradient, latent=value.detach())
                yield self._frame(number, images, latents, terms, gradient, confidence(terms.logits, labels))
            self.stepper.step(gradient, self.lr(step))
            if self.project is not None:
                with torch.no_grad():
                    self.project(value)
        value.requires_grad_(False)

    def _frame(
        self, number: int, images: Tensor, latents: Tensor, terms: Terms, gradient: Tensor, sure: Tensor
    ) -> Frame:
        named = {**terms.named, "gradient norm": gradient.detach().flatten(1).norm(dim=1)}
        if self.pick is not None:
            rows = self.pick(sure.detach())
            images, latents, sure = images[rows], latents[rows], sure[rows]
            named = {name: value[rows] if len(value) == len(self.labels) else value for name, value in named.items()}
        return Frame(
            number,
            self.total,
            Images(images, latents, sure, **self.extras()),
            named,
            queries=self.ctx.target.queries,
            note=self.note,
        )


def best_of(tries: int) -> Callable[[Tensor], Tensor] | None:
    """Return a `pick` that shows each candidate's surest of `tries` latents, which lie side by side."""
    if tries == 1:
        return None

    def pick(sure: Tensor) -> Tensor:
        grouped = sure.view(-1, tries)
        return grouped.argmax(1) + tries * torch.arange(len(grouped), device=sure.device)

    return pick


def starting_frame(ctx: AttackContext, latents: Tensor, total: int, note: str = "") -> Frame:
    """Return the frame before the first query."""
    with torch.no_grad():
        return Frame(0, total, Images(ctx.prior.decode(latents, ctx.classes), latents), note=note)


@torch.no_grad()
def closing_frame(
    ctx: AttackContext, latents: Tensor, total: int, note: str = "", *, images: Tensor | None = None, **fields: Any
) -> Frame:
    """Return the last frame: the images themselves, as the target sees them without views or noise; N queries.

    Args:
        images: (N, C, H, W) of the latents, where the prior's `decode` is not what made them.
    """
    images = ctx.prior.decode(latents, ctx.classes) if images is None else images
    logits = ctx.target.logits(images)
    ensure_finite(total, latent=latents, logits=logits)
    return Frame(
        total,
        total,
        Images(images, latents, confidence(logits, ctx.classes), **fields),
        {"cross-entropy": cross_entropy(logits, ctx.classes)},
        queries=ctx.target.queries,
        note=note,
    )
