"""The words of measures, as the tabs use them."""

from workbench.reports.figures import UNKNOWN, arrow, metric_name, number

__all__ = ["UNKNOWN", "arrow", "metric_name", "number"]
