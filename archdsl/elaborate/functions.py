"""The functions and operators of expressions, over checked values."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from archdsl.elaborate.found import Found
from archdsl.elaborate.problems.arguments import FunctionArguments, Undefined, WrongOperand
from archdsl.elaborate.problems.structure import TooManySteps
from archdsl.elaborate.values import POISON, Labelled, Tensor, kind_of
from archdsl.source import Span

BIGGEST = 2**63
FUNCTIONS = (
    "min",
    "max",
    "ceil",
    "floor",
    "round",
    "int",
    "sum",
    "len",
    "range",
    "zip",
    "reversed",
    "log",
    "divisible",
)

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def work(name: str, arguments: tuple[Any, ...]) -> int:
    """How many items a function makes or looks at."""
    if name == "range" and arguments and all(map(is_whole, arguments)):
        start, stop, step = range_of(arguments)
        return max(0, (stop - start) // step) if step else 0
    return sum(len(item) for item in arguments if isinstance(item, tuple)) if name != "len" else 0


def is_number(value: Any) -> bool:
    """True for whole numbers and numbers, not for truth values."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """True for whole numbers, not for truth values."""
    return isinstance(value, int) and not isinstance(value, bool)


def binary(op: str, left: Any, right: Any, span: Span, limit: int) -> Any:
    """The value of an operator between two values; lists grow to at most `limit` items."""
    if left is POISON or right is POISON:
        return POISON
    if op in ("==", "!="):
        return (_same(left, right, span, op)) == (op == "==")
    if op == "+" and isinstance(left, tuple) and isinstance(right, tuple):
        if len(left) + len(right) > limit:
            raise Found(TooManySteps(span, f"a list of {len(left) + len(right):,} items", limit))
        return left + right
    if not (is_number(left) and is_number(right)):
        wrong = left if not is_number(left) else right
        raise Found(WrongOperand(span, op, (kind_of(wrong),)))
    if op in ORDER:
        return ORDER[op](left, right)
    return _computed(op, left, right, span)


def _same(left: Any, right: Any, span: Span, op: str) -> bool:
    if any(isinstance(side, (Tensor, Labelled)) for side in (left, right)):
        raise Found(WrongOperand(span, op, ("a value that flows",)))
    return bool(left == right and isinstance(left, bool) == isinstance(right, bool))


def _computed(op: str, left: Any, right: Any, span: Span) -> Any:
    if op in ("/", "//", "%") and right == 0:
        raise Found(Undefined(span, "division by zero"))
    try:
        result = power(left, right, span) if op == "**" else ARITHMETIC[op](left, right)
    except OverflowError:
        raise Found(Undefined(span, "this number is too large")) from None
    return bounded(result, span)


def power(base: Any, exponent: Any, span: Span) -> Any:
    """`base ** exponent`, measured before it is computed."""
    if base == 0 and exponent < 0:
        raise Found(Undefined(span, "division by zero"))
    if base < 0 and not float(exponent).is_integer():
        raise Found(Undefined(span, "this root is no real number"))
    if abs(base) > 1 and exponent > 0 and exponent * math.log2(abs(base)) > 1024:
        raise Found(Undefined(span, "this number is too large"))
    return base**exponent


def bounded(value: Any, span: Span) -> Any:
    """The value if it is a finite number below 2 to the 63rd."""
    if isinstance(value, float) and not math.isfinite(value):
        raise Found(Undefined(span, "this number is not finite"))
    if isinstance(value, int) and abs(value) >= BIGGEST:
        raise Found(Undefined(span, "this whole number is too large"))
    return value


def call(name: str, arguments: tuple[Any, ...], keywords: dict[str, Any], span: Span, limit: int) -> Any:
    """The value of a function of the language. Raises `Found` for arguments that it does not take."""
    if any(value is POISON for value in (*arguments, *keywords.values())):
        return POISON
    if keywords and not (name == "divisible" and set(keywords) <= {"by"}):
        raise Found(FunctionArguments(span, name, "it takes no keyword arguments"))
    return bounded(_BY_NAME[name](arguments, keywords, span, limit), span)


def _fail(span: Span, name: str, message: str) -> Found:
    return Found(FunctionArguments(span, name, message))


def _numbers(name: str, arguments: tuple[Any, ...], span: Span) -> tuple[Any, ...]:
    items = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments
    if not items or not all(is_number(item) for item in items):
        raise _fail(span, name, "it takes numbers, or one list of them")
    return tuple(items)


def _number(name: str, arguments: tuple[Any, ...], span: Span) -> Any:
    if len(arguments) != 1 or not is_number(arguments[0]):
        raise _fail(span, name, "it takes one number")
    return arguments[0]


def _list(name: str, arguments: tuple[Any, ...], span: Span) -> tuple[Any, ...]:
    if len(arguments) != 1 or not isinstance(arguments[0], tuple):
        raise _fail(span, name, "it takes one list")
    return arguments[0]


def _sum(arguments: tuple[Any, ...], _: dict[str, Any], span: Span, __: int) -> Any:
    items = _list("sum", arguments, span)
    if not all(is_number(item) for item in items):
        raise _fail(span, "sum", "it takes a list of numbers")
    return sum(items)


def _log(arguments: tuple[Any, ...], _: dict[str, Any], span: Span, __: int) -> float:
    number = _number("log", arguments, span)
    if number <= 0:
        raise Found(Undefined(span, "the logarithm takes a positive number"))
    return math.log(number)


def _range(arguments: tuple[Any, ...], _: dict[str, Any], span: Span, limit: int) -> tuple[int, ...]:
    if not 1 <= len(arguments) <= 3 or not all(is_whole(item) for item in arguments):
        raise _fail(span, "range", "it takes one to three whole numbers")
    if len(arguments) == 3 and arguments[2] == 0:
        raise _fail(span, "range", "its step is not 0")
    # Not `len(range(...))`: it fails for ranges longer than a machine word.
    length = work("range", arguments)
    if length > limit:
        raise Found(TooManySteps(span, f"a list of {length:,} items", limit))
    return tuple(range(*arguments))


def range_of(arguments: tuple[int, ...]) -> tuple[int, int, int]:
    """The start, stop and step of a range of one to three whole numbers."""
    start, stop, step = (0, *arguments, 1) if len(arguments) == 1 else (*arguments, 1, 1)[:3]
    return start, stop, step


def _zip(arguments: tuple[Any, ...], _: dict[str, Any], span: Span, __: int) -> tuple[tuple[Any, ...], ...]:
    if not arguments or not all(isinstance(item, tuple) for item in arguments):
        raise _fail(span, "zip", "it takes lists")
    lengths = sorted({len(item) for item in arguments})
    if len(lengths) > 1:
        raise _fail(span, "zip", f"its lists have the same length, and these have {' and '.join(map(str, lengths))}")
    return tuple(zip(*arguments, strict=True))


def _divisible(arguments: tuple[Any, ...], keywords: dict[str, Any], span: Span, _: int) -> int:
    """MobileNet's rounding: to the nearest multiple, never down by more than a tenth (its reference code)."""
    values = (*arguments, *([keywords["by"]] if "by" in keywords else []))
    if not 1 <= len(values) <= 2 or not all(is_number(value) for value in values):
        raise _fail(span, "divisible", "it takes a number, and `by`, a whole number")
    number, by = values[0], values[1] if len(values) == 2 else 8
    if not is_whole(by) or by < 1:
        raise _fail(span, "divisible", "`by` is a positive whole number")
    rounded = max(by, int(number + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * number else rounded


def _len(arguments: tuple[Any, ...], _: dict[str, Any], span: Span, __: int) -> int:
    return len(_list("len", arguments, span))


_BY_NAME: dict[str, Callable[[tuple[Any, ...], dict[str, Any], Span, int], Any]] = {
    "min": lambda arguments, _, span, __: min(_numbers("min", arguments, span)),
    "max": lambda arguments, _, span, __: max(_numbers("max", arguments, span)),
    "ceil": lambda arguments, _, span, __: math.ceil(_number("ceil", arguments, span)),
    "floor": lambda arguments, _, span, __: math.floor(_number("floor", arguments, span)),
    "round": lambda arguments, _, span, __: round(_number("round", arguments, span)),
    "int": lambda arguments, _, span, __: int(_number("int", arguments, span)),
    "sum": _sum,
    "len": _len,
    "range": _range,
    "zip": _zip,
    "reversed": lambda arguments, _, span, __: tuple(reversed(_list("reversed", arguments, span))),
    "log": _log,
    "divisible": _divisible,
}
