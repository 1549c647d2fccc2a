"""A graph as stable, line-oriented text, for people, diffs and files; `read_graph(print_graph(g)) == g`.

    archdsl-graph 1
    arch resnet18 source="resnet18.arch" digest="5f0c"
    &0 = arch
    %0 = input(sizes=3x224x224) : 3x224x224  @input in &0
    &1 = role in &0 role=stem
    %1 = conv(out=64, kernel=7x7, stride=2x2) %0 : 64x112x112  @conv1 in &1
    output output = %60

A scope stands before the first node that is in it or behind it. Spans and default arguments are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.graph import tokens
from archdsl.graph.graph import Graph
from archdsl.graph.read import HEADER, read_graph
from archdsl.ir.program import Node, Program, Scope, Value
from archdsl.ops.base import Described
from archdsl.shapes import AXES, Shape

__all__ = ["described", "print_graph", "read_graph"]


def print_graph(graph: Graph) -> str:
    """The text of a graph: everything but spans, the same for equal graphs."""
    return "\n".join(_lines(graph.program)) + "\n"


def _lines(program: Program) -> Iterator[str]:
    yield HEADER
    facts = (f" {key}={tokens.text(value)}" for key, value in _provenance(program) if value)
    yield f"arch {tokens.name(program.name)}{''.join(facts)}"
    for key, value in program.parameters:
        yield f"set {tokens.name(key)} = {tokens.literal(value)}"
    shown = 0
    for index, node in enumerate(program.nodes):
        while shown <= node.scope:
            yield _scope_line(shown, program.scopes)
            shown += 1
        yield f"%{index} = {_node_text(node)}"
    for rest in range(shown, len(program.scopes)):
        yield _scope_line(rest, program.scopes)
    if program.declared:
        yield f"declared {' '.join(map(str, program.declared))}"
    for output in program.outputs:
        training = " training" if output.training else ""
        yield f"output {tokens.name(output.name)} = {_value(output.value)}{training}"


def _provenance(program: Program) -> tuple[tuple[str, str], ...]:
    return ("source", program.source), ("digest", program.digest), ("doc", program.doc)


def _scope_line(index: int, scopes: tuple[Scope, ...]) -> str:
    scope = scopes[index]
    parts = [f"&{index} = {tokens.name(scope.kind)}"]
    if scope.parent is not None:
        parts.append(f"in &{scope.parent}")
    if scope.opens:
        parts.append("opens")
    if scope.opens or scope.path != (scopes[scope.parent].path if scope.parent is not None else ""):
        parts.append(tokens.path(scope.path))
    if scope.role is not None:
        parts.append(f"role={tokens.name(scope.role)}")
    arguments = ", ".join(f"{tokens.name(key)}={tokens.literal(value)}" for key, value in scope.arguments)
    brackets = f"({arguments})" if arguments else ""
    if scope.block is not None:
        parts.append(f"block={tokens.name(scope.block)}{brackets}")
    elif brackets:
        parts.append(brackets)
    if scope.doc:
        parts.append(f"doc={tokens.text(scope.doc)}")
    return " ".join(parts)


def _node_text(node: Node) -> str:
    inputs = "".join(f" {_value(value)}," for value in node.inputs).rstrip(",")
    outputs = ", ".join(map(_shape_text, node.outputs))
    marks = (" skip" if node.skip else "") + (" training" if node.training else "")
    return f"{described(node.op)}{inputs} : {outputs}  {tokens.path(node.path)} in &{node.scope}{marks}"


def described(value: Described) -> str:
    """An operation with the arguments that are not its defaults: `conv(out=64, kernel=3x3)`."""
    arguments = ", ".join(_arguments(value))
    return f"{value.word}({arguments})" if arguments else value.word


def _arguments(value: Described) -> Iterator[str]:
    words = type(value).words()
    for key, field in type(value).model_fields.items():
        item = getattr(value, key)
        if not field.is_required() and item == field.default and type(item) is type(field.default):
            continue
        if isinstance(item, Described):  # brackets always: `zeros` is a padding mode, `zeros()` initial values
            yield f"{key}={item.word}({', '.join(_arguments(item))})"
        else:
            yield f"{key}={item}" if isinstance(item, str) and item in words else f"{key}={tokens.literal(item)}"


def _value(value: Value) -> str:
    return f"%{value.node}.{value.output}" if value.output else f"%{value.node}"


def _shape_text(shape: Shape) -> str:
    if shape.axes == AXES.get(shape.rank, (None,) * shape.rank):
        return str(shape)
    names = " ".join(
        "_" if axis is None else tokens.text(axis) if axis == "_" else tokens.name(axis) for axis in shape.axes
    )
    return f"{shape}[{names}]"
