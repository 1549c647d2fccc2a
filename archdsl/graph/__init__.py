"""The graph: what passes rewrite and targets emit."""

from archdsl.graph.graph import Graph

__all__ = ["Graph"]
