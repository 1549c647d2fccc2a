"""Arguments to parameters."""

from __future__ import annotations

from collections.abc import Callable

from archdsl.elaborate.environment import Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.problems.arguments import BoundTwice, TooManyArguments, UnknownArgument
from archdsl.elaborate.values import Bound, LayerValue
from archdsl.syntax import tree


def bound_with(
    layer: LayerValue,
    given: tuple[tree.Argument, ...],
    evaluate: Callable[[tree.Expr, Env], Bound],
    env: Env,
    *,
    replace: bool = False,
) -> LayerValue:
    """The layer with further arguments bound: positional ones fill the first parameters not yet bound.

    `replace` lets keyword arguments replace what an earlier link of a chain of variants bound. Raises `Found` for an
    argument that the layer does not have, or that is bound already.
    """
    if not given:
        return layer
    parameters = layer.parameters()
    bound = dict(layer.bound)
    opened = tuple([name for name in parameters if name not in bound]) if bound else parameters
    following = iter(opened)
    for item in given:
        name = item.name.name if item.name is not None else next((key for key in following if key not in bound), None)
        if name is None:
            raise Found(TooManyArguments(item.span, layer.name, opened))
        if item.name is not None:
            if name not in parameters and not layer.open:
                raise Found(UnknownArgument(item.name.span, layer.name, name, parameters))
            if name in bound and not (replace and name not in opened):
                raise Found(BoundTwice(item.name.span, layer.name, name, bound[name].span))
        bound[name] = evaluate(item.value, env)
    return LayerValue(layer.target, tuple(bound.items()), layer.defaults)
