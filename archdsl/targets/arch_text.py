"""A graph as a spec without blocks, loops and parameters: every layer in its level, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from math import frexp, ldexp
from typing import Any

from archdsl.diagnostics import UsageError, quote
from archdsl.graph.graph import Graph
from archdsl.graph.verify import held
from archdsl.ir.program import Node, Value
from archdsl.limits import DEFAULT
from archdsl.ops.base import Described, Input, Learned, Op
from archdsl.source import Source, Span
from archdsl.syntax import tree
from archdsl.syntax.lexer import WORDS
from archdsl.syntax.printer import print_tree
from archdsl.targets.arch_heads import is_implied, with_heads
from archdsl.targets.arch_law import lawful

Flow = Value | tuple[Value, ...] | None
ROLES = ("stem", "stage", "head")
LISTS = frozenset({"split", "unstack"})  # what flows on behind them is a list, even of one
HERE = Span(Source(""), 0, 0)
DIGITS = 53  # of a float, in binary
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def arch_text(graph: Graph) -> str:
    """The flattened spec of a graph, in the style of the formatter. Elaborating it gives the same operations at the
    same paths with the same wiring and roles. Raises `UsageError` for shared weights, which only blocks can say, and
    for a text beyond the limits of a spec."""
    return lawful(graph, print_tree(flattened(held(graph))))


def flattened(graph: Graph) -> tree.File:
    """The tree of the flattened spec."""
    graph = with_heads(graph)
    first = _Flattening(graph, {})
    statements = tuple(first.statements())
    if first.missed:
        variables = {node: f"v{number}" for number, node in enumerate(first.missed)}
        statements = tuple(_Flattening(graph, variables).statements())
    arch = tree.Arch(HERE, tree.Ident(HERE, graph.name), (), tree.Body(HERE, statements), graph.program.doc)
    return tree.File(HERE, (arch,))


class _Flattening:
    """One walk through the scopes, with the current value and each level's positions as the elaborator has them."""

    def __init__(self, graph: Graph, variables: dict[int, str]) -> None:
        self.graph = graph
        self.current: Flow = None
        self.counts: dict[str, int] = {}
        self.words: dict[str, int] = {}
        self.children: dict[int, list[tuple[bool, int]]] = {}
        self.variables: dict[int, str] = variables
        self.missed: dict[int, None] = {}  # nodes whose values only a variable can name
        self.skip = False  # inside a shortcut
        self.labels = {scope.path for scope in graph.scopes} | {node.path for node in graph.nodes}
        self._attach()

    def _attach(self) -> None:
        """For each scope what is in it, in the order of first nodes."""
        attached = {0}
        for index in self.graph.program.declared or range(len(self.graph.nodes)):
            scope = self.graph.nodes[index].scope
            self.children.setdefault(scope, []).append((False, index))
            while scope not in attached:
                attached.add(scope)
                parent = self.graph.scopes[scope].parent
                assert parent is not None
                self.children.setdefault(parent, []).append((True, scope))
                scope = parent

    def statements(self) -> Iterator[tree.Statement]:
        """The whole body of the arch."""
        paths = [node.path for node in self.graph.nodes]
        if len(set(paths)) < len(paths):
            raise UsageError(
                f"`{quote(self.graph.name)}` shares weights between layers, which a flattened spec cannot say"
            )
        yield from self._inputs()
        yield from self._inside(0, "")
        yield from self._outputs()

    def _inputs(self) -> Iterator[tree.Input]:
        inputs = self.graph.inputs
        for index in inputs:
            node = self.graph.nodes[index]
            assert isinstance(node.op, Input)
            name = None if node.path == "input" and len(inputs) == 1 else tree.Ident(HERE, node.path)
            yield tree.Input(HERE, name, expression(node.op.sizes))
        flows = tuple(Value(index) for index in inputs)
        self.current = flows[0] if len(flows) == 1 else flows

    def _outputs(self) -> Iterator[tree.Output | tree.Chain]:
        outputs = self.graph.outputs
        if is_implied(self.graph):
            if outputs[0].value != self.current:
                yield tree.Chain(HERE, (self._from((outputs[0].value,), ""),))
            return
        items = (
            tree.OutputItem(HERE, tree.Ident(HERE, output.name), self._value(output.value, "")) for output in outputs
        )
        yield tree.Output(HERE, tuple(items))

    # ----------------------------------------------------------------- scopes

    @cached_property
    def _skips(self) -> list[bool]:
        """Of each scope, whether all in it lies on a shortcut."""
        found = [True] * len(self.graph.scopes)
        for node in self.graph.nodes:
            current: int | None = node.scope
            while not node.skip and current is not None and found[current]:
                found[current] = False
                current = self.graph.scopes[current].parent
        return found

    def _inside(self, scope: int, level: str) -> Iterator[tree.Statement]:
        """The statements of what is in a scope; a level's own tensors stand where they are."""
        for is_scope, index in self.children.get(scope, ()):
            if is_scope:
                yield from self._scope(index, level)
            elif not isinstance(self.graph.nodes[index].op, Input):
                yield from self._node(index, level)

    def _scope(self, index: int, level: str) -> Iterator[tree.Statement]:
        scope = self.graph.scopes[index]
        if scope.role == "aux":
            yield self._aux(index, level)
            return
        alone = [is_scope for is_scope, _ in self.children.get(index, ())] == [False]
        if scope.kind == "skip" and not self.skip and not alone and self._skips[index]:
            self.skip = True
            body = tree.Body(HERE, tuple(self._inside(index, level)))
            self.skip = False
            yield _shortcut((), tree.Scope(HERE, None, body))
            return
        if not scope.opens and scope.role not in ROLES:
            yield from self._inside(index, level)
            return
        label = None
        if scope.opens:
            label = scope.path[len(level) + 1 :] if level else scope.path
            self._claim(level, label)
        body = tree.Body(HERE, tuple(self._inside(index, scope.path)))
        target = tree.Scope(HERE, _label(label) if label is not None else None, body)
        yield tree.Chain(HERE, (tree.Role(HERE, scope.role, target) if scope.role in ROLES else target,))

    def _aux(self, index: int, level: str) -> tree.Aux:
        """A side head, which leaves the current value alone."""
        scope = self.graph.scopes[index]
        before = self.current
        inside = {node for node, _ in enumerate(self.graph.nodes) if self._stands_in(node, index)}
        reads = (
            value for node in sorted(inside) for value in self.graph.nodes[node].inputs if value.node not in inside
        )
        read = next(reads)
        self.current = read
        label = "_"
        if scope.opens:
            label = scope.path[len(level) + 1 :] if level else scope.path
            self._claim(level, label)
        body = tree.Body(HERE, tuple(self._inside(index, scope.path)))
        self.current = before
        return tree.Aux(HERE, tree.Chain(HERE, (self._from((read,), level), tree.Scope(HERE, _label(label), body))))

    def _stands_in(self, node: int, scope: int) -> bool:
        current: int | None = self.graph.nodes[node].scope
        while current is not None and current != scope:
            current = self.graph.scopes[current].parent
        return current is not None

    # ------------------------------------------------------------------ layers

    def _node(self, index: int, level: str) -> Iterator[tree.Statement]:
        node = self.graph.nodes[index]
        name = node.path[len(level) + 1 :] if level else node.path
        if isinstance(node.op, Learned):
            self._claim(level, name)
            arguments = tuple(_arguments(node.op.init))
            named = any(argument.name is not None for argument in arguments)
            shape = tree.Argument(HERE, tree.Ident(HERE, "shape") if named else None, _list(node.op.sizes))
            arguments = (*arguments, shape)
            yield tree.Param(
                HERE, _label(name), tree.Placed(HERE, tree.Ident(HERE, node.op.init.word), arguments, True)
            )
            if index in self.variables:  # elsewhere another path has this one's name
                self.current = ()
                target = tree.Target(HERE, tree.Ident(HERE, self.variables[index]))
                yield tree.Chain(HERE, (tree.From(HERE, tree.Text(HERE, (name,))),), (target,))
            return
        flow = self._link_from(node, level)
        arguments = tuple(_arguments(node.op))
        placed = tree.Placed(HERE, tree.Ident(HERE, node.op.word), arguments, bool(arguments))
        layer = tree.Layer(HERE, self._label_of(node.op, level, name), placed)
        results = tuple(Value(index, output) for output in range(len(node.outputs)))
        self.current = results if node.op.word in LISTS else results[0]
        variable = self.variables.get(index)
        targets = (tree.Target(HERE, tree.Ident(HERE, variable)),) if variable else ()
        made = _shortcut(flow, layer) if node.skip and not self.skip else tree.Chain(HERE, (*flow, layer))
        yield tree.Chain(HERE, made.links, targets)

    def _link_from(self, node: Node, level: str) -> tuple[tree.From, ...]:
        """Where a layer reads from, if that is not the current value."""
        if node.op.takes == "none":
            return ()
        wanted: Flow = node.inputs if node.op.takes == "list" else node.inputs[0]
        return () if wanted == self.current else (self._from(node.inputs, level, node.op.takes == "list"),)

    def _from(self, values: tuple[Value, ...], level: str, many: bool = False) -> tree.From:
        items = tuple(self._value(value, level) for value in values)
        return tree.From(HERE, tree.ListOf(HERE, items) if many else items[0])

    def _value(self, value: Value, level: str) -> tree.Expr:
        """A value by its path, or by a variable: the pieces of a list, and paths that mean another layer from here."""
        node = self.graph.nodes[value.node]
        if isinstance(node.op, Input):
            alone = node.path == "input" and len(self.graph.inputs) == 1
            return tree.Name(HERE, "in" if alone else node.path)
        many = node.op.word in LISTS
        if value.node in self.variables:
            name = tree.Name(HERE, self.variables[value.node])
            return tree.Index(HERE, name, expression(value.output)) if many else name
        if many or self._hidden(node.path, level):
            self.missed[value.node] = None
        return tree.Text(HERE, (node.path,))

    def _hidden(self, path: str, level: str) -> bool:
        """True if the path, as read from a level, is first found in that level or in one around it."""
        while level:
            if f"{level}.{path}" in self.labels:
                return True
            level = level.rpartition(".")[0]
        return False

    # ------------------------------------------------------------------ labels

    def _label_of(self, op: Op, level: str, name: str) -> tree.Label | None:
        """The label of a layer, `None` where its position or word gives the same path."""
        if not op.numbered:
            base = f"{level}.{op.word}" if level else op.word
            count = self.words.get(base, 0) + 1
            if name == (op.word if count == 1 else f"{op.word}_{count}"):
                self.words[base] = count
                return None
        elif name == str(self.counts.get(level, 0)):
            self.counts[level] = self.counts.get(level, 0) + 1
            return None
        self._claim(level, name)
        return _label(name)

    def _claim(self, level: str, label: str) -> None:
        """Counts a labelled child. Behind a dotted one the level numbers nothing, and all its layers have labels."""
        self.counts[level] = self.counts.get(level, 0) + (1 if "." not in label else 1 << 40)
        for part in range(1, label.count(".") + 1):
            above = ".".join(label.split(".")[:part])
            self.counts[f"{level}.{above}" if level else above] = 1 << 40


def _shortcut(flow: tuple[tree.From, ...], target: tree.Layer | tree.Scope) -> tree.Chain:
    """What lies on a shortcut, as a single branch."""
    branch = tree.Chain(HERE, (tree.Role(HERE, "skip", target),))
    merge = tree.Placed(HERE, tree.Ident(HERE, "add"))
    return tree.Chain(HERE, (*flow, tree.Branches(HERE, merge, tree.Body(HERE, (branch,)))))


def _label(name: str) -> tree.Label:
    """A bare label where it is a plain name, else a quoted one."""
    return tree.Ident(HERE, name) if _NAME.match(name) and name not in WORDS else tree.Text(HERE, (name,))


def _arguments(value: Described) -> Iterator[tree.Argument]:
    """The arguments that are not defaults: required ones by position, the others by name."""
    words = type(value).words()
    by_position = True
    for name, field in type(value).model_fields.items():
        item = getattr(value, name)
        if value.open_arguments and name == "sizes":
            yield from (tree.Argument(HERE, tree.Ident(HERE, axis), expression(size)) for axis, size in item)
            continue
        if not field.is_required():
            by_position = False
            if item == field.default and type(item) is type(field.default):
                continue
        if isinstance(item, str) and item in words:
            written: tree.Expr = tree.Name(HERE, item)
        else:
            written = listed(item) if name in value.lists else expression(item)
        yield tree.Argument(HERE, None if by_position else tree.Ident(HERE, name), written)


def listed(value: Any) -> tree.Expr:
    """A value as the language writes it, where whole numbers in a row are no size."""
    return tree.ListOf(HERE, tuple(map(listed, value))) if isinstance(value, tuple) else expression(value)


def expression(value: Any) -> tree.Expr:
    """A value as the language writes it; a size such as `3x3` for whole numbers."""
    match value:
        case None:
            return tree.Nothing(HERE)
        case bool():
            return tree.Bool(HERE, value)
        case int() | float() if value < 0:
            return tree.Unary(HERE, "-", expression(-value))
        case int() | float():
            return _number(value)
        case str():
            return tree.Text(HERE, (value,))
        case Described():
            arguments = tuple(_arguments(value))
            bare = tree.Name(HERE, value.word)
            return tree.Call(HERE, bare, arguments) if arguments else bare
        case tuple() if len(value) > 1 and all(type(item) is int and item > 0 for item in value):
            return tree.Size(HERE, value)
        case tuple():
            return _list(value)
    raise TypeError(f"no literal: {value!r}")


def _number(value: int | float) -> tree.Expr:
    """A number within the language's digits; a float that needs more is a whole number times a power of two."""
    short = repr(value)
    exponent = f"{value:.16e}".replace("e-0", "e-").replace("e+0", "e")
    for digits in (short, exponent):
        if sum(char.isdigit() for char in digits) <= DEFAULT.digits and type(value)(digits) == value:
            return tree.Number(HERE, value, digits)
    fraction, power = frexp(value)
    whole, power = int(ldexp(fraction, DIGITS)), power - DIGITS
    spare = (whole & -whole).bit_length() - 1
    whole, power = whole >> spare, power + spare
    scale = tree.Binary(HERE, "**", tree.Number(HERE, 2.0, "2.0"), expression(power))
    return tree.Binary(HERE, "*", tree.Number(HERE, whole, str(whole)), scale)


def _list(values: tuple[Any, ...]) -> tree.ListOf:
    return tree.ListOf(HERE, tuple(map(expression, values)))
