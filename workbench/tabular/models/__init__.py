"""Targets that learn from tables; one file each."""

from workbench.tabular.models.base import MODELS, TableModel, model

__all__ = ["MODELS", "TableModel", "model"]
