"""A call as data: what a target writes for one operation, with every literal open to become a parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Operand:
    """The place of an incoming value among a function's arguments; `None` stands for the list of all of them."""

    index: int | None = 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """A dotted name that is printed as it is (`torch.float32`, `batchnorm`), never text from a file."""

    name: str


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: a literal (int, float, bool, str, None, nested tuples), an `Operand`, `Symbol` or nested `Call`.

    `name` is the argument's name in the target (also when it is written by position). An argument equal to its
    `default` in all instances of a class is not printed.
    """

    name: str
    value: Any
    positional: bool = False
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`. A function of one of the characters `+ *` is an infix operator between its operands."""

    function: str
    arguments: tuple[Argument, ...] = ()


def without_inplace(call: Call) -> Call:
    """The call whether it writes over its operand or not."""
    return Call(call.function, tuple(argument for argument in call.arguments if argument.name != "inplace"))
