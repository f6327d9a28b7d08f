"""Same seed, same device, same result: asked of torch for as long as a run goes, and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic() -> Iterator[None]:
    """Let torch choose deterministic algorithms inside; what cannot be had so only warns. Outside it is as it was."""
    before = torch.get_deterministic_debug_mode()
    # Does what torch.use_deterministic_algorithms does, which loads a compiler first, for seconds.
    torch.set_deterministic_debug_mode("warn")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
