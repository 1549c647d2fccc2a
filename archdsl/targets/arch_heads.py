"""Results of a net as a spec says them: an `output` that names them, or none where the last value and the ends of the
side heads are what they are."""

from __future__ import annotations

import re
from dataclasses import replace

from archdsl.graph.graph import Graph
from archdsl.ir.program import Node, Output, Program, Scope, Value
from archdsl.ops import Identity
from archdsl.syntax.lexer import WORDS

MAIN = "output"  # what the result of a spec that names none is called
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def sayable(name: str) -> bool:
    """True for a name that an `output` can give."""
    return bool(_NAME.match(name)) and name not in WORDS


def implied(graph: Graph, last: Value) -> tuple[Output, ...]:
    """The results of a spec without `output` whose last value this is: it, and what its side heads end in."""
    read = {value.node for node in graph.nodes for value in node.inputs}
    ends = [index for index, node in enumerate(graph.nodes) if node.training and index not in read]
    ends.sort(key=lambda index: graph.program.places[index])
    heads = (Output(_first(graph.nodes[index].path), Value(index), True) for index in ends)
    return (Output(MAIN, last), *heads)


def is_implied(graph: Graph) -> bool:
    """True if a spec needs no `output` to have these results, its last value being the first of them."""
    return graph.outputs == implied(graph, graph.outputs[0].value)


def with_heads(graph: Graph) -> Graph:
    """The same net, where results of training that are computed in inference too are the ends of side heads: so they
    are absent in inference, as before passes took away what stood there. Where a result has a name that only a spec
    without `output` can give, all side results are such ends."""
    if is_implied(graph):
        return graph
    unsayable = any(not sayable(output.name) for output in graph.outputs)
    for output in graph.outputs:
        lost = output.training and not graph.nodes[output.value.node].training
        if lost or (unsayable and output.training):
            graph = _ended(graph, output)
    return graph


def _ended(graph: Graph, output: Output) -> Graph:
    """The net with an identity at the end of a side result, which has the result's name."""
    program = graph.program
    scope = Scope("role", "", 0, role="aux")
    shape = graph.shape(output.value)
    node = Node(
        _free(program, output.name), Identity(), (output.value,), (shape,), scope=len(program.scopes), training=True
    )
    index = len(program.nodes)
    outputs = tuple(replace(each, value=Value(index)) if each == output else each for each in program.outputs)
    declared = (*program.declared, index) if program.declared else ()
    return Graph(
        replace(
            program,
            nodes=(*program.nodes, node),
            scopes=(*program.scopes, scope),
            outputs=outputs,
            declared=declared,
        )
    )


def _free(program: Program, name: str) -> str:
    """A path whose first level is a name, and that no layer has, nor a level that holds one."""
    taken: set[str] = set()
    for node in program.nodes:
        level = node.path
        while level and level not in taken:
            taken.add(level)
            level = level.rpartition(".")[0]
    path, number = name, 1
    while path in taken:
        number += 1
        path = f"{name}.end" if number == 2 else f"{name}.end_{number}"
    return path


def _first(path: str) -> str:
    return path.partition(".")[0]
