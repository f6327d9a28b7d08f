"""Attack settings: who is private, what is public, and the shape of an image. One file each."""

from workbench.scenarios.base import SCENARIOS, Labelled, Scenario, Split, scenario

__all__ = ["SCENARIOS", "Labelled", "Scenario", "Split", "scenario"]
