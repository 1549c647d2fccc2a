"""How torch says each operation: a module to construct, a function to call, or both. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from archdsl import ops
from archdsl.ops.base import Op
from archdsl.ops.common import axis_index, per_axis
from archdsl.outline.call import Argument, Call, Operand
from archdsl.shapes import Shape
from archdsl.targets.torch_calls import (
    ACTIVATIONS,
    OPERAND,
    adaptive_size,
    dims,
    flat,
    keyword,
    pool_settings,
    positional,
    resized,
    settings,
    size_of,
)
from archdsl.targets.torch_modules import EITHER_MODULES, MODULES


@dataclass(frozen=True, slots=True)
class Batch:
    """Which operands have no batch (`bare`, their places), and whether the form serves values with and without one."""

    bare: tuple[int, ...] = ()
    both: bool = False

    def dim(self, place: int, rank: int) -> int:
        """The dimension of an axis of the first operand: it counts the batch, or from the last axis for both."""
        return place - rank if self.both else place + (0 not in self.bare)

    @property
    def either(self) -> bool:
        """Whether the first operand may have no batch."""
        return self.both or 0 in self.bare


def module_form(op: Op, inputs: tuple[Shape, ...], *, both: bool = False) -> Call | None:
    """The module whose state_dict holds `op.tensors(*inputs)`, or `None` if torch has only a function.

    Its inputs have a batch, or, for `both`, one or none. A name without a dot is one of
    `torch_definitions.DEFINITIONS`.
    """
    simple = ACTIVATIONS.get(type(op))
    if simple is not None:
        return None if simple.module is None else Call(simple.module, settings(op, simple))
    form = EITHER_MODULES.get(type(op)) if both else None
    form = form or MODULES.get(type(op))
    return None if form is None else form(op, *inputs)


def function_form(
    op: Op, inputs: tuple[Shape, ...], *, inplace: bool = False, batchless: tuple[int, ...] = (), both: bool = False
) -> Call | None:
    """The call of a function on the operands, or `None` if torch has only a module.

    `inplace` overwrites the operand where torch has that, and is ignored elsewhere. `batchless` are the places of the
    operands that have no batch: learned tensors, and what is computed from them alone. `both` is a call that serves
    operands that all have a batch as well as ones of which none has.
    """
    simple = ACTIVATIONS.get(type(op))
    if simple is not None:
        if simple.function is None:
            return None
        flag = (keyword("inplace", True, False),) if inplace and simple.inplace else ()
        return Call(simple.function, (OPERAND, *settings(op, simple), *flag))
    form = _FUNCTIONS.get(type(op))
    return None if form is None else form(op, inputs, Batch(batchless, both))


_ALL = positional("tensors", Operand(None))


def _operands(count: int) -> tuple[Argument, ...]:
    return tuple(positional(f"input{index}", Operand(index)) for index in range(count))


# Functions. A dimension counts the batch, unless the operand has none or may have none.


def _dim(op: Op, x: Shape, axis: str | None, default: int, batch: Batch) -> int:
    return batch.dim(axis_index(op, x, axis, default), x.rank)


def _flatten(op: Op, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    return Call("torch.flatten", (OPERAND, positional("start_dim", batch.dim(0, inputs[0].rank))))


def _split(op: ops.Split, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    place = _dim(op, inputs[0], op.axis, 0, batch)
    sizes, dim = op.sizes(inputs[0]), keyword("dim", place, 0)
    if len(sizes) == 1:  # the piece itself, where torch would give a tuple of one
        whole = (-1,) if isinstance(op.pieces, int) else sizes
        return Call("torch.unflatten", (OPERAND, positional("dim", place), positional("sizes", tuple(whole))))
    if isinstance(op.pieces, int):
        return Call("torch.chunk", (OPERAND, positional("chunks", op.pieces), dim))
    return Call("torch.split", (OPERAND, positional("split_size_or_sections", op.pieces), dim))


def _unstack(op: ops.Unstack, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    place = _dim(op, inputs[0], op.axis, 0, batch)
    if len(op.outputs(*inputs)) == 1:
        return Call("torch.select", (OPERAND, positional("dim", place), positional("index", 0)))
    return Call("torch.unbind", (OPERAND, keyword("dim", place, 0)))


def _last(op: ops.Last, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    dim = positional("dim", _dim(op, inputs[0], op.axis, -1, batch))
    return Call("torch.select", (OPERAND, dim, positional("index", -1)))


def _slice(op: ops.Slice, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    dim, start = _dim(op, inputs[0], op.axis, 0, batch), positional("start", op.start)
    if op.stop is None:
        return Call("slice_from", (OPERAND, start, keyword("dim", dim, 0)))
    length = positional("length", op.stop - op.start)
    return Call("torch.narrow", (OPERAND, positional("dim", dim), start, length))


def _roll(op: ops.Roll, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    dim = _dim(op, inputs[0], op.axis, 0, batch)
    return Call("torch.roll", (OPERAND, positional("shifts", op.shift), positional("dims", dim)))


def _gather(op: ops.Gather, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    dim = keyword("dim", _dim(op, inputs[0], op.axis, 0, batch), 0)
    return Call("gather", (OPERAND, positional("indices", op.indices), dim))


def _rearrange(op: ops.Rearrange, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    (x,) = inputs
    steps = op.steps(x)
    if batch.both:
        facts = (steps.split, steps.order, steps.new, steps.repeated, steps.merged)
        names = ("split", "order", "new", "repeated", "merged")
        return Call("rearrange", (OPERAND, keyword("axes", x.rank), *map(keyword, names, facts)))
    lead, first = ((), 0) if batch.bare else ((-1,), 1)
    value: Any = Operand(0)

    def then(function: str, **arguments: Any) -> Call:
        return Call(function, (positional("input", value), *map(positional, arguments, arguments.values())))

    # Axis by axis, so that no step takes an axis of another size for a larger batch.
    for axis, sizes in steps.apart:
        value = then("torch.unflatten", dim=axis + first, sizes=sizes)
    if steps.order != tuple(range(len(steps.order))) or not (steps.apart or steps.new or steps.joined):
        value = then("torch.permute", dims=(*range(first), *(index + first for index in steps.order)))
    for index in steps.new:
        value = then("torch.unsqueeze", dim=index + first)
    if steps.new:
        value = then("torch.broadcast_to", size=(*lead, *steps.repeated))
    for start, end in steps.joined:
        value = then("torch.flatten", start_dim=start + first, end_dim=end + first)
    assert isinstance(value, Call)
    return value


def _pad(op: ops.Pad, inputs: tuple[Shape, ...], _: Batch) -> Call:
    sides = positional("pad", flat(op.amounts(inputs[0])))
    return Call("F.pad", (OPERAND, sides, keyword("mode", op.mode, "constant"), keyword("value", op.value, 0.0)))


def _pad_channels(op: ops.PadChannels, inputs: tuple[Shape, ...], _: Batch) -> Call:
    return Call("F.pad", (OPERAND, positional("pad", (0,) * 2 * (inputs[0].rank - 1) + (op.before, op.after))))


def _crop(op: ops.Crop, inputs: tuple[Shape, ...], _: Batch) -> Call:
    return Call("center_crop", (OPERAND, positional("size", per_axis(op.size, dims(inputs[0]), "size"))))


def _interpolate(op: ops.Upsample | ops.Resize, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    name = "interpolate" if batch.either else "F.interpolate"
    return Call(name, (OPERAND, *_axes(inputs[0], batch), *resized(op, inputs[0])))


def _axes(x: Shape, batch: Batch) -> tuple[Argument, ...]:
    """How many axes stand behind the batch, for the functions that ask where there may be none."""
    return (keyword("axes", x.rank),) if batch.either else ()


def _shuffle(op: ops.Shuffle, inputs: tuple[Shape, ...], batch: Batch) -> Call | None:
    facts = (*_axes(inputs[0], batch), keyword("groups", op.groups))
    return Call("channel_shuffle", (OPERAND, *facts)) if batch.either else None


def _lrn(op: ops.LocalResponseNorm, inputs: tuple[Shape, ...], batch: Batch) -> Call | None:
    facts = (keyword("size", op.size), keyword("alpha", op.alpha, 1e-4), keyword("beta", op.beta, 0.75))
    more = (*_axes(inputs[0], batch), *facts, keyword("k", op.k, 1.0))
    return Call("local_response_norm", (OPERAND, *more)) if batch.either else None


def _scale(op: ops.Scale, inputs: tuple[Shape, ...], _: Batch) -> Call:
    return Call("*", (OPERAND, positional("factor", op.factor)))


def _affine(op: ops.Affine, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    numbers = (positional("scale", op.scale), positional("shift", op.shift))
    return Call("affine", (OPERAND, *numbers, keyword("dim", batch.dim(0, inputs[0].rank), 1)))


def _mean(op: ops.Mean, inputs: tuple[Shape, ...], _: Batch) -> Call:
    total = Call("+", _operands(len(inputs)))
    return Call("torch.div", (positional("input", total), positional("other", len(inputs))))


def _joined(inputs: tuple[Shape, ...], batch: Batch) -> Argument:
    """All operands as a list, each with a batch or none with one."""
    if not batch.bare or len(batch.bare) == len(inputs):
        return _ALL
    places = (positional("without", tuple(sorted(batch.bare))), positional("rank", inputs[0].rank))
    return positional("tensors", Call("all_with_batch", (positional("values", Operand(None)), *places)))


def _beside(place: int, inputs: tuple[Shape, ...], rank: int, batch: Batch) -> Argument:
    """The dimension along which values of a result of this rank stand; it has a batch if one of them has."""
    return keyword("dim", place - rank if batch.both else place + (len(batch.bare) < len(inputs)), 0)


def _concat(op: ops.Concat, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    place = op.place(*inputs)
    return Call("torch.cat", (_joined(inputs, batch), _beside(place, inputs, inputs[0].rank, batch)))


def _stack(op: ops.Stack, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    return Call("torch.stack", (_joined(inputs, batch), _beside(0, inputs, inputs[0].rank + 1, batch)))


def _attention(op: ops.Attention, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    like = next((place for place in range(3) if place not in batch.bare), None)

    def operand(place: int, name: str) -> Argument:
        if like is None or place not in batch.bare:
            return positional(name, Operand(place))
        facts = (positional("like", Operand(like)), positional("rank", inputs[place].rank))
        return positional(name, Call("with_batch", (positional("x", Operand(place)), *facts)))

    settings = (keyword("is_causal", op.causal, False), keyword("scale", op.scale, None))
    values = tuple(operand(place, name) for place, name in enumerate(("query", "key", "value")))
    return Call("F.scaled_dot_product_attention", (*values, *settings))


def _pool_function(op: ops.MaxPool | ops.AvgPool, inputs: tuple[Shape, ...], _: Batch) -> Call | None:
    (x,) = inputs
    window = op.window(x)
    if window.symmetric is None or op.padding == "same_tf":
        return None
    name = "max_pool" if isinstance(op, ops.MaxPool) else "avg_pool"
    kernel = positional("kernel_size", size_of(window.kernel))
    stride = keyword("stride", size_of(window.stride), size_of(window.kernel))
    return Call(f"F.{name}{dims(x)}d", (OPERAND, kernel, stride, *pool_settings(op, window)))


def _adaptive(op: Any, inputs: tuple[Shape, ...], _: Batch) -> Call:
    word = "max" if isinstance(op, (ops.AdaptiveMaxPool, ops.GlobalMaxPool)) else "avg"
    return Call(f"F.adaptive_{word}_pool{dims(inputs[0])}d", (OPERAND, adaptive_size(op, inputs[0])))


def _softmax(op: ops.Softmax | ops.LogSoftmax, inputs: tuple[Shape, ...], batch: Batch) -> Call:
    name = "F.softmax" if isinstance(op, ops.Softmax) else "F.log_softmax"
    return Call(name, (OPERAND, keyword("dim", _dim(op, inputs[0], op.axis, -1, batch))))


_FUNCTIONS: dict[type[Op], Callable[..., Call | None]] = {
    ops.MaxPool: _pool_function,
    ops.AvgPool: _pool_function,
    ops.AdaptiveAvgPool: _adaptive,
    ops.AdaptiveMaxPool: _adaptive,
    ops.GlobalAvgPool: _adaptive,
    ops.GlobalMaxPool: _adaptive,
    ops.Softmax: _softmax,
    ops.LogSoftmax: _softmax,
    ops.Scale: _scale,
    ops.Affine: _affine,
    ops.Flatten: _flatten,
    ops.Split: _split,
    ops.Unstack: _unstack,
    ops.Last: _last,
    ops.Slice: _slice,
    ops.Roll: _roll,
    ops.Gather: _gather,
    ops.Rearrange: _rearrange,
    ops.Shuffle: _shuffle,
    ops.LocalResponseNorm: _lrn,
    ops.Pad: _pad,
    ops.PadChannels: _pad_channels,
    ops.Crop: _crop,
    ops.Upsample: _interpolate,
    ops.Resize: _interpolate,
    ops.Add: lambda op, inputs, _: Call("+", _operands(len(inputs))),
    ops.Mul: lambda op, inputs, _: Call("*", _operands(len(inputs))),
    ops.Mean: _mean,
    ops.Concat: _concat,
    ops.Stack: _stack,
    ops.Matmul: lambda op, inputs, _: Call("torch.matmul", _operands(2)),
    ops.Attention: _attention,
}
