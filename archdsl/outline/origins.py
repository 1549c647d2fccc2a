"""Expressions of a spec as terms in the parameters of one class, with all that they depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archdsl.diagnostics import CompileError
from archdsl.elaborate import functions
from archdsl.elaborate.environment import Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.modules import Imported
from archdsl.elaborate.values import Bound, Family, Labelled, LayerValue, Tensor, Written
from archdsl.ir.program import Value
from archdsl.ops import INITIALIZERS, OPERATIONS, WORDS
from archdsl.ops.base import Word
from archdsl.outline.symbols import (
    FOREIGN,
    MOST_ITEMS,
    UNKNOWN,
    Sym,
    applied,
    called,
    constant,
    frozen,
    item,
    listed,
    parameter,
    sure,
    union,
)
from archdsl.outline.terms import Apply, Const, Named, logical, variables
from archdsl.shapes import Shape
from archdsl.syntax import tree


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands."""

    env: Env
    here: Any
    path: str
    reading: bool = False


@dataclass(slots=True)
class Fuel:
    """How many expressions may still be read."""

    left: int


@dataclass(slots=True)
class Origins:
    """Reads expressions as seen from inside one block's frame. `dim` gives a size of a value that flows."""

    frame: Env | None
    encloses: Callable[[Env], bool]
    labels: Mapping[str, Any]
    dim: Callable[[Value, int], Sym]
    shape: Callable[[Value], Shape]
    fuel: Fuel
    known: dict[tuple[Any, ...], Sym] = field(default_factory=dict)
    local: dict[tuple[int, str], Sym] = field(default_factory=dict)
    kept: list[Env] = field(default_factory=list)  # so that the frames of comprehensions keep their identity

    def written(self, written: Written | None, value: Any = None) -> Sym:
        """The value of an expression where it was written; of none, the value itself."""
        if written is None:
            return constant(value)
        kind = type(written.expression)
        if kind is tree.Number or kind is tree.Bool:
            return constant(written.expression.value)  # type: ignore[union-attr]
        key = (id(written.expression), id(written.env), id(written.here), written.path)
        found = self.known.get(key)
        if found is None:
            place = Place(written.env, written.here, written.path, written.env.reading)
            found = self.expression(written.expression, place)
            self.known[key] = found
        for index in (written.at, written.part):
            if index is not None:
                found = item(found, index)
        return found

    def bound(self, bound: Bound) -> Sym:
        """The value of an argument."""
        return self.written(bound.written, bound.value)

    def expression(self, expression: tree.Expr, place: Place) -> Sym:
        """The value of an expression; where that cannot be told, whatever it may depend on."""
        self.fuel.left -= 1
        if self.fuel.left < 0:
            return UNKNOWN
        try:
            return _READ[type(expression)](self, expression, place)
        except (Found, CompileError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
            return UNKNOWN

    # ------------------------------------------------------------------ names

    def _name(self, expression: tree.Name, place: Place) -> Sym:
        name, env = expression.name, place.env
        if name in ("in", "here"):
            return Sym(env.stream.entered if name == "in" and env.stream else place.here)
        for frame in env.frames():
            if name in frame.names:
                return self._bound(frame, name)
        if place.reading:
            labelled = self._label(name, place)
            if labelled is not None:
                return Sym(labelled)
        defaults = {key: self.bound(bound) for key, bound in env.default_arguments(name).items()}
        if name in env.module.names:
            value = env.module.names[name]
            while isinstance(value, Imported):
                value = value.module.names[value.name]
            found = constant(value)
            return replace(found, arguments={**defaults, **(found.arguments or {})}) if defaults else found
        target = OPERATIONS.get(name) or INITIALIZERS.get(name)
        if target is not None:
            return Sym(LayerValue(target), arguments=defaults)
        return Sym(Word(name)) if name in WORDS else UNKNOWN

    def _bound(self, frame: Env, name: str) -> Sym:
        """What a variable is."""
        found = self.local.get((id(frame), name))
        if found is not None:
            return found
        value, own = frame.names[name], frame is self.frame
        if own and self._declares(name):
            return parameter(name, value)
        if isinstance(value, Tensor | Family):
            return Sym(value)
        found = self.written(frame.written.get(name), value)
        if own and found.term is not None and isinstance(found.term, Apply) and variables(found.term):
            found = replace(found, term=Named(name, found.term))
        if frame.stream is not None and not self.encloses(frame):
            found = replace(found, taint=found.taint | {FOREIGN})
        return found

    def _declares(self, name: str) -> bool:
        stream = self.frame.stream if self.frame is not None else None
        block = stream.entering[-1] if stream is not None and stream.entering else None
        given = block.parameters if isinstance(block, tree.Block | tree.Arch) else ()
        return any(item.name.name == name for item in given)

    def _label(self, name: str, place: Place) -> Labelled | None:
        root = place.env.stream.root if place.env.stream else ""
        level = place.path
        while True:
            path = f"{level}.{name}" if level else name
            if path in self.labels:
                return Labelled(path, self.labels[path])
            if level == root or not level:
                return None
            level = level.rpartition(".")[0]

    def _attribute(self, expression: tree.Attribute, place: Place) -> Sym:
        base = self.expression(expression.value, replace(place, reading=True))
        name = expression.name.name
        if isinstance(base.value, Labelled) and f"{base.value.path}.{name}" in self.labels:
            path = f"{base.value.path}.{name}"
            return Sym(Labelled(path, self.labels[path]), None, base.taint)
        flow = base.value.flow if isinstance(base.value, Labelled) else base.value
        if not isinstance(flow, Tensor):
            return UNKNOWN
        shape = self.shape(flow.value)
        if name in ("shape", "hw"):
            axes = range(shape.rank) if name == "shape" else [shape.axes.index("h"), shape.axes.index("w")]
            items = tuple(self.dim(flow.value, axis) for axis in axes)
            return Sym(tuple(item.value for item in items), None, base.taint, items)
        found = self.dim(flow.value, shape.axes.index(name))
        return replace(found, taint=found.taint | base.taint)

    # --------------------------------------------------------------- literals

    def _size(self, expression: tree.Size, place: Place) -> Sym:
        items = tuple(
            constant(dim) if isinstance(dim, int) else self._name(tree.Name(expression.span, dim), place)
            for dim in expression.dims
        )
        return listed(items)

    def _list(self, expression: tree.ListOf, place: Place) -> Sym:
        return listed(tuple(self.expression(item, place) for item in expression.items))

    def _text(self, expression: tree.Text, place: Place) -> Sym:
        if expression.plain is not None:
            labelled = self._label(expression.plain, place) if place.reading else None
            return constant(expression.plain) if labelled is None else Sym(labelled)
        parts = [self.expression(part, place) for part in expression.parts if not isinstance(part, str)]
        return Sym(None, None, union(parts))

    def _comprehension(self, expression: tree.Comprehension, place: Place) -> Sym:
        made: list[Sym] = []
        taint: set[Any] = set()

        def visit(depth: int, env: Env) -> None:
            now = replace(place, env=env, reading=False)
            if depth == len(expression.generators):
                if expression.condition is not None:
                    asked = self.expression(expression.condition, now)
                    taint.update(asked.all)
                    if asked.value is not True:
                        return
                made.append(self.expression(expression.item, now))
                return
            generator = expression.generators[depth]
            listed = self.expression(generator.iterable, now)
            taint.update(listed.taint)
            for at in range(len(listed.value)):
                each = item(listed, at)
                inner = env.inner()
                self.kept.append(inner)
                parts = [each] if len(generator.names) == 1 else [item(each, n) for n in range(len(generator.names))]
                for ident, part in zip(generator.names, parts, strict=True):
                    inner.names[ident.name] = part.value
                    self.local[id(inner), ident.name] = part
                visit(depth + 1, inner)
                if len(made) > MOST_ITEMS:
                    raise ValueError

        visit(0, place.env)
        return listed(tuple(made), frozenset(taint))

    # -------------------------------------------------------------- operators

    def _unary(self, expression: tree.Unary, place: Place) -> Sym:
        operand = self.expression(expression.operand, place)
        value = not operand.value if expression.op == "not" else -operand.value
        return applied("not" if expression.op == "not" else "neg", value, [operand])

    def _binary(self, expression: tree.Binary, place: Place) -> Sym:
        left = self.expression(expression.left, place)
        if expression.op in ("and", "or"):
            return self._logical(expression, left, place)
        right = self.expression(expression.right, place)
        value = functions.binary(expression.op, left.value, right.value, expression.span, MOST_ITEMS)
        if left.items is not None and right.items is not None and expression.op == "+":
            return listed(left.items + right.items, left.taint | right.taint)
        mixed = isinstance(left.value, bool) != isinstance(right.value, bool)
        found = applied(expression.op, value, [left, right])
        return replace(found, term=None) if mixed else found

    def _logical(self, expression: tree.Binary, left: Sym, place: Place) -> Sym:
        decides = left.value is (expression.op == "or")
        if decides and isinstance(left.term, Const) and not left.taint:
            return left
        right = self.expression(expression.right, place)
        value = left.value if decides else right.value
        taint = left.all | right.all
        first, second = left.term, right.term
        if first is None or second is None:
            return frozen(value, taint)
        return sure(Sym(value, logical(expression.op, first, lambda: second), taint), [left, right])

    def _conditional(self, expression: tree.Conditional, place: Place) -> Sym:
        asked = self.expression(expression.condition, place)
        if not asked.all:
            chosen = self.expression(expression.then if asked.value else expression.otherwise, place)
            return replace(chosen, taint=chosen.taint | asked.all)
        then = self.expression(expression.then, place)
        otherwise = self.expression(expression.otherwise, place)
        chosen = then if asked.value else otherwise
        taint = asked.all | then.all | otherwise.all
        if asked.term is None or then.term is None or otherwise.term is None:
            return replace(chosen, taint=taint)
        return Sym(chosen.value, Apply("if", (then.term, asked.term, otherwise.term)), taint)

    # ------------------------------------------------------------ of a value

    def _index(self, expression: tree.Index, place: Place) -> Sym:
        base = self.expression(expression.value, place)
        index = self.expression(expression.index, replace(place, reading=False))
        if isinstance(base.value, Family):
            return Sym(_Member(base.value, (index.value,)).found(), None, base.all | index.all)
        if isinstance(base.value, _Member):
            return Sym(
                _Member(base.value.family, (*base.value.indices, index.value)).found(), None, base.all | index.all
            )
        items: Any = base.value.flow if isinstance(base.value, Labelled) else base.value
        if index.all or base.items is None or (index.value < 0 and base.taint):
            return frozen(items[index.value], base.all | index.all)
        found: Sym = base.items[index.value]
        return found

    def _slice(self, expression: tree.Slice, place: Place) -> Sym:
        base = self.expression(expression.value, place)
        ends = [
            constant(None) if end is None else self.expression(end, place)
            for end in (expression.start, expression.stop)
        ]
        taint = base.taint.union(*(end.all for end in ends))
        first, last = (end.value for end in ends)
        value = base.value[first:last]
        return frozen(value, base.all | taint) if base.items is None else listed(base.items[first:last], taint)

    # ------------------------------------------------------------------ calls

    def _call(self, expression: tree.Call, place: Place) -> Sym:
        positional = [self.expression(item.value, place) for item in expression.arguments if item.name is None]
        named = {item.name.name: self.expression(item.value, place) for item in expression.arguments if item.name}
        function = expression.function
        if isinstance(function, tree.Name) and function.name in functions.FUNCTIONS:
            return called(expression, function.name, positional, named)
        layer = self.expression(function, place)
        if not isinstance(layer.value, LayerValue) or layer.arguments is None:
            return Sym(None, None, layer.all | union([*positional, *named.values()]))
        given = dict(layer.arguments)
        free = [name for name in layer.value.parameters() if name not in dict(layer.value.bound)]
        given.update(zip(free, positional, strict=False))
        return replace(layer, arguments={**given, **named})


class _Member:
    """A family with some of its indices, until there are enough."""

    def __init__(self, family: Family, indices: tuple[Any, ...]) -> None:
        self.family, self.indices = family, indices

    def found(self) -> Any:
        return self.family.members.get(self.indices, self)


_READ: dict[type, Callable[[Origins, Any, Place], Sym]] = {
    tree.Name: Origins._name,
    tree.Number: lambda _, expression, __: constant(expression.value),
    tree.Bool: lambda _, expression, __: constant(expression.value),
    tree.Nothing: lambda _, __, ___: constant(None),
    tree.Text: Origins._text,
    tree.Size: Origins._size,
    tree.ListOf: Origins._list,
    tree.Comprehension: Origins._comprehension,
    tree.Unary: Origins._unary,
    tree.Binary: Origins._binary,
    tree.Conditional: Origins._conditional,
    tree.Attribute: Origins._attribute,
    tree.Index: Origins._index,
    tree.Slice: Origins._slice,
    tree.Call: Origins._call,
}
