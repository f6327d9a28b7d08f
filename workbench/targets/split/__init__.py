"""A network cut in two: a client holds the first half and sends a hidden layer's output to a server, which holds the rest."""

from workbench.targets.split.cuts import Cut, cut_named, cuts_of
from workbench.targets.split.guard import Guard
from workbench.targets.split.halves import SplitModel
from workbench.targets.split.view import Intercepted, SplitView

__all__ = ["Cut", "Guard", "Intercepted", "SplitModel", "SplitView", "cut_named", "cuts_of"]
