"""What a legal graph is. Every pass is held to it, and so is a graph that is read from a text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from archdsl.diagnostics import ArchdslError, quote
from archdsl.graph.graph import Graph
from archdsl.graph.words import LEVELS, node_fault, program_fault, scope_fault
from archdsl.ir import sharing
from archdsl.ir.program import Scope, Value
from archdsl.limits import DEFAULT, Limits
from archdsl.ops.base import Input, Learned, Op, ShapeError
from archdsl.shapes import Shape

_ANY_LENGTH = Limits(levels=sys.maxsize, identifier=sys.maxsize, text=sys.maxsize, source=sys.maxsize)
RANK = 32  # axes of a value
SHOWN = 20  # faults that one error tells
KINDS = frozenset({"arch", "level", "block", "role", "branches", "branch", "residual", "skip", "iteration", "shared"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken law: in words, and the node or scope that breaks it."""

    message: str
    node: int | None = None
    scope: int | None = None

    def __str__(self) -> str:
        place = "" if self.node is None else f"node {self.node}: "
        return (place if self.scope is None else f"scope {self.scope}: ") + self.message


class IllegalGraph(ArchdslError):  # noqa: N818 - what a pass made, in the words of those who read it
    """A graph that breaks its own laws: never a user's mistake, save in a text that was written by hand."""

    def __init__(self, graph: Graph, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        shown = [str(fault) for fault in faults[:SHOWN]]
        if len(faults) > SHOWN:
            shown.append(f"... and {len(faults) - SHOWN} more")
        super().__init__("\n".join([f"the graph `{quote(graph.name)}` is illegal", *(f"  {line}" for line in shown)]))


def verify(graph: Graph, limits: Limits = DEFAULT) -> None:
    """Returns for a legal graph within the limits. Raises `IllegalGraph` with all faults, in the order of the nodes."""
    found = tuple(faults(graph, limits))
    if found:
        raise IllegalGraph(graph, found)


def held(graph: Graph) -> Graph:
    """The graph, every text of which is made of what the language lets a spec write: what an emitter takes. Raises
    `IllegalGraph`; how long texts may be is not asked, since a caller may raise that limit."""
    found = tuple(_word_faults(graph, _ANY_LENGTH))
    if found:
        raise IllegalGraph(graph, found)
    return graph


def faults(graph: Graph, limits: Limits = DEFAULT) -> Iterator[Fault]:
    """Every broken law. Words come first, then indices: all else quotes the ones and reads through the others."""
    if len(graph.nodes) > limits.nodes:
        yield Fault(f"{len(graph.nodes)} nodes, and {limits.nodes} is the limit")
        return
    broken = [*_word_faults(graph, limits)]
    yield from broken
    if broken:
        return
    broken = [*_scope_faults(graph), *_index_faults(graph), *_order_faults(graph), *_output_faults(graph)]
    yield from broken
    if broken:
        return
    broken = [*_shape_faults(graph, limits)]
    yield from broken
    yield from _training_faults(graph)
    yield from (Fault(why, index) for index, why in sharing.broken(graph.program))
    if not broken:
        yield from _path_faults(graph, limits)


def _word_faults(graph: Graph, limits: Limits) -> Iterator[Fault]:
    if message := program_fault(graph.program, limits):
        yield Fault(message)
    for index, scope in enumerate(graph.scopes):
        if message := scope_fault(scope, limits):
            yield Fault(message, scope=index)
    for index, node in enumerate(graph.nodes):
        if message := node_fault(node, limits):
            yield Fault(message, index)


def _scope_faults(graph: Graph) -> Iterator[Fault]:
    root = graph.scopes[0] if graph.scopes else None
    if root is None or root.kind != "arch" or root.parent is not None or root.path:
        yield Fault("the first scope is the arch, without parent and path", scope=0)
        return
    depths = [0]
    for index, scope in enumerate(graph.scopes[1:], 1):
        message = _scope_fault(scope, index, graph)
        depths.append(0 if message or scope.parent is None else depths[scope.parent] + 1)
        if not message and depths[index] > LEVELS:
            message = f"scopes nest at most {LEVELS} deep"
        if message:
            yield Fault(message, scope=index)


def _scope_fault(scope: Scope, index: int, graph: Graph) -> str | None:
    if scope.kind not in KINDS or scope.kind == "arch":
        return f"`{quote(scope.kind)}` is no kind of scope"
    if scope.parent is None or not 0 <= scope.parent < index:
        return "its parent does not stand before it"
    above = graph.scopes[scope.parent].path
    if scope.kind == "shared":  # its level is where the weights are, not where they are used again
        return None
    if scope.opens and not _below(scope.path, above):
        return f"it opens `{quote(scope.path)}`, which is not below `{quote(above)}`"
    if not scope.opens and scope.path != above:
        return f"it opens no level, and yet its path is `{quote(scope.path)}` inside `{quote(above)}`"
    return None


def _below(path: str, level: str) -> bool:
    return bool(path) if not level else path.startswith(level + ".")


def _fits(path: str, scope: Scope) -> bool:
    if "" in path.split("."):
        return False
    return _below(path, scope.path) or (scope.kind == "shared" and path == scope.path)


def _index_faults(graph: Graph) -> Iterator[Fault]:
    for index, node in enumerate(graph.nodes):
        if not 0 <= node.scope < len(graph.scopes):
            yield Fault(f"there is no scope {node.scope}", index)
        elif not _fits(node.path, graph.scopes[node.scope]):
            yield Fault(f"`{quote(node.path)}` is no path below `{quote(graph.scopes[node.scope].path)}`", index)
        for value in node.inputs:
            if not 0 <= value.node < index:
                yield Fault(f"it reads node {value.node}, which does not stand before it", index)
            elif not 0 <= value.output < len(graph.nodes[value.node].outputs):
                yield Fault(f"it reads output {value.output} of node {value.node}, which has none", index)


def _order_faults(graph: Graph) -> Iterator[Fault]:
    declared = graph.program.declared
    if declared and sorted(declared) != list(range(len(graph.nodes))):
        yield Fault("the order of its declarations does not name every node once")


def _output_faults(graph: Graph) -> Iterator[Fault]:
    if not any(not output.training for output in graph.outputs):
        yield Fault("it has no output in inference")
    names = [output.name for output in graph.outputs]
    if len(set(names)) < len(names):
        yield Fault("two outputs have one name")
    for output in graph.outputs:
        if not _exists(graph, output.value):
            yield Fault(f"the output `{quote(output.name)}` reads a value that does not exist")
        elif graph.nodes[output.value.node].training and not output.training:
            yield Fault(f"the output `{quote(output.name)}` reads a value of training only", output.value.node)


def _exists(graph: Graph, value: Value) -> bool:
    return 0 <= value.node < len(graph.nodes) and 0 <= value.output < len(graph.nodes[value.node].outputs)


def _shape_faults(graph: Graph, limits: Limits) -> Iterator[Fault]:
    broken = [*_size_faults(graph, limits)]
    yield from broken
    if broken:  # every shape is made from those that are stated
        return
    for index, node in enumerate(graph.nodes):
        message = _arity_fault(node.op, len(node.inputs)) or _shape_fault(graph, index, limits)
        if message:
            yield Fault(message, index)


def _size_faults(graph: Graph, limits: Limits) -> Iterator[Fault]:
    for index, node in enumerate(graph.nodes):
        if isinstance(node.op, Input | Learned) and not _stands(node.op, limits):
            yield Fault(f"`{node.op.word}` has no sizes that the language can write", index)
        for shape in node.outputs:
            if shape.rank > RANK or shape.elements > limits.elements:
                yield Fault(f"a value of {shape} has more than {limits.elements} elements or {RANK} axes", index)


def _stands(op: Input | Learned, limits: Limits) -> bool:
    """Whether what comes from outside or is learned has sizes that a spec can give it."""
    most = 4 if isinstance(op, Input) else RANK
    return 1 <= len(op.sizes) <= most and all(0 < size < limits.field for size in op.sizes)


def _arity_fault(op: Op, count: int) -> str | None:
    fits = {"none": count == 0, "one": count == 1, "list": count >= 1}[op.takes]
    return None if fits else f"`{op.word}` takes {op.takes} and reads {count} values"


def _shape_fault(graph: Graph, index: int, limits: Limits) -> str | None:
    node = graph.nodes[index]
    inputs = graph.program.shapes_in(node)
    try:
        if inputs and (count := node.op.results(*inputs)) > limits.list_items:
            return f"`{node.op.word}` makes {count} values, and {limits.list_items} is the limit"
        outputs = node.op.outputs(*inputs)
        if index in graph.batchless:
            node.op.check_bare(*inputs)
    except ShapeError as error:
        return f"`{node.op.word}`: {error.message}"
    if outputs != node.outputs:
        return f"it says {_shown(node.outputs)} where `{node.op.word}` makes {_shown(outputs)}"
    if any(shape.elements > limits.elements for shape in outputs):
        return f"a value of {_shown(outputs)} has more than {limits.elements} elements"
    return None


def _shown(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(f"{shape} ({' '.join(axis or '_' for axis in shape.axes)})" for shape in shapes) or "nothing"


def _training_faults(graph: Graph) -> Iterator[Fault]:
    for index, node in enumerate(graph.nodes):
        if not node.training and any(graph.nodes[value.node].training for value in node.inputs):
            yield Fault("it is computed in inference and reads a value of training only", index)


def _path_faults(graph: Graph, limits: Limits) -> Iterator[Fault]:
    first: dict[str, tuple[Op, tuple[object, ...]]] = {}
    keys: dict[str, str] = {}
    total = 0
    for index, node in enumerate(graph.nodes):
        inputs = graph.program.shapes_in(node)
        tensors, owned = node.op.tensors(*inputs), node.op.owned(*inputs)
        if node.path in first:
            if first[node.path] != (node.op, owned) or isinstance(node.op, Input):
                yield Fault(f"`{quote(node.path)}` is the path of two operations that share no weights", index)
            continue
        first[node.path] = (node.op, owned)
        for tensor in tensors:
            key = f"{node.path}.{tensor.name}" if tensor.name else node.path
            if keys.setdefault(key, node.path) != node.path:
                yield Fault(f"`{quote(key)}` is already a tensor of `{quote(keys[key])}`", index)
            size = prod(tensor.sizes)
            total += size if tensor.trainable else 0
            if size > limits.elements:
                yield Fault(f"`{quote(key)}` has {size} elements, and {limits.elements} is the limit", index)
    if total > limits.params:
        yield Fault(f"{total} parameters, and {limits.params} is the limit")
