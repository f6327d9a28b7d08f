"""The contract of a defense: it changes the training, the released output, or both."""

from __future__ import annotations

from torch import nn

from workbench.core.registry import Registry

DEFENSES: Registry[type[Defense]] = Registry("defense", "workbench.defenses")


class Defense:
    """A dataclass of knobs. The identity by default; override what the paper changes."""

    def wrap(self, target: nn.Module) -> nn.Module:
        """Return the target as it answers queries; images (n, C, H, W) to logits (n, K)."""
        return target


def defense(key: str, *, title: str, stage: str, paper: str, summary: str, order: int = 100):
    """Register a defense.

    Args:
        stage: ``"training"``, ``"output"`` or ``"none"``: when it acts.
    """
    return DEFENSES.register(key, title=title, stage=stage, paper=paper, summary=summary, order=order)
