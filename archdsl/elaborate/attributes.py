"""What `.name` asks of a value or label: sizes, a deeper label, figures of the finished net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archdsl.elaborate.environment import Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.problems import names
from archdsl.elaborate.values import POISON, Labelled, SharedValue, Tensor, flow_of, kind_of
from archdsl.syntax import tree

if TYPE_CHECKING:
    from archdsl.elaborate.expressions import Expressions

AXES = ("c", "h", "w", "l", "d")
SIZES = (*AXES, "shape", "hw")
FIGURES = ("params", "macs", "depth")


def attribute(expressions: Expressions, expression: tree.Attribute, env: Env) -> Any:
    """The value of `value.name`. Raises `Found` for what the value does not have."""
    elaborator = expressions.elaborator
    reading = env if env.reading else env.inner(reading=True)
    value = expressions.value(expression.value, reading)
    name = expression.name.name
    if value is POISON:
        return POISON
    if isinstance(value, Labelled):
        deeper = elaborator.label_at(f"{value.path}.{name}")
        if deeper is not None:
            return deeper
        if name in FIGURES:
            return _figure(expressions, expression, value.path)
    if isinstance(value, SharedValue) and name in FIGURES:
        return _figure(expressions, expression, value.path)
    flow = flow_of(value)
    if flow is POISON:
        return POISON
    if isinstance(flow, Tensor) and name in SIZES:
        return _size(expressions, flow, expression)
    known = (*SIZES, *FIGURES) if isinstance(value, Labelled) else SIZES if isinstance(flow, Tensor) else ()
    kind = "a list of values" if isinstance(flow, tuple) else kind_of(value)
    raise Found(names.UnknownAttribute(expression.name.span, name, kind, known))


def _figure(expressions: Expressions, expression: tree.Attribute, path: str) -> Any:
    if expressions.elaborator.program is None:
        raise Found(names.EarlyFigure(expression.span, expression.name.name))
    return expressions.elaborator.figure(expression.name.name, path)


def _size(expressions: Expressions, flow: Tensor, expression: tree.Attribute) -> Any:
    shape, name = expressions.elaborator.builder.shape(flow.value), expression.name.name
    if name == "shape":
        return shape.sizes
    sizes = tuple(shape.size(axis) for axis in ("h", "w")) if name == "hw" else (shape.size(name),)
    if None in sizes:
        known = tuple(axis for axis in AXES if shape.axis(axis) is not None)
        raise Found(names.UnknownAttribute(expression.name.span, name, f"a value of shape {shape}", known))
    return sizes if name == "hw" else sizes[0]
