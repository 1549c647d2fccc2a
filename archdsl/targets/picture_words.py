"""What a picture writes: operations as papers do (`3x3 conv, 64, /2`), blocks with the arguments that matter."""

from __future__ import annotations

from typing import Any

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node, Scope
from archdsl.ops import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    Attention,
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Dropout,
    DropoutChannels,
    Elementwise,
    Flatten,
    Gather,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Identity,
    Input,
    InstanceNorm,
    LayerNorm,
    Learned,
    Linear,
    LocalResponseNorm,
    LogSoftmax,
    Matmul,
    MaxPool,
    Mul,
    Op,
    Resize,
    Softmax,
    StochasticDepth,
    TensorLiteral,
    Upsample,
)
from archdsl.ops.common import extents
from archdsl.shapes import Shape

NORMS = (BatchNorm, LayerNorm, GroupNorm, InstanceNorm, LocalResponseNorm)
POOLS = (MaxPool, AvgPool, AdaptiveAvgPool, AdaptiveMaxPool, GlobalAvgPool, GlobalMaxPool, Upsample, Resize)
SIGNS: dict[type[Op], str] = {Add: "+", Mul: "\u00d7"}
QUIET = frozenset({"norm", "activation", "other"})  # left out of a box that has louder rows
ROLES = ("stem", "stage", "head", "aux")


def kind(op: Op) -> str:
    """What an operation is to a reader: its colour, and whether a condensed box tells it."""
    match op:
        case Input():
            return "input"
        case Conv() | ConvTranspose():
            return "conv"
        case Linear() | Matmul() | Attention():
            return "linear"
        case Learned() | TensorLiteral():
            return "param"
        case _ if op.takes == "list":
            return "merge"
        case _ if isinstance(op, NORMS):
            return "norm"
        case _ if isinstance(op, POOLS):
            return "pool"
        case Identity() | Flatten() | Dropout() | DropoutChannels() | StochasticDepth():
            return "other"
        case Elementwise() | Softmax() | LogSoftmax():
            return "activation"
    return "other"


def words(node: Node, inputs: tuple[Shape, ...]) -> str:
    """An operation as papers write it: `7x7 conv, 64, /2`, `3x3 max pool, /2`, `fc 1000`."""
    op = node.op
    match op:
        case Conv():
            return _window(op, inputs[0], "conv") + _groups(op, inputs[0])
        case ConvTranspose():
            return _window(op, inputs[0], "transposed conv").replace("/", "\u00d7") + _groups(op, inputs[0])
        case MaxPool():
            return _window(op, inputs[0], "max pool")
        case AvgPool():
            return _window(op, inputs[0], "avg pool")
        case GlobalAvgPool():
            return "global avg pool"
        case GlobalMaxPool():
            return "global max pool"
        case Linear():
            return f"fc {op.out}"
        case TensorLiteral():
            return f"tensor {node.outputs[0]}"
        case Gather():
            return f"gather {'x'.join(map(str, extents(op.indices)))}"
        case Input():
            return str(node.outputs[0]) if node.path == "input" else f"{node.path}: {node.outputs[0]}"
    return " ".join([op.word, *(_short(value) for value in _arguments(op))])


def _arguments(op: Op) -> list[Any]:
    """The arguments without a default: what the operation cannot be without."""
    return [getattr(op, name) for name in op.required() if isinstance(getattr(op, name), (int, float, str, tuple))]


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(_short, value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:21] + "..."


def _window(op: Any, x: Shape, what: str) -> str:
    """`3x3 conv, 64, /2`: kernel, name, channels, and the stride and dilation where they are not 1."""
    kernel = _sizes(op.kernel, x)
    text = [f"{'x'.join(map(str, kernel))} {what}"]
    if hasattr(op, "out"):
        text.append(str(op.out))
    stride = kernel if op.stride is None else _sizes(op.stride, x)
    if set(stride) != {1}:
        text.append("/" + (str(stride[0]) if len(set(stride)) == 1 else "x".join(map(str, stride))))
    dilation = _sizes(getattr(op, "dilation", 1), x)
    if set(dilation) != {1}:
        text.append(f"dilated {_short(dilation[0] if len(set(dilation)) == 1 else dilation)}")
    return ", ".join(text)


def _sizes(value: Any, x: Shape) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * (x.rank - 1)


def _groups(op: Any, x: Shape) -> str:
    if op.groups == 1:
        return ""
    return ", depthwise" if op.groups == x.sizes[0] else f", {op.groups} groups"


# --------------------------------------------------------------------- scopes


class Titles:
    """The titles of a graph's scopes. An argument that never changes from call to call is told only where none does."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        seen: dict[tuple[str, str], set[Any]] = {}
        for scope in graph.scopes:
            for name, value in scope.arguments:
                seen.setdefault((scope.block or "", name), set()).add(value)
        self.varies = frozenset(key for key, values in seen.items() if len(values) > 1)

    def label(self, scope: Scope) -> str:
        """The name that the scope was given, empty for a mere position."""
        if not scope.opens or scope.parent is None:
            return ""
        if scope.kind == "shared":  # it is known by its whole path wherever it is applied
            return scope.path
        above = self.graph.scopes[scope.parent].path
        label = scope.path[len(above) + 1 :] if above else scope.path
        return "" if label.isdigit() else label

    def block(self, scope: Scope) -> str:
        """`Bottleneck(width=64)`, empty where no block was called."""
        if scope.block is None:
            return ""
        told = [
            (name, value) for name, value in scope.arguments if isinstance(value, (int, str)) and value is not False
        ]
        varied = [
            (name, value) for name, value in told if (scope.block, name) in self.varies and value not in (1, True)
        ]
        shown = ", ".join(f"{name}={_short(value)}" for name, value in (varied or told)[:3])
        return f"{scope.block}({shown})" if shown else scope.block

    def title(self, scope: Scope) -> str:
        """`stage layer1`, `downsample: Project`, `Bottleneck(width=64)`, `shared tower: Tower`; empty for a shared
        layer, whose own words tell it."""
        if scope.kind == "shared":
            return f"shared {scope.path}: {scope.block}" if scope.block else ""
        label = self.label(scope)
        block = (scope.block or "") if label else self.block(scope)
        role = scope.role if scope.role in ROLES and scope.role != label else ""
        named = f"{label}: {block}" if label and block else label or block
        return " ".join(part for part in (role, named) if part)
