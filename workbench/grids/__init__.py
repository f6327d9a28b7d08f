"""Tables that one command fills: attacks by scenarios, attacks by defenses. One file each."""

from workbench.grids.base import GRIDS, Cell, GridFile, grid

__all__ = ["GRIDS", "Cell", "GridFile", "grid"]
