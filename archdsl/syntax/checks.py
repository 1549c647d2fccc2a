"""What the grammar cannot say: where statements may stand, and that names are not given twice."""

from __future__ import annotations

from archdsl.diagnostics import Problem
from archdsl.syntax import problems, tree


def check(file: tree.File) -> list[Problem]:
    """Every problem of order, place and repetition in a file."""
    return []
