"""Classifiers under attack and the evaluator that judges: architectures, training, access views."""

from workbench.targets.architectures import ARCHITECTURES, Classifier, architecture
from workbench.targets.view import TargetView

__all__ = ["ARCHITECTURES", "Classifier", "TargetView", "architecture"]
