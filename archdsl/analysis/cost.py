"""What each operation of a graph costs: parameters, multiply-accumulates, elements of its results."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from archdsl.graph import tokens
from archdsl.graph.graph import Graph
from archdsl.ops.base import Described, Input, Op

MOST = 6  # elements of a list that are shown


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one node. `params` are trainable numbers, at the first use where weights are shared; `macs` those of
    one example in inference; `activations` the elements of its results, 0 where it only views its input."""

    params: int
    macs: int
    activations: int


def costs(graph: Graph) -> tuple[Cost, ...]:
    """The cost of every node, in program order. MACs are counted by the rule of the reference: convolutions, linear
    maps and matrix products, and nothing of what is computed in training only."""
    seen: set[str] = set()
    found = []
    for node in graph.nodes:
        inputs = graph.program.shapes_in(node)
        tensors = () if node.path in seen else node.op.tensors(*inputs)
        seen.add(node.path)
        params = sum(prod(tensor.sizes) for tensor in tensors if tensor.trainable)
        macs = 0 if node.training else node.op.macs(inputs, node.outputs)
        stored = 0 if node.op.view or node.op.batchless else sum(shape.elements for shape in node.outputs)
        found.append(Cost(params, macs, stored))
    return tuple(found)


def written(op: Op) -> str:
    """An operation as a spec writes it: `conv(64, 3x3, stride=2)`, without its initial values."""
    if isinstance(op, Input):
        return f"input {tokens.literal(op.sizes)}"
    words = type(op).words()
    arguments = []
    for name, field in type(op).model_fields.items():
        value = getattr(op, name)
        if isinstance(value, Described) or (not field.is_required() and value == field.default):
            continue
        if isinstance(value, str) and value in words:
            text = value
        else:
            text = _numbers(value) if name in op.lists else tokens.literal(value)
        arguments.append(text if field.is_required() else f"{name}={text}")
    return f"{op.word}({', '.join(arguments)})" if arguments else op.word


def _numbers(value: Any) -> str:
    """A list in brackets; of a long one its first elements."""
    if not isinstance(value, tuple):
        return tokens.literal(value)
    more = [f"… {len(value):,} in all"] if len(value) > MOST else []
    return f"[{', '.join([*map(_numbers, value[: MOST - 1 if more else MOST]), *more])}]"


def called(block: str, arguments: tuple[tuple[str, Any], ...]) -> str:
    """A block's call as a spec writes it: `Bottleneck(width=64, stride=2)`."""
    shown = ", ".join(f"{name}={tokens.literal(value)}" for name, value in arguments)
    return f"{block}({shown})" if shown else block
