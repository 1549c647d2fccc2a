"""A hash that nets share which are the same up to names, spans and block names."""

from __future__ import annotations

import hashlib
from typing import Any

from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import Identity

INITIAL = ("init", "bias_init")


def canonical_hash(graph: Graph) -> str:
    """A hash of operations, argument order, roles and the sharing of weights; linear in the graph.

    Neither names nor program order count, nor identities, nor what no output reads.
    """
    order = walk(graph)
    numbers = {index: number for number, index in enumerate(order)}
    weights: dict[str, int] = {}
    digest = hashlib.sha256()
    for index in order:
        node = graph.nodes[index]
        read = [meant(graph, value) for value in node.inputs]
        inputs = " ".join(f"{numbers[value.node]}.{value.output}" for value in read)
        own = ""
        if node.op.tensors(*graph.program.shapes_in(node)):
            own = str(weights.setdefault(node.path, len(weights)))
        role = graph.role(index) or ""
        digest.update(f"{operation(graph, index)} ({inputs}) {own} {role} {node.skip} {node.training}\n".encode())
    for output in graph.outputs:
        value = meant(graph, output.value)
        digest.update(f"out {numbers[value.node]} {value.output} {output.training}\n".encode())
    return digest.hexdigest()[:32]


def walk(graph: Graph) -> list[int]:
    """The nodes that outputs depend on, each after what it reads: a walk backwards from the outputs, through arguments
    from the first to the last, so that the order depends on neither names nor program order."""
    order: list[int] = []
    seen: set[int] = set()
    for output in graph.outputs:
        stack = [(meant(graph, output.value).node, False)]
        while stack:
            index, ready = stack.pop()
            if index in seen:
                continue
            if ready:
                seen.add(index)
                order.append(index)
                continue
            stack.append((index, True))
            stack += [(meant(graph, value).node, False) for value in reversed(graph.nodes[index].inputs)]
    return order


def meant(graph: Graph, value: Value) -> Value:
    """The value that an identity passes on."""
    while isinstance(graph.nodes[value.node].op, Identity):
        value = graph.nodes[value.node].inputs[0]
    return value


def operation(graph: Graph, index: int, *, initial: bool = True) -> str:
    """An operation with its arguments as they are after resolution (`3` and `3x3` are the same window), and the shapes
    of its results; without `initial`, how its weights begin does not count."""
    node = graph.nodes[index]
    fields: dict[str, Any] = dict(node.op)
    window = getattr(node.op, "window", None)
    if window is not None and node.inputs:
        fields["kernel"] = fields["padding"] = fields["stride"] = fields["dilation"] = None
        fields["window"] = window(graph.shape(node.inputs[0]))
    if not initial:
        fields = {name: value for name, value in fields.items() if name not in INITIAL}
    shapes = " ".join(map(str, node.outputs))
    return f"{node.op.word} {sorted(fields.items(), key=lambda item: item[0])} -> {shapes}"
