"""A pass: a frozen dataclass whose fields are its options; the signature of its `rewrite` is the pattern."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, ClassVar, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from archdsl.graph import Graph
from archdsl.ir.program import Node, Value
from archdsl.ops.base import Op

OpT = TypeVar("OpT", covariant=True)

Promise = Literal["exact", "exact-eval", "redesign"]


@dataclass(frozen=True)
class Match(Generic[OpT]):
    """A node that a pattern found: its index in the graph, the node, and its operation."""

    index: int
    node: Node
    op: OpT

    @property
    def value(self) -> Value:
        """The node's first result."""
        return Value(self.index)


@dataclass(frozen=True, slots=True)
class Keep:
    """A site that stays as it is, and why."""

    reason: str


NOT_A_SITE = Keep("")  # the pattern is met and the law does not speak of it: nothing to report


@dataclass(frozen=True)
class Pass:
    """A rewrite. Subclasses are frozen dataclasses; their fields are the options of the command line.

    `rewrite(self, edit, ...)` takes, behind the edit, matches by type: `conv: Match[Conv], norm: Match[BatchNorm]` is a
    chain, `convs: tuple[Match[Conv], ...]` any number of nodes that read the same, such a tuple before one match all
    that a merge reads, behind one match all that reads its results. It edits and returns `None`, or returns `Keep`
    without having edited anything; `NOT_A_SITE` is kept in silence.
    """

    promise: ClassVar[Promise]
    law: ClassVar[str]  # the equation or argument behind it
    source: ClassVar[str]  # the paper or reference that it is from
    once: ClassVar[bool] = False  # one sweep: what it makes is no site of its own
    backwards: ClassVar[bool] = False  # sites are visited from the last to the first
    where: str = ""  # only sites whose path, block or role has this name

    @classmethod
    def word(cls) -> str:
        """Its name on the command line: `fold-batchnorm`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def summary(cls) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(cls) or "").partition("\n")[0]

    def promised(self) -> Promise:
        """What it promises with these options."""
        return self.promise

    def rewrite(self, edit: Any, *matches: Any) -> Keep | None:
        """Rewrites one site."""
        raise NotImplementedError


@dataclass(frozen=True)
class Pipeline(Pass):
    """A pass made of others, which run in turn until none of them finds a site."""

    def passes(self) -> tuple[Pass, ...]:
        """The passes, in the order of a turn."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Element:
    """One argument of a pattern: the operations that it takes, and whether it takes any number of nodes."""

    operations: tuple[type[Op], ...]
    many: bool


@cache
def pattern(kind: type[Pass]) -> tuple[Element, ...]:
    """The pattern that a pass's `rewrite` has as its signature."""
    names = list(inspect.signature(kind.rewrite).parameters)[2:]
    hints = hints_of(kind.rewrite, names)
    return tuple(_element(hints[name]) for name in names)


def hints_of(described: Any, names: Iterable[str]) -> dict[str, Any]:
    """The types that annotations name, texts among them resolved, and no others looked at: what a pass file imports
    for type checkers alone may be unknown when it runs. Raises `NameError` for a name that is needed and not known."""
    found: dict[str, Any] = {}
    for name in names:
        owner = next(each for each in getattr(described, "__mro__", (described,)) if name in _annotations(each))
        known = getattr(owner, "__globals__", None) or vars(sys.modules[owner.__module__])
        only = type("Only", (), {"__annotations__": {name: _annotations(owner)[name]}})
        found[name] = get_type_hints(only, globalns=known)[name]
    return found


def _annotations(described: Any) -> dict[str, Any]:
    return (
        dict(vars(described).get("__annotations__", {})) if isinstance(described, type) else described.__annotations__
    )


def _element(hint: Any) -> Element:
    if get_origin(hint) is tuple:
        return Element(_operations(get_args(get_args(hint)[0])[0]), True)
    return Element(_operations(get_args(hint)[0]), False)


def _operations(hint: Any) -> tuple[type[Op], ...]:
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for part in get_args(hint) for kind in _operations(part))
    return (hint,)


def sites(graph: Graph, elements: tuple[Element, ...]) -> Iterator[tuple[Any, ...]]:
    """Everything in the graph that has the form of the pattern, in program order."""
    many = [element.many for element in elements]
    if many == [True]:
        yield from _siblings(graph, elements[0])
    elif many == [True, False]:
        yield from _merged(graph, elements[0], elements[1])
    elif many == [False, True]:
        yield from _spread(graph, elements[0], elements[1])
    else:
        assert not any(many), "a pattern has one argument of any number, at an end"
        for index in range(len(graph.nodes)):
            found = _chain(graph, elements, index)
            if found is not None:
                yield found


def _match(graph: Graph, index: int, element: Element) -> Match[Op] | None:
    node = graph.nodes[index]
    return Match(index, node, node.op) if isinstance(node.op, element.operations) else None


def _chain(graph: Graph, elements: tuple[Element, ...], last: int) -> tuple[Match[Op], ...] | None:
    found: list[Match[Op]] = []
    index = last
    for element in reversed(elements):
        match = _match(graph, index, element)
        if match is None:
            return None
        found.append(match)
        if len(found) < len(elements):
            if not match.node.inputs:
                return None
            index = match.node.inputs[0].node
    return tuple(reversed(found))


def _siblings(graph: Graph, element: Element) -> Iterator[tuple[tuple[Match[Op], ...]]]:
    groups: dict[tuple[Value, ...], list[Match[Op]]] = {}
    for index, node in enumerate(graph.nodes):
        match = _match(graph, index, element)
        if match is not None and node.inputs:
            groups.setdefault(node.inputs, []).append(match)
    for group in groups.values():
        if len(group) > 1:
            yield (tuple(group),)


def _merged(graph: Graph, parts: Element, merge: Element) -> Iterator[tuple[tuple[Match[Op], ...], Match[Op]]]:
    for index in range(len(graph.nodes)):
        match = _match(graph, index, merge)
        if match is None:
            continue
        found = [_match(graph, value.node, parts) for value in match.node.inputs]
        if found and all(item is not None for item in found):
            yield tuple(item for item in found if item is not None), match


def _spread(graph: Graph, head: Element, parts: Element) -> Iterator[tuple[Match[Op], tuple[Match[Op], ...]]]:
    for index in range(len(graph.nodes)):
        match = _match(graph, index, head)
        if match is None or not graph.readers(index):
            continue
        found = [_match(graph, reader, parts) for reader in graph.readers(index)]
        if all(item is not None for item in found):
            yield match, tuple(item for item in found if item is not None)
