"""Initial values in torch's words: what its modules draw by themselves needs no code, the rest calls `nn.init`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from archdsl import ops
from archdsl.graph.graph import Graph
from archdsl.ir.program import Node
from archdsl.ops.base import Init, Op, Tensor
from archdsl.ops.init import DEFAULT_WEIGHT, default_bias
from archdsl.outline.call import Argument, Call, Operand
from archdsl.outline.model import Common
from archdsl.targets.torch_definitions import DEFINITIONS

_TARGET = Argument("tensor", Operand(0), positional=True)
_PLAIN_MODULE = re.compile(r"nn\.[A-Z]\w+")
_BASE = re.compile(r"class \w+\((nn\.\w+)\):")
NORM_OF = "norm_of"  # fills `weight_g` with the norms of `weight_v`
_DRAWS_WEIGHT = (ops.Conv, ops.ConvTranspose, ops.Linear)


def init_call(init: Init, sizes: tuple[int, ...]) -> Call | None:
    """The statement that fills a tensor of these sizes, or `None` where it needs more than that (`NormOf`)."""
    match init:
        case ops.Zeros():
            return Call("nn.init.zeros_", (_TARGET,))
        case ops.Ones():
            return Call("nn.init.ones_", (_TARGET,))
        case ops.Constant():
            return Call("nn.init.constant_", (_TARGET, Argument("val", init.value, positional=True)))
        case ops.Normal():
            return _call("normal_", ("mean", init.mean, 0.0), ("std", init.std, 1.0))
        case ops.TruncatedNormal():
            moments = (("mean", init.mean, 0.0), ("std", init.std, 1.0))
            return _call("trunc_normal_", *moments, ("a", init.a, -2.0), ("b", init.b, 2.0))
        case ops.Uniform():
            return _call("uniform_", ("a", init.low, 0.0), ("b", init.high, 1.0))
        case ops.KaimingNormal() | ops.KaimingUniform():
            return _kaiming(init)
        case ops.XavierNormal() | ops.XavierUniform():
            return _call(f"{init.word}_", ("gain", init.gain, 1.0))
        case _:
            return None


def _kaiming(init: ops.KaimingNormal | ops.KaimingUniform) -> Call:
    if init.a == 0.0:
        return _call(f"{init.word}_", ("mode", init.mode, "fan_in"), ("nonlinearity", "relu", "leaky_relu"))
    a: Any = init.a
    return _call(f"{init.word}_", ("a", a, 0.0), ("mode", init.mode, "fan_in"))


def _call(function: str, *arguments: tuple[str, Any, Any]) -> Call:
    given = tuple(Argument(name, value, default=default) for name, value, default in arguments)
    return Call(f"nn.init.{function}", (_TARGET, *given))


def own_init(op: Op, tensor: Tensor, tensors: Iterable[Tensor]) -> bool:
    """Whether torch's module draws this tensor so by itself."""
    if not tensor.trainable or isinstance(op, ops.Prelu):
        return True
    if tensor.name == "bias" and isinstance(op, _DRAWS_WEIGHT):
        weight = next(item for item in tensors if item.name in ("weight", "weight_v"))
        return tensor.init == default_bias(weight.sizes)
    if isinstance(op, _DRAWS_WEIGHT):
        return tensor.init == DEFAULT_WEIGHT or isinstance(tensor.init, ops.NormOf)
    return tensor.init == (ops.Zeros() if tensor.name == "bias" else ops.Ones())


def setup(graph: Graph, node: Node) -> tuple[tuple[str, Call], ...]:
    """The statements that give the tensors of a node their initial values, where its module does not."""
    tensors = node.op.tensors(*graph.program.shapes_in(node))
    found = [
        (tensor.name, call)
        for tensor in tensors
        if not own_init(node.op, tensor, tensors) and (call := init_call(tensor.init, tensor.sizes)) is not None
    ]
    if found and any(isinstance(tensor.init, ops.NormOf) for tensor in tensors):
        dims = tuple(range(1, len(tensors[-1].sizes)))
        found.append(("weight_g", Call(NORM_OF, (Argument("dim", dims),))))
    return tuple(found)


def learned(init: Init, sizes: tuple[int, ...]) -> tuple[Call, tuple[tuple[str, Call], ...]]:
    """`nn.Parameter(…)` for a learned tensor, and the statements that fill it."""
    shape = Argument("size", sizes, positional=True)
    match init:
        case ops.Zeros() | ops.Ones():
            made = Call(f"torch.{init.word}", (shape,))
        case ops.Constant():
            made = Call("torch.full", (shape, Argument("fill_value", init.value, positional=True)))
        case _:
            call = init_call(init, sizes)
            assert call is not None, init
            empty = Call("torch.empty", (shape,))
            return Call("nn.Parameter", (Argument("data", empty, positional=True),)), (("", call),)
    return Call("nn.Parameter", (Argument("data", made, positional=True),)), ()


Shared = dict[str, dict[str, tuple[Call, bool]]]


Modules = list[tuple[int, str, tuple[str, ...], tuple[tuple[str, Call], ...]]]


def shared(modules: Modules) -> Shared:
    """What all modules of a class have in common: by class and tensor, its statement, and whether some lack the tensor.

    `modules` are `(node, class, trainable tensors, statements)`. What is common is said once for the whole net, and
    holds for the classes that inherit from one of torch's too.
    """
    statements: dict[tuple[str, str], dict[Call | None, int]] = {}
    counts: dict[str, int] = {}
    normed: set[str] = set()
    for _, function, tensors, calls in modules:
        name = base(function)
        counts[name] = counts.get(name, 0) + 1
        given = dict(calls)
        for tensor in tensors:
            seen = statements.setdefault((name, tensor), {})
            seen[given.get(tensor)] = seen.get(given.get(tensor), 0) + 1
        if "weight_g" in tensors:
            normed.add(name)
    found: Shared = {}
    for (name, tensor), seen in statements.items():
        call = next(iter(seen))
        if call is None or len(seen) > 1 or name in normed or not _PLAIN_MODULE.fullmatch(name) or not tensor:
            continue
        optional = seen[call] < counts[name] or (tensor == "bias" and name.startswith("nn.Conv"))
        found.setdefault(name, {})[tensor] = (call, optional)
    return found


def common(found: Shared, modules: Modules) -> tuple[Common, ...]:
    """The statements that are said once, in order, with the nodes that they are for."""
    return tuple(
        Common(
            call,
            tuple((node, tensor) for node, function, own, _ in modules if base(function) == name and tensor in own),
        )
        for name, tensors in found.items()
        for tensor, (call, _) in tensors.items()
    )


def base(function: str) -> str:
    """The class of torch that a module is, for one that is defined in the file."""
    match = _BASE.search(DEFINITIONS.get(function, ""))
    return match.group(1) if match else function
