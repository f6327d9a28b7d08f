"""Rebuilding every shipped weight: what is to be made, in which order, why, and the doing of it.

What is wanted follows from the registries (every target and prior of every scenario) and from the cards in
``models/`` (a target under a defense, what a defense puts around one, a prior tuned to another target). Each weight
is one process of the command line, so that several can run at once and one that dies takes nothing with it.
"""

from workbench.runs.shipped.diary import diary_path, done_before, forget_done, note_done
from workbench.runs.shipped.doing import PROGRAM, Event, carry_out, log_path
from workbench.runs.shipped.pieces import FIGURES, Piece, pieces
from workbench.runs.shipped.planning import Job, Wish, plan

__all__ = ["FIGURES", "PROGRAM", "Event", "Job", "Piece", "Wish", "carry_out", "diary_path", "done_before",
           "forget_done", "log_path", "note_done", "pieces", "plan"]
