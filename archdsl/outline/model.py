"""What an outline is: classes with parameters, whose bodies build modules once and then apply them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from archdsl.graph.graph import Graph
from archdsl.outline.call import Call
from archdsl.outline.terms import Key, Term, evaluate


@dataclass(frozen=True, slots=True)
class Forms:
    """How a target writes one node: built once and then called (`module`), or applied where it stands (`function`).

    A node with a state, or without a function, needs its module. `setup` are statements about the tensors of a
    module just built, by tensor name (initial values that are not the target's own).
    """

    module: Call | None
    function: Call | None
    setup: tuple[tuple[str, Call], ...] = ()


Describe = Callable[[Graph, int], Forms]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A module of the target's own, for one node; with `tensor` a learned tensor, which is read and not called."""

    call: Call
    setup: tuple[tuple[str, Call], ...] = ()
    tensor: bool = False
    node: int = field(default=-1, compare=False)


@dataclass(frozen=True, slots=True)
class New:
    """An instance of an outlined class: its arguments by parameter, and the modules for its optional places."""

    cls: int
    arguments: tuple[Any, ...]
    options: tuple[tuple[str, Build | None], ...] = ()
    level: int = field(default=-1, compare=False)  # which application of a level it is


@dataclass(frozen=True, slots=True)
class Chain:
    """Modules in sequence, named by their positions."""

    children: tuple[Build, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`count` modules built alike, one after the other in a chain or a family of attributes."""

    child: Build
    count: Any
    alike: tuple[Build, ...] = field(default=(), compare=False)  # all of them


@dataclass(frozen=True, slots=True)
class Holder:
    """A level whose children are called from outside, one by one: it only gives them their names."""

    children: tuple[tuple[str, Build], ...]


Build = Leaf | New | Chain | Repeat | Holder


@dataclass(frozen=True, slots=True)
class Ref:
    """A value inside a body: output `output` of step `step`, or argument `output` where `step` is -1."""

    step: int
    output: int = 0


@dataclass(frozen=True, slots=True)
class Attribute:
    """A module that a class builds under a name. A family is `name0`, `name1`, …: its build is a `Repeat`.

    `optional` is given by the caller, or is `None`. `stateful` says that its name is part of the weights' names.
    """

    name: str
    build: Build
    optional: bool = False
    stateful: bool = True
    first: int | None = None  # of a family: the number of the first


@dataclass(frozen=True, slots=True)
class Step:
    """One application in a body, in program order.

    Either `access` names the module that is applied (an attribute, then the names inside holders), or `call` is the
    function. `outputs` is how many values come of it. `inplace` says that it may write over its first input.
    A family's step is a fan: all its modules are applied to the same inputs, one value each.
    """

    inputs: tuple[Ref, ...]
    outputs: int
    access: tuple[str, ...] | None = None
    call: Call | None = None
    inplace: bool = False
    training: bool = False
    word: str = ""
    label: str = ""
    given: str = field(default="", compare=False)  # the name that its spec gives the value
    nodes: int = field(default=-1, compare=False)  # the graph's node, of a representative


@dataclass(frozen=True, slots=True)
class Body:
    """What a class builds, what it does, and the values that it gives."""

    attributes: tuple[Attribute, ...]
    steps: tuple[Step, ...]
    inputs: int
    outputs: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a class: its name, the values that its instances give, and its default (`REQUIRED`: none)."""

    name: str
    values: tuple[Any, ...]
    default: Any
    kind: str = ""  # which literals it may stand for, as `table` tells them apart


@dataclass(frozen=True, slots=True)
class Expression:
    """A literal in terms of a parameter: `name`, `name * factor` or `name // divisor`."""

    parameter: str
    factor: int = 1
    divisor: int = 1

    def of(self, value: Any) -> Any:
        """What it is where the parameter has this value."""
        if self.factor != 1:
            return value * self.factor
        return value // self.divisor if self.divisor != 1 else value


@dataclass(frozen=True, slots=True)
class Formula:
    """A literal as its spec writes it, in the names of the class's parameters."""

    term: Term

    def of(self, known: Mapping[str, Any]) -> Any:
        """What it is for an instance with these arguments."""
        return evaluate(self.term, cast(Mapping[Key, Any], known))


@dataclass(frozen=True, slots=True)
class Guard:
    """What must be so of the parameters for the class to be what its spec says."""

    condition: Term
    outcome: bool
    without: str = ""  # the optional child, where it must be so for want of that only


def resolve(hole: Any, known: Mapping[str, Any]) -> Any:
    """The literal of a hole for an instance with these arguments."""
    if isinstance(hole, Formula):
        return hole.of(known)
    if isinstance(hole, Expression):
        return hole.of(known[hole.parameter])
    return tuple(resolve(item, known) for item in hole) if isinstance(hole, tuple) else hole


@dataclass(frozen=True, slots=True)
class Class:
    """A class: its body with a hole for every literal, and the holes in terms of its parameters.

    `sequential` says that it is a chain named by positions, which needs no forward.
    """

    name: str
    body: Body
    holes: tuple[Any, ...]
    parameters: tuple[Parameter, ...]
    sequential: bool
    doc: str = ""
    locals: tuple[tuple[str, Term], ...] = ()  # what its spec gives names
    guards: tuple[Guard, ...] = ()
    common: tuple[Call, ...] = ()  # of the net: the statements that many nodes have in common


@dataclass(frozen=True, slots=True)
class Common:
    """A statement for initial values that the net's class makes for many nodes, and their tensors that it fills."""

    call: Call
    tensors: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """The classes, each after those that it uses; the last is the net itself."""

    classes: tuple[Class, ...]
    root: int
