"""Scenarios from pictures that somebody brings: what is in them, who is private, and where what was accepted lies."""

from workbench.scenarios.base import SCENARIOS
from workbench.scenarios.own.store import register_accepted

SCENARIOS.also(register_accepted)
