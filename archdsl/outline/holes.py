"""Literals in calls and builds: read out in order, and put back in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from archdsl.outline.call import REQUIRED, Argument, Call, Operand, Symbol
from archdsl.outline.model import Attribute, Body, Build, Chain, Holder, Leaf, New, Repeat


@dataclass(frozen=True, slots=True)
class Hole:
    """A literal's place: what the target calls the argument, its default there, and the value."""

    name: str
    value: Any
    default: Any = REQUIRED
    kind: str = ""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal of a node's call."""

    node: int
    name: str


@dataclass(frozen=True, slots=True)
class Initial:
    """A literal of the statement `function` that gives a node's tensor its initial values."""

    node: int
    tensor: str
    function: str
    name: str


@dataclass(frozen=True, slots=True)
class Passed:
    """An argument of an application of a level that is a class."""

    level: int
    parameter: int


Source = Literal | Initial | Passed


def call_holes(call: Call, node: int = -1, tensor: str | None = None) -> Iterator[Hole]:
    """The literals of a call, in order; that of a node, or the statement for one of its tensors."""
    for argument in call.arguments:
        if isinstance(argument.value, Call):
            yield from call_holes(argument.value, node, tensor)
        elif not isinstance(argument.value, Operand | Symbol):
            name = argument.name
            source = Literal(node, name) if tensor is None else Initial(node, tensor, call.function, name)
            yield Hole(name, argument.value, argument.default, "", (source,) if node >= 0 else ())


def fill_call(call: Call, values: Iterator[Any]) -> Call:
    """The same call with other literals, taken in order."""
    arguments = []
    for argument in call.arguments:
        if isinstance(argument.value, Call):
            value: Any = fill_call(argument.value, values)
        elif isinstance(argument.value, Operand | Symbol):
            value = argument.value
        else:
            value = next(values)
        arguments.append(Argument(argument.name, value, argument.positional, argument.default))
    return Call(call.function, tuple(arguments))


def call_shape(call: Call) -> tuple[Any, ...]:
    """What two calls have in common that differ in literals only."""
    return (call.function, *((item.name, item.positional, _shape(item.value)) for item in call.arguments))


def _shape(value: Any) -> Any:
    if isinstance(value, Call):
        return call_shape(value)
    return value if isinstance(value, Operand | Symbol) else None


def build_holes(build: Build, parameters: Any) -> Iterator[Hole]:
    """The literals of a build, in order. `parameters(cls)` gives the parameters of a class, for names and defaults."""
    match build:
        case Leaf():
            yield from call_holes(build.call, build.node)
            for tensor, call in build.setup:
                yield from call_holes(call, build.node, tensor)
        case New():
            for at, (parameter, value) in enumerate(zip(parameters(build.cls), build.arguments, strict=True)):
                passed = (Passed(build.level, at),) if build.level >= 0 else ()
                yield Hole(parameter.name, value, parameter.default, parameter.kind, passed)
            for _, option in build.options:
                if option is not None:
                    yield from build_holes(option, parameters)
        case Chain():
            for child in build.children:
                yield from build_holes(child, parameters)
        case Repeat():
            alike = [build_holes(child, parameters) for child in build.alike or (build.child,)]
            for first, *others in zip(*alike, strict=True):
                more = tuple(source for hole in others for source in hole.sources)
                yield replace(first, sources=first.sources + more) if more else first
            yield Hole("depth", build.count)
        case Holder():
            for _, child in build.children:
                yield from build_holes(child, parameters)


def fill_build(build: Build, values: Iterator[Any]) -> Build:
    """The same build with other literals, taken in order."""
    match build:
        case Leaf():
            call = fill_call(build.call, values)
            setup = tuple((name, fill_call(item, values)) for name, item in build.setup)
            return Leaf(call, setup, build.tensor, build.node)
        case New():
            arguments = tuple(next(values) for _ in build.arguments)
            options = tuple((name, option and fill_build(option, values)) for name, option in build.options)
            return New(build.cls, arguments, options, build.level)
        case Chain():
            return Chain(tuple(fill_build(child, values) for child in build.children))
        case Repeat():
            child = fill_build(build.child, values)
            return Repeat(child, next(values))
        case Holder():
            return Holder(tuple((name, fill_build(child, values)) for name, child in build.children))


def build_shape(build: Build) -> tuple[Any, ...]:
    """What two builds have in common that differ in literals only."""
    match build:
        case Leaf():
            setup = tuple((name, call_shape(call)) for name, call in build.setup)
            return ("leaf", call_shape(build.call), setup, build.tensor)
        case New():
            return ("new", build.cls, tuple((name, option and build_shape(option)) for name, option in build.options))
        case Chain():
            return ("chain", *(build_shape(child) for child in build.children))
        case Repeat():
            return ("repeat", build_shape(build.child))
        case Holder():
            return ("holder", *((name, build_shape(child)) for name, child in build.children))


def exact(value: Any) -> Any:
    """A value as a key that tells `1` from `True` and `1.0`."""
    if isinstance(value, tuple):
        return (tuple, *map(exact, value))
    return (type(value), repr(value)) if isinstance(value, float) else (type(value), value)


def body_holes(body: Body, parameters: Any) -> Iterator[Hole]:
    """The literals of a body: those of its own attributes, then those of its functions."""
    for attribute in body.attributes:
        if not attribute.optional:
            yield from build_holes(attribute.build, parameters)
    for step in body.steps:
        if step.call is not None:
            yield from call_holes(step.call, step.nodes)


def fill_body(body: Body, values: Iterator[Any]) -> Body:
    """The same body with other literals, taken in order."""
    attributes = tuple(
        item
        if item.optional
        else Attribute(item.name, fill_build(item.build, values), False, item.stateful, item.first)
        for item in body.attributes
    )
    steps = tuple(
        step if step.call is None else replace(step, call=fill_call(step.call, values)) for step in body.steps
    )
    return Body(attributes, steps, body.inputs, body.outputs)
