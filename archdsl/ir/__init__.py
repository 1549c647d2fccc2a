"""The intermediate representation."""

from archdsl.ir.program import Node, Output, Program, Scope, Value

__all__ = ["Node", "Output", "Program", "Scope", "Value"]
