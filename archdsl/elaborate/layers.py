"""Layers at places: operations become nodes, blocks are entered, shared weights are applied again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archdsl.elaborate.elaborator import Elaborator, stream_of
from archdsl.elaborate.environment import Env, Place
from archdsl.elaborate.found import Found
from archdsl.elaborate.frames import Frames
from archdsl.elaborate.fuel import LAYER
from archdsl.elaborate.functions import is_whole
from archdsl.elaborate.making import Maker
from archdsl.elaborate.problems import arguments, names, shapes, structure
from archdsl.elaborate.trace import Declared
from archdsl.elaborate.values import (
    POISON,
    BlockValue,
    Flow,
    LayerValue,
    Poison,
    SharedValue,
    Tensor,
    kind_of,
    plain_arguments,
    shown,
    spoilt,
    starts,
)
from archdsl.ops import OPERATIONS
from archdsl.ops.base import Init, Learned, Op, ShapeError
from archdsl.ops.common import names as axes_of
from archdsl.shapes import Shape
from archdsl.source import Span
from archdsl.syntax import tree

Body = Callable[[tree.Body, Env, Place], None]


class Layers:
    """Places layers for one elaboration; `body` runs the statements of a block."""

    def __init__(self, elaborator: Elaborator, body: Body) -> None:
        self.elaborator = elaborator
        self.fuel = elaborator.fuel
        self.expressions = elaborator.expressions
        self.body = body
        self._owners: dict[str, tuple[Op, tuple[Shape, ...]]] = {}
        maker = Maker(elaborator)
        self.make = maker.make
        self.frame = Frames(elaborator, maker).frame

    def place(self, link: tree.Layer, env: Env, place: Place, role: str | None) -> Flow | None:
        """What flows on behind a layer."""
        stream = stream_of(env)
        self.fuel.spend(link.placed.span, LAYER)
        layer = self.chosen(link.placed, env, place)
        if layer is None:
            return stream.here
        block = isinstance(layer, LayerValue) and isinstance(layer.target, BlockValue)
        if layer is POISON or (stream.here is POISON and not block):
            self.elaborator.label_text(link.label, env, place)
            self.elaborator.spoil_label(link.label, place)
            if isinstance(layer, LayerValue):
                self.make(layer, link.placed.span)
            return POISON
        if stream.here is None:
            raise Found(shapes.NothingFlows(link.placed.span))
        if isinstance(layer, SharedValue):
            if link.label is not None:
                raise Found(names.SharedLabel(link.label.span, link.placed.name.name))
            return self._apply_shared(layer, link.placed.span, env, place)
        label = self.elaborator.label_text(link.label, env, place)
        span = link.label.span if link.label is not None else link.placed.span
        if isinstance(layer.target, BlockValue):
            return self._enter(layer, layer.target, label, span, link.placed.span, env, place, role)
        if role is not None:
            scope = self.elaborator.builder.scope("role", place.scope, role=role, span=link.span)
            place = place.at(scope)
        return self._operate(layer, self.make(layer, link.placed.span), label, span, link.placed, env, place)

    def chosen(self, placed: tree.Placed, env: Env, place: Place) -> Any:
        """What is placed under a name."""
        self._hangs_on(placed, env, place)
        return self.expressions.layer(placed, env)

    def _hangs_on(self, placed: tree.Placed, env: Env, place: Place) -> None:
        """Notes that what stands here is what a variable says."""
        name = placed.name.name
        if name not in OPERATIONS and env.find(name)[0]:
            self.elaborator.decided(place, tree.Name(placed.name.span, name), env, None, placed)

    def merge(self, layer: Any, placed: tree.Placed, env: Env, place: Place) -> Flow | None:
        """What flows on behind the merge of branches."""
        if isinstance(layer, Poison):
            return POISON
        if isinstance(layer, LayerValue) and not isinstance(layer.target, BlockValue):
            return self._operate(layer, self.make(layer, placed.span), None, placed.span, placed, env, place)
        return self.place(tree.Layer(placed.span, None, placed), env, place, None)

    def literals(self, value: Any, span: Span, env: Env, place: Place) -> Any:
        """What is read, where each layer that starts anew, as `tensor([1, 2])` does, has become its value."""
        if isinstance(value, tuple):
            return tuple(self.literals(item, span, env, place) for item in value)
        if not starts(value):
            return value
        op = self.make(value, span)
        return op if op is POISON else self._started(value, op, span, env, place)

    def _started(self, layer: LayerValue, op: Op, span: Span, env: Env, place: Place) -> Flow:
        path = self.elaborator.free_path(place.scope, op.word)
        return self._add(layer, op, (), path, place, span, env)

    # -------------------------------------------------------------- operations

    def _operate(
        self,
        layer: LayerValue,
        op: Any,
        label: str | None,
        span: Span,
        placed: tree.Placed,
        env: Env,
        place: Place,
    ) -> Flow | None:
        elaborator, stream = self.elaborator, stream_of(env)
        flow = stream.here
        if isinstance(op, Poison):
            if label not in (None, "_"):
                elaborator.set_label(f"{place.path}.{label}" if place.path else str(label), POISON)
            return POISON
        assert flow is not None
        assert isinstance(op, Op)
        if op.takes == "list" and isinstance(flow, tuple) and len(flow) == 1 and not op.numbered and op.word != "stack":
            only: Flow = flow[0]
            return only
        inputs = self._inputs(op, flow, placed.span)
        if inputs is None:
            return POISON
        if label in (None, "_") and not op.numbered:
            path = elaborator.free_path(place.scope, op.word)
        else:
            path = elaborator.claim(
                place, None if label == "_" else label, span, level=False, application=stream.application
            )
        result = self._add(layer, op, inputs, path, place, placed.span, env)
        elaborator.set_label(path, result)
        return result

    def _add(
        self,
        layer: LayerValue,
        op: Op,
        inputs: tuple[Tensor, ...],
        path: str,
        place: Place,
        span: Span,
        env: Env,
    ) -> Flow:
        elaborator, stream = self.elaborator, stream_of(env)
        values = tuple(tensor.value for tensor in inputs)
        taken = tuple(elaborator.builder.shape(value) for value in values)
        if stream.order is not None and not elaborator.is_automatic(path):
            self._same_weights(op, taken, path, span)
        self._few_results(op, taken, span)
        try:
            flow = elaborator.add(op, values, path, place, span, stream.order)
        except ShapeError as error:
            if op.takes == "list" and error.argument is None:
                raise Found(elaborator.merge_problem(error, op.word, inputs, span)) from None
            origins = tuple(elaborator.origin(value, span) for value in values)
            sizes = tuple(map(str, taken))
            raise Found(shapes.ShapeRejected(span, op.word, error.message, sizes, origins, error.hint)) from None
        elaborator.trace.layers[len(elaborator.builder.nodes) - 1] = layer
        return flow

    def _few_results(self, op: Op, taken: tuple[Shape, ...], span: Span) -> None:
        """Holds the number of values that one layer makes to the budget, before they are made."""
        try:
            count = op.results(*taken)
        except ShapeError:
            return  # told where the node is added
        limit = self.elaborator.limits.list_items
        if count > limit:
            raise Found(structure.TooManySteps(span, f"{count:,} values of one layer", limit))
        if count > 1:
            self.fuel.items(span, 8 * count)

    def _same_weights(self, op: Op, taken: tuple[Shape, ...], path: str, span: Span) -> None:
        try:
            op.outputs(*taken)
        except ShapeError:
            return  # told where the node is added
        first = self._owners.setdefault(path, (op, taken))
        same = first[0] == op and first[0].owned(*first[1]) == op.owned(*taken)
        if not same:
            told = (first[1], taken)
            alike = len({", ".join(map(str, each)) for each in told}) == 1
            raise Found(shapes.SharedShapes(span, path, *(_told(each, axes=alike) for each in told)))

    @staticmethod
    def _inputs(op: Op, flow: Flow, span: Span) -> tuple[Tensor, ...] | None:
        """What flows into an operation, `None` if it is poisoned."""
        if op.takes == "none":
            return ()
        if op.takes == "one":
            if isinstance(flow, tuple):
                raise Found(shapes.ListForOne(span, op.word, len(flow)))
            return (flow,) if isinstance(flow, Tensor) else None
        if not isinstance(flow, tuple):
            raise Found(shapes.OneForList(span, op.word))
        if any(isinstance(part, tuple) for part in flow):
            raise Found(shapes.ListForOne(span, op.word, next(len(part) for part in flow if isinstance(part, tuple))))
        tensors = tuple(part for part in flow if isinstance(part, Tensor))
        return tensors if len(tensors) == len(flow) else None

    def learned(self, statement: tree.Param, env: Env, place: Place) -> None:
        """`param path: init(shape)`: a tensor of its own."""
        elaborator, stream = self.elaborator, stream_of(env)
        call = statement.call
        value = self.expressions.named(call.name.name, call.name.span, env)
        self._hangs_on(call, env, place)
        if (
            not isinstance(value, LayerValue)
            or isinstance(value.target, BlockValue)
            or not issubclass(value.target, Init)
        ):
            raise Found(arguments.NotAnInit(call.span, kind_of(value)))
        init, sizes, where, declared = self._init_and_shape(value, call, env)
        if init is POISON or spoilt(sizes):
            elaborator.spoil_label(statement.label, place)
            return
        if not isinstance(sizes, tuple):
            raise Found(arguments.WrongKind(where, "a shape of positive whole numbers", kind_of(sizes)))
        if not all(is_whole(size) and size > 0 for size in sizes):
            raise Found(arguments.WrongKind(where, "a shape of positive whole numbers", shown(sizes)))
        label = elaborator.label_text(statement.label, env, place)
        path = elaborator.claim(place, label, statement.label.span, level=False, application=stream.application)
        op = Learned(init=init, sizes=sizes)
        elaborator.set_label(path, elaborator.add(op, (), path, place, statement.span, stream.order))
        elaborator.trace.layers[len(elaborator.builder.nodes) - 1] = declared

    def _init_and_shape(self, value: LayerValue, call: tree.Placed, env: Env) -> tuple[Any, Any, Span, Declared]:
        """The initialiser of a `param` and its shape, which is the argument after the initialiser's own, and where it
        stands; then both as written."""
        named = {item.name.name: item for item in call.arguments if item.name is not None}
        if "shape" in named:
            rest, shape = tuple(item for item in call.arguments if item is not named["shape"]), named["shape"]
        else:
            positional = [item for item in call.arguments if item.name is None]
            if not positional:
                raise Found(arguments.MissingArgument(call.span, value.name, ("shape",)))
            shape = positional[-1]
            rest = tuple(item for item in call.arguments if item is not shape)
        sizes = self.expressions.value(shape.value, env)
        layer = self.expressions.bind(value, rest, env)
        return self.make(layer, call.span), sizes, shape.value.span, Declared(env.noted(shape.value), layer)

    # ------------------------------------------------------------------ blocks

    def _enter(
        self,
        layer: LayerValue,
        block: BlockValue,
        label: str | None,
        span: Span,
        call: Span,
        env: Env,
        place: Place,
        role: str | None,
    ) -> Flow | None:
        elaborator, stream = self.elaborator, stream_of(env)
        if label == "_":
            path, level = place.path, None
        else:
            path = elaborator.claim(place, label, span, level=True, application=stream.application)
            level = path[len(place.path) + 1 :] if place.path else path
        frame = self.frame(layer, block, stream.here, path, call, env)
        scope = elaborator.builder.scope(
            "block",
            place.scope,
            level=level,
            role=role,
            block=block.name,
            arguments=plain_arguments(frame.names),
            doc=block.declaration.doc,
            span=call,
        )
        elaborator.trace.frames[scope] = frame
        self.body(block.declaration.body, frame, place.at(scope, path))
        result = stream_of(frame).here
        if level is not None and result is not None:
            elaborator.set_label(path, result)
        return result

    def _apply_shared(self, shared: SharedValue, span: Span, env: Env, place: Place) -> Flow | None:
        """Another application of weights that `shared` declared: the same paths, the same weights."""
        elaborator, stream = self.elaborator, stream_of(env)
        application = elaborator.application(shared.path, span)
        before = stream.order, stream.application
        stream.order, stream.application = shared.order, application
        try:
            target = shared.layer.target
            if not isinstance(target, BlockValue):
                op = self.make(shared.layer, span)
                inputs = None if op is POISON else self._inputs(op, stream.here or POISON, span)
                if inputs is None:
                    return POISON
                scope = self._level_of(shared, "shared", span) if application.again else shared.scope
                inside = place.at(scope)
                return self._add(shared.layer, op, inputs, shared.path, inside, span, env)
            frame = self.frame(shared.layer, target, stream.here, shared.path, span, env)
            kind = "shared" if application.again else "block"
            facts = {"block": target.name, "arguments": plain_arguments(frame.names), "doc": target.declaration.doc}
            scope = self._level_of(shared, kind, span, **facts)
            elaborator.trace.frames[scope] = frame
            self.body(target.declaration.body, frame, place.at(scope, shared.path))
            return stream_of(frame).here
        finally:
            stream.order, stream.application = before

    def _level_of(self, shared: SharedValue, kind: str, span: Span, **facts: Any) -> int:
        """The scope of an application of shared weights, whose level is where they were declared."""
        builder = self.elaborator.builder
        parent = builder.scopes[shared.scope].path
        level = shared.path[len(parent) + 1 :] if parent else shared.path
        return builder.scope(kind, shared.scope, level=level, span=span, **facts)


def _told(taken: tuple[Shape, ...], *, axes: bool) -> str:
    """Sizes in words, perhaps with the names of their axes."""
    return ", ".join(f"{shape} (axes `{axes_of(shape) or 'none'}`)" if axes else str(shape) for shape in taken)
