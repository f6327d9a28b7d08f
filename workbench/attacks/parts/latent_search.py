"""The loop of every gradient attack on latents: evaluate, show when due, step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from workbench.attacks.parts.search_frames import Evaluation, SearchFrames
from workbench.core.records import Frame

Projection = Callable[[Tensor], Tensor]


class Stepper(Protocol):
    """Moves a tensor in place."""

    def step(self, gradient: Tensor, lr: float) -> None:
        """Take one step of size `lr` down the gradient (N, ...), which has the tensor's shape."""


class AdamSteps(Stepper):
    """Adam on a tensor (N, ...); each row's path is its own, since Adam works coordinate by coordinate.

    Args:
        project: to where the value belongs, after each step.
    """

    def __init__(
        self, value: Tensor, betas: tuple[float, float] = (0.9, 0.999), project: Projection | None = None
    ) -> None:
        self.optimiser = torch.optim.Adam([value], betas=betas)
        self.value, self.project = value, project

    def step(self, gradient: Tensor, lr: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.value.grad = gradient
        self.optimiser.step()
        if self.project is not None:
            with torch.no_grad():
                self.value.copy_(self.project(self.value))


class NesterovSteps(Stepper):
    """Nesterov's step in the form of GMI's released code: v ← m·v − lr·∇, z ← z − m·v_before + (1+m)·v.

    Args:
        value: (N, ...).
        momentum: m of the next step.
        project: to where the value belongs, after each step.
    """

    def __init__(self, value: Tensor, momentum: Callable[[], float], project: Projection) -> None:
        self.value, self.momentum, self.project = value, momentum, project
        self.velocity = torch.zeros_like(value)

    @torch.no_grad()
    def step(self, gradient: Tensor, lr: float) -> None:
        momentum, before = self.momentum(), self.velocity
        self.velocity = momentum * before - lr * gradient
        moved = self.value + (1 + momentum) * self.velocity - momentum * before
        self.value.copy_(self.project(moved))


def descend(
    frames: SearchFrames,
    value: Tensor,
    objective: Callable[[Tensor], Evaluation],
    stepper: Stepper,
    lr: Callable[[int], float],
    steps: int,
) -> Iterator[Frame]:
    """Take `steps` steps down an objective; yield where they have led when a frame is due.

    A frame is made of the evaluation with which the next step begins, so that looking costs nothing. Where the last
    step has led is the caller's to evaluate.

    Args:
        value: (N, ...) what the steps move, in place: latents, or the parameters of a distribution over them.
        stepper: moves it.
        lr: the size of a step, counted from 1; asked every step, so that it may be live or scheduled.
    """
    value.requires_grad_(True)
    try:
        for step in range(1, steps + 1):
            now = objective(value)
            (gradient,) = torch.autograd.grad(now.total.sum(), value)
            if step > 1 and frames.ctx.due(frames.done):
                yield frames.searching(now, gradient)
            stepper.step(gradient, lr(step))
            frames.done += 1
    finally:
        value.requires_grad_(False)
