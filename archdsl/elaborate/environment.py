"""Where names stand for what: frames of variables inside a file, and the flow that `in`, `here` and labels read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archdsl.elaborate.found import Found
from archdsl.elaborate.functions import FUNCTIONS
from archdsl.elaborate.modules import Module
from archdsl.elaborate.problems.names import AlreadyBound, TakenName
from archdsl.elaborate.values import Bound, Flow, LayerValue, Written, shown_all
from archdsl.ops import INITIALIZERS, OPERATIONS
from archdsl.source import Span
from archdsl.syntax import tree

METRICS = ("params", "macs", "depth", "shape")


@dataclass(slots=True)
class Place:
    """Where the next node goes: its scope, and whether it lies on a shortcut or in a side head."""

    scope: int
    path: str
    skip: bool = False
    training: bool = False

    def at(self, scope: int, path: str | None = None) -> Place:
        """The same in another scope, perhaps at another path level."""
        return Place(scope, self.path if path is None else path, self.skip, self.training)


@dataclass(frozen=True, slots=True)
class CallSite:
    """A block that was entered on the way: as written, where, and at which path."""

    layer: LayerValue
    span: Span
    path: str

    def note(self, reader: Span | None) -> str:
        """`in Bottleneck(64), called at 31:17, as layer1.0`, for a diagnostic whose place is `reader`."""
        at = f", as {self.path}" if self.path else ""
        given = shown_all(bound.value for _, bound in self.layer.bound)
        return f"in {self.layer.name}({given}), called at {self.span.seen_from(reader)}{at}"


@dataclass(slots=True)
class Application:
    """One application of shared weights: whether an earlier one owns them, and which paths below it has taken."""

    path: str
    again: bool
    claimed: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Stream:
    """What flows through the body of one block or arch: the value that entered, the current one, and the way here."""

    root: str  # the path level that the block was entered at: labels above it are out of sight
    entered: Flow | None
    here: Flow | None
    path: str = ""  # the level that the current statement stands in
    arch: bool = False  # the body of the arch itself
    calls: tuple[CallSite, ...] = ()  # the blocks around this one, innermost last
    entering: tuple[tree.Node, ...] = ()  # their declarations
    order: float | None = None  # where shared weights stand among the declarations
    application: Application | None = None  # of shared weights, which this body is part of


@dataclass(slots=True)
class Env:
    """A frame of names: a block's, a loop iteration's or a comprehension's, inside the one around it."""

    module: Module
    stream: Stream | None = None
    outer: Env | None = None
    names: dict[str, Any] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)  # what the values of names were written as
    defaults: dict[str, dict[str, Bound]] = field(default_factory=dict)
    metrics: bool = False  # inside `expect` or a late `require`
    reading: bool = False  # a name may be a label

    def inner(self, **changes: Any) -> Env:
        """A frame inside this one."""
        frame = Env(self.module, self.stream, self, metrics=self.metrics, reading=self.reading)
        for name, value in changes.items():
            setattr(frame, name, value)
        return frame

    def frames(self) -> Iterator[Env]:
        """This frame and those around it, innermost first."""
        frame: Env | None = self
        while frame is not None:
            yield frame
            frame = frame.outer

    def find(self, name: str) -> tuple[bool, Any]:
        """Whether a variable of this name is in sight, and what it is."""
        frame: Env | None = self
        while frame is not None:
            if name in frame.names:
                return True, frame.names[name]
            frame = frame.outer
        return False, None

    def bind(self, name: tree.Ident, value: Any) -> None:
        """Binds a variable in this frame. Raises `Found` if the name is taken or bound in sight."""
        problem = taken(name)
        if problem is not None:
            raise Found(problem)
        for frame in self.frames():
            if name.name in frame.names:
                raise Found(AlreadyBound(name.span, name.name, frame.spans.get(name.name)))
        if name.name in self.module.spans:
            raise Found(AlreadyBound(name.span, name.name, self.module.spans[name.name]))
        self.names[name.name] = value
        self.spans[name.name] = name.span

    def noted(self, expression: tree.Expr, at: int | None = None, part: int | None = None) -> Written:
        """An expression as it is evaluated here and now."""
        stream = self.stream
        if stream is None:
            return Written(expression, self, None, "", at, part)
        return Written(expression, self, stream.here, stream.path, at, part)

    def default_arguments(self, word: str) -> dict[str, Bound]:
        """The defaults that hold for a name where it is written, inner ones over outer ones."""
        merged: dict[str, Bound] = {}
        frame: Env | None = self
        while frame is not None:
            if word in frame.defaults:
                merged = {**frame.defaults[word], **merged}
            frame = frame.outer
        return {**self.module.defaults.get(word, {}), **merged}

    def visible(self) -> tuple[str, ...]:
        """Every variable in sight, for suggestions."""
        return tuple(name for frame in self.frames() for name in frame.names) + tuple(self.module.spans)


def taken(name: tree.Ident) -> TakenName | None:
    """The problem of binding a name of the language, or `None`."""
    kind = _TAKEN.get(name.name)
    return TakenName(name.span, name.name, kind) if kind else None


def is_taken(name: str) -> bool:
    """Whether the language itself has the name, so that nothing else can."""
    return name in _TAKEN


_TAKEN = {
    **dict.fromkeys(FUNCTIONS, "a function"),
    **dict.fromkeys(INITIALIZERS, "an initialiser"),
    **dict.fromkeys(OPERATIONS, "an operation"),
    "here": "the current value",
}
