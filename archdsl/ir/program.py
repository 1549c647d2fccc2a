"""The IR: operations at places, in program order, in the scopes that they were written in, with shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from archdsl.ops.base import Op, Tensor
from archdsl.shapes import Shape
from archdsl.source import Span


class Value(NamedTuple):
    """One result of a node: the node's index in the program, and which of its outputs."""

    node: int
    output: int = 0


_config = ConfigDict(arbitrary_types_allowed=True)


@dataclass(frozen=True, slots=True, config=_config)
class Node:
    """An operation at a place.

    `path` is its key prefix in the state_dict (`layer1.0.conv1`). Operations that take no position (merges, inputs)
    have a path too, in the level that they stand in (`layer1.0.add`, `layer1.0.add_2`, `input`). Nodes of one path are
    applications of the same shared weights, which the first one owns. `scope` is an index into the program's scopes;
    `skip` marks what lies on a shortcut, `training` what is computed in training only.
    """

    path: str
    op: Op
    inputs: tuple[Value, ...]
    outputs: tuple[Shape, ...]
    scope: int = 0
    skip: bool = False
    training: bool = False
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, config=_config)
class Scope:
    """A part of a spec that encloses nodes; scope 0 is the arch itself.

    `kind` is `arch`, `level` (a label with a body), `block` (a block's call), `role` (a role that opens no level),
    `branches`, `branch` (one statement of `branches`), `residual`, `skip`, `iteration` (one turn of a loop) or `shared`
    (a further use of shared weights). `path` is the level that prefixes the nodes inside, and `opens` says that this
    scope opened it. A labelled call `layer1: Bottleneck(64)` is one scope: a block that opens, with its name and its
    arguments as bound, defaults filled in; layers and values among them are left out.
    """

    kind: str
    path: str
    parent: int | None = None
    opens: bool = False
    role: str | None = None
    block: str | None = None
    arguments: tuple[tuple[str, Any], ...] = ()
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, config=_config)
class Output:
    """One result of the net; a `training` one is absent in inference."""

    name: str
    value: Value
    training: bool = False


@dataclass(frozen=True, config=_config)
class Program:
    """A whole net in program order, which is that of execution, emission and (unless `declared` differs) state_dict."""

    name: str
    nodes: tuple[Node, ...]
    scopes: tuple[Scope, ...]
    outputs: tuple[Output, ...]
    parameters: tuple[tuple[str, Any], ...] = ()  # of the arch, as bound
    doc: str = ""
    digest: str = ""  # of the spec's text and its imports
    source: str = ""  # the spec's name, for provenance
    declared: tuple[
        int, ...
    ] = ()  # node indices in statement order, where side heads or shared weights make it another
    trace: Any = field(default=None, compare=False, repr=False)  # how its spec says it, as the elaborator noted

    def shape(self, value: Value) -> Shape:
        """The shape of a value, without its batch."""
        return self.nodes[value.node].outputs[value.output]

    def shapes_in(self, node: Node) -> tuple[Shape, ...]:
        """The shapes of a node's inputs."""
        return tuple(self.nodes[value.node].outputs[value.output] for value in node.inputs)

    def tensors(self) -> Iterator[tuple[str, Node, Tensor]]:
        """`(key, owner, tensor)` of each parameter and buffer in state_dict order, as `state` keeps it."""
        yield from self.state

    @cached_property
    def state(self) -> tuple[tuple[str, Node, Tensor], ...]:
        """Every state_dict entry in PyTorch's order: a level's own tensors, then its children as they first appear."""
        root = _Level()
        seen: set[str] = set()
        for index in self.declared or range(len(self.nodes)):
            node = self.nodes[index]
            if node.path in seen:
                continue
            seen.add(node.path)
            tensors = node.op.tensors(*self.shapes_in(node))
            if not tensors:
                continue
            if tensors[0].name == "":  # a learned tensor belongs to the level that it stands in
                prefix, _, _ = node.path.rpartition(".")
                root.at(prefix).own.append((node.path, node, tensors[0]))
                continue
            level = root.at(node.path)
            level.own += [(f"{node.path}.{tensor.name}", node, tensor) for tensor in tensors]
        return tuple(root.entries())

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Of each node, its place in the order of the statements."""
        found = [0] * len(self.nodes)
        for place, index in enumerate(self.declared or range(len(self.nodes))):
            found[index] = place
        return tuple(found)

    @cached_property
    def params(self) -> int:
        """Trainable numbers."""
        return sum(_count(tensor.sizes) for _, _, tensor in self.state if tensor.trainable)


class _Level:
    """A path level: its own tensors, then its children in the order of their first appearance."""

    __slots__ = ("children", "own")

    def __init__(self) -> None:
        self.own: list[tuple[str, Node, Tensor]] = []
        self.children: dict[str, _Level] = {}

    def at(self, path: str) -> _Level:
        level = self
        for part in path.split(".") if path else ():
            level = level.children.setdefault(part, _Level())
        return level

    def entries(self) -> Iterator[tuple[str, Node, Tensor]]:
        yield from self.own
        for child in self.children.values():
            yield from child.entries()


def _count(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total
