"""Where operations change their form, and which sides of that the values of a run have shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from archdsl.graph import Graph
from archdsl.ir.program import Node, Output, Value
from archdsl.ops import (
    Celu,
    Elu,
    Gelu,
    GlobalMaxPool,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyRelu,
    LogSigmoid,
    Mish,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Softsign,
    Tanh,
)
from archdsl.ops.base import Input, Op
from archdsl.prove.compare import Array

AROUND = 100.0  # values that reach so many times beyond the knees show little about them
SMOOTH = 4.0  # beyond this and its negative a smooth step is flat or straight


def knees(op: Op) -> tuple[float, ...]:
    """The inputs at which an operation on elements changes its form; for a smooth one those about which it bends."""
    match op:
        case Relu() | LeakyRelu() | Prelu() | Elu() | Selu() | Celu():
            return (0.0,)
        case Relu6():
            return (0.0, 6.0)
        case Hardswish() | Hardsigmoid():
            return (-3.0, 3.0)
        case Hardtanh():
            return (op.low, op.high)
        case Softplus():
            return (-SMOOTH / op.beta, op.threshold / op.beta)
        case Sigmoid() | Tanh() | Gelu() | Silu() | Mish() | LogSigmoid() | Softsign():
            return (-SMOOTH, SMOOTH)
        case _:
            return ()


@dataclass
class Sides:
    """The knees of a net, and between what bounds the values lay that each of its operations has read so far."""

    graph: Graph
    places: tuple[int, ...]
    bounds: dict[int, tuple[float, float]] = field(default_factory=dict)
    endless: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, graph: Graph) -> Sides:
        """All places of a net that have knees and are computed in inference; nothing is seen yet."""
        flows = _flowing(graph)
        places = [
            index
            for index, node in enumerate(graph.nodes)
            if knees(node.op) and not node.training and node.inputs[0].node in flows
        ]
        return cls(graph, tuple(places))

    def see(self, values: Sequence[Array]) -> None:
        """Takes in what a run of `watching(graph)` has returned behind the net's own outputs."""
        given = iter(values)
        for index in self.places:
            low, high = self.bounds.get(index, (np.inf, -np.inf))
            seen = [next(given) for _ in range(2 if self._is_map(index) else 1)]
            if not all(np.isfinite(array).all() for array in seen):
                self.endless.append(index)
                continue
            high = max(high, float(seen[0].max()))
            low = min(low, float(-seen[1].max() if len(seen) > 1 else seen[0].min()))
            self.bounds[index] = (low, high)

    def overflown(self) -> Iterator[str]:
        """A sentence for each operation that has read values which are not finite."""
        for index in dict.fromkeys(self.endless):
            node = self.graph.nodes[index]
            yield f"{node.path} ({node.op.word}) read values that are not finite, which proves nothing"

    def unseen(self) -> Iterator[str]:
        """A sentence for each operation that has not seen values on both sides of all its knees."""
        for index in self.places:
            low, high = self.bounds.get(index, (np.inf, -np.inf))
            node, own = self.graph.nodes[index], knees(self.graph.nodes[index].op)
            if not low < min(own):
                yield f"{node.path} ({node.op.word}) read nothing below {min(own):g}"
            elif not high > max(own):
                yield f"{node.path} ({node.op.word}) read nothing above {max(own):g}"

    def missing(self) -> Iterator[float]:
        """How many times larger or smaller values would have to be so that an operation saw all about its knees."""
        for index in self.places:
            low, high = self.bounds.get(index, (np.inf, -np.inf))
            own, seen = knees(self.graph.nodes[index].op), max(abs(low), abs(high))
            wanted = 2 * max(abs(knee) for knee in own)
            if not (wanted > 0 and 0 < seen < np.inf):
                continue
            if seen > AROUND * wanted or (0 < high <= max(own)) or (min(own) <= low < 0):
                yield wanted / seen

    def watching(self) -> Graph:
        """The net with what its operations with knees read as further outputs: of a map, the largest of each channel
        and the negative of the smallest."""
        graph = self.graph
        nodes, outputs = list(graph.nodes), list(graph.outputs)
        taken = {node.path for node in nodes}

        def add(op: Op, value: Value) -> Value:
            path = next(name for n in range(len(nodes), 10**9) if (name := f"watched_{n}") not in taken)
            shapes = op.outputs(nodes[value.node].outputs[value.output])
            nodes.append(Node(path, op, (value,), shapes))
            return Value(len(nodes) - 1)

        def tell(value: Value) -> None:
            outputs.append(Output(f"watched_{len(outputs)}", value))

        for index in self.places:
            value = graph.nodes[index].inputs[0]
            if self._is_map(index):
                tell(add(GlobalMaxPool(), value))
                tell(add(GlobalMaxPool(), add(Scale(factor=-1.0), value)))
            else:
                tell(value)
        return Graph(replace(graph.program, nodes=tuple(nodes), outputs=tuple(outputs), declared=()))

    def _is_map(self, index: int) -> bool:
        shape = self.graph.shape(self.graph.nodes[index].inputs[0])
        return 1 < shape.rank <= 4 and shape.axes[0] == "c"


def _flowing(graph: Graph) -> set[int]:
    """The nodes whose results depend on an input, and so have a batch."""
    found: set[int] = set()
    for index, node in enumerate(graph.nodes):
        if isinstance(node.op, Input) or any(value.node in found for value in node.inputs):
            found.add(index)
    return found
