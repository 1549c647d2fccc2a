"""The figures that an `expect` may state, of a whole net or of one path level, also while the net is being built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from archdsl.ir.program import Node, Program, Value
from archdsl.shapes import Shape

Nodes = Program | Sequence[Node]


def params(program: Nodes, level: str | None = None) -> int:
    """Trainable numbers at or below a path level (`None`: all). Shared weights count once, at their first use."""
    nodes = _nodes(program)
    seen: set[str] = set()
    total = 0
    for node in nodes:
        if node.path in seen or not _inside(node, level):
            continue
        seen.add(node.path)
        tensors = node.op.tensors(*_shapes(nodes, node))
        total += sum(prod(tensor.sizes) for tensor in tensors if tensor.trainable)
    return total


def macs(program: Nodes, level: str | None = None) -> int:
    """Multiply-accumulates of one example in inference: what is computed in training only does not count."""
    nodes = _nodes(program)
    counted = (node for node in nodes if not node.training and _inside(node, level))
    return sum(node.op.macs(_shapes(nodes, node), node.outputs) for node in counted)


def totals(program: Nodes, name: str) -> dict[str, int]:
    """The figure `params` or `macs` of every path level (`""`: all) in one walk, as the function of that name counts
    it."""
    count = _macs_of if name == "macs" else _params_of
    found: dict[str, int] = {}
    levels: dict[str, int] = {}
    for path, figure in count(_nodes(program)):
        found[path] = found.get(path, 0) + figure
        above = path.rpartition(".")[0]
        levels[above] = levels.get(above, 0) + figure
    for level, figure in levels.items():
        for each in _levels(level):
            found[each] = found.get(each, 0) + figure
    return found


def _params_of(nodes: Sequence[Node]) -> Iterator[tuple[str, int]]:
    seen: set[str] = set()
    for node in nodes:
        if node.path not in seen:
            seen.add(node.path)
            if node.op.owns():
                tensors = node.op.tensors(*_shapes(nodes, node))
                yield node.path, sum([prod(tensor.sizes) for tensor in tensors if tensor.trainable])


def _macs_of(nodes: Sequence[Node]) -> Iterator[tuple[str, int]]:
    for node in nodes:
        if not node.training:
            yield node.path, node.op.macs(_shapes(nodes, node), node.outputs)


def _levels(path: str) -> Iterator[str]:
    """A path and all levels above it, to the empty one."""
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""


def depth(program: Nodes, level: str | None = None) -> int:
    """The most weighted operations (convolutions, linear layers) on a path from an input to an output that passes no
    gate; 0 where there is no such path.

    A gate is an operand that `mul` stretches. A Program ends in its inference outputs; a level, or nodes without a
    Program around them, end in what nothing (in them) reads, and a level begins in what flows into it.
    """
    nodes = _nodes(program)
    depths: dict[int, int] = {}
    for index, node in enumerate(nodes):
        if node.training or not _inside(node, level):
            continue
        found = _reached(nodes, node, depths, level)
        if found is not None:
            depths[index] = found + (1 if node.op.weighted else 0)
    return max((depths.get(index, 0) for index in _ends(program, level)), default=0)


def _reached(nodes: Sequence[Node], node: Node, depths: dict[int, int], level: str | None) -> int | None:
    """The deepest way to a node's inputs, `None` if no input of the net leads there."""
    if node.op.takes == "none":
        return 0 if node.op.word == "input" else None
    ways = []
    for value in node.inputs:
        if node.op.word == "mul" and nodes[value.node].outputs[value.output].sizes != node.outputs[0].sizes:
            continue
        if value.node in depths:
            ways.append(depths[value.node])
        elif not _inside(nodes[value.node], level) and nodes[value.node].op.word != "param":
            ways.append(0)
    return max(ways, default=None)


def _ends(program: Nodes, level: str | None) -> Iterator[int]:
    if isinstance(program, Program) and level is None:
        yield from (output.value.node for output in program.outputs if not output.training)
        return
    nodes = _nodes(program)
    inside = {index for index, node in enumerate(nodes) if not node.training and _inside(node, level)}
    read_inside, read_outside = set[int](), set[int]()
    for index, node in enumerate(nodes):
        if not node.training:
            (read_inside if index in inside else read_outside).update(value.node for value in node.inputs)
    yield from (index for index in sorted(inside) if index in read_outside or index not in read_inside)


def _nodes(program: Nodes) -> Sequence[Node]:
    return program.nodes if isinstance(program, Program) else program


def _inside(node: Node, level: str | None) -> bool:
    """True if the node stands at the level's path or below it."""
    if not level:
        return True
    return node.path.startswith(level) and (len(node.path) == len(level) or node.path[len(level)] == ".")


def _shapes(nodes: Sequence[Node], node: Node) -> tuple[Shape, ...]:
    return tuple(_shape(nodes, value) for value in node.inputs)


def _shape(nodes: Sequence[Node], value: Value) -> Shape:
    return nodes[value.node].outputs[value.output]
