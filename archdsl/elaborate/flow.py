"""Statements in sequence over one current value: chains, branches, residuals, loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from archdsl.elaborate import claims, inputs
from archdsl.elaborate.budget import Least
from archdsl.elaborate.elaborator import Elaborator, stream_of
from archdsl.elaborate.environment import Env, Place
from archdsl.elaborate.found import Found
from archdsl.elaborate.fuel import BRANCH, STATEMENT, TURN
from archdsl.elaborate.functions import is_whole
from archdsl.elaborate.layers import Layers
from archdsl.elaborate.problems import arguments, names, shapes, structure
from archdsl.elaborate.values import (
    POISON,
    Bound,
    Family,
    Flow,
    Labelled,
    LayerValue,
    SharedValue,
    Tensor,
    flow_of,
    kind_of,
)
from archdsl.ops import Add
from archdsl.ops.base import ShapeError
from archdsl.source import Span
from archdsl.syntax import tree


class Flows:
    """Runs the statements of bodies for one elaboration."""

    def __init__(self, elaborator: Elaborator) -> None:
        self.elaborator = elaborator
        self.fuel = elaborator.fuel
        self.expressions = elaborator.expressions
        self.layers = Layers(elaborator, self.body)
        self.least = Least(self.expressions.value, elaborator.fuel)
        self.outputs: tuple[tree.Output, Env] | None = None
        self.expects: list[tuple[tree.Expect, Env]] = []
        self.inputs: list[tree.Input] = []

    # ------------------------------------------------------------- statements

    def body(self, body: tree.Body, env: Env, place: Place) -> None:
        """Runs statements one after the other; a mistake in one does not hide those of the next."""
        elaborator = self.elaborator
        elaborator.enter(body.span)
        for statement in body.statements:
            try:
                self.fuel.spend(statement.span, STATEMENT)
                self.statement(statement, env, place)
            except Found as found:
                elaborator.caught(found, env)
                if isinstance(statement, tree.Require) and not stream_of(env).arch:
                    break  # what follows was written for arguments that meet it
        elaborator.leave()

    def statement(self, statement: tree.Statement, env: Env, place: Place) -> None:
        """Runs one statement. Raises `Found` for a mistake that spoils it."""
        match statement:
            case tree.Chain():
                self.chain(statement, env, place)
            case tree.If() | tree.Repeat() | tree.For():
                for body, frame, inner in self.turns(statement, env, place):
                    self.body(body, frame, inner)
            case tree.Let():
                self._let(statement, env)
            case tree.Require():
                claims.require(self.elaborator, statement, env)
            case tree.Expect():
                self.expects.append((statement, env))
            case tree.Input():
                inputs.enter(self.elaborator, self.inputs, statement, env, place)
            case tree.Output():
                if self.outputs is not None:
                    raise Found(structure.SecondOutput(statement.span))
                self.outputs = (statement, env)
            case tree.Defaults():
                self.defaults(statement, env)
            case tree.Param():
                try:
                    self.layers.learned(statement, env, place)
                except Found:
                    self.elaborator.spoil_label(statement.label, place)
                    raise
            case tree.Shared():
                self._shared(statement, env, place)
            case tree.Aux():
                self._aux(statement, env, place)

    def turns(
        self, statement: tree.If | tree.Repeat | tree.For, env: Env, place: Place
    ) -> Iterator[tuple[tree.Body, Env, Place]]:
        """The bodies that a condition or loop runs, each with its frame and place."""
        try:
            yield from self._turns(statement, env, place)
        except Found:
            self.elaborator.doubt = True
            raise

    def _turns(
        self, statement: tree.If | tree.Repeat | tree.For, env: Env, place: Place
    ) -> Iterator[tuple[tree.Body, Env, Place]]:
        if isinstance(statement, tree.If):
            condition = self.expressions.condition(statement.condition, env)
            if condition is POISON:
                self.elaborator.doubt = True
                return
            self.elaborator.decided(place, statement.condition, env, condition)
            if condition:
                yield statement.body, env, place
            elif isinstance(statement.otherwise, tree.If):
                yield from self.turns(statement.otherwise, env, place)
            elif statement.otherwise is not None:
                yield statement.otherwise, env, place
            return
        if isinstance(statement, tree.Repeat):
            items: tuple[Any, ...] | range = range(self._count(statement.count, env))
            idents: tuple[tree.Ident, ...] = ()
        else:
            value = self.expressions.value(statement.iterable, env)
            self.elaborator.doubt |= value is POISON
            items = self.expressions.listed(value, statement.iterable.span)
            idents = statement.names
        self.least.hold_loop(statement, len(items), env, len(self.elaborator.builder.nodes))
        source = statement.count if isinstance(statement, tree.Repeat) else statement.iterable
        self.elaborator.decided(place, source, env, None, statement)
        for number, item in enumerate(items):
            self.fuel.spend(statement.span, TURN)
            frame = env.inner()
            parts = self.expressions.apart(idents, item, env) if idents else ()
            for part, (ident, value) in enumerate(zip(idents, parts, strict=True)):
                frame.bind(ident, value)
                frame.written[ident.name] = env.noted(source, number, part if len(idents) > 1 else None)
            if statement.index is not None:
                frame.bind(statement.index, number)
            scope = self.elaborator.builder.scope("iteration", place.scope, span=statement.span)
            yield statement.body, frame, place.at(scope)

    def _count(self, expression: tree.Expr, env: Env) -> int:
        value = self.expressions.value(expression, env)
        if value is POISON:
            self.elaborator.doubt = True
            return 0
        if not is_whole(value) or value < 0:
            kind = "negative" if is_whole(value) else kind_of(value)
            raise Found(arguments.WrongKind(expression.span, "a whole number that is not negative", kind))
        return int(value)

    def _let(self, statement: tree.Let, env: Env) -> None:
        try:
            values = self.expressions.apart(statement.names, self.expressions.value(statement.value, env), env)
        except Found as found:
            self.elaborator.record(found.problem, stream_of(env).calls)
            values = (POISON,) * len(statement.names)
        for part, (ident, value) in enumerate(zip(statement.names, values, strict=True)):
            env.bind(ident, value)
            env.written[ident.name] = env.noted(statement.value, None, part if len(values) > 1 else None)

    def defaults(self, statement: tree.Defaults, env: Env) -> None:
        """Arguments that hold from here on, for operations and blocks named here."""
        target = env.defaults if env.outer is not None or env.stream is not None else env.module.defaults
        for placed in statement.calls:
            value = self.expressions.layer(placed, env)
            if not isinstance(value, LayerValue):
                raise Found(names.NotALayer(placed.span, placed.name.name, kind_of(value)))
            known = {name for name, _ in self.expressions.layer(tree.Placed(placed.span, placed.name), env).bound}
            given: dict[str, Bound] = {name: bound for name, bound in value.bound if name not in known}
            target[placed.name.name] = {**target.get(placed.name.name, {}), **given}

    def _shared(self, statement: tree.Shared, env: Env, place: Place) -> None:
        layer = self.layers.chosen(statement.placed, env, place)
        if not isinstance(layer, LayerValue):
            raise Found(names.NotALayer(statement.placed.span, statement.placed.name.name, kind_of(layer)))
        label = self.elaborator.label_text(statement.label, env, place)
        application = stream_of(env).application
        path = self.elaborator.claim(place, label, statement.label.span, level=True, application=application)
        order = len(self.elaborator.builder.nodes) - 0.5
        text = label.rpartition(".")[2] if label else ""
        name = statement.label if isinstance(statement.label, tree.Ident) else tree.Ident(statement.label.span, text)
        env.bind(name, SharedValue(path, layer, order, place.scope))

    def _aux(self, statement: tree.Aux, env: Env, place: Place) -> None:
        """A side head: it leaves the current value alone and runs right after the value that it reads."""
        stream = stream_of(env)
        here, first = stream.here, len(self.elaborator.builder.nodes)
        scope = self.elaborator.builder.scope("role", place.scope, role="aux", span=statement.span)
        self.chain(statement.chain, env, replace(place, scope=scope, training=True))
        stream.here = here
        nodes = self.elaborator.builder.nodes
        read = [value.node for node in nodes[first:] for value in node.inputs if value.node < first]
        for index in range(first, len(nodes)):
            self.elaborator.after[index] = max(read, default=first)

    # ----------------------------------------------------------------- chains

    def chain(self, chain: tree.Chain, env: Env, place: Place) -> None:
        """Runs links from left to right, then names what came out."""
        stream = stream_of(env)
        for link in chain.links:
            try:
                stream.here = self.link(link, env, place)
            except Found as found:
                self.elaborator.caught(found, env)
        if chain.targets:
            self._name_targets(chain, env, stream.here)

    def _name_targets(self, chain: tree.Chain, env: Env, flow: Flow | None) -> None:
        if flow is None:
            raise Found(shapes.NothingFlows(chain.span))
        idents = tuple(target.name for target in chain.targets)
        try:
            values = self.expressions.apart(idents, flow, env)
        except Found as found:
            self.elaborator.record(found.problem, stream_of(env).calls)
            stream_of(env).here = POISON
            values = (POISON,) * len(idents)
        for target, value in zip(chain.targets, values, strict=True):
            if not target.indices:
                env.bind(target.name, value)
                if isinstance(value, Tensor) and not target.name.name.startswith("_"):
                    self.elaborator.trace.names.setdefault((value.value, stream_of(env).path), target.name.name)
                continue
            indices = tuple(self.expressions.value(index, env) for index in target.indices)
            self.fuel.weigh(indices, target.span)
            self._family(target, env).members[indices] = value

    def _family(self, target: tree.Target, env: Env) -> Family:
        """The family of a name, which lives in the block."""
        known, family = env.find(target.name.name)
        if not known:
            block = next(frame for frame in env.frames() if frame.outer is None)
            family = Family()
            block.bind(target.name, family)
        if not isinstance(family, Family):
            raise Found(names.AlreadyBound(target.name.span, target.name.name, None))
        return family

    def link(self, link: tree.Link, env: Env, place: Place, role: str | None = None) -> Flow | None:
        """What flows on behind one link."""
        stream = stream_of(env)
        match link:
            case tree.From():
                return self._from(link, env, place)
            case tree.Layer():
                try:
                    return self.layers.place(link, env, place, role)
                except Found:
                    self.elaborator.spoil_label(link.label, place)
                    raise
            case tree.Scope():
                return self._scope(link, env, place, role)
            case tree.Role(role="skip"):
                scope = self.elaborator.builder.scope("skip", place.scope, span=link.span)
                return self.link(link.target, env, replace(place, scope=scope, skip=True))
            case tree.Role():
                return self.link(link.target, env, place, link.role)
            case tree.Branches():
                return self._branches(link, env, place)
            case tree.Residual():
                return self._residual(link, env, place)
        return stream.here

    def _from(self, link: tree.From, env: Env, place: Place) -> Flow:
        reader = env.inner(reading=True)
        read = self.expressions.value(link.value, reader)
        self.fuel.weigh(read, link.value.span)
        if not isinstance(link.value, tree.Name):
            self.elaborator.decided(place, link.value, reader)
        value = self.layers.literals(read, link.value.span, env, place)
        flow = flow_of(value)
        if flow is None:
            raise Found(inputs.not_a_flow(link.value, value))
        return flow

    def _scope(self, scope: tree.Scope, env: Env, place: Place, role: str | None) -> Flow | None:
        """A label with a body opens a path level; a bare body, or the label `_`, opens none."""
        elaborator, stream = self.elaborator, stream_of(env)
        label = elaborator.label_text(scope.label, env, place)
        if label in (None, "_"):
            if role is not None:
                index = elaborator.builder.scope("role", place.scope, role=role, span=scope.span)
                place = place.at(index)
            self.body(scope.body, env, place)
            return stream.here
        span = scope.label.span if scope.label else scope.span
        path = elaborator.claim(place, label, span, level=True, application=stream.application)
        index = elaborator.builder.scope("level", place.scope, level=label, role=role, span=scope.span)
        before, stream.path = stream.path, path
        self.body(scope.body, env, place.at(index, path))
        stream.path = before
        if stream.here is not None:
            elaborator.set_label(path, stream.here)
        return stream.here

    # --------------------------------------------------- branches and residuals

    def _branches(self, link: tree.Branches, env: Env, place: Place) -> Flow | None:
        elaborator, stream = self.elaborator, stream_of(env)
        scope = elaborator.builder.scope("branches", place.scope, span=link.span)
        inner = place.at(scope)
        if stream.here is None:
            raise Found(shapes.NothingFlows(link.span))
        start = stream.here
        flows = list(self._branch_flows(link.body, env, inner, start))
        if not flows and elaborator.doubt:
            return POISON
        if not flows:
            raise Found(structure.EmptyBranches(link.span))
        stream.here = self.expressions.weighed(tuple(flows), link.span)
        merge = None if link.merge is None else self.layers.chosen(link.merge, env, place)
        if merge is None:
            return stream.here
        return self.layers.merge(merge, link.merge, env, inner) if link.merge else stream.here

    def _branch_flows(self, body: tree.Body, env: Env, place: Place, start: Flow) -> Iterator[Flow]:
        """What comes out of each branch: every chain is one, also inside of conditions and loops."""
        elaborator, stream = self.elaborator, stream_of(env)
        for statement in body.statements:
            stream.here = start
            self.fuel.spend(statement.span, BRANCH)
            if isinstance(statement, (tree.If, tree.Repeat, tree.For)):
                try:
                    for inner, frame, where in self.turns(statement, env, place):
                        yield from self._branch_flows(inner, frame, where, start)
                except Found as found:
                    elaborator.record(found.problem, stream.calls)
                continue
            where = place
            if isinstance(statement, tree.Chain):
                scope = elaborator.builder.scope("branch", place.scope, span=statement.span)
                where = place.at(scope)
            try:
                self.statement(statement, env, where)
            except Found as found:
                elaborator.caught(found, env)
            if isinstance(statement, tree.Chain):
                yield stream.here if stream.here is not None else POISON
        stream.here = start

    def _residual(self, link: tree.Residual, env: Env, place: Place) -> Flow | None:
        elaborator, stream = self.elaborator, stream_of(env)
        if link.condition is not None:
            condition = self.expressions.condition(link.condition, env)
            self.elaborator.decided(place, link.condition, env, condition)
            if condition is not True:
                self.body(link.body, env, place)
                return stream.here
        if stream.here is None:
            raise Found(shapes.NothingFlows(link.span))
        start = stream.here
        scope = elaborator.builder.scope("residual", place.scope, span=link.span)
        inner = place.at(scope)
        self.body(link.body, env, inner)
        body, stream.here = stream.here, start
        skip: Flow | None = start
        if link.skip is not None:
            side = elaborator.builder.scope("skip", scope, span=link.skip.span)
            with elaborator.catching(env):
                stream.here = self.link(link.skip, env, replace(inner, scope=side, skip=True))
            skip = stream.here
        if body is POISON or skip is POISON:
            return POISON
        word = Span(link.span.source, link.span.start, link.span.start + len("residual"))
        span = link.skip.span if link.skip is not None else word
        for side_flow in (body, skip):
            if not isinstance(side_flow, Tensor):
                raise Found(shapes.ListForOne(span, "add", len(side_flow) if isinstance(side_flow, tuple) else 0))
        assert isinstance(body, Tensor)
        assert isinstance(skip, Tensor)
        path = elaborator.free_path(scope, "add")
        try:
            return elaborator.add(Add(), (body.value, skip.value), path, inner, span, stream.order)
        except ShapeError:
            raise Found(self._different(link, body, skip, span, env)) from None

    def _different(
        self, link: tree.Residual, body: Tensor, skip: Tensor, span: Span, env: Env
    ) -> shapes.ResidualShapes:
        """The two sides of a residual, and what would make them one shape."""
        elaborator = self.elaborator
        ends, carries = (elaborator.builder.shape(side.value) for side in (body, skip))
        origins = (elaborator.origin(body.value, span), elaborator.origin(skip.value, span))
        return shapes.ResidualShapes(span, str(carries), origins, shapes.projection(ends, carries))


__all__ = ["Flows", "Labelled"]
