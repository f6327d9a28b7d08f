"""What reconstructions are worth, judged by an evaluator that no attack ever sees. One file a family."""

from workbench.metrics.base import METRICS, EvalContext, Judged, metric

__all__ = ["METRICS", "EvalContext", "Judged", "metric"]
