"""How a new array comes from old ones, as data: a small algebra that can be printed, applied and, where it only
rearranges, run backwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    """One of several entries that hold the same: a counter of steps, say."""

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
    """A new entry that no old one determines: drawn from its initial distribution."""

    init: Init
    sizes: tuple[int, ...]
    trainable: bool = True


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


def value_of(expression: Expr, old: Arrays) -> Array:
    """The array that an expression stands for; sums and products are computed in float64."""
    match expression:
        case Take(key=key):
            return old[key]
        case Concat(parts=parts, axis=axis):
            return np.concatenate([value_of(part, old) for part in parts], axis)
        case Same(parts=parts):
            return value_of(parts[0], old)
        case Part(of=of, axis=axis, start=start, stop=stop):
            return value_of(of, old)[(slice(None),) * axis + (slice(start, stop),)]
        case Reshape(of=of, sizes=sizes):
            return value_of(of, old).reshape(sizes)
        case Permute(of=of, order=order):
            return value_of(of, old).transpose(order)
        case Along(of=of, axis=axis, rank=rank):
            return value_of(of, old).reshape([-1 if index == axis else 1 for index in range(rank)])
        case Plus(parts=parts):
            total = _wide(value_of(parts[0], old))
            for part in parts[1:]:
                total = total + _wide(value_of(part, old))
            return total
        case Times(parts=parts):
            product = _wide(value_of(parts[0], old))
            for part in parts[1:]:
                product = product * _wide(value_of(part, old))
            return product
        case InverseRoot(of=of, plus=plus):
            return np.asarray(1.0 / np.sqrt(_wide(value_of(of, old)) + plus))
        case MatMul(left=left, right=right):
            return np.asarray(_wide(value_of(left, old)) @ _wide(value_of(right, old)))
        case Total(of=of, axes=axes):
            return np.asarray(_wide(value_of(of, old)).sum(axes))
        case Padded(of=of, sides=sides):
            return np.pad(value_of(of, old), sides)
        case Const(values=values, sizes=sizes):
            return np.array(values, np.float64).reshape(sizes)
        case Fresh():
            raise KeyError("a fresh entry has no old value")


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


def substitute(expression: Expr, entries: Mapping[str, Expr]) -> Expr:
    """The expression with every old entry replaced by how it came to be."""

    def inside(part: Expr) -> Expr:
        return substitute(part, entries)

    match expression:
        case Take(key=key):
            return entries.get(key, expression)
        case Concat(parts=parts, axis=axis):
            return Concat(tuple(map(inside, parts)), axis)
        case Same(parts=parts):
            return Same(tuple(map(inside, parts)))
        case Plus(parts=parts):
            return Plus(tuple(map(inside, parts)))
        case Times(parts=parts):
            return Times(tuple(map(inside, parts)))
        case Part(of=of, axis=axis, start=start, stop=stop):
            return Part(inside(of), axis, start, stop)
        case Reshape(of=of, sizes=sizes):
            return Reshape(inside(of), sizes)
        case Permute(of=of, order=order):
            return Permute(inside(of), order)
        case Along(of=of, axis=axis, rank=rank):
            return Along(inside(of), axis, rank)
        case InverseRoot(of=of, plus=plus):
            return InverseRoot(inside(of), plus)
        case MatMul(left=left, right=right):
            return MatMul(inside(left), inside(right))
        case Total(of=of, axes=axes):
            return Total(inside(of), axes)
        case Padded(of=of, sides=sides):
            return Padded(inside(of), sides)
        case Const() | Fresh():
            return expression


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
            return f"{written(of)} as {'x'.join(map(str, sizes))}"
        case Permute(of=of, order=order):
            return f"{written(of)} with axes {' '.join(map(str, order))}"
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
