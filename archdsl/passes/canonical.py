"""A hash that nets share which are the same up to names, spans and block names."""

from __future__ import annotations

import hashlib

from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import Identity


def canonical_hash(graph: Graph) -> str:
    """A hash of operations, argument order, roles and the sharing of weights; linear in the graph.

    Nodes are numbered in the order of a walk backwards from the outputs, through arguments from the first to the last,
    so that neither names nor program order count. What no output reads does not count either.
    """
    numbers: dict[int, int] = {}
    weights: dict[str, int] = {}
    digest = hashlib.sha256()
    for output in graph.outputs:
        value = _meant(graph, output.value)
        _visit(graph, value.node, numbers, weights, digest)
        digest.update(f"out {numbers[value.node]} {value.output} {output.training}\n".encode())
    return digest.hexdigest()[:32]


def _visit(graph: Graph, root: int, numbers: dict[int, int], weights: dict[str, int], digest: hashlib._Hash) -> None:
    stack = [(root, False)]
    while stack:
        index, ready = stack.pop()
        if index in numbers:
            continue
        node = graph.nodes[index]
        if not ready:
            stack.append((index, True))
            stack += [(_meant(graph, value).node, False) for value in reversed(node.inputs)]
            continue
        numbers[index] = len(numbers)
        read = [_meant(graph, value) for value in node.inputs]
        inputs = " ".join(f"{numbers[value.node]}.{value.output}" for value in read)
        own = ""
        if node.op.tensors(*graph.program.shapes_in(node)):
            own = str(weights.setdefault(node.path, len(weights)))
        role = graph.role(index) or ""
        digest.update(f"{_operation(graph, index)} ({inputs}) {own} {role} {node.skip} {node.training}\n".encode())


def _meant(graph: Graph, value: Value) -> Value:
    """The value that an identity passes on."""
    while isinstance(graph.nodes[value.node].op, Identity):
        value = graph.nodes[value.node].inputs[0]
    return value


def _operation(graph: Graph, index: int) -> str:
    """An operation with its arguments, sizes as they are after resolution: `3` and `3x3` are the same window."""
    node = graph.nodes[index]
    fields = dict(node.op)
    window = getattr(node.op, "window", None)
    if window is not None and node.inputs:
        fields["kernel"] = fields["padding"] = fields["stride"] = fields["dilation"] = None
        fields["window"] = window(graph.shape(node.inputs[0]))
    shapes = " ".join(map(str, node.outputs))
    return f"{node.op.word} {sorted(fields.items(), key=lambda item: item[0])} -> {shapes}"
