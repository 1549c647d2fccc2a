"""How much a spec may ask for. A caller may raise a limit, a file may not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The budgets of one compilation, each checked before the work that it bounds."""

    source: int = 1 << 20  # bytes of one file
    tokens: int = 200_000  # of one file
    nesting: int = 64  # brackets and braces, and separately operators, in one another
    identifier: int = 64  # characters
    digits: int = 18  # of a number
    diagnostics: int = 50  # collected in one run
    imports: int = 64  # files that import one another
    calls: int = 64  # blocks that are entered in one another
    nodes: int = 1_000_000  # operations after expansion
    elements: int = 2**31  # of one tensor
    params: int = 2**33  # of one network
    field: int = 2**31  # a whole number in an operation's field
    steps: int = 4_000_000  # statements and expressions evaluated
    turns: int = 50_000  # of all comprehensions of one elaboration
    list_items: int = 100_000  # of one list or range, with the lists in it; and of the values that one layer makes
    text: int = 10_000  # characters of one string


DEFAULT = Limits()
