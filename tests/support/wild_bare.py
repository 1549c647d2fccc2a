"""Statements of wild nets: values without a batch, shared weights that are applied to unlike values, tokens."""

from __future__ import annotations

from contextlib import suppress
from math import prod
from random import Random
from typing import TYPE_CHECKING

from archdsl import ops
from archdsl.ir.program import Node, Output, Value
from archdsl.ops.base import Op, ShapeError
from archdsl.shapes import Shape
from tests.support.nets import again

if TYPE_CHECKING:
    from tests.support.wild_nets import Wild

NAMES = {1: "c", 2: "c l", 3: "c h w", 4: "c d h w"}
SIZES = ((4, 6, 5), (4, 5), (6,), (2, 3, 4, 3), (3, 1, 2), (1, 4))


def bare(wild: Wild, random: Random, scope: int, depth: int) -> None:
    """A few operations on a learned tensor or a literal, which gates what flows, or is an output."""
    start, sizes = wild.net.here, random.choice(SIZES)
    wild.net.here = wild.learned(random, scope, *sizes)
    if wild.shape.rank == len(sizes) and random.random() < 0.6:
        names = NAMES[len(sizes)]
        wild.add(ops.Rearrange(pattern=f"{names} -> {names}"), (wild.net.here,), scope)
    for _ in range(random.randint(1, 3)):
        wild.operation(random, scope, depth)
    _used(wild, random, scope, wild.net.here, start)


def _used(wild: Wild, random: Random, scope: int, end: Value, start: Value) -> None:
    """Reads a value: as an output, or by a gate over what flows, which flows on."""
    shape = wild.net.builder.shape(start)
    if shape.axes[0] != "c" or random.random() < 0.4:
        wild.outputs.append(Output(f"part{len(wild.outputs)}", end))
        wild.net.here = start
        return
    (flat,) = wild.add(ops.Flatten(), (end,), scope)
    (gate,) = wild.add(ops.Linear(out=shape.sizes[0]), (flat,), scope)
    (gate,) = wild.add(ops.Sigmoid(), (gate,), scope)
    if shape.rank > 1:
        others = [f"s{at}" for at in range(shape.rank - 1)]
        spread = ops.Rearrange(pattern=f"c -> c {' '.join(others)}", sizes=tuple((name, 1) for name in others))
        (gate,) = wild.add(spread, (gate,), scope)
    with suppress(ShapeError):  # a named axis may meet another name
        wild.add(ops.Mul(), (start, gate), scope)
        return
    wild.outputs.append(Output(f"part{len(wild.outputs)}", gate))
    wild.net.here = start


def everywhere(wild: Wild, random: Random, scope: int, depth: int) -> None:
    """A level with weights that is applied to what flows, to a value without a batch and to one of other sizes."""
    builder, start = wild.net.builder, wild.net.here
    if wild.shape.axes[0] != "c" or wild.shape.rank > 4:
        return
    values = [start, wild.learned(random, scope, *wild.shape.sizes)]
    if wild.shape.rank > 1 and max(wild.shape.spatial) > 3:
        pool = ops.MaxPool(kernel=2, stride=2, padding="same_tf")
        values += wild.add(pool, (start,), scope)
    random.shuffle(values)
    level = wild.level(random, scope)
    first, entered = len(builder.nodes), values[0]
    wild.net.here = entered
    _body(wild, random, level)
    applied, ends = tuple(builder.nodes[first:]), [wild.net.here]
    for value in values[1:]:
        if value.node < first and _fits(applied, first, entered, value, wild):
            ends.append(_applied(wild, applied, first, {entered: value}, level))
        else:
            ends.append(value)
    kept = next((end for end, value in zip(ends, values, strict=True) if value == start), start)
    for end, value in zip(ends, values, strict=True):
        if value != start:
            _used(wild, random, scope, end, kept)
            kept = wild.net.here
    wild.net.here = kept


def _body(wild: Wild, random: Random, level: int) -> None:
    """A layer with weights and up to three operations behind it, perhaps with a split and a merge among them."""
    channels = wild.shape.sizes[0]
    layer: Op = (
        ops.Linear(out=channels) if wild.shape.rank == 1 else ops.Conv(out=channels, kernel=3, padding="same_tf")
    )
    wild.add(layer, (wild.net.here,), level, "entry")
    for _ in range(random.randint(1, 3)):
        size = wild.shape.sizes[0]
        if random.random() < 0.3 and size > 1:
            pieces = wild.add(ops.Split(pieces=(1, size - 1)), (wild.net.here,), level)
            wild.add(ops.Concat(), tuple(reversed(pieces)), level)
        elif random.random() < 0.3:
            wild.add(random.choice((ops.Softmax(), ops.LogSoftmax(), ops.Softmax(axis="c"))), (wild.net.here,), level)
        else:
            wild.operation(random, level, 9)


def _fits(applied: tuple[Node, ...], first: int, entered: Value, value: Value, wild: Wild) -> bool:
    """Whether the nodes take another value in the stead of the first one, with the same weights."""
    builder = wild.net.builder
    shapes: dict[Value, Shape] = {entered: builder.shape(value)}
    for offset, node in enumerate(applied):
        old = tuple(builder.shape(item) for item in node.inputs)
        new = tuple(shapes.get(item, builder.shape(item)) for item in node.inputs)
        try:
            made = node.op.outputs(*new)
        except ShapeError:
            return False
        if node.op.tensors(*old) != node.op.tensors(*new) or len(made) != len(node.outputs):
            return False
        if max(shape.elements // max(1, shape.sizes[0]) for shape in made) == 1:
            return False  # a norm may be left with one element
        shapes.update({Value(first + offset, at): shape for at, shape in enumerate(made)})
    return True


def _applied(wild: Wild, applied: tuple[Node, ...], first: int, moved: dict[Value, Value], level: int) -> Value:
    """The nodes once more, on other values; what the last of them makes."""
    builder = wild.net.builder
    for offset, node in enumerate(applied):
        inputs = tuple(moved.get(item, item) for item in node.inputs)
        path = node.path if node.op.numbered else wild.automatic(level, node.op.word)
        scope = again(builder, node.path, level) if node.op.numbered else level
        results = builder.add(node.op, inputs, path, scope)
        moved.update({Value(first + offset, at): result for at, result in enumerate(results)})
    return moved[Value(first + len(applied) - 1)]


def tokens(wild: Wild, random: Random, scope: int, depth: int) -> None:
    """Pixels as tokens: normalised, attended to or mixed, and made an image again."""
    if wild.shape.axes != ("c", "h", "w") or prod(wild.shape.spatial) > 60:
        return
    (c, h, w), level = wild.shape.sizes, wild.level(random, scope)
    heads = random.choice((1, 2)) if c % 2 == 0 else 1
    wild.add(ops.Rearrange(pattern="c h w -> (h w) c"), (wild.net.here,), level)
    (x,) = wild.add(ops.LayerNorm(eps=2.0**-17), (wild.net.here,), level) if c > 2 else (wild.net.here,)
    if random.random() < 0.4:
        wild.add(ops.Matmul(), (wild.net.here, wild.learned(random, level, c, c)), level)
    else:
        made = []
        for name in ("q", "k", "v"):
            wild.taken.setdefault(wild.net.builder.scopes[level].path, set()).add(name)
            wild.add(ops.Linear(out=c, bias=random.random() < 0.5), (x,), level, name)
            split = ops.Rearrange(pattern="n (m c) -> m n c", sizes=(("m", heads),))
            made.append(wild.add(split, (wild.net.here,), level)[0])
        attend = ops.Attention(causal=random.random() < 0.3, scale=random.choice((None, 0.5)))
        wild.add(attend, tuple(made), level)
        wild.add(ops.Rearrange(pattern="m n c -> n (m c)"), (wild.net.here,), level)
    wild.add(ops.Rearrange(pattern="(h w) c -> c h w", sizes=(("h", h), ("w", w))), (wild.net.here,), level)
