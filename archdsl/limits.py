"""How much a spec may ask for. A caller may raise a limit, a file may not."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.diagnostics import UsageError, quote


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
    levels: int = 80  # bodies that are entered in one another, and levels of one path
    nodes: int = 1_000_000  # operations of one arch after expansion
    elements: int = 2**31  # of one tensor
    params: int = 2**33  # of one network
    field: int = 2**31  # a whole number in an operation's field
    steps: int = 4_000_000  # of work and memory of one file, about half a microsecond or 64 bytes each
    turns: int = 50_000  # of all comprehensions of one elaboration
    list_items: int = 100_000  # of one list or layer, with the lists and layers in it; and of one layer's values
    text: int = 10_000  # characters of one string

    def __post_init__(self) -> None:
        """Raises `UsageError` for a budget that is no whole number, or too small to tell even one mistake."""
        for name in self.__dataclass_fields__:
            least, number = int(name == "diagnostics"), getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise UsageError(
                    f"the limit `{name}` takes a whole number of at least {least}, not {quote(repr(number))}"
                )


DEFAULT = Limits()
