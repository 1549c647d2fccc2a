"""Tree or text to text in the one style of the language."""

from __future__ import annotations

from archdsl.syntax.formatter import format_source
from archdsl.syntax.unparser import print_expression, print_tree

__all__ = ["format_source", "print_expression", "print_tree"]
