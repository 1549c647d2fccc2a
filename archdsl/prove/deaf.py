"""Operations that make the same of whatever they read: a norm or softmax along an axis of one element, times zero."""

from __future__ import annotations

from dataclasses import replace

from archdsl.graph import Graph
from archdsl.ir.program import Node, Output, Value
from archdsl.ops import LayerNorm, LogSoftmax, Scale, Softmax
from archdsl.ops.base import Input, Op
from archdsl.ops.common import axis_index
from archdsl.shapes import Shape


def is_deaf(op: Op, x: Shape) -> bool:
    """True if the result of an operation on a value of this shape does not depend on the value."""
    if isinstance(op, LayerNorm | Softmax | LogSoftmax):
        return x.sizes[axis_index(op, x, op.axis, -1)] == 1
    return isinstance(op, Scale) and op.factor == 0


def without_deaf(graph: Graph) -> tuple[Graph, tuple[int, ...]]:
    """The net whose deaf operations read inputs of their own, and the places of these inputs, which stand first."""
    deaf = [
        index
        for index, node in enumerate(graph.nodes)
        if len(node.inputs) == 1 and is_deaf(node.op, graph.shape(node.inputs[0]))
    ]
    if not deaf:
        return graph, ()
    count, taken = len(deaf), {node.path for node in graph.nodes}
    names = (name for number in range(10**9) if (name := f"unheard_{number}") not in taken)
    nodes = [_input(next(names), graph.shape(graph.nodes[index].inputs[0])) for index in deaf]
    own = {index: Value(number) for number, index in enumerate(deaf)}
    for index, node in enumerate(graph.nodes):
        read = (own[index],) if index in own else tuple(Value(v.node + count, v.output) for v in node.inputs)
        nodes.append(replace(node, inputs=read))
    outputs = tuple(
        Output(output.name, Value(output.value.node + count, output.value.output), output.training)
        for output in graph.outputs
    )
    program = replace(graph.program, nodes=tuple(nodes), outputs=outputs, declared=())
    return Graph(program), tuple(range(count))


def _input(path: str, shape: Shape) -> Node:
    return Node(path, Input(sizes=shape.sizes), (), (shape,))
