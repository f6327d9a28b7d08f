"""Inversion attacks. One file a method; what several share has a module named after what it does."""

from workbench.attacks.base import (
    ATTACKS,
    AttackContext,
    AttackInfo,
    Control,
    attack,
    attack_label,
    attacks_by_access,
)

__all__ = ["ATTACKS", "AttackContext", "AttackInfo", "Control", "attack", "attack_label", "attacks_by_access"]
