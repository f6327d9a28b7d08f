"""Independent recognisers: who do they say is in a picture? They judge, and no attack ever sees one. One file each."""

from workbench.recognisers.base import RECOGNISERS, Card, KnowsPublicClasses, Recogniser, recogniser
from workbench.recognisers.panel import LeftOut, Panel

__all__ = ["RECOGNISERS", "Card", "KnowsPublicClasses", "LeftOut", "Panel", "Recogniser", "recogniser"]
