"""What the body of a block sees: its parameters as bound, and what flows into it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from archdsl.elaborate.elaborator import Elaborator
from archdsl.elaborate.environment import Env, Stream, taken
from archdsl.elaborate.found import Found
from archdsl.elaborate.fuel import ARGUMENT, BLOCK
from archdsl.elaborate.making import Maker
from archdsl.elaborate.problems import arguments, names, structure
from archdsl.elaborate.values import BlockValue, Bound, Flow, LayerValue
from archdsl.source import Span
from archdsl.syntax import tree


class Frames:
    """Makes the frames of blocks for one elaboration."""

    def __init__(self, elaborator: Elaborator, maker: Maker) -> None:
        self.elaborator = elaborator
        self.fuel = elaborator.fuel
        self.expressions = elaborator.expressions
        self._maker = maker

    def frame(
        self, layer: LayerValue, block: BlockValue, entered: Flow | None, path: str, call: Span, env: Env | None
    ) -> Env:
        """The names that a block's body sees: its parameters, and what flows into it."""
        declaration = block.declaration
        around = env.stream if env is not None else None
        entering = around.entering if around else ()
        calls = around.calls if around else ()
        if any(item is declaration for item in entering):
            chain = tuple(item.name.name for item in entering if isinstance(item, (tree.Block, tree.Arch)))
            raise Found(names.RecursiveBlock(call, block.name, chain))
        if len(entering) >= self.elaborator.limits.calls:
            raise Found(structure.TooDeep(call, self.elaborator.limits.calls))
        stream = Stream(path, entered, entered, path, env is None)
        stream.entering = (*entering, declaration)
        if env is not None:
            stream.calls = (*calls, self.elaborator.call_site(layer, call, path))
        if around is not None:
            stream.order, stream.application = around.order, around.application
        frame = Env(block.module, stream)
        values = {**dict(layer.defaults), **dict(layer.bound)}
        self.fuel.spend(call, BLOCK + ARGUMENT * len(declaration.parameters))
        for given in values.values():
            if isinstance(given.value, (tuple, LayerValue)):
                self._maker.weigh(given, call)
        self._nothing_missing(block, values, call)
        for parameter in declaration.parameters:
            if taken(parameter.name):
                continue  # told already; in the body the name keeps its own meaning
            bound = values.get(parameter.name.name)
            if bound is None:
                assert parameter.default is not None
                bound = self.expressions.bound(parameter.default, frame)
                value = bound.value
            else:
                value = self._in_slot(bound.value, parameter.default, frame)
            if bound.written is not None:
                frame.written[parameter.name.name] = bound.written
            frame.names[parameter.name.name] = value
            frame.spans[parameter.name.name] = parameter.name.span
        return frame

    def _in_slot(self, value: Any, default: tree.Expr | None, frame: Env) -> Any:
        """A layer in the place of a parameter's own: where both are the same block or operation, the `defaults`
        that hold for the one that is replaced go on to hold, save where the caller has its own."""
        if not isinstance(value, LayerValue) or default is None:
            return value
        try:
            own = self.expressions.value(default, frame)
        except Found:
            return value
        if not isinstance(own, LayerValue) or not own.defaults or own.target != value.target:
            return value
        return replace(value, defaults=tuple({**dict(own.defaults), **dict(value.defaults)}.items()))

    @staticmethod
    def _nothing_missing(block: BlockValue, values: dict[str, Bound], call: Span) -> None:
        parameters = block.declaration.parameters
        missing = tuple(item.name.name for item in parameters if item.default is None and item.name.name not in values)
        if missing:
            raise Found(arguments.MissingArgument(call, block.name, missing))
