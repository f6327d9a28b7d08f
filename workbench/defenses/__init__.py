"""Defenses: what a target's owner does against inversion. One file each."""

from workbench.defenses.base import DEFENSES, Defense, defense
from workbench.defenses.serving import load_target
from workbench.defenses.training import train_target

__all__ = ["DEFENSES", "Defense", "defense", "load_target", "train_target"]
