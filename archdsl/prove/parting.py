"""Where two nets part: both run in float64 on the same random inputs, and the first value that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from archdsl.graph import Graph
from archdsl.graph.sizes import declared_sizes, other_sizes
from archdsl.ir.program import Node, Output, Value
from archdsl.ops.base import Input
from archdsl.passes.structure import Alignment, Difference
from archdsl.prove.compare import REWRITE, Array, Look, look
from archdsl.prove.entries import shape_text
from archdsl.prove.evidence import GIVEN_SCALES, REFUSED
from archdsl.prove.probes import LOUD, Probe, settings
from archdsl.prove.run import arrays_of, calibrated, generated, state_of

if TYPE_CHECKING:
    from torch import Tensor, nn

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
        return f"the first value that parts is {where}: by {self.deviation:.1e} of its spread; gate {self.gate:.0e}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The values at the places where two nets differ: how many were compared, the first that parts, if one does, and
    why the place that ends what they have in common could not be run alike in both."""

    compared: int
    parting: Parting | None = None
    unlike: str | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """Weights of the left net, and the examples that are run with them."""

    weights: Mapping[str, Array]
    probes: tuple[Probe, ...]


def grounds(left: Graph, right: Graph, given: Mapping[str, Array] | None, seed: int) -> list[Ground]:
    """What two nets are run on to find where they part: usual and loud values at several sizes, and given weights."""
    found = []
    for setting in settings(left, right, other_sizes(left), seed):
        if setting.loudness > LOUD:
            break
        arrays = state_of(calibrated(left, generated, setting))
        found.append(Ground(arrays, setting.probes))
    if given is not None and all(np.isfinite(array).all() for array in given.values()):
        found.append(Ground(given, tuple(Probe(declared_sizes(left), 2, seed, scale) for scale in GIVEN_SCALES)))
    return found


def first_parting(left: Graph, right: Graph, alignment: Alignment, on: Sequence[Ground]) -> Comparison:
    """What two nets compute where they differ, the left net's weights mapped to the right one.

    Between two differences all operations are the same and read the same, so only differing ones are compared. A place
    is left out where the results have other shapes, an operation holds other arrays, or values are not finite: nothing
    can be run alike there.
    """
    unlike = {place.position: _unlike(left, right, place) for place in alignment.differences}
    places = [place for place in alignment.differences if unlike[place.position] is None]
    if not alignment.whole:
        places = sorted([*places, *_before(left, right, alignment)], key=lambda place: place.position)
    compared = 0
    for start in range(0, len(places), TOGETHER):
        chunk = places[start : start + TOGETHER]
        views = [
            [*each] for each in zip(*(_views(left, right, alignment, chunk, ground) for ground in on), strict=True)
        ]
        for place, seen in zip(chunk, views, strict=True):
            compared += 1
            far = max((view.deviation for view in seen if not view.fault), default=0.0)
            if far > REWRITE:
                return Comparison(compared, Parting(place, far))
            fault = next((view.fault for view in seen if view.fault), None)
            unlike.setdefault(place.position, None)
            unlike[place.position] = unlike[place.position] or fault
    return Comparison(compared, unlike=next((why for why in unlike.values() if why is not None), None))


def values_of(
    graph: Graph, values: Sequence[Value], weights: Mapping[str, Array], inputs: Sequence[Tensor]
) -> list[Array]:
    """What a net computes at inner places, in float64 in inference."""
    return arrays_of(_part(graph, values, weights), inputs)


def _part(graph: Graph, values: Sequence[Value], weights: Mapping[str, Array]) -> nn.Module:
    part = up_to(graph, values)
    return generated(part, {key: weights[key] for key, _, _ in part.state()})


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


def _views(left: Graph, right: Graph, alignment: Alignment, places: Sequence[Difference], ground: Ground) -> list[Look]:
    """What the results at each place show, all runs together."""
    keys = dict(alignment.keys)
    values: tuple[list[Value], list[Value]] = ([], [])
    counts = []
    for place in places:
        a, b = place.nodes or (0, 0)
        counts.append(len(left.nodes[a].outputs))
        values[0].extend(Value(a, number) for number in range(counts[-1]))
        values[1].extend(Value(b, number) for number in range(counts[-1]))
        keys = {**dict(zip(_keys(right, b), _keys(left, a), strict=True)), **keys}
    given = {key: ground.weights[keys[key]] for key, _, _ in up_to(right, values[1]).state()}
    sides = _part(left, values[0], ground.weights), _part(right, values[1], given)
    pairs: list[list[tuple[Array, Array]]] = [[] for _ in values[0]]
    for probe in ground.probes:
        both = _run(sides, probe)
        for found, one, two in zip(pairs, *both, strict=True) if both is not None else ():
            found.append((two, one))
    axes = [1 + (left.shape(value).axis("c") or 0) for value in values[0]]
    views = iter([look(found, axis) for found, axis in zip(pairs, axes, strict=True)])
    return [max((next(views) for _ in range(count)), key=lambda view: view.deviation) for count in counts]


def _run(sides: tuple[nn.Module, nn.Module], probe: Probe) -> tuple[list[Array], list[Array]] | None:
    """The results of both, or `None` for sizes that one of them does not take."""
    inputs = probe.inputs()
    try:
        return arrays_of(sides[0], inputs), arrays_of(sides[1], inputs)
    except REFUSED:
        return None


def _keys(graph: Graph, index: int) -> Iterator[str]:
    node = graph.nodes[index]
    for tensor in node.op.tensors(*graph.program.shapes_in(node)):
        yield f"{node.path}.{tensor.name}" if tensor.name else node.path


def interface(graph: Graph) -> tuple[object, ...]:
    """The sizes of what goes in and out in inference."""
    inputs = [graph.nodes[index].outputs[0].sizes for index in graph.inputs]
    return inputs, [graph.shape(output.value).sizes for output in graph.outputs if not output.training]
