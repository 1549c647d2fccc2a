"""What stands in brackets after a value: one item of a list, some of them, or the member of a family."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from archdsl.elaborate.environment import Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.functions import is_whole
from archdsl.elaborate.problems import arguments
from archdsl.elaborate.values import POISON, Family, Labelled, kind_of, shown
from archdsl.source import Span
from archdsl.syntax import tree

if TYPE_CHECKING:
    from archdsl.elaborate.expressions import Expressions


def item_of(expressions: Expressions, expression: tree.Index, env: Env) -> Any:
    """An item of a list, or the member of a family. Raises `Found` for what is none."""
    chain: list[tree.Expr] = []
    base: tree.Expr = expression
    while isinstance(base, tree.Index):
        chain.append(base.index)
        base = base.value
    value = expressions.value(base, env)
    plain = env.inner(reading=False) if env.reading else env
    indices = tuple(expressions.value(index, plain) for index in reversed(chain))
    if value is POISON or any(index is POISON for index in indices):
        return POISON
    if isinstance(value, Family):
        expressions.fuel.weigh(indices, expression.span)
        if indices not in value.members and expressions.elaborator.doubt:
            return POISON
        if indices not in value.members:
            first = islice(value.members, 9)
            known = tuple("".join(f"[{shown(i)}]" for i in member) for member in first)
            name = base.name if isinstance(base, tree.Name) else "this family"
            raise Found(arguments.UnsetMember(expression.span, name, known))
        return value.members[indices]
    for index, node in zip(indices, reversed(chain), strict=True):
        value = _item(value, index, node.span, expression.span)
    return value


def _item(value: Any, index: Any, span: Span, whole: Span) -> Any:
    items = value.flow if isinstance(value, Labelled) else value
    if items is POISON:
        return POISON
    if not isinstance(items, tuple):
        raise Found(arguments.WrongKind(whole, "a list", kind_of(value)))
    if not is_whole(index):
        raise Found(arguments.WrongKind(span, "a whole number", kind_of(index)))
    if not -len(items) <= index < len(items):
        raise Found(arguments.OutOfRange(span, index, len(items)))
    return items[index]


def part_of(expressions: Expressions, expression: tree.Slice, env: Env) -> Any:
    """Some items of a list, one after the other. Raises `Found` for bounds that are no whole numbers."""
    items = expressions.iterable(expression.value, env)
    bounds = []
    for side in (expression.start, expression.stop):
        value = None if side is None else expressions.value(side, env)
        if value is POISON:
            return POISON
        if side is not None and not is_whole(value):
            raise Found(arguments.WrongKind(side.span, "a whole number", kind_of(value)))
        bounds.append(value)
    expressions.fuel.items(expression.span, len(items))
    return items[bounds[0] : bounds[1]]
