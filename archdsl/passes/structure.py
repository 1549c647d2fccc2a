"""Two nets matched without names: by position in a walk from the outputs, by wiring, operation and shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops.base import Input, Tensor, shown
from archdsl.passes.canonical import INITIAL, meant, operation, walk


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where two nets part: what stands there in each, and how they differ.

    `nodes` are the two operations, where each net has one there. `aligned` says that they read the same, hold the same
    arrays and give the same shapes, so that what stands behind them can still be compared.
    """

    position: int
    left: str
    right: str
    reason: str
    nodes: tuple[int, int] | None = None
    aligned: bool = False

    def text(self) -> str:
        """One line for a user."""
        return f"they part at operation {self.position}: {self.left} against {self.right}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Alignment:
    """What two nets have in common from their inputs on.

    `pairs` are the nodes that stand at the same position, `keys` the state_dict keys of the right net that they hold,
    each with the left net's. `differences` are in order of position, and only the last may end the alignment. `role`
    tells the first pair that plays another part (`stem`, `stage`, `head`), on which no function depends.
    """

    pairs: tuple[tuple[int, int], ...]
    keys: tuple[tuple[str, str], ...]
    differences: tuple[Difference, ...] = ()
    role: str | None = None

    @property
    def whole(self) -> bool:
        """True if every operation of one net has its place in the other, whatever its arguments are."""
        return all(difference.aligned for difference in self.differences)


def align(left: Graph, right: Graph) -> Alignment:
    """How far two nets are the same operations wired alike, and where they differ.

    Both are walked backwards from their outputs, through arguments from the first to the last, so that the position of
    an operation depends on neither names nor program order. A position is one place in each net, so that there is
    nothing to choose. Initial values do not count, nor does what no output reads.
    """
    one, two = _Side(left), _Side(right)
    pairs: list[tuple[int, int]] = []
    keys: dict[str, str] = {}
    held: dict[str, str] = {}
    differences: list[Difference] = []
    role = None
    for position, (a, b) in enumerate(zip(one.order, two.order, strict=False)):
        broken = _broken(one, a, two, b, keys, held)
        words = (left.nodes[a].op.word, right.nodes[b].op.word)
        if broken and words[0] != words[1]:
            broken = f"{words[0]} against {words[1]}"
        reason = broken or _arguments(left, a, right, b)
        if reason:
            described = (_described(left, a), _described(right, b))
            differences.append(Difference(position, *described, reason, (a, b), aligned=not broken))
        if broken:
            return Alignment(tuple(pairs), tuple(keys.items()), tuple(differences), role)
        pairs.append((a, b))
        mapped = dict(zip(two.keys(b), one.keys(a), strict=True))
        keys |= mapped
        held |= {key: other for other, key in mapped.items()}
        role = role or _role(left, a, right, b)
    ending = _ending(one, two)
    return Alignment(tuple(pairs), tuple(keys.items()), (*differences, *([ending] if ending else [])), role)


def matchings(left: Graph, right: Graph) -> Iterator[tuple[str, dict[str, str]]]:
    """Ways to match all arrays of two nets whose structures differ: how, and for each right key the left one.

    None is known to be right: each is a proposal that only equal outputs can confirm.
    """
    own, other = ({key: _facts(tensor) for key, _, tensor in graph.state()} for graph in (left, right))
    walked = [[key for index in side.order for key in side.keys(index)] for side in map(_Side, (left, right))]
    proposals: list[tuple[str, list[str], list[str]]] = [("in order", list(own), list(other))]
    proposals.append(("by position", list(dict.fromkeys(walked[0])), list(dict.fromkeys(walked[1]))))
    if own.keys() == other.keys():
        proposals.insert(0, ("by name", list(other), list(other)))
    found: list[dict[str, str]] = []
    for word, one, two in proposals:
        keys = dict(zip(two, one, strict=False))
        fits = keys.keys() == other.keys() and set(keys.values()) == own.keys()
        if fits and keys not in found and all(own[a] == other[b] for b, a in keys.items()):
            found.append(keys)
            yield word, keys


@dataclass(frozen=True)
class _Side:
    """A net as it is walked."""

    graph: Graph

    @cached_property
    def order(self) -> list[int]:
        return walk(self.graph)

    @cached_property
    def places(self) -> dict[int, int]:
        """The position of each node."""
        return {index: position for position, index in enumerate(self.order)}

    def read(self, index: int) -> list[Value]:
        """What a node reads, by position and output."""
        values = [meant(self.graph, value) for value in self.graph.nodes[index].inputs]
        return [Value(self.places[value.node], value.output) for value in values]

    def results(self) -> list[tuple[Value, bool]]:
        """The same of the outputs, and whether they are there in training only."""
        values = [(meant(self.graph, output.value), output.training) for output in self.graph.outputs]
        return [(Value(self.places[value.node], value.output), training) for value, training in values]

    def tensors(self, index: int) -> tuple[Tensor, ...]:
        node = self.graph.nodes[index]
        return node.op.tensors(*self.graph.program.shapes_in(node))

    def keys(self, index: int) -> list[str]:
        """The state_dict keys of a node."""
        path = self.graph.nodes[index].path
        return [f"{path}.{tensor.name}" if tensor.name else path for tensor in self.tensors(index)]

    def called(self, value: Value) -> str:
        """The path of the node at a position."""
        path = self.graph.nodes[self.order[value.node]].path
        return f"{path} (its result {value.output})" if value.output else path


def _broken(one: _Side, a: int, two: _Side, b: int, keys: dict[str, str], held: dict[str, str]) -> str | None:
    """Why two nodes cannot stand for one another, if they cannot."""
    first, second = one.graph.nodes[a], two.graph.nodes[b]
    if isinstance(first.op, Input) != isinstance(second.op, Input):
        return f"{first.op.word} against {second.op.word}"
    if isinstance(first.op, Input) and one.graph.inputs.index(a) != two.graph.inputs.index(b):
        return f"input {one.graph.inputs.index(a)} against input {two.graph.inputs.index(b)}"
    for value, other in zip(one.read(a), two.read(b), strict=False):
        if value != other:
            return f"it reads {one.called(value)} against {two.called(other)}"
    if len(first.inputs) != len(second.inputs):
        return f"it reads {len(first.inputs)} values against {len(second.inputs)}"
    if [shape.sizes for shape in first.outputs] != [shape.sizes for shape in second.outputs]:
        return _sides(one.graph, a, two.graph, b) or f"{_shapes(first.outputs)} against {_shapes(second.outputs)}"
    mine, theirs = ([_facts(tensor) for tensor in side.tensors(index)] for side, index in ((one, a), (two, b)))
    if mine != theirs:
        return _sides(one.graph, a, two.graph, b) or f"{_held(mine)} against {_held(theirs)}"
    for key, name in zip(one.keys(a), two.keys(b), strict=True):
        if keys.get(name, key) != key or held.get(key, name) != name:
            again = name in keys
            return f"its weights are {'its own' if again else 'shared'} against {'shared' if again else 'its own'}"
    return None


def _arguments(left: Graph, a: int, right: Graph, b: int) -> str | None:
    """How two operations on the same values differ that still give the same shapes, if they do."""
    if operation(left, a, initial=False) != operation(right, b, initial=False):
        return _sides(left, a, right, b) or "their arguments come out otherwise"
    if left.nodes[a].training != right.nodes[b].training:
        return "it is there in training only against always"
    return None


def _sides(left: Graph, a: int, right: Graph, b: int) -> str:
    """The words of two operations, or the arguments in which they differ."""
    one, two = left.nodes[a].op, right.nodes[b].op
    if one.word != two.word:
        return f"{one.word} against {two.word}"
    fields = [(name, value, getattr(two, name)) for name, value in one if name not in INITIAL]
    return ", ".join(f"{name} {_value(x)} against {_value(y)}" for name, x, y in fields if x != y)


def _ending(one: _Side, two: _Side) -> Difference | None:
    """How nets whose operations agree as far as both go differ at their ends."""
    short = min(len(one.order), len(two.order))
    if len(one.order) != len(two.order):
        sides = [
            _described(side.graph, side.order[short]) if len(side.order) > short else "nothing" for side in (one, two)
        ]
        return Difference(short, sides[0], sides[1], "one net goes on where the other ends")
    results = (one.results(), two.results())
    if results[0] != results[1]:
        named = [", ".join(side.called(value) for value, _ in side.results()) for side in (one, two)]
        return Difference(short, "the outputs of one", "those of the other", f"{named[0]} against {named[1]}")
    inputs = [[side.graph.nodes[index].outputs for index in side.graph.inputs] for side in (one, two)]
    if inputs[0] != inputs[1]:
        return Difference(short, f"{len(inputs[0])} inputs", f"{len(inputs[1])}", "some of which no output reads")
    return None


def _role(left: Graph, a: int, right: Graph, b: int) -> str | None:
    one, two = left.role(a), right.role(b)
    if one == two:
        return None
    places = [f"in the {role}" if role else "in no role" for role in (one, two)]
    return f"{left.nodes[a].path} is {places[0]}, {right.nodes[b].path} {places[1]}"


def _facts(tensor: Tensor) -> tuple[str, tuple[int, ...], str]:
    """What must agree for one array to stand for another."""
    return tensor.name, tensor.sizes, tensor.dtype


def _described(graph: Graph, index: int) -> str:
    node = graph.nodes[index]
    return f"{node.path} ({node.op.word}, {_shapes(node.outputs)})"


def _shapes(shapes: tuple[Any, ...]) -> str:
    return ", ".join(map(str, shapes))


def _held(tensors: list[tuple[str, tuple[int, ...], str]]) -> str:
    return ", ".join(f"{name} {_value(sizes)}".strip() for name, sizes, _ in tensors) or "no arrays"


def _value(value: Any) -> str:
    """An argument for a reader: a window as `3x3`."""
    if isinstance(value, tuple) and value and all(isinstance(item, int) for item in value):
        return "x".join(map(str, value))
    return f"`{value}`" if isinstance(value, str) else shown(value)
