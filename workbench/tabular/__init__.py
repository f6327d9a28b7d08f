"""Attribute inference: what a model of tables gives away of one column of the records that it learned from."""
