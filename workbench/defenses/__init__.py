"""Defenses: what a target's owner does against inversion. One file each."""

from workbench.defenses.base import DEFENSES, Defense, defense

__all__ = ["DEFENSES", "Defense", "defense"]
