"""The calls of torch as data: arguments as people write them, and what modules and functions share."""

from __future__ import annotations

from typing import Any

from archdsl import ops
from archdsl.ops.base import Op
from archdsl.ops.common import per_axis
from archdsl.ops.space import DIMS_OF_MODE
from archdsl.ops.window import Window
from archdsl.outline.call import REQUIRED, Argument, Operand
from archdsl.shapes import Shape


def keyword(name: str, value: Any, default: Any = REQUIRED) -> Argument:
    """An argument that is written by name."""
    return Argument(name, value, default=default)


def positional(name: str, value: Any, default: Any = REQUIRED) -> Argument:
    """An argument that is written by place."""
    return Argument(name, value, positional=True, default=default)


OPERAND = positional("input", Operand(0))


def size_of(values: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all axes agree, as people write it."""
    return values[0] if len(set(values)) == 1 else values


def dims(x: Shape) -> int:
    """The spatial axes that the class for this input is named by; a value without any takes the 1-D one."""
    return max(x.rank - 1, 1)


def flat(sides: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """Sides in the order of `F.pad`: the last axis first."""
    return tuple(amount for pair in reversed(sides) for amount in pair)


def adaptive_size(op: Any, x: Shape) -> Argument:
    """The output size of an adaptive pool; a global one has 1 along every axis."""
    return positional("output_size", size_of(per_axis(getattr(op, "size", 1), dims(x), "size")))


def pool_own(op: ops.MaxPool | ops.AvgPool, window: Window) -> tuple[Argument, ...]:
    """What only one of the two pools has."""
    if isinstance(op, ops.MaxPool):
        return (keyword("dilation", size_of(window.dilation), 1),)
    return (keyword("count_include_pad", op.count_padding is not False, True),)


def pool_settings(op: ops.MaxPool | ops.AvgPool, window: Window) -> tuple[Argument, ...]:
    """What follows a pool's kernel and stride, in torch's order."""
    padding = keyword("padding", size_of(window.symmetric or (0,)), 0)
    ceil = keyword("ceil_mode", op.ceil, False)
    own = pool_own(op, window)
    return (padding, *own, ceil) if isinstance(op, ops.MaxPool) else (padding, ceil, *own)


def resized(op: ops.Upsample | ops.Resize, x: Shape) -> tuple[Argument, ...]:
    """The arguments of an interpolation."""
    mode = op.mode.replace("_", "-")
    corners = op.align_corners if op.mode in DIMS_OF_MODE else None
    if isinstance(op, ops.Upsample):
        factors = op.factors(x)
        size = keyword("scale_factor", factors[0] if len(set(factors)) == 1 else factors)
    else:
        size = keyword("size", size_of(per_axis(op.size, dims(x), "size")))
    # align_corners=False is what torch makes of None; both say nothing.
    return (size, keyword("mode", mode, "nearest"), keyword("align_corners", corners or None, None))


# Activations: the same arguments for module and function.


class Activation:
    """The names that torch has for an activation, and `(field, argument, default)` of each setting."""

    def __init__(
        self, module: str | None, function: str | None, *fields: tuple[str, str, Any], inplace: bool = False
    ) -> None:
        self.module, self.function, self.fields, self.inplace = module, function, fields, inplace


ACTIVATIONS: dict[type[Op], Activation] = {
    ops.Identity: Activation("nn.Identity", None),
    ops.Relu: Activation("nn.ReLU", "F.relu", inplace=True),
    ops.Relu6: Activation("nn.ReLU6", "F.relu6", inplace=True),
    ops.LeakyRelu: Activation("nn.LeakyReLU", "F.leaky_relu", ("slope", "negative_slope", 0.01), inplace=True),
    ops.Elu: Activation("nn.ELU", "F.elu", ("alpha", "alpha", 1.0), inplace=True),
    ops.Selu: Activation("nn.SELU", "F.selu", inplace=True),
    ops.Celu: Activation("nn.CELU", "F.celu", ("alpha", "alpha", 1.0), inplace=True),
    ops.Gelu: Activation("nn.GELU", "F.gelu", ("approximate", "approximate", "none")),
    ops.Silu: Activation("nn.SiLU", "F.silu", inplace=True),
    ops.Mish: Activation("nn.Mish", "F.mish", inplace=True),
    ops.Sigmoid: Activation("nn.Sigmoid", "torch.sigmoid"),
    ops.LogSigmoid: Activation("nn.LogSigmoid", "F.logsigmoid"),
    ops.Tanh: Activation("nn.Tanh", "torch.tanh"),
    ops.Softplus: Activation("nn.Softplus", "F.softplus", ("beta", "beta", 1.0), ("threshold", "threshold", 20.0)),
    ops.Softsign: Activation("nn.Softsign", "F.softsign"),
    ops.Hardswish: Activation("nn.Hardswish", "F.hardswish", inplace=True),
    ops.Hardsigmoid: Activation("nn.Hardsigmoid", "F.hardsigmoid", inplace=True),
    ops.Hardtanh: Activation(
        "nn.Hardtanh", "F.hardtanh", ("low", "min_val", -1.0), ("high", "max_val", 1.0), inplace=True
    ),
    ops.Dropout: Activation("nn.Dropout", None, ("rate", "p", 0.5)),
}


def settings(op: Op, form: Activation) -> tuple[Argument, ...]:
    """The activation's arguments by name."""
    values = ((name, getattr(op, field), default) for field, name, default in form.fields)
    return tuple(keyword(name, default if value is None else value, default) for name, value, default in values)
