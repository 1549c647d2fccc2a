"""Inputs of an arch, and what `from` can read."""

from __future__ import annotations

from typing import Any

from archdsl.elaborate.elaborator import Elaborator, stream_of
from archdsl.elaborate.environment import Env, Place
from archdsl.elaborate.found import Found
from archdsl.elaborate.functions import is_whole
from archdsl.elaborate.problems import arguments, names, structure
from archdsl.elaborate.trace import Declared
from archdsl.elaborate.values import POISON, Flow, flow_of, kind_of
from archdsl.ops.base import Input
from archdsl.syntax import tree


def enter(elaborator: Elaborator, before: list[tree.Input], statement: tree.Input, env: Env, place: Place) -> None:
    """Adds an input to what flows in. Raises `Found` for one that is wrong, and leaves poison in its place."""
    try:
        _enter(elaborator, before, statement, env, place)
    except Found:
        stream_of(env).entered = POISON
        if statement.name is not None and not env.find(statement.name.name)[0]:
            env.names[statement.name.name] = POISON
        raise


def _enter(elaborator: Elaborator, before: list[tree.Input], statement: tree.Input, env: Env, place: Place) -> None:
    builder, stream = elaborator.builder, stream_of(env)
    elaborator.fuel.items(statement.span, 4 * len(before))
    if any(not isinstance(node.op, Input) for node in builder.nodes):
        raise Found(structure.InputAfterLayer(statement.span))
    before.append(statement)
    sizes = _sizes(elaborator, statement, env)
    unnamed = next((item for item in before if item.name is None), None)
    if unnamed is not None and len(before) > 1:
        raise Found(structure.UnnamedInputs(unnamed.span))
    path = elaborator.free_path(0, "input") if statement.name is None else statement.name.name
    flow = elaborator.add(Input(sizes=sizes), (), path, place, statement.span, None)
    elaborator.trace.layers[len(builder.nodes) - 1] = Declared(env.noted(statement.size))
    if statement.name is not None:
        env.bind(statement.name, flow)
        elaborator.take(path, statement.name.span)
    entered = stream.entered
    both: Flow = flow if entered is None else (*(entered if isinstance(entered, tuple) else (entered,)), flow)
    stream.entered = stream.here = both


def _sizes(elaborator: Elaborator, statement: tree.Input, env: Env) -> tuple[int, ...]:
    try:
        sizes = elaborator.expressions.value(statement.size, env)
    except Found as found:
        if isinstance(found.problem, arguments.UnboundSymbol):
            problem = found.problem
            for dim in statement.size.dims if isinstance(statement.size, tree.Size) else ():
                if isinstance(dim, str) and not env.find(dim)[0]:
                    env.names[dim] = POISON
            raise Found(arguments.UnboundSymbol(problem.span, problem.name, of_input=True)) from None
        raise
    if not isinstance(sizes, tuple) or not 1 <= len(sizes) <= 4 or not all(is_whole(s) and s > 0 for s in sizes):
        raise Found(structure.WrongSize(statement.size.span, "this" if sizes is POISON else kind_of(sizes)))
    return sizes


def not_a_flow(expression: tree.Expr, value: Any) -> names.NotAFlow:
    """What does not flow: of a list that is written out, its first such item."""
    if isinstance(expression, tree.ListOf) and isinstance(value, tuple):
        for node, item in zip(expression.items, value, strict=True):
            if flow_of(item) is None:
                return not_a_flow(node, item)
    template = isinstance(expression, tree.Text) and expression.plain is None
    return names.NotAFlow(expression.span, kind_of(value), template)
