"""Merges, lists and axes as `docs/operations.md` has them: see `oracle`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from typing import Any

import numpy as np

from tests.support.oracle_value import Array, Held, Value

Groups = list[list[str]]


def _axes(values: Sequence[Value]) -> tuple[str | None, ...]:
    """An axis without a name takes the other value's."""
    columns = zip(*(value.axes for value in values), strict=True)
    return tuple(next((name for name in column if name is not None), None) for column in columns)


def _batched(values: Sequence[Value]) -> bool:
    return any(value.batched for value in values)


def _spread(values: Sequence[Value]) -> list[Array]:
    """All over the same examples: what has no batch is repeated for each."""
    count = max(len(value.data) for value in values)
    return [np.broadcast_to(value.data, (count, *value.data.shape[1:])) for value in values]


def _folded(function: Callable[[Array, Array], Array]) -> Callable[..., Value]:
    def rule(op: Any, values: list[Value], own: Held) -> Value:
        return Value(reduce(function, (value.data for value in values)), _axes(values), _batched(values))

    return rule


def mean(op: Any, values: list[Value], own: Held) -> Value:
    total = _folded(np.add)(op, values, own)
    return total.with_data(total.data / len(values))


def concat(op: Any, values: list[Value], own: Held) -> Value:
    axes = _axes(values)
    place = 0 if op.axis is None else axes.index(op.axis)
    return Value(np.concatenate(_spread(values), axis=1 + place), axes, _batched(values))


def stack(op: Any, values: list[Value], own: Held) -> Value:
    return Value(np.stack(_spread(values), axis=1), (op.axis, *_axes(values)), _batched(values))


def matmul(op: Any, values: list[Value], own: Held) -> Value:
    left, right = values
    column = right.axes[-1] if right.axes[-1] != left.axes[-2] else None
    return Value(left.data @ right.data, (*left.axes[:-1], column), _batched(values))


def attention(op: Any, values: list[Value], own: Held) -> Value:
    q, k, v = (value.data for value in values)
    scores = q @ np.swapaxes(k, -1, -2) * (1 / math.sqrt(q.shape[-1]) if op.scale is None else op.scale)
    if op.causal:
        rows, columns = np.indices(scores.shape[-2:])
        scores = np.where(columns > rows, -np.inf, scores)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = powers / powers.sum(axis=-1, keepdims=True)
    return Value(weights @ v, (*values[0].axes[:-1], values[2].axes[-1]), _batched(values))


def split(op: Any, x: Value, own: Held) -> list[Value]:
    axis = x.place(op.axis, 0)
    size = x.data.shape[axis]
    pieces = op.pieces if isinstance(op.pieces, tuple) else (size // op.pieces,) * op.pieces
    ends = np.cumsum(pieces)
    assert ends[-1] == size
    return [x.with_data(part) for part in np.split(x.data, ends[:-1], axis=axis)]


def unstack(op: Any, x: Value, own: Held) -> list[Value]:
    axis = x.place(op.axis, 0)
    axes = (*x.axes[: axis - 1], *x.axes[axis:])
    return [x.with_data(np.take(x.data, at, axis=axis), axes) for at in range(x.data.shape[axis])]


def last(op: Any, x: Value, own: Held) -> Value:
    axis = x.place(op.axis, -1)
    return x.with_data(np.take(x.data, -1, axis=axis), (*x.axes[: axis - 1], *x.axes[axis:]))


def slice_(op: Any, x: Value, own: Held) -> Value:
    axis = x.place(op.axis, 0)
    stop = x.data.shape[axis] if op.stop is None else op.stop
    return x.with_data(np.take(x.data, range(op.start, stop), axis=axis))


def gather(op: Any, x: Value, own: Held) -> Value:
    axis, places = x.place(op.axis, 0), np.asarray(op.indices)
    names = (x.axes[axis - 1],) if places.ndim == 1 else (None,) * places.ndim
    return x.with_data(np.take(x.data, places, axis=axis), (*x.axes[: axis - 1], *names, *x.axes[axis:]))


def roll(op: Any, x: Value, own: Held) -> Value:
    return x.with_data(np.roll(x.data, op.shift, axis=x.place(op.axis, 0)))


def flatten(op: Any, x: Value, own: Held) -> Value:
    return x.with_data(x.data.reshape(len(x.data), -1), ("c",))


def rearrange(op: Any, x: Value, own: Held) -> Value:
    """Element by element: where each named index goes, and where it comes from."""
    left, right = (_groups(side) for side in op.pattern.split("->"))
    sizes = dict(op.sizes)
    for group, size in zip(left, x.data.shape[1:], strict=True):
        known = math.prod(sizes[name] for name in group if name in sizes)
        sizes |= {name: size // known for name in group if name not in sizes}
    order = [name for group in right for name in group]
    result = np.empty((len(x.data), *(math.prod(sizes[name] for name in group) for group in right)))
    for index in product(*(range(sizes[name]) for name in order)):
        at = dict(zip(order, index, strict=True))
        result[(slice(None), *_flat(right, at, sizes))] = x.data[(slice(None), *_flat(left, at, sizes))]
    return x.with_data(result, [group[0] if len(group) == 1 else None for group in right])


def _groups(side: str) -> Groups:
    groups: Groups = []
    inside = False
    for word in side.replace("(", " ( ").replace(")", " ) ").split():
        if word in "()":
            inside = word == "("
            groups += [[]] if inside else []
        elif inside:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _flat(groups: Groups, at: dict[str, int], sizes: dict[str, int]) -> tuple[int, ...]:
    """The place of named indices along each axis, a merged one's first name slowest."""
    return tuple(reduce(lambda place, name: place * sizes[name] + at[name], group, 0) for group in groups)


RULES: dict[str, Callable[..., Any]] = {
    "add": _folded(np.add), "mul": _folded(np.multiply), "mean": mean, "concat": concat, "stack": stack,
    "matmul": matmul, "attention": attention, "split": split, "unstack": unstack, "last": last, "slice": slice_,
    "gather": gather, "roll": roll, "flatten": flatten, "rearrange": rearrange,
}  # fmt: skip
