"""What can be said of a file without running it: names that nothing reads, names that nothing defines, names taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archdsl.diagnostics import SHOWN, Diagnostic, Problem
from archdsl.elaborate.environment import METRICS, taken
from archdsl.elaborate.functions import FUNCTIONS
from archdsl.elaborate.modules import Module
from archdsl.elaborate.problems.names import AlreadyBound, IdleDefaults, UnknownLayer, UnknownName, UnreadName
from archdsl.ops import INITIALIZERS, OPERATIONS, WORDS
from archdsl.source import Span
from archdsl.syntax import tree


@dataclass(slots=True)
class Binding:
    """A name, what it is bound as, and the names that were bound with it."""

    ident: tree.Ident
    kind: str
    group: int
    read: bool = False


@dataclass(slots=True)
class Frame:
    """The names of one block, loop or comprehension."""

    outer: Frame | None
    bindings: dict[str, Binding] = field(default_factory=dict)

    def find(self, name: str) -> Binding | None:
        """The binding of a name in sight."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.bindings:
                return frame.bindings[name]
            frame = frame.outer
        return None


def problems(module: Module) -> list[Diagnostic]:
    """Diagnostics of all declarations of a file, in the order of the text."""
    found: list[Problem] = []
    bodies = [item.body for item in module.file.declarations if isinstance(item, (tree.Block, tree.Arch))]
    labels = frozenset(label for body in bodies for label in _labels(body) or ())
    for declaration in module.file.declarations:
        match declaration:
            case tree.Block() | tree.Arch():
                found += _Walk(module, declaration, labels, SHOWN - len(found)).problems()
            case tree.Let():
                found += [problem for problem in map(taken, declaration.names) if problem]
        if isinstance(declaration, (tree.Block, tree.BlockVariant, tree.Arch, tree.ArchVariant)):
            problem = taken(declaration.name)
            found += [problem] if problem else []
    found += _idle(module.file.declarations)
    found += _unread_imports(module)
    return [problem.diagnostic() for problem in found]


def _idle(statements: tuple[Any, ...]) -> Iterator[Problem]:
    """The defaults among these for names that nothing after them writes."""
    if not any(isinstance(statement, tree.Defaults) for statement in statements):
        return
    found: list[Problem] = []
    written: set[str] = set()
    for statement in reversed(statements):
        if isinstance(statement, tree.Defaults):
            idle = (placed for placed in reversed(statement.calls) if placed.name.name not in written)
            found += [IdleDefaults(placed.span, placed.name.name) for placed in idle]
        written |= names_in(statement)
    yield from reversed(found)


def set_aside(module: Module) -> frozenset[Span]:
    """The layers of a file whose results have names that begin with `_`: nothing needs to read them."""
    found: set[Span] = set()
    todo: list[Any] = [item for item in module.file.declarations if isinstance(item, (tree.Block, tree.Arch))]
    while todo:
        item = todo.pop()
        if isinstance(item, tuple):
            todo += item
        elif isinstance(item, tree.Node):
            todo += item.content()
            if isinstance(item, tree.Chain) and item.targets:
                last = item.links[-1]
                named = all(target.name.name.startswith("_") for target in item.targets)
                if named and isinstance(last, tree.Layer):
                    found.add(last.placed.span)
    return frozenset(found)


def _unread_imports(module: Module) -> list[Problem]:
    read = {item for declaration in module.file.declarations for item in names_in(declaration)}
    stem = module.source.path.stem if module.source.path else None
    return [
        UnreadName(name.span, name.name, "import")
        for declaration in module.file.declarations
        if isinstance(declaration, tree.Import)
        for name in declaration.names
        if name.name not in read and name.name != stem
    ]


def names_in(node: Any) -> set[str]:
    """Every name that is read in a part of a tree."""
    found: set[str] = set()
    todo = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, tuple):
            todo += item
        elif isinstance(item, tree.Name):
            found.add(item.name)
        elif isinstance(item, tree.Placed):
            found.add(item.name.name)
            todo += item.arguments
        elif isinstance(item, tree.Node):
            todo += item.content()
    return found


class _Walk:
    """A walk through one block or arch."""

    def __init__(
        self, module: Module, declaration: tree.Block | tree.Arch, elsewhere: frozenset[str], most: int
    ) -> None:
        self.most = most
        self.module = module
        self.declaration = declaration
        self.found: list[Problem] = []
        self.groups = 0
        self.all: list[Binding] = []
        self.labels = _labels(declaration.body)
        self.elsewhere = elsewhere
        self.block = Frame(None)

    def problems(self) -> list[Problem]:
        """What is wrong with the names of the declaration."""
        for parameter in self.declaration.parameters:
            if parameter.default is not None:
                self.expression(parameter.default, self.block)
            self.bind((parameter.name,), "parameter", self.block)
        self.statements(self.declaration.body, self.block)
        groups: dict[int, list[Binding]] = {}
        for binding in self.all:
            groups.setdefault(binding.group, []).append(binding)
        for group in groups.values():
            first = group[0]
            if not any(binding.read or binding.ident.name.startswith("_") for binding in group):
                self.found.append(UnreadName(first.ident.span, first.ident.name, first.kind))
        return self.found

    def _shown(self) -> bool:
        """True if one more problem would be shown, and so needs what was perhaps meant."""
        return len(self.found) < self.most

    def bind(self, idents: tuple[tree.Ident, ...], kind: str, frame: Frame) -> None:
        """Binds names that belong together: one that is read excuses the others."""
        self.groups += 1
        for ident in idents:
            problem: Problem | None = taken(ident)
            before = frame.find(ident.name)
            if problem is None and before is not None and kind != "family":
                problem = AlreadyBound(ident.span, ident.name, before.ident.span)
            if problem is None and ident.name in self.module.spans and kind != "family":
                problem = AlreadyBound(ident.span, ident.name, self.module.spans[ident.name])
            if problem is not None:
                self.found.append(problem)
                continue
            if kind == "family" and before is not None:
                continue
            binding = Binding(ident, kind, self.groups)
            (self.block if kind == "family" else frame).bindings[ident.name] = binding
            self.all.append(binding)

    def statements(self, body: tree.Body, frame: Frame) -> None:
        """Walks a body whose names live in a frame."""
        self.found += _idle(body.statements)
        for statement in body.statements:
            self.statement(statement, frame)

    def statement(self, statement: Any, frame: Frame) -> None:
        """Walks one statement."""
        match statement:
            case tree.Let():
                self.expression(statement.value, frame)
                self.bind(statement.names, "variable", frame)
            case tree.If():
                self.expression(statement.condition, frame)
                self.statements(statement.body, frame)
                if isinstance(statement.otherwise, tree.If):
                    self.statement(statement.otherwise, frame)
                elif statement.otherwise is not None:
                    self.statements(statement.otherwise, frame)
            case tree.Repeat():
                self.expression(statement.count, frame)
                self._loop((), statement, frame)
            case tree.For():
                self.expression(statement.iterable, frame)
                self._loop(statement.names, statement, frame)
            case tree.Aux():
                self.statement(statement.chain, frame)
            case tree.Chain():
                for link in statement.links:
                    self.link(link, frame)
                self._targets(statement.targets, frame)
            case tree.Input():
                self._symbols(statement.size, frame)
                if statement.name is not None:
                    frame.bindings[statement.name.name] = Binding(statement.name, "input", 0, True)
            case tree.Shared():
                self.placed(statement.placed, frame)
                if isinstance(statement.label, tree.Ident):
                    self.bind((statement.label,), "shared layer", frame)
            case tree.Param():
                self.placed(statement.call, frame)
            case tree.Defaults():
                for placed in statement.calls:
                    self.placed(placed, frame)
            case tree.Require():
                self.expression(statement.condition, frame, claims=True)
                if statement.message is not None:
                    self.expression(statement.message, frame)
            case tree.Expect():
                self.expression(statement.condition, frame, claims=True)
                self.expression(statement.approximate, frame, claims=True)
            case tree.Output():
                for item in statement.items:
                    self.expression(item.value, frame, claims=True)

    def _symbols(self, size: Any, frame: Frame) -> None:
        """The capitals in an input's size are names of the arch from there on."""
        self.expression(size, frame)
        for dim in size.dims if isinstance(size, tree.Size) else ():
            if isinstance(dim, str) and frame.find(dim) is None:
                frame.bindings[dim] = Binding(tree.Ident(size.span, dim), "symbol", 0, True)

    def _loop(self, names: tuple[tree.Ident, ...], statement: tree.Repeat | tree.For, frame: Frame) -> None:
        inner = Frame(frame)
        if names:
            self.bind(names, "loop variable", inner)
        if statement.index is not None:
            self.bind((statement.index,), "index", inner)
        self.statements(statement.body, inner)

    def _targets(self, targets: tuple[tree.Target, ...], frame: Frame) -> None:
        plain = tuple(target.name for target in targets if not target.indices)
        if plain:
            self.bind(plain, "value", frame)
        for target in targets:
            if target.indices:
                for index in target.indices:
                    self.expression(index, frame)
                self.bind((target.name,), "family", frame)

    def link(self, link: Any, frame: Frame) -> None:
        """Walks one link of a chain."""
        match link:
            case tree.From():
                self.expression(link.value, frame)
            case tree.Role():
                self.link(link.target, frame)
            case tree.Layer():
                self.label(link.label, frame)
                self.placed(link.placed, frame)
            case tree.Scope():
                self.label(link.label, frame)
                self.statements(link.body, frame)
            case tree.Branches():
                if link.merge is not None:
                    self.placed(link.merge, frame)
                self.statements(link.body, frame)
            case tree.Residual():
                if link.condition is not None:
                    self.expression(link.condition, frame)
                self.statements(link.body, frame)
                if link.skip is not None:
                    self.link(link.skip, frame)

    def label(self, label: tree.Label | None, frame: Frame) -> None:
        """Walks the expressions of a template."""
        if isinstance(label, tree.Text):
            self.expression(label, frame)

    def placed(self, placed: tree.Placed, frame: Frame) -> None:
        """Walks a layer in its place."""
        name = placed.name
        binding = frame.find(name.name)
        if binding is not None:
            binding.read = True
        elif name.name in WORDS or name.name in FUNCTIONS or name.name in INITIALIZERS:
            pass  # where it is placed, the elaborator says what it is instead
        elif name.name not in self.module.names and name.name not in OPERATIONS:
            known = (*_visible(frame), *self.module.names, *OPERATIONS) if self._shown() else ()
            self.found.append(UnknownLayer(name.span, name.name, known))
        for argument in placed.arguments:
            self.expression(argument.value, frame)

    def expression(self, node: Any, frame: Frame, *, claims: bool = False) -> None:
        """Walks an expression; comprehensions have frames of their own."""
        match node:
            case tree.Name():
                self._read(node, frame, claims)
            case tree.Size():
                for dim in node.dims:
                    binding = frame.find(dim) if isinstance(dim, str) else None
                    if binding is not None:
                        binding.read = True
            case tree.Comprehension():
                inner = frame
                for generator in node.generators:
                    self.expression(generator.iterable, inner)
                    inner = Frame(inner)
                    self.bind(generator.names, "loop variable", inner)
                if node.condition is not None:
                    self.expression(node.condition, inner)
                self.expression(node.item, inner)
            case tuple():
                for item in node:
                    self.expression(item, frame, claims=claims)
            case tree.Ident() | tree.Number() | tree.Bool() | tree.Nothing() | str() | int() | None:
                pass
            case _:
                for part in node.content():
                    self.expression(part, frame, claims=claims)

    def _read(self, node: tree.Name, frame: Frame, claims: bool) -> None:
        binding = frame.find(node.name)
        if binding is not None:
            binding.read = True
            return
        kinds = (self.module.names, OPERATIONS, INITIALIZERS, FUNCTIONS, WORDS, ("in", "here"))
        if any(node.name in kind for kind in kinds) or (claims and node.name in METRICS):
            return
        if self.labels is None or node.name in self.labels:
            return
        names = (*_visible(frame), *self.labels, *(word for kind in kinds for word in kind)) if self._shown() else ()
        self.found.append(UnknownName(node.span, node.name, names, node.name in self.elsewhere))


def _visible(frame: Frame) -> tuple[str, ...]:
    names: list[str] = []
    current: Frame | None = frame
    while current is not None:
        names += current.bindings
        current = current.outer
    return tuple(names)


def _labels(body: tree.Body) -> set[str] | None:
    """The first levels of all labels in a body; `None` if a template may make any."""
    found: set[str] = set()
    todo: list[Any] = [body]
    while todo:
        item = todo.pop()
        if isinstance(item, tuple):
            todo += item
        elif isinstance(item, tree.Node):
            label = getattr(item, "label", None)
            if isinstance(label, tree.Ident):
                found.add(label.name)
            elif isinstance(label, tree.Text):
                if label.plain is None:
                    return None
                found.update(label.plain.split("."))
            todo += item.content()
    return found
