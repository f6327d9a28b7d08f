"""Rebuilding every shipped weight: what is to be made, in which order, why, and the doing of it.

What is wanted follows from the registries (every target and prior of every scenario) and from the cards in
``models/`` (a target under a defense, what a defense puts around one, a prior tuned to another target). Each weight
is one process of the command line, so that several can run at once and one that dies takes nothing with it.
"""

from workbench.rebuild.execute import PROGRAM, Event, carry_out, log_path
from workbench.rebuild.plan import RebuildJob, RebuildRequest, plan
from workbench.rebuild.progress import done_before, forget_done, note_done, progress_path
from workbench.rebuild.weight_files import FIGURES, WeightFile, weight_files

__all__ = [
    "FIGURES",
    "PROGRAM",
    "Event",
    "RebuildJob",
    "RebuildRequest",
    "WeightFile",
    "carry_out",
    "done_before",
    "forget_done",
    "log_path",
    "note_done",
    "plan",
    "progress_path",
    "weight_files",
]
