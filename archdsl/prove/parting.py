"""Where two nets part: both run in float64 on the same random inputs, and the first value that differs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archdsl.graph import Graph
from archdsl.ir.program import Node, Output, Value
from archdsl.ops.base import Input
from archdsl.passes.structure import Alignment, Difference
from archdsl.prove.compare import REWRITE, Array, deviation
from archdsl.prove.entries import shape_text
from archdsl.prove.prover import generated, random_inputs, results_of

SCALES = (1.0, 32.0)  # of the inputs: what saturates (relu6) shows for large ones alone
TOGETHER = 8  # places that one run compares; the first one that parts is mostly among the first


@dataclass(frozen=True, slots=True)
class Parting:
    """The first value that differs, with its place in both nets; by how much, and by which gate that is too much."""

    difference: Difference
    deviation: float
    gate: float = REWRITE

    def text(self) -> str:
        """One line for a user."""
        place = self.difference
        where = f"at operation {place.position}, {place.left} against {place.right}"
        return f"the first value that parts is {where}: by {self.deviation:.1e} of its size; gate {self.gate:.0e}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The values at the places where two nets differ: how many were compared, the first that parts, if one does, and
    why the place that ends what they have in common could not be run alike in both."""

    compared: int
    parting: Parting | None = None
    unlike: str | None = None


def first_parting(
    left: Graph, right: Graph, alignment: Alignment, weights: Mapping[str, Array], *, seed: int = 0
) -> Comparison:
    """What two nets compute where they differ, `weights` being the left net's arrays, mapped to the right one.

    Between two differences all operations are the same and read the same, so only differing ones are compared. A place
    is left out where the results have other shapes or an operation holds other arrays: nothing can be run alike there.
    """
    unlike = {place.position: _unlike(left, right, place) for place in alignment.differences}
    places = [place for place in alignment.differences if unlike[place.position] is None]
    if not alignment.whole:
        places = sorted([*places, *_before(left, right, alignment)], key=lambda place: place.position)
    compared = 0
    for start in range(0, len(places), TOGETHER):
        chunk = places[start : start + TOGETHER]
        apart = [0.0] * len(chunk)
        for scale in SCALES:
            found = _apart(left, right, alignment, chunk, weights, seed, scale)
            apart = [max(pair) for pair in zip(apart, found, strict=True)]
        for place, far in zip(chunk, apart, strict=True):
            compared += 1
            if not far <= REWRITE:
                return Comparison(compared, Parting(place, far))
    return Comparison(compared, unlike=next((why for why in unlike.values() if why is not None), None))


def outputs_apart(
    left: Graph, right: Graph, keys: Mapping[str, str], weights: Mapping[str, Array], *, seed: int = 0
) -> float:
    """How far the outputs of two nets are apart in inference, on inputs of several sizes; infinite where the two have
    not the same inputs and outputs."""
    if _interface(left) != _interface(right):
        return math.inf
    one = generated(left, {key: weights[key] for key, _, _ in left.state()})
    two = generated(right, {key: weights[keys[key]] for key, _, _ in right.state()})
    worst = 0.0
    for scale in SCALES:
        inputs = random_inputs(left, seed, 2, scale)
        pairs = zip(results_of(two.eval(), inputs), results_of(one.eval(), inputs), strict=True)
        worst = max([worst, *(deviation(a, b) for a, b in pairs)])
    return worst


def values_of(
    graph: Graph, values: Sequence[Value], weights: Mapping[str, Array], *, seed: int = 0, scale: float = 1.0
) -> list[Array]:
    """What a net computes at inner places, in float64 in inference, on two random examples."""
    part = up_to(graph, values)
    module = generated(part, {key: weights[key] for key, _, _ in part.state()})
    return results_of(module.eval(), random_inputs(graph, seed, 2, scale))


def up_to(graph: Graph, values: Sequence[Value]) -> Graph:
    """The part of a net that the given values depend on, with all its inputs; they are its outputs, in their order."""
    kept = {index for index, node in enumerate(graph.nodes) if isinstance(node.op, Input)}
    kept |= {value.node for value in values}
    for index in range(len(graph.nodes) - 1, -1, -1):  # backwards, so that each is kept before what it reads
        if index in kept:
            kept |= {value.node for value in graph.nodes[index].inputs}
    place = {index: number for number, index in enumerate(sorted(kept))}
    nodes = tuple(_moved(graph.nodes[index], place) for index in place)
    outputs = tuple(Output(f"value{n}", Value(place[v.node], v.output)) for n, v in enumerate(values))
    return Graph(replace(graph.program, nodes=nodes, outputs=outputs, declared=()))


def _moved(node: Node, place: Mapping[int, int]) -> Node:
    inputs = tuple(Value(place[value.node], value.output) for value in node.inputs)
    return replace(node, inputs=inputs, training=False)  # what training alone computes is looked at too


def _before(left: Graph, right: Graph, alignment: Alignment) -> Iterator[Difference]:
    """The last place before two nets part for good, where they agree as all that it reads agrees."""
    for a, b in alignment.pairs[-1:]:
        if not isinstance(left.nodes[a].op, Input):
            named = (left.nodes[a].path, right.nodes[b].path)
            yield Difference(len(alignment.pairs) - 1, *named, "the same operation", (a, b), aligned=True)


def _unlike(left: Graph, right: Graph, place: Difference) -> str | None:
    """Why two operations cannot be run alike, if they cannot: their results or their arrays have other shapes."""
    if place.aligned:
        return None
    if place.nodes is None:
        return "there is nothing to run"
    one, two = left.nodes[place.nodes[0]], right.nodes[place.nodes[1]]
    shapes = [", ".join(shape_text(shape.sizes) for shape in node.outputs) for node in (one, two)]
    if shapes[0] != shapes[1]:
        return f"its value has the shape {shapes[0]} against {shapes[1]}"
    if isinstance(one.op, Input) or isinstance(two.op, Input):
        return "it comes from outside"
    held = [_held(left, one), _held(right, two)]
    return None if held[0] == held[1] else f"it holds {held[0]} against {held[1]}"


def _held(graph: Graph, node: Node) -> str:
    tensors = node.op.tensors(*graph.program.shapes_in(node))
    return ", ".join(f"{tensor.name} {shape_text(tensor.sizes)}".strip() for tensor in tensors) or "no arrays"


def _apart(
    left: Graph,
    right: Graph,
    alignment: Alignment,
    places: Sequence[Difference],
    weights: Mapping[str, Array],
    seed: int,
    scale: float,
) -> list[float]:
    """How far the results are apart at each place."""
    keys = dict(alignment.keys)
    values: tuple[list[Value], list[Value]] = ([], [])
    counts = []
    for place in places:
        a, b = place.nodes or (0, 0)
        counts.append(len(left.nodes[a].outputs))
        values[0].extend(Value(a, number) for number in range(counts[-1]))
        values[1].extend(Value(b, number) for number in range(counts[-1]))
        keys = {**dict(zip(_keys(right, b), _keys(left, a), strict=True)), **keys}
    ours = values_of(left, values[0], weights, seed=seed, scale=scale)
    given = {key: weights[keys[key]] for key, _, _ in up_to(right, values[1]).state()}
    theirs = values_of(right, values[1], given, seed=seed, scale=scale)
    apart = iter([deviation(b, a) for a, b in zip(ours, theirs, strict=True)])
    return [max(next(apart) for _ in range(count)) for count in counts]


def _keys(graph: Graph, index: int) -> Iterator[str]:
    node = graph.nodes[index]
    for tensor in node.op.tensors(*graph.program.shapes_in(node)):
        yield f"{node.path}.{tensor.name}" if tensor.name else node.path


def _interface(graph: Graph) -> tuple[object, ...]:
    """The sizes of what goes in and out."""
    inputs = [graph.nodes[index].outputs[0].sizes for index in graph.inputs]
    return inputs, [graph.shape(output.value).sizes for output in graph.outputs if not output.training]
