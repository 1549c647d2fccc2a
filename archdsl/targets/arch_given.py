"""Which numbers of a net follow from the parameters of its arch: found by making the net again with other values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdsl.diagnostics import CompileError
from archdsl.elaborate import elaborate
from archdsl.graph.graph import Graph
from archdsl.ops.base import Described, Learned
from archdsl.passes.canonical import canonical_hash
from archdsl.source import Source
from archdsl.syntax import tree
from archdsl.targets.arch_source_layers import Place
from archdsl.targets.arch_source_parts import HERE, Given, exact
from archdsl.targets.arch_text import expression

Remake = Callable[[Mapping[str, Any]], Graph]  # the same net with parameters of the arch set; raises `CompileError`
MOST_FACTOR = 64
ENOUGH, TRIES = 3, 7  # other values that give a net, and how many are tried


@dataclass(frozen=True)
class Origin:
    """The spec that a net was made from: its graph, parameters, claims and remarks, and how the net is made again."""

    before: Graph
    values: Mapping[str, Any]
    claims: tuple[tree.Expect | tree.Require, ...]
    remarks: tuple[str, ...]
    remake: Remake


@dataclass(frozen=True)
class Follows:
    """A parameter that stays one: its value, what follows from it, and the nets of other values (`None`: refused)."""

    name: str
    value: Any
    places: Mapping[Place, Given]
    probes: tuple[tuple[Any, Graph | None], ...]


def follow(graph: Graph, values: Mapping[str, Any], remake: Remake) -> tuple[list[Follows], dict[str, str]]:
    """The parameters from which numbers of a net follow in a way that a spec can say, and why the others are not."""
    kept: list[Follows] = []
    left: dict[str, str] = {}
    taken: set[Place] = set()
    for name, value in values.items():
        found = _follows(graph, name, value, remake)
        if isinstance(found, Follows) and taken.intersection(found.places):
            found = "a number follows from it and from another one"
        if isinstance(found, str):
            left[name] = found
            continue
        kept.append(found)
        taken.update(found.places)
    return kept, left


def _follows(graph: Graph, name: str, value: Any, remake: Remake) -> Follows | str:
    """What follows from a parameter, or why it cannot stay one."""
    if type(value) not in (int, float):
        return "only numbers are found again"
    probes = tuple(_probes(name, value, remake))
    nets = [(other, net) for other, net in probes if net is not None]
    if len(nets) < 2:
        return f"the spec takes no other value, such as {', '.join(str(other) for other, _ in probes)}"
    if any(_form(net) != _form(graph) for _, net in nets):
        return "which layers there are depends on it"
    places: dict[Place, Given] = {}
    numbers = [value, *(other for other, _ in nets)]
    for index, node in enumerate(graph.nodes):
        ops = [node.op, *(net.nodes[index].op for _, net in nets)]
        if all(op == node.op for op in ops):
            continue
        for field in type(node.op).model_fields:
            column = [getattr(op, field) for op in ops]
            if _constant(column):
                continue
            written = _fit(name, numbers, column)
            if written is None or (isinstance(node.op, Learned) and field != "sizes"):
                return f"`{field}` of {node.path} follows from it in a way that is not found again"
            places[index, field] = Given(written, column[0])
    return Follows(name, value, places, probes) if places else "nothing follows from it"


def _probes(name: str, value: Any, remake: Remake) -> Iterator[tuple[Any, Graph | None]]:
    """Other values of a number, and the nets that they give, until enough are some."""
    others: tuple[Any, ...] = (value + 1, 7, 2 * value, value + 8, value // 2, 3, 64)
    if isinstance(value, float):
        others = (value / 2, value + 0.25, value * 0.75 + 0.1, 0.5, value + 1, 2 * value, 1.5)
    found = 0
    for other in [each for each in dict.fromkeys(others) if each != value and (each > 0 or isinstance(value, float))]:
        try:
            net = remake({name: other})
        except CompileError:
            yield other, None
            continue
        yield other, net
        found += 1
        if found == ENOUGH:
            return


def _form(graph: Graph) -> tuple[object, ...]:
    """All of a net but the arguments of its operations and the shapes of its values."""
    nodes = [(n.path, type(n.op), n.inputs, len(n.outputs), n.scope, n.skip, n.training) for n in graph.nodes]
    scopes = [(s.kind, s.path, s.parent, s.opens, s.role, s.block) for s in graph.scopes]
    return nodes, scopes, graph.outputs, graph.program.declared


def _constant(column: Sequence[Any]) -> bool:
    return len({exact(value) for value in column}) == 1


def _fit(name: str, numbers: Sequence[Any], column: Sequence[Any]) -> tree.Expr | None:
    """An expression of a parameter that has these values for these numbers, or `None`."""
    first = column[0]
    if _constant(column):
        return tree.Name(HERE, first) if isinstance(first, str) else expression(first)
    if any(type(value) is not type(first) for value in column):
        return None
    if isinstance(first, Described):
        return _call(name, numbers, column)
    if isinstance(first, tuple) and all(len(value) == len(first) for value in column):
        items = [_fit(name, numbers, each) for each in zip(*column, strict=True)]
        return tree.ListOf(HERE, tuple(item for item in items if item is not None)) if None not in items else None
    for of, make in _forms(numbers[0], first):
        if all(exact(of(number)) == exact(value) for number, value in zip(numbers, column, strict=True)):
            return make(tree.Name(HERE, name))
    return None


def _call(name: str, numbers: Sequence[Any], column: Sequence[Described]) -> tree.Expr | None:
    """An initialiser, some arguments of which follow from a parameter."""
    arguments = []
    for field, info in type(column[0]).model_fields.items():
        values = [getattr(value, field) for value in column]
        if not info.is_required() and _constant([info.default, *values]):
            continue
        written = _fit(name, numbers, values)
        if written is None:
            return None
        arguments.append(tree.Argument(HERE, tree.Ident(HERE, field), written))
    return tree.Call(HERE, tree.Name(HERE, column[0].word), tuple(arguments))


Form = tuple[Callable[[Any], Any], Callable[[tree.Expr], tree.Expr]]


def _forms(number: Any, value: Any) -> Iterable[Form]:
    """What a number may be of a parameter, for their first values: itself, a multiple, a part, or one over its root."""
    yield (lambda n: n), (lambda own: own)
    if type(value) is int and type(number) is int:
        factor = value // number if number else 0
        if 1 < factor <= MOST_FACTOR:
            yield (lambda n: n * factor), (lambda own: _binary("*", own, factor))
        part = number // value if value else 0
        if 1 < part <= MOST_FACTOR:
            yield (lambda n: n // part), (lambda own: _binary("//", own, part))
        yield (lambda n: n + value - number), (lambda own: _binary("+", own, value - number))
    if type(value) is float:
        yield (lambda n: n**-0.5), (lambda own: _binary("**", own, -0.5))
        yield (lambda n: -(n**-0.5)), (lambda own: tree.Unary(HERE, "-", _binary("**", own, -0.5)))
        yield (lambda n: 1 / n), (lambda own: tree.Binary(HERE, "/", expression(1), own))


def _binary(word: str, own: tree.Expr, number: Any) -> tree.Expr:
    if word == "+" and number < 0:
        return tree.Binary(HERE, "-", own, expression(-number))
    return tree.Binary(HERE, word, own, expression(number))


def sets(text: str, each: Follows) -> bool:
    """True if a spec gives, for each value of a parameter that was tried, the net made of it, or refuses it too."""
    for value, net in each.probes:
        try:
            found = Graph(elaborate(Source(text, "the spec"), None, {each.name: value}))
        except CompileError:
            if net is not None:
                return False
            continue
        if net is None or canonical_hash(found) != canonical_hash(net) or found.output_shapes != net.output_shapes:
            return False
    return True
