"""Attribute inference, one method a file, with the baselines that every one is read beside."""

from workbench.tabular.attacks.base import INFERENCES, Inference, InferenceContext, InferenceInfo, inference

__all__ = ["INFERENCES", "Inference", "InferenceContext", "InferenceInfo", "inference"]
