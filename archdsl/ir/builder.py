"""Programs from the inside: nodes are added one by one, shapes follow. The elaborator, tests and the fuzzer use it."""

from __future__ import annotations

from typing import Any

from archdsl.ir.program import Node, Output, Program, Scope, Value
from archdsl.ops.base import Input, Op
from archdsl.shapes import Shape
from archdsl.source import Span


class Builder:
    """Collects scopes and nodes in program order; `program` freezes them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.scopes: list[Scope] = [Scope("arch", "")]
        self._names: dict[str, int] = {}
        self._outputs: dict[tuple[Op, tuple[Shape, ...]], tuple[Shape, ...]] = {}
        self._bare: set[int] = set()  # the nodes whose results have no batch

    def scope(self, kind: str, parent: int = 0, *, level: str | None = None, **facts: Any) -> int:
        """A new scope inside `parent`; `level` opens a path level of that (relative, perhaps dotted) name."""
        path = self.scopes[parent].path
        if level is not None:
            path = f"{path}.{level}" if path else level
        self.scopes.append(Scope(kind, path, parent, level is not None, **facts))
        return len(self.scopes) - 1

    def input(self, *sizes: int, name: str = "input", span: Span | None = None) -> Value:
        """A value from outside."""
        return self.add(Input(sizes=sizes), (), name, span=span)[0]

    def add(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        path: str,
        scope: int = 0,
        *,
        skip: bool = False,
        training: bool = False,
        span: Span | None = None,
    ) -> tuple[Value, ...]:
        """A node at an absolute path; its results. Raises `ShapeError` if the operation rejects its inputs."""
        key = (op, tuple(self.shape(value) for value in inputs))
        outputs = self._outputs.get(key)
        if outputs is None:
            outputs = self._outputs[key] = op.outputs(*key[1])
        if op.batchless or (self._bare and inputs and all(value.node in self._bare for value in inputs)):
            op.check_bare(*key[1])
            self._bare.add(len(self.nodes))
        self.nodes.append(Node(path, op, inputs, outputs, scope, skip, training, span))
        index = len(self.nodes) - 1
        return tuple(Value(index, output) for output in range(len(outputs)))

    def free_path(self, scope: int, word: str) -> str:
        """A path for an operation that takes no position: `layer1.0.add`, then `layer1.0.add_2`."""
        prefix = self.scopes[scope].path
        base = f"{prefix}.{word}" if prefix else word
        self._names[base] = count = self._names.get(base, 0) + 1
        return base if count == 1 else f"{base}_{count}"

    def shape(self, value: Value) -> Shape:
        """The shape of a value, without its batch."""
        return self.nodes[value.node].outputs[value.output]

    def program(self, outputs: tuple[Output, ...] | Value, **facts: Any) -> Program:
        """The finished program; a single value becomes the output named `output`."""
        if isinstance(outputs, Value):
            outputs = (Output("output", outputs),)
        return Program(self.name, tuple(self.nodes), tuple(self.scopes), outputs, **facts)
