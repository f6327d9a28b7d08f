"""Model Inversion Workbench: reconstruct, watch and judge what a classifier remembers.

Data flows one way, and imports point the other way::

    scenario -> target (behind its threat model) -> attack -> frames -> run store -> views

    ui -> runs -> attacks | defenses | metrics -> priors | targets -> scenarios -> core
"""

__version__ = "0.1.0"
