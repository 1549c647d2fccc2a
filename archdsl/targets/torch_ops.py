"""How torch says each operation: a module to construct, a function to call, or both. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
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
from archdsl.targets.torch_modules import MODULES


def module_form(op: Op, inputs: tuple[Shape, ...]) -> Call | None:
    """The module whose state_dict holds `op.tensors(*inputs)`, or `None` if torch has only a function.

    Its inputs have a batch. A name without a dot is one of `torch_definitions.DEFINITIONS`.
    """
    simple = ACTIVATIONS.get(type(op))
    if simple is not None:
        return None if simple.module is None else Call(simple.module, settings(op, simple))
    form = MODULES.get(type(op))
    return None if form is None else form(op, *inputs)


def function_form(
    op: Op, inputs: tuple[Shape, ...], *, inplace: bool = False, batchless: tuple[int, ...] = ()
) -> Call | None:
    """The call of a function on the operands, or `None` if torch has only a module.

    `inplace` overwrites the operand where torch has that, and is ignored elsewhere. `batchless` are the places of the
    operands that have no batch: learned tensors, and what is computed from them alone.
    """
    simple = ACTIVATIONS.get(type(op))
    if simple is not None:
        if simple.function is None:
            return None
        flag = (keyword("inplace", True, False),) if inplace and simple.inplace else ()
        return Call(simple.function, (OPERAND, *settings(op, simple), *flag))
    form = _FUNCTIONS.get(type(op))
    return None if form is None else form(op, inputs, batchless)


_ALL = positional("tensors", Operand(None))


def _operands(count: int) -> tuple[Argument, ...]:
    return tuple(positional(f"input{index}", Operand(index)) for index in range(count))


# Functions. A dimension counts the batch, unless the operand has none.


def _dim(op: Op, x: Shape, axis: str | None, default: int, batchless: tuple[int, ...]) -> int:
    return axis_index(op, x, axis, default) + (0 not in batchless)


def _flatten(op: Op, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    return Call("torch.flatten", (OPERAND, positional("start_dim", 0 if batchless else 1)))


def _split(op: ops.Split, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    place = _dim(op, inputs[0], op.axis, 0, batchless)
    sizes, dim = op.sizes(inputs[0]), keyword("dim", place, 0)
    if len(sizes) == 1:  # the piece itself, where torch would give a tuple of one
        return Call(
            "torch.narrow", (OPERAND, positional("dim", place), positional("start", 0), positional("length", sizes[0]))
        )
    if isinstance(op.pieces, int):
        return Call("torch.chunk", (OPERAND, positional("chunks", op.pieces), dim))
    return Call("torch.split", (OPERAND, positional("split_size_or_sections", op.pieces), dim))


def _unstack(op: ops.Unstack, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    place = _dim(op, inputs[0], op.axis, 0, batchless)
    if len(op.outputs(*inputs)) == 1:
        return Call("torch.select", (OPERAND, positional("dim", place), positional("index", 0)))
    return Call("torch.unbind", (OPERAND, keyword("dim", place, 0)))


def _last(op: ops.Last, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    dim = positional("dim", _dim(op, inputs[0], op.axis, -1, batchless))
    return Call("torch.select", (OPERAND, dim, positional("index", -1)))


def _slice(op: ops.Slice, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    at = axis_index(op, inputs[0], op.axis, 0)
    length = (inputs[0].sizes[at] if op.stop is None else op.stop) - op.start
    dim = positional("dim", at + (0 not in batchless))
    return Call("torch.narrow", (OPERAND, dim, positional("start", op.start), positional("length", length)))


def _roll(op: ops.Roll, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    dim = _dim(op, inputs[0], op.axis, 0, batchless)
    return Call("torch.roll", (OPERAND, positional("shifts", op.shift), positional("dims", dim)))


def _gather(op: ops.Gather, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    dim = keyword("dim", _dim(op, inputs[0], op.axis, 0, batchless), 0)
    return Call("gather", (OPERAND, positional("indices", op.indices), dim))


def _rearrange(op: ops.Rearrange, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    (x,) = inputs
    steps = op.steps(x)
    batch, first = ((), 0) if batchless else ((-1,), 1)
    value: Any = Operand(0)

    def then(function: str, name: str, argument: Any) -> Call:
        return Call(function, (positional("input", value), positional(name, argument)))

    if steps.split != x.sizes:
        value = then("torch.reshape", "shape", (*batch, *steps.split))
    if steps.order != tuple(range(len(steps.order))):
        value = then("torch.permute", "dims", (*range(first), *(index + first for index in steps.order)))
    for index in steps.new:
        value = then("torch.unsqueeze", "dim", index + first)
    if steps.new:
        value = then("torch.broadcast_to", "size", (*batch, *steps.repeated))
    if steps.merged != steps.repeated or isinstance(value, Operand):
        value = then("torch.reshape", "shape", (*batch, *steps.merged))
    assert isinstance(value, Call)
    return value


def _pad(op: ops.Pad, inputs: tuple[Shape, ...], _: tuple[int, ...]) -> Call:
    sides = positional("pad", flat(op.amounts(inputs[0])))
    return Call("F.pad", (OPERAND, sides, keyword("mode", op.mode, "constant"), keyword("value", op.value, 0.0)))


def _pad_channels(op: ops.PadChannels, inputs: tuple[Shape, ...], _: tuple[int, ...]) -> Call:
    return Call("F.pad", (OPERAND, positional("pad", (0,) * 2 * (inputs[0].rank - 1) + (op.before, op.after))))


def _crop(op: ops.Crop, inputs: tuple[Shape, ...], _: tuple[int, ...]) -> Call:
    return Call("center_crop", (OPERAND, positional("size", per_axis(op.size, dims(inputs[0]), "size"))))


def _interpolate(op: ops.Upsample | ops.Resize, inputs: tuple[Shape, ...], _: tuple[int, ...]) -> Call:
    return Call("F.interpolate", (OPERAND, *resized(op, inputs[0])))


def _scale(op: ops.Scale, inputs: tuple[Shape, ...], _: tuple[int, ...]) -> Call:
    return Call("*", (OPERAND, positional("factor", op.factor)))


def _affine(op: ops.Affine, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    numbers = (positional("scale", op.scale), positional("shift", op.shift))
    return Call("affine", (OPERAND, *numbers, keyword("dim", int(not batchless), 1)))


def _mean(op: ops.Mean, inputs: tuple[Shape, ...], _: tuple[int, ...]) -> Call:
    total = Call("+", _operands(len(inputs)))
    return Call("torch.div", (positional("input", total), positional("other", len(inputs))))


def _joined(inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Argument:
    """All operands as a list, each with a batch or none with one."""
    if not batchless or len(batchless) == len(inputs):
        return _ALL
    places = (positional("without", tuple(sorted(batchless))), positional("rank", inputs[0].rank))
    return positional("tensors", Call("all_with_batch", (positional("values", Operand(None)), *places)))


def _concat(op: ops.Concat, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    dim = op.place(*inputs) + (len(batchless) < len(inputs))
    return Call("torch.cat", (_joined(inputs, batchless), keyword("dim", dim, 0)))


def _stack(op: ops.Stack, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    return Call("torch.stack", (_joined(inputs, batchless), keyword("dim", int(len(batchless) < len(inputs)), 0)))


def _attention(op: ops.Attention, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    like = next((place for place in range(3) if place not in batchless), None)

    def operand(place: int, name: str) -> Argument:
        if like is None or place not in batchless:
            return positional(name, Operand(place))
        facts = (positional("like", Operand(like)), positional("rank", inputs[place].rank))
        return positional(name, Call("with_batch", (positional("x", Operand(place)), *facts)))

    settings = (keyword("is_causal", op.causal, False), keyword("scale", op.scale, None))
    values = tuple(operand(place, name) for place, name in enumerate(("query", "key", "value")))
    return Call("F.scaled_dot_product_attention", (*values, *settings))


def _pool_function(op: ops.MaxPool | ops.AvgPool, inputs: tuple[Shape, ...], _: tuple[int, ...]) -> Call | None:
    (x,) = inputs
    window = op.window(x)
    if window.symmetric is None or op.padding == "same_tf":
        return None
    name = "max_pool" if isinstance(op, ops.MaxPool) else "avg_pool"
    kernel = positional("kernel_size", size_of(window.kernel))
    stride = keyword("stride", size_of(window.stride), size_of(window.kernel))
    return Call(f"F.{name}{dims(x)}d", (OPERAND, kernel, stride, *pool_settings(op, window)))


def _adaptive(op: Any, inputs: tuple[Shape, ...], _: tuple[int, ...]) -> Call:
    word = "max" if isinstance(op, (ops.AdaptiveMaxPool, ops.GlobalMaxPool)) else "avg"
    return Call(f"F.adaptive_{word}_pool{dims(inputs[0])}d", (OPERAND, adaptive_size(op, inputs[0])))


def _softmax(op: ops.Softmax | ops.LogSoftmax, inputs: tuple[Shape, ...], batchless: tuple[int, ...]) -> Call:
    name = "F.softmax" if isinstance(op, ops.Softmax) else "F.log_softmax"
    return Call(name, (OPERAND, keyword("dim", _dim(op, inputs[0], op.axis, -1, batchless))))


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
