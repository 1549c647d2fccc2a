"""Graph: the program with its readers indexed, and a networkx graph on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from archdsl.ir.program import Node, Output, Program, Scope, Value
from archdsl.ops.base import Input, Tensor
from archdsl.shapes import Shape

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True)
class Graph:
    """A whole net, frozen. Nodes are known by their index in program order."""

    program: Program

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.program.nodes

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return self.program.scopes

    @property
    def outputs(self) -> tuple[Output, ...]:
        return self.program.outputs

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The nodes that come from outside, in program order."""
        return tuple(index for index, node in enumerate(self.nodes) if isinstance(node.op, Input))

    @cached_property
    def _readers(self) -> tuple[tuple[int, ...], ...]:
        readers: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for value in node.inputs:
                readers[value.node].append(index)
        return tuple(map(tuple, readers))

    def readers(self, index: int) -> tuple[int, ...]:
        """The nodes that read any result of a node, in program order, once for each time that they read it."""
        return self._readers[index]

    @cached_property
    def applications(self) -> Counter[str]:
        """How many nodes have each path: more than one where weights are shared."""
        return Counter(node.path for node in self.nodes)

    @cached_property
    def batchless(self) -> frozenset[int]:
        """The nodes without a batch: learned tensors, literals, and what is computed from them alone."""
        found: set[int] = set()
        for index, node in enumerate(self.nodes):
            if node.op.batchless or (node.inputs and all(value.node in found for value in node.inputs)):
                found.add(index)
        return frozenset(found)

    def bare(self, index: int) -> tuple[int, ...]:
        """The places among a node's inputs where a value without a batch comes in."""
        return tuple(at for at, value in enumerate(self.nodes[index].inputs) if value.node in self.batchless)

    def shape(self, value: Value) -> Shape:
        """The shape of a value, without its batch."""
        return self.program.shape(value)

    @property
    def params(self) -> int:
        """Trainable numbers."""
        return self.program.params

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one example in inference (what is computed in training only does not count)."""
        return sum(node.op.macs(self.program.shapes_in(node), node.outputs) for node in self.nodes if not node.training)

    @cached_property
    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """Sizes of each output without its batch, by name."""
        return {output.name: self.shape(output.value).sizes for output in self.outputs}

    def state(self) -> Iterator[tuple[str, Node, Tensor]]:
        """`(key, owner, tensor)` of each parameter and buffer in state_dict order."""
        return self.program.tensors()

    def ancestors(self, scope: int) -> Iterator[Scope]:
        """A scope and those around it, innermost first."""
        current: int | None = scope
        while current is not None:
            yield self.scopes[current]
            current = self.scopes[current].parent

    def role(self, index: int) -> str | None:
        """The innermost role of a node (`stem`, `stage`, `head`, `aux`)."""
        return next((scope.role for scope in self.ancestors(self.nodes[index].scope) if scope.role), None)

    @cached_property
    def networkx(self) -> networkx.MultiDiGraph:
        """The same net for networkx's algorithms: nodes are indices, an edge for each reading, `argument` its place."""
        import networkx

        graph = networkx.MultiDiGraph()
        graph.add_nodes_from(range(len(self.nodes)))
        for index, node in enumerate(self.nodes):
            for place, value in enumerate(node.inputs):
                graph.add_edge(value.node, index, argument=place, output=value.output)
        return graph
