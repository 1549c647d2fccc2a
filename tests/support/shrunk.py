"""Nets on smaller images: the same operations, so that a comparison takes less."""

from __future__ import annotations

from dataclasses import replace

from archdsl.graph import Graph
from archdsl.graph.verify import verify
from archdsl.library import specs_root
from archdsl.ops.base import Input, ShapeError

SIZES = (16, 32, 48, 64, 80, 96, 128, 160, 224, 256, 299, 572)


def every_net() -> list[str]:
    """The names of the bundled nets that need no arguments: each has a file of its own."""
    return sorted(path.stem for path in (*specs_root().glob("*.arch"), *specs_root().glob("blocks/*.arch")))


def shrunk(graph: Graph, least: int = 32) -> Graph:
    """The net on the smallest image that every operation takes, at least `least` wide; itself if its input is none."""
    biggest = min(max(graph.nodes[index].outputs[0].sizes) for index in graph.inputs)
    for size in SIZES:
        if least <= size < biggest:
            found = sized(graph, size)
            if found is not None:
                return found
    return graph


def sized(graph: Graph, size: int) -> Graph | None:
    """The net on images of this size, or `None` if some operation does not take them."""
    nodes = list(graph.nodes)
    for index, node in enumerate(nodes):
        op = node.op
        if isinstance(op, Input):
            op = Input(sizes=(op.sizes[0], *(size for _ in op.sizes[1:])))
        try:
            outputs = op.outputs(*(nodes[value.node].outputs[value.output] for value in node.inputs))
        except ShapeError:
            return None
        nodes[index] = replace(node, op=op, outputs=outputs)
    found = Graph(replace(graph.program, nodes=tuple(nodes)))
    verify(found)
    return found
