"""Tables under attack: who is private, which column is sensitive, what the model predicts."""

from workbench.tabular.scenarios.base import TABLES, Records, Response, TableScenario, is_table, table_scenario

__all__ = ["TABLES", "Records", "Response", "TableScenario", "is_table", "table_scenario"]
