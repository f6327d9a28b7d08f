"""Independent recognisers: who do they say is in a picture? They judge, and no attack ever sees one. One file each."""

from workbench.recognisers.base import RECOGNISERS, Card, Recogniser, recogniser
from workbench.recognisers.panel import LeftOut, Panel

__all__ = ["RECOGNISERS", "Card", "LeftOut", "Panel", "Recogniser", "recogniser"]
