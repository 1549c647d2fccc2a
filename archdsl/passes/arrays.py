"""How a new array comes from old ones, as data: a small algebra that can be printed, applied and, where it only
rearranges, run backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archdsl.ops.base import Init

Array = NDArray[Any]
Arrays = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Take:
    """An old entry as it is."""

    key: str
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Concat:
    """Arrays joined along an axis."""

    parts: tuple[Expr, ...]
    axis: int


@dataclass(frozen=True, slots=True)
class Same:
    """The first of several entries that hold the same: the counters of steps of norms that become one."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The slice `start` to `stop` of an axis."""

    of: Expr
    axis: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Reshape:
    of: Expr
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Permute:
    """Axes in another order: axis `i` of the result is axis `order[i]` of the operand."""

    of: Expr
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Along:
    """A vector laid along one axis of a higher rank, to be broadcast."""

    of: Expr
    axis: int
    rank: int


@dataclass(frozen=True, slots=True)
class Plus:
    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Times:
    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class InverseRoot:
    """`1 / sqrt(of + plus)`."""

    of: Expr
    plus: float


@dataclass(frozen=True, slots=True)
class MatMul:
    """`left @ right`, over the last two axes."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Total:
    """The sum over axes."""

    of: Expr
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Padded:
    """Zeros around, `(before, after)` for each axis."""

    of: Expr
    sides: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Const:
    """A literal array, given flat."""

    values: tuple[float, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fresh:
    """A new entry that no old one determines: drawn from its initial distribution, under the key that it had first."""

    init: Init
    sizes: tuple[int, ...]
    trainable: bool = True
    key: str = ""


Expr = (
    Take
    | Concat
    | Same
    | Part
    | Reshape
    | Permute
    | Along
    | Plus
    | Times
    | InverseRoot
    | MatMul
    | Total
    | Padded
    | Const
    | Fresh
)


def sizes_of(expression: Expr) -> tuple[int, ...]:
    """The sizes of an expression's value."""
    match expression:
        case Take(sizes=sizes) | Reshape(sizes=sizes) | Const(sizes=sizes) | Fresh(sizes=sizes):
            return sizes
        case Concat(parts=parts, axis=axis):
            first = sizes_of(parts[0])
            total = sum(sizes_of(part)[axis] for part in parts)
            return (*first[:axis], total, *first[axis + 1 :])
        case Same(parts=parts):
            return sizes_of(parts[0])
        case Part(of=of, axis=axis, start=start, stop=stop):
            inner = sizes_of(of)
            return (*inner[:axis], stop - start, *inner[axis + 1 :])
        case Permute(of=of, order=order):
            inner = sizes_of(of)
            return tuple(inner[axis] for axis in order)
        case Along(of=of, axis=axis, rank=rank):
            return tuple(prod(sizes_of(of)) if index == axis else 1 for index in range(rank))
        case Plus(parts=parts) | Times(parts=parts):
            return tuple(int(size) for size in np.broadcast_shapes(*map(sizes_of, parts)))
        case InverseRoot(of=of):
            return sizes_of(of)
        case MatMul(left=left, right=right):
            return (*sizes_of(left)[:-1], sizes_of(right)[-1])
        case Total(of=of, axes=axes):
            return tuple(size for axis, size in enumerate(sizes_of(of)) if axis not in axes)
        case Padded(of=of, sides=sides):
            return tuple(size + sum(side) for size, side in zip(sizes_of(of), sides, strict=True))


class DifferentCountersError(ValueError):
    """Entries that one is to stand for, and that do not hold the same."""


def value_of(expression: Expr, old: Arrays, fresh: Arrays) -> Array:
    """The array that an expression stands for; new entries are taken from `fresh` by their keys.

    Sums and products are computed in float64. Raises `KeyError` for an entry that is not there, and
    `DifferentCountersError`.
    """

    def value(part: Expr) -> Array:
        return value_of(part, old, fresh)

    match expression:
        case Take(key=key):
            return old[key]
        case Fresh(key=key):
            return fresh[key]
        case Concat(parts=parts, axis=axis):
            return np.concatenate([value(part) for part in parts], axis)
        case Same(parts=parts):
            first, *others = map(value, parts)
            if not all(np.array_equal(first, other) for other in others):
                raise DifferentCountersError(f"{written(parts[0])} and others that it is to stand for differ")
            return first
        case Part(of=of, axis=axis, start=start, stop=stop):
            return value(of)[(slice(None),) * axis + (slice(start, stop),)]
        case Reshape(of=of, sizes=sizes):
            return value(of).reshape(sizes)
        case Permute(of=of, order=order):
            return value(of).transpose(order)
        case Along(of=of, axis=axis, rank=rank):
            return value(of).reshape([-1 if index == axis else 1 for index in range(rank)])
        case Plus(parts=parts):
            total = _wide(value(parts[0]))
            for part in parts[1:]:
                total = total + _wide(value(part))
            return total
        case Times(parts=parts):
            product = _wide(value(parts[0]))
            for part in parts[1:]:
                product = product * _wide(value(part))
            return product
        case InverseRoot(of=of, plus=plus):
            return np.asarray(1.0 / np.sqrt(_wide(value(of)) + plus))
        case MatMul(left=left, right=right):
            return np.asarray(_wide(value(left)) @ _wide(value(right)))
        case Total(of=of, axes=axes):
            return np.asarray(_wide(value(of)).sum(axes))
        case Padded(of=of, sides=sides):
            return np.pad(value(of), sides)
        case Const(values=values, sizes=sizes):
            return np.array(values, np.float64).reshape(sizes)


def _wide(array: Array) -> Array:
    return array.astype(np.float64, copy=False)


def leaves(expression: Expr) -> Iterator[Take | Const | Fresh]:
    """The entries at the bottom of an expression, from left to right."""
    match expression:
        case Take() | Const() | Fresh():
            yield expression
        case Concat(parts=parts) | Same(parts=parts) | Plus(parts=parts) | Times(parts=parts):
            for part in parts:
                yield from leaves(part)
        case MatMul(left=left, right=right):
            yield from leaves(left)
            yield from leaves(right)
        case _:
            yield from leaves(expression.of)


def rearranges(expression: Expr) -> bool:
    """True if the expression only moves numbers: it takes, joins, cuts, reshapes and permutes."""
    match expression:
        case Take():
            return True
        case Concat(parts=parts) | Same(parts=parts):
            return all(map(rearranges, parts))
        case Part() | Reshape() | Permute():
            return rearranges(expression.of)
        case _:
            return False


def with_operands(expression: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The expression over changed operands."""
    match expression:
        case Take() | Const() | Fresh():
            return expression
        case Concat(parts=parts) | Same(parts=parts) | Plus(parts=parts) | Times(parts=parts):
            return replace(expression, parts=tuple(map(change, parts)))
        case MatMul(left=left, right=right):
            return MatMul(change(left), change(right))
        case _:
            return replace(expression, of=change(expression.of))


def substitute(expression: Expr, entries: Mapping[str, Expr]) -> Expr:
    """The expression with every old entry replaced by how it came to be."""
    if isinstance(expression, Take):
        return entries.get(expression.key, expression)
    return with_operands(expression, lambda part: substitute(part, entries))


def written(expression: Expr) -> str:
    """The expression as text, for `--explain` and the docs."""
    match expression:
        case Take(key=key):
            return key
        case Concat(parts=parts, axis=axis):
            shown = [written(part) for part in (parts if len(parts) <= 4 else (*parts[:2], parts[-1]))]
            if len(parts) > 4:
                shown.insert(2, "...")
            return f"concat({', '.join(shown)}; axis {axis})"
        case Same(parts=parts):
            return written(parts[0])
        case Part(of=of, axis=axis, start=start, stop=stop):
            return f"{written(of)}[{', '.join([':'] * axis + [f'{start}:{stop}'])}]"
        case Reshape(of=of, sizes=sizes):
            return f"({written(of)} as {'x'.join(map(str, sizes))})"
        case Permute(of=of, order=order):
            return f"({written(of)} with axes {' '.join(map(str, order))})"
        case Along(of=of):
            return written(of)
        case Plus(parts=parts):
            return "(" + " + ".join(map(written, parts)) + ")"
        case Times(parts=parts):
            return " * ".join(map(written, parts))
        case InverseRoot(of=of, plus=plus):
            return f"1/sqrt({written(of)} + {plus:g})"
        case MatMul(left=left, right=right):
            return f"{written(left)} @ {written(right)}"
        case Total(of=of, axes=axes):
            return f"sum({written(of)}; axes {' '.join(map(str, axes))})"
        case Padded(of=of):
            return f"pad({written(of)})"
        case Const(values=values, sizes=sizes):
            return f"{values[0]:g}" if len(values) == 1 else f"constant {'x'.join(map(str, sizes))}"
        case Fresh(init=init):
            return f"new ({init.word})"
