"""Expressions to values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archdsl.elaborate import functions
from archdsl.elaborate.attributes import attribute
from archdsl.elaborate.binding import bound_with
from archdsl.elaborate.environment import METRICS, Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.fuel import ARGUMENT, CALL, READ, holds
from archdsl.elaborate.items import item_of, part_of
from archdsl.elaborate.modules import ArchValue, Module, Pending, origin
from archdsl.elaborate.pending import Pendings
from archdsl.elaborate.problems import arguments, names, shapes, structure
from archdsl.elaborate.values import (
    POISON,
    Bound,
    Function,
    Labelled,
    LayerValue,
    SharedValue,
    kind_of,
)
from archdsl.ops import INITIALIZERS, OPERATIONS, WORDS
from archdsl.ops.base import Word
from archdsl.source import Span
from archdsl.syntax import tree

if TYPE_CHECKING:
    from archdsl.elaborate.elaborator import Elaborator


class Expressions:
    """Evaluates expressions for one elaboration, which knows shapes, labels and figures."""

    def __init__(self, elaborator: Elaborator) -> None:
        self.elaborator = elaborator
        self.fuel = elaborator.fuel
        self._pending = Pendings(self)

    def value(self, expression: tree.Expr, env: Env) -> Any:
        """The value of an expression. Raises `Found` with the first mistake in it."""
        fuel = self.fuel
        fuel.left -= READ
        if fuel.left < 0:
            fuel.spend(expression.span, 0)
        return _EVALUATE[type(expression)](self, expression, env)

    # ------------------------------------------------------------------ names

    def _name(self, expression: tree.Name, env: Env) -> Any:
        return self.named(expression.name, expression.span, env)

    def named(self, name: str, span: Span, env: Env) -> Any:
        """What a name stands for: a variable, a label where values are read, a block, an operation, a word."""
        if name in ("in", "here"):
            return self._flowing(name, span, env)
        known, value = env.find(name)
        if env.metrics and name in METRICS:
            if known or name in env.module.names:
                raise Found(names.MetricName(span, name))
            return self.elaborator.figure(name)
        if known:
            return value
        if env.reading:
            labelled = self.elaborator.label(name, env)
            if labelled is not None:
                return labelled
        if name in env.module.names:
            return self.of_module(env.module, name, span, env)
        return self._builtin(name, span, env)

    def _builtin(self, name: str, span: Span, env: Env) -> Any:
        target = OPERATIONS.get(name) or INITIALIZERS.get(name)
        if target is not None:
            return LayerValue(target, (), tuple(env.default_arguments(name).items()))
        if name in functions.FUNCTIONS:
            return Function(name)
        if name in WORDS:
            return Word(name)
        if env.reading and self.elaborator.doubt:
            return POISON
        if self.elaborator.told(names.UnknownName.code, span):
            raise Found(names.UnknownName(span, name, ()))
        labels = self.elaborator.labels_in_sight(env) if env.reading else ()
        known = (*env.visible(), *labels, *OPERATIONS, *INITIALIZERS, *functions.FUNCTIONS, *WORDS)
        raise Found(names.UnknownName(span, name, known, env.reading and self.elaborator.is_label(name)))

    def of_module(self, module: Module, name: str, span: Span, env: Env | None = None) -> Any:
        """A name of a file: what is pending is evaluated now, in that file."""
        home, own = origin(module, name)
        entry = home.names[own]
        if isinstance(entry, Pending):
            if self._pending.waits(entry.declaration):
                raise Found(structure.VariantCycle(span, name))
            needed = self._pending.needed(home, own, span)
            # A circle of two is told where it is entered.
            for each in needed if len(needed) > 2 else needed[-1:]:
                self._pending.evaluate(*each)
            entry = home.names[own]
        if isinstance(entry, LayerValue) and env is not None:
            defaults = env.default_arguments(name)
            if not defaults:
                return entry
            return LayerValue(entry.target, entry.bound, tuple({**dict(entry.defaults), **defaults}.items()))
        return entry

    def variant(self, declaration: tree.BlockVariant, env: Env) -> Any:
        """The layer that a block variant names: keyword arguments replace what was bound."""
        base = self.named(declaration.base.name.name, declaration.base.name.span, env)
        if base is POISON:
            return POISON
        if not isinstance(base, LayerValue):
            raise Found(structure.WrongVariant(declaration.base.name.span, declaration.base.name.name, "block"))
        return self.bind(base, declaration.base.arguments, env, replace=True)

    def apart(self, targets: tuple[tree.Ident, ...], value: Any, env: Env) -> tuple[Any, ...]:
        """A value for each of several names: the value itself for one, a list's items for several."""
        if len(targets) == 1:
            return (value,)
        if value is POISON:
            return (POISON,) * len(targets)
        items = value.flow if isinstance(value, Labelled) else value
        if not isinstance(items, tuple) or len(items) != len(targets):
            found = f"a list of {len(items)}" if isinstance(items, tuple) else kind_of(value)
            span = targets[0].span.to(targets[-1].span)
            raise Found(arguments.WrongCount(span, len(targets), found))
        return items

    def _flowing(self, name: str, span: Span, env: Env) -> Any:
        if env.stream is None:
            raise Found(shapes.NothingFlows(span, of_file=True))
        flow = env.stream.entered if name == "in" else env.stream.here
        if flow is None:
            raise Found(shapes.NothingFlows(span))
        return flow

    # --------------------------------------------------------------- literals

    def _text(self, expression: tree.Text, env: Env) -> Any:
        if env.reading and expression.plain is not None:
            found = self.elaborator.label(expression.plain, env)
            if found is None and self.elaborator.doubt:
                return POISON
            if found is None:
                told = self.elaborator.told(names.UnknownPath.code, expression.span)
                known = () if told else self.elaborator.labels_in_sight(env)
                raise Found(names.UnknownPath(expression.span, expression.plain, known))
            return found
        return self.text(expression, env)

    def text(self, expression: tree.Text, env: Env) -> Any:
        """The string that a template makes: whole numbers and strings can stand in it."""
        parts: list[str] = []
        for part in (expression.plain,) if expression.plain is not None else expression.parts:
            value = part if isinstance(part, str) else self.value(part, env)
            if value is POISON:
                return POISON
            if not isinstance(value, str) and not functions.is_whole(value):
                span = part.span if not isinstance(part, str) else expression.span
                raise Found(arguments.WrongKind(span, "a whole number or a string", kind_of(value)))
            parts.append(str(value))
        length, limit = sum(map(len, parts)), self.elaborator.limits.text
        if length > limit:
            raise Found(structure.TooManySteps(expression.span, f"a string of {length:,} characters", limit, "text"))
        self.fuel.text(expression.span, length)
        return "".join(parts)

    def _size(self, expression: tree.Size, env: Env) -> Any:
        return tuple(self._dimension(dim, expression.span, env) for dim in expression.dims)

    def _dimension(self, dim: int | str, span: Span, env: Env) -> int:
        if isinstance(dim, int):
            return dim
        known, value = env.find(dim)
        if not known:
            raise Found(arguments.UnboundSymbol(span, dim))
        if not functions.is_whole(value):
            raise Found(arguments.WrongKind(span, "a whole number", kind_of(value)))
        return int(value)

    def _list(self, expression: tree.ListOf, env: Env) -> Any:
        return self.weighed(tuple(self.value(item, env) for item in expression.items), expression.span)

    def weighed(self, value: Any, span: Span) -> Any:
        """A value that was made, if it is no list or layer that grew beyond the budget by those in it."""
        if holds(value):
            self.fuel.weigh(value, span)
        return value

    def _comprehension(self, expression: tree.Comprehension, env: Env) -> Any:
        items: list[Any] = []
        spoilt: list[bool] = []

        def visit(depth: int, frame: Env) -> None:
            if depth == len(expression.generators):
                self.elaborator.turn(expression.span)
                wanted = expression.condition is None or self.condition(expression.condition, frame)
                if wanted is True:
                    items.append(self.value(expression.item, frame))
                return
            generator = expression.generators[depth]
            values = self.value(generator.iterable, frame)
            spoilt.append(values is POISON)
            self.fuel.spend(generator.iterable.span, 1)
            for value in self.listed(values, generator.iterable.span):
                inner = frame.inner()
                for ident, item in zip(generator.names, self.apart(generator.names, value, frame), strict=True):
                    inner.bind(ident, item)
                visit(depth + 1, inner)

        visit(0, env)
        return POISON if any(spoilt) else self.weighed(tuple(items), expression.span)

    # -------------------------------------------------------------- operators

    def _unary(self, expression: tree.Unary, env: Env) -> Any:
        operand = self.value(expression.operand, env)
        if operand is POISON:
            return POISON
        if expression.op == "not":
            if not isinstance(operand, bool):
                raise Found(arguments.WrongOperand(expression.operand.span, "not", (kind_of(operand),)))
            return not operand
        if not functions.is_number(operand):
            raise Found(arguments.WrongOperand(expression.operand.span, "-", (kind_of(operand),)))
        return -operand

    def _binary(self, expression: tree.Binary, env: Env) -> Any:
        if expression.op in ("and", "or"):
            return self._logical(expression, env)
        left, right = self.value(expression.left, env), self.value(expression.right, env)
        for side in (left, right):
            if isinstance(side, (tuple, LayerValue)):
                self.fuel.weigh(side, expression.span)
        limit = self.elaborator.limits.list_items
        return self.weighed(functions.binary(expression.op, left, right, expression.span, limit), expression.span)

    def _logical(self, expression: tree.Binary, env: Env) -> Any:
        for side in (expression.left, expression.right):
            value = self.value(side, env)
            if value is POISON:
                return POISON
            if not isinstance(value, bool):
                raise Found(arguments.WrongOperand(side.span, expression.op, (kind_of(value),)))
            if value == (expression.op == "or"):
                return value
        return expression.op == "and"

    def _conditional(self, expression: tree.Conditional, env: Env) -> Any:
        condition = self.condition(expression.condition, env)
        if condition is POISON:
            return POISON
        return self.value(expression.then if condition else expression.otherwise, env)

    def condition(self, expression: tree.Expr, env: Env) -> Any:
        """A truth value, or poison."""
        value = self.value(expression, env)
        if value is not POISON and not isinstance(value, bool):
            raise Found(arguments.WrongKind(expression.span, "a truth value", kind_of(value)))
        return value

    def iterable(self, expression: tree.Expr, env: Env) -> tuple[Any, ...]:
        """The items of a list; of poison, none."""
        return self.listed(self.value(expression, env), expression.span)

    @staticmethod
    def listed(value: Any, span: Span) -> tuple[Any, ...]:
        """A value as the items of a list; of poison, none."""
        items = value.flow if isinstance(value, Labelled) else value
        if items is POISON:
            return ()
        if not isinstance(items, tuple):
            raise Found(arguments.WrongKind(span, "a list", kind_of(value)))
        return items

    # ------------------------------------------------------------------ calls

    def _call(self, expression: tree.Call, env: Env) -> Any:
        self.fuel.spend(expression.span, CALL)
        plain = env.inner(reading=False) if env.reading else env
        function = self.value(expression.function, plain)
        if function is POISON:
            return POISON
        if isinstance(function, Function):
            positional = tuple(self.value(item.value, env) for item in expression.arguments if item.name is None)
            keywords = {item.name.name: self.value(item.value, env) for item in expression.arguments if item.name}
            limit = self.elaborator.limits.list_items
            self.fuel.items(expression.span, min(functions.work(function.name, positional), limit * len(positional)))
            made = functions.call(function.name, positional, keywords, expression.span, limit)
            return self.weighed(made, expression.span)
        if isinstance(function, LayerValue):
            return self.bind(function, expression.arguments, env)
        kind = "an arch" if isinstance(function, ArchValue) else kind_of(function)
        raise Found(arguments.NotCallable(expression.function.span, kind))

    def bind(
        self, layer: LayerValue, given: tuple[tree.Argument, ...], env: Env, *, replace: bool = False
    ) -> LayerValue:
        """The layer with further arguments bound. Raises `Found` for what it does not take."""
        if not given:
            return layer
        self.fuel.left -= ARGUMENT * len(given) + len(layer.bound) + len(layer.defaults)
        if self.fuel.left < 0:
            self.fuel.spend(given[0].span.to(given[-1].span), 0)
        made = bound_with(layer, given, self.bound, env, replace=replace)
        if holds(made):
            self.fuel.weigh(made, given[0].span.to(given[-1].span))
        return made

    def bound(self, expression: tree.Expr, env: Env) -> Bound:
        """An argument with its value."""
        if isinstance(expression, (tree.Number, tree.Bool)):
            return Bound(expression.value, expression.span)
        return Bound(self.value(expression, env), expression.span, env.noted(expression))

    def layer(self, placed: tree.Placed, env: Env) -> Any:
        """What is placed: a layer with the arguments bound here, shared weights, `None` for no layer, or poison."""
        name, span = placed.name.name, placed.name.span
        try:
            value = self.named(name, span, env)
        except Found as found:
            if isinstance(found.problem, names.UnknownName):
                if self.elaborator.told(names.UnknownLayer.code, span):
                    raise Found(names.UnknownLayer(span, name, ())) from None
                blocks = tuple(key for key, entry in env.module.names.items() if not isinstance(entry, ArchValue))
                raise Found(names.UnknownLayer(span, name, (*env.visible(), *blocks, *OPERATIONS))) from None
            raise
        if value is None or value is POISON or isinstance(value, SharedValue):
            return value
        if isinstance(value, ArchValue):
            raise Found(structure.ArchAsLayer(span, name))
        if not isinstance(value, LayerValue) or (isinstance(value.target, type) and value.target.word in INITIALIZERS):
            raise Found(names.NotALayer(span, name, kind_of(value)))
        return self.bind(value, placed.arguments, env)


_Evaluate = Callable[[Expressions, Any, Env], Any]
_EVALUATE: dict[type, _Evaluate] = {
    tree.Name: Expressions._name,
    tree.Number: lambda _, expression, __: expression.value,
    tree.Bool: lambda _, expression, __: expression.value,
    tree.Nothing: lambda _, __, ___: None,
    tree.Text: Expressions._text,
    tree.Size: Expressions._size,
    tree.ListOf: Expressions._list,
    tree.Comprehension: Expressions._comprehension,
    tree.Unary: Expressions._unary,
    tree.Binary: Expressions._binary,
    tree.Conditional: Expressions._conditional,
    tree.Attribute: attribute,
    tree.Index: item_of,
    tree.Slice: part_of,
    tree.Call: Expressions._call,
}
