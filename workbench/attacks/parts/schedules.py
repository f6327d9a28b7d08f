"""How long steps are along a search, as a share of the longest."""

from __future__ import annotations

import math


def ramp(step: int, steps: int, up: float = 0.05, down: float = 0.25) -> float:
    """Return the share of the learning rate at a step: linear up, flat, cosine down, as StyleGAN2's projector."""
    t = step / steps
    falling = min(1.0, (1 - t) / down)
    return (0.5 - 0.5 * math.cos(math.pi * falling)) * min(1.0, t / up)


def settling(done: float, share: float) -> float:
    """Return the factor of the step size when `done` of the search is behind, 0 to 1: half a cosine over its last `share`."""
    return 1.0 if done <= 1 - share else (1 + math.cos(math.pi * (done - 1 + share) / share)) / 2
