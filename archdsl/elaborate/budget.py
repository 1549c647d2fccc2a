"""What a body expands to at least, counted by multiplication before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from archdsl.elaborate.environment import Env
from archdsl.elaborate.found import Found
from archdsl.elaborate.fuel import NODE, STATEMENT, TURN, Fuel
from archdsl.elaborate.functions import is_whole
from archdsl.elaborate.modules import Imported
from archdsl.elaborate.problems.structure import TooManyNodes, TooManySteps
from archdsl.elaborate.values import BlockValue, LayerValue
from archdsl.ops import OPERATIONS
from archdsl.ops.base import Op, Word
from archdsl.syntax import tree

HUGE = 10**30
VISITS = 20_000  # bodies of blocks that are looked into; those beyond count as empty
DEEP = 64
LOOK = 12  # steps of a layer that is counted

Count = tuple[int, int]  # nodes, steps


class _Unknown:
    """A name whose value is not known before it runs."""


UNKNOWN: Final = _Unknown()


class Least:
    """Lower bounds of the nodes and the steps of statements: loops whose count is known now multiply, and blocks are
    looked into, each once for each set of known arguments."""

    def __init__(self, evaluate: Callable[[tree.Expr, Env], Any], fuel: Fuel) -> None:
        self.evaluate = evaluate
        self.fuel = fuel
        self._depth = 0
        self._blocks: dict[Any, Count] = {}
        self._inside: list[int] = []
        self._visits = 0

    def hold(self, declaration: tree.Block | tree.Arch, env: Env) -> None:
        """Counts what an arch expands to before it runs. Raises `Found` at the first statement that is too much."""
        limits, frame, nodes, steps = self.fuel.limits, env.inner(), 0, 0
        for statement in declaration.body.statements:
            more, turns = self.statement(statement, frame)
            nodes, steps = nodes + more, steps + turns + STATEMENT
            if nodes > limits.nodes:
                raise Found(TooManyNodes(statement.span, nodes, limits.nodes))
            if steps > self.fuel.left:
                raise Found(TooManySteps(statement.span, "too much would run", limits.steps, "steps"))

    def hold_loop(self, statement: tree.Repeat | tree.For, turns: int, env: Env, there: int) -> None:
        """Counts what a loop makes beside the nodes that are there, before it runs. Raises `Found`."""
        limits = self.fuel.limits
        nodes, steps = self.of(statement.body, env)
        if there + turns * nodes > limits.nodes:
            raise Found(TooManyNodes(statement.span, there + turns * nodes, limits.nodes))
        if turns * (steps + TURN) > self.fuel.left:
            raise Found(TooManySteps(statement.span, "this loop runs too often", limits.steps, "steps"))

    def of(self, body: tree.Body, env: Env) -> Count:
        """At least so many nodes, and so many statements, whatever the unknown conditions turn out to be."""
        frame, nodes, steps = env.inner(), 0, 0
        if self._depth >= self.fuel.limits.levels:
            return 0, 0
        self._depth += 1
        for statement in body.statements:
            more, turns = self.statement(statement, frame)
            nodes, steps = min(HUGE, nodes + more), min(HUGE, steps + STATEMENT + turns)
        self._depth -= 1
        return nodes, steps

    def statement(self, statement: tree.Statement, env: Env) -> Count:
        """The same of one statement; a `let` binds what it can be known to."""
        self.fuel.spend(statement.span, 2)
        match statement:
            case tree.Repeat():
                return self._times(self.count(statement.count, env), statement.body, env)
            case tree.For():
                return self._times(self.length(statement.iterable, env), statement.body, env)
            case tree.If():
                return self._if(statement, env)
            case tree.Chain():
                parts = [self._link(link, env) for link in statement.links]
                return min(HUGE, sum(part[0] for part in parts)), min(HUGE, sum(part[1] for part in parts))
            case tree.Let(names=(name,)):
                env.names[name.name] = self._known(statement.value, env)
        return 0, 0

    def _times(self, count: int, body: tree.Body, env: Env) -> Count:
        if not count:
            return 0, 0
        nodes, steps = self.of(body, env)
        return min(HUGE, count * nodes), min(HUGE, count * (steps + TURN))

    def _if(self, statement: tree.If, env: Env) -> Count:
        condition = self._known(statement.condition, env)
        otherwise = statement.otherwise
        if condition is True:
            return self.of(statement.body, env)
        if otherwise is None:
            return 0, 0
        second = self._if(otherwise, env) if isinstance(otherwise, tree.If) else self.of(otherwise, env)
        if condition is False:
            return second
        first = self.of(statement.body, env)
        return min(first[0], second[0]), min(first[1], second[1])

    def _link(self, link: tree.Link, env: Env) -> Count:
        match link:
            case tree.Scope() | tree.Branches():
                return self.of(link.body, env)
            case tree.Residual():
                nodes, steps = self.of(link.body, env)
                return nodes + (link.condition is None), steps
            case tree.Role():
                return self._link(link.target, env)
            case tree.Layer():
                return self._placed(link.placed, env)
            case _:
                return 0, 0

    def _placed(self, placed: tree.Placed, env: Env) -> Count:
        """A layer; what a name stands for that is not known yet may be `none` or an empty block."""
        self.fuel.spend(placed.span, LOOK)
        name = placed.name.name
        known, value = env.find(name)
        if not known:
            value = _of_module(name, env)
        if not isinstance(value, LayerValue):
            return 0, 0
        if isinstance(value.target, BlockValue):
            return self._block(value, value.target, placed, env)
        # A merge of one value is that value.
        return (0, 0) if issubclass(value.target, Op) and value.target.takes == "list" else (1, NODE)

    def _block(self, layer: LayerValue, block: BlockValue, placed: tree.Placed, env: Env) -> Count:
        inside = id(block.declaration)
        if inside in self._inside or len(self._inside) >= DEEP:
            return 0, 0
        values = self._arguments(layer, placed, env)
        self.fuel.weigh(tuple(values.values()), placed.span)
        key = (inside, tuple((name, _key(value)) for name, value in values.items()))
        found = self._blocks.get(key)
        if found is not None:
            return found
        self._visits += 1
        if self._visits > VISITS:
            return 0, 0
        frame = Env(block.module, names=values)
        for parameter in block.declaration.parameters:
            if parameter.name.name not in values:
                given = UNKNOWN if parameter.default is None else self._known(parameter.default, frame)
                values[parameter.name.name] = given
        self._inside.append(inside)
        found = self._blocks[key] = self.of(block.declaration.body, frame)
        self._inside.pop()
        return found

    def _arguments(self, layer: LayerValue, placed: tree.Placed, env: Env) -> dict[str, Any]:
        """The parameters of a block that are bound here, as far as they are known."""
        bound = {**dict(layer.defaults), **env.default_arguments(placed.name.name)}
        values = {name: item.value for name, item in bound.items()}
        fixed = {name: item.value for name, item in layer.bound}
        following = iter(layer.parameters())
        for item in placed.arguments:
            name = (
                item.name.name if item.name is not None else next((key for key in following if key not in fixed), None)
            )
            if name is not None:
                fixed[name] = self._known(item.value, env)
        return {**values, **fixed}

    def count(self, expression: tree.Expr, env: Env) -> int:
        """The value of a count that can be known now, else 0."""
        value = self._known(expression, env)
        return int(value) if is_whole(value) and value > 0 else 0

    def length(self, expression: tree.Expr, env: Env) -> int:
        """The length of a list that can be known now, else 0."""
        if isinstance(expression, tree.ListOf):
            return len(expression.items)
        if isinstance(expression, tree.Call) and isinstance(expression.function, tree.Name):
            if expression.function.name == "range" and len(expression.arguments) == 1:
                return self.count(expression.arguments[0].value, env)
            return 0
        value = self._known(expression, env)
        return len(value) if isinstance(value, tuple) else 0

    def _known(self, expression: tree.Expr, env: Env) -> Any:
        """The value of an expression that is known now and takes no time, else `UNKNOWN`."""
        if not _cheap(expression, env):
            return UNKNOWN
        try:
            return self.evaluate(expression, env)
        except Found:
            return UNKNOWN


def _of_module(name: str, env: Env) -> Any:
    entry = env.module.names.get(name)
    if entry is None and name in OPERATIONS:
        return LayerValue(OPERATIONS[name])
    while isinstance(entry, Imported):
        entry = entry.module.names.get(entry.name)
    return entry


def _cheap(expression: tree.Expr, env: Env) -> bool:
    """True for arithmetic on literals, known variables and layers."""
    match expression:
        case tree.Number() | tree.Bool() | tree.Size() | tree.Nothing():
            return True
        case tree.Name(name="in" | "here"):
            return False
        case tree.Name():
            known, value = env.find(expression.name)
            return value is not UNKNOWN if known else _of_module(expression.name, env) is not None
        case tree.Binary():
            return _cheap(expression.left, env) and _cheap(expression.right, env)
        case tree.Unary():
            return _cheap(expression.operand, env)
        case _:
            return False


def _key(value: Any) -> Any:
    """A value as a part of a key: layers by what they are, what flows by nothing."""
    if isinstance(value, tuple):
        return tuple(map(_key, value))
    if isinstance(value, LayerValue):
        target = id(value.target.declaration) if isinstance(value.target, BlockValue) else value.target
        arguments = (*value.bound, None, *value.defaults)
        return (target, tuple(item and (item[0], _key(item[1].value)) for item in arguments))
    if isinstance(value, (bool, float)):  # equal to a whole number, and not the same as a count
        return (type(value), value)
    return value if value is None or isinstance(value, (bool, int, float, str, Word)) else "?"
