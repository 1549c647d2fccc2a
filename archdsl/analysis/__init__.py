"""Costs and tables from a graph."""
