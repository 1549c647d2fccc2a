"""A net as seen from inside one class: the sizes of its values and the arguments of its nodes, as terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from archdsl.elaborate.environment import Env
from archdsl.elaborate.functions import is_whole
from archdsl.elaborate.trace import Declared, Trace
from archdsl.elaborate.values import Bound, LayerValue, Written
from archdsl.graph.graph import Graph
from archdsl.ir.program import Value
from archdsl.outline.call import REQUIRED
from archdsl.outline.origins import Fuel, Origins, Place
from archdsl.outline.rules import Explain, Field, Half, Listed, Rule, Size
from archdsl.outline.symbols import FOREIGN, Sym, constant, frozen, item, plain_data
from archdsl.outline.terms import Const, Key, Sides, Var, apply, product, total, variables
from archdsl.syntax import tree

MOST_READ = 5_000_000  # expressions that are read for one net; those beyond tell nothing
POOLS = frozenset(["maxpool", "avgpool"])
SPATIAL = frozenset(["adaptive_avgpool", "adaptive_maxpool", "upsample", "resize", "crop", "pad"])
KEPT = frozenset(
    [
        "batchnorm",
        "layernorm",
        "groupnorm",
        "instancenorm",
        "lrn",
        "softmax",
        "log_softmax",
        "shuffle",
        "affine",
        "roll",
    ]
)
CHANNELLED = frozenset(["conv", "conv_transpose"])


class Net:
    """What all classes of a net share: the graph, what was noted of it, and how a target writes it."""

    def __init__(self, graph: Graph, trace: Trace, explain: Explain) -> None:
        self.graph, self.trace, self.explain = graph, trace, explain
        self.scopes = {id(frame): scope for scope, frame in trace.frames.items()}
        self.builder = {new: old for old, new in trace.order.items()}
        self.fuel = Fuel(MOST_READ)

    def value(self, value: Value) -> Value:
        """A value by its node's place in the program."""
        return Value(self.trace.order[value.node], value.output)

    def layer(self, node: int) -> LayerValue | Declared | None:
        """What was noted where a node was placed."""
        return self.trace.layers.get(self.builder[node])

    def arguments(self, node: int) -> dict[str, Bound]:
        """The arguments of a node that are written or given by `defaults`."""
        layer = self.layer(node)
        return {**dict(layer.defaults), **dict(layer.bound)} if isinstance(layer, LayerValue) else {}

    def above(self, scope: int) -> Iterator[int]:
        """A scope and those around it, innermost first."""
        current: int | None = scope
        while current is not None:
            yield current
            current = self.graph.scopes[current].parent


class Seen:
    """One class, by one of its instances: its block's frame, the nodes in it and the values that enter it."""

    def __init__(
        self, net: Net, scope: int, nodes: Iterable[int], inputs: tuple[Value, ...], *, root: bool, block: bool
    ) -> None:
        self.net, self.scope, self.entering = net, scope, inputs
        self.frame = net.trace.frames.get(scope)
        self.inside = frozenset(nodes)
        self.inputs = {} if root else {value: at for at, value in enumerate(inputs)}
        self.root, self.block = root, block
        self._sizes: dict[tuple[Value, int], Sym] = {}
        self._enclosed: dict[int, bool] = {}

    @cached_property
    def origins(self) -> Origins:
        """The reader of expressions in this class."""
        net = self.net
        return Origins(
            self.frame,
            self._encloses,
            net.trace.labels,
            lambda value, axis: self.size(net.value(value), axis),
            lambda value: net.graph.shape(net.value(value)),
            net.fuel,
        )

    def _encloses(self, env: Env) -> bool:
        """Whether a frame belongs to this class: its own block's, or that of a block called in it."""
        found = self._enclosed.get(id(env))
        if found is None:
            *_, outermost = env.frames()
            scope = self.net.scopes.get(id(outermost))
            found = scope is None or self.scope in self.net.above(scope)
            self._enclosed[id(env)] = found
        return found

    def written(self, written: Written) -> Sym:
        """An expression of the spec."""
        return self.origins.written(written)

    def parameter(self, frame: Env, name: str) -> Sym:
        """A parameter of a block called here, as the call gives it."""
        return self.origins._bound(frame, name)

    def has(self, key: Key) -> bool:
        """Whether there is such a parameter here: levels of one form may stand in different blocks."""
        if isinstance(key, tuple):
            return key[0] < len(self.entering)
        name = key.name if isinstance(key, Sides) else key
        return any(item.name.name == name for item in self.declared())

    def value_of(self, key: Key) -> Any:
        """What a parameter of the class is here."""
        if isinstance(key, tuple):
            return self.net.graph.shape(self.entering[key[0]]).sizes[key[1]]
        if isinstance(key, Sides):
            return squared(self.value_of(key.name))
        return self.frame.names[key] if self.frame is not None else None

    def declared(self) -> tuple[tree.Parameter, ...]:
        """The parameters of the block, as declared."""
        stream = self.frame.stream if self.frame is not None else None
        block = stream.entering[-1] if stream is not None and stream.entering else None
        return block.parameters if isinstance(block, tree.Block | tree.Arch) else ()

    def lets(self) -> Iterable[str]:
        """The names that stand in the block's own frame."""
        return self.frame.names if self.frame is not None else ()

    def default(self, key: str | Sides) -> Any:
        """The default of a parameter of the block if it is a plain value, else `REQUIRED`."""
        if isinstance(key, Sides):
            return squared(self.default(key.name))
        name = key
        if not self.block:
            return REQUIRED
        given = next((item.default for item in self.declared() if item.name.name == name), None)
        if given is None or self.frame is None:
            return REQUIRED
        found = self.origins.expression(given, Place(self.frame, None, ""))
        return found.value if not found.all and plain_data(found.value) else REQUIRED

    # ------------------------------------------------------------------- sizes

    def size(self, value: Value, axis: int) -> Sym:
        """A size of a value. All are found in program order, so that none waits for a long chain of others."""
        if not self._sizes:
            self._sizes[value, -1] = constant(None)
            for node in sorted(self.inside):
                for output, shape in enumerate(self.net.graph.nodes[node].outputs):
                    for at in range(shape.rank):
                        self.size(Value(node, output), at)
        found = self._sizes.get((value, axis))
        if found is None:
            found = self._sizes[value, axis] = self._size(value, axis)
        return found

    def _size(self, value: Value, axis: int) -> Sym:
        size = self.net.graph.shape(value).sizes[axis]
        if value in self.inputs:
            key = (self.inputs[value], axis)
            return Sym(size, Var(key), frozenset([key]))
        if value.node not in self.inside and not self.root:
            return Sym(size, Const(size), frozenset([FOREIGN]))
        found = self._made(value, axis)
        if found.value == size:
            return found
        return frozen(size, found.all)

    def _made(self, value: Value, axis: int) -> Sym:
        """A size of a node's result, by the operation's law."""
        node = self.net.graph.nodes[value.node]
        op, word = node.op, node.op.word
        layer = self.net.layer(value.node)
        if isinstance(layer, Declared):
            return item(self.written(layer.size), axis)
        shapes = self.net.graph.program.shapes_in(node)
        if word in CHANNELLED:
            return self.field(value.node, "out") if axis == 0 else self._changed(value, axis)
        if word == "linear":
            last = axis == shapes[0].rank - 1
            return self.field(value.node, "out") if last else self.size(node.inputs[0], axis)
        if word in POOLS or word in SPATIAL:
            return self.size(node.inputs[0], 0) if axis == 0 else self._changed(value, axis)
        if word in ("gap", "gmp"):
            return self.size(node.inputs[0], 0) if axis == 0 else constant(1)
        if word == "flatten":
            return self._product([self.size(node.inputs[0], at) for at in range(shapes[0].rank)])
        if word == "mul" or op.elementwise or word in KEPT:
            return self._widest(value, axis)
        if word == "concat":
            return self._joined(value, axis)
        if word == "pad_channels" and axis == 0:
            sides = [self.field(value.node, name) for name in ("before", "after")]
            return self._sum([self.size(node.inputs[0], 0), *sides])
        if word == "rearrange" and "(" not in op.pattern and not op.steps(shapes[0]).new:  # type: ignore[attr-defined]
            return self.size(node.inputs[0], op.steps(shapes[0]).order[axis])  # type: ignore[attr-defined]
        return self._changed(value, None)

    def _changed(self, value: Value, axis: int | None) -> Sym:
        """A size that no term is known for: what the arguments and the input's size (`None`: sizes) may change."""
        node = self.net.graph.nodes[value.node]
        taint = self.arguments_of(value.node)
        for read in node.inputs:
            shape = self.net.graph.shape(read)
            for at in range(shape.rank) if axis is None else [axis]:
                taint |= self.size(read, at).all
        shape = node.outputs[value.output]
        size = shape.sizes[axis] if axis is not None else None
        if axis is None:
            return Sym(None, None, taint)
        return frozen(size, taint)

    def _widest(self, value: Value, axis: int) -> Sym:
        node = self.net.graph.nodes[value.node]
        size = node.outputs[0].sizes[axis]
        whole = [read for read in node.inputs if self.net.graph.shape(read).sizes[axis] == size]
        return self.size(whole[0], axis)

    def _joined(self, value: Value, axis: int) -> Sym:
        node = self.net.graph.nodes[value.node]
        shapes = self.net.graph.program.shapes_in(node)
        if axis != node.op.place(*shapes):  # type: ignore[attr-defined]
            return self.size(node.inputs[0], axis)
        return self._sum([self.size(read, axis) for read in node.inputs])

    @staticmethod
    def _sum(parts: list[Sym]) -> Sym:
        taint = frozenset().union(*(part.all for part in parts))
        terms = [part.term for part in parts if part.term is not None]
        return Sym(sum(part.value for part in parts), total(terms) if len(terms) == len(parts) else None, taint)

    @staticmethod
    def _product(parts: list[Sym]) -> Sym:
        taint = frozenset().union(*(part.all for part in parts))
        terms = [part.term for part in parts if part.term is not None]
        value = 1
        for part in parts:
            value *= part.value
        return Sym(value, product(terms) if len(terms) == len(parts) else None, taint)

    # --------------------------------------------------------------- arguments

    def field(self, node: int, name: str) -> Sym:
        """An argument of a node's operation."""
        op = self.net.graph.nodes[node].op
        layer = self.net.layer(node)
        if isinstance(layer, Declared) and name == "sizes":
            return self.written(layer.size)
        bound = self.net.arguments(node).get(name)
        return constant(getattr(op, name)) if bound is None else self.origins.bound(bound)

    def arguments_of(self, node: int, but: frozenset[str] = frozenset()) -> frozenset[Any]:
        """What may change any argument of a node, but some; an initialiser's own arguments are seen elsewhere."""
        found: frozenset[Any] = frozenset()
        for name, bound in self.net.arguments(node).items():
            if name not in but:
                found |= self._loose(self.origins.bound(bound))
        layer = self.net.layer(node)
        if isinstance(layer, Declared) and layer.init is not None:
            for _, bound in (*layer.init.defaults, *layer.init.bound):
                found |= self.origins.bound(bound).all
        return found

    @staticmethod
    def _loose(found: Sym) -> frozenset[Any]:
        """What may change an argument beyond the literals of an initialiser."""
        if found.arguments is None:
            return found.all
        return found.taint.union(*(each.all for name, each in found.arguments.items() if name in ("a", "mode")))

    def form(self, node: int) -> frozenset[Any]:
        """What may change how a target writes a node, beyond the literals that it explains."""
        item = self.net.graph.nodes[node]
        shapes = self.net.graph.program.shapes_in(item)
        rules = self.net.explain.rules(item.op, shapes)
        found = self.arguments_of(node, rules.shown())
        if rules.sized:
            for read, shape in zip(item.inputs, shapes, strict=True):
                found = found.union(*(self.size(read, axis).all for axis in range(shape.rank)))
        return found

    def literal(self, node: int, name: str, value: Any) -> Sym | None:
        """A literal of a node's call, or `None` where no rule tells it."""
        item = self.net.graph.nodes[node]
        rule = self.net.explain.rules(item.op, self.net.graph.program.shapes_in(item)).literals.get(name)
        return None if rule is None else fitting(self._ruled(node, rule), value)

    def _ruled(self, node: int, rule: Rule | int) -> Sym:
        match rule:
            case int():
                return constant(rule)
            case Field():
                return self.field(node, rule.name)
            case Size():
                read = self.net.graph.nodes[node].inputs[rule.input]
                return self.size(read, rule.axis % self.net.graph.shape(read).rank)
            case Half():
                return self._half(self.field(node, rule.name))
            case Listed():
                items = tuple(self._ruled(node, part) for part in rule.items)
                return Sym(tuple(each.value for each in items), items=items)

    def _half(self, whole: Sym) -> Sym:
        if whole.items is not None:
            items = tuple(map(self._half, whole.items))
            both = None if whole.whole is None else apply("//", whole.whole, Const(2))
            return Sym(tuple(each.value for each in items), None, whole.taint, items, None, both)
        if not is_whole(whole.value):
            return Sym(None, None, whole.all)
        term = None if whole.term is None else apply("//", whole.term, Const(2))
        return Sym(whole.value // 2, term, whole.taint)

    def initial(self, node: int, argument: str, name: str, value: Any) -> Sym | None:
        """A literal of an initialiser that a node's argument gives."""
        layer = self.net.layer(node)
        if isinstance(layer, Declared):
            bound = dict((*layer.init.defaults, *layer.init.bound)).get(name) if layer.init else None
            return None if bound is None else fitting(self.origins.bound(bound), value)
        given = self.field(node, argument).arguments or {}
        return fitting(given[name], value) if name in given else None


def squared(value: Any) -> Any:
    """One number for a list of equal ones."""
    return value[0] if isinstance(value, tuple) and value and len(set(value)) == 1 else value


def _sides(keys: frozenset[Any]) -> frozenset[Any]:
    """Keys where the list that a number for all axes stands for is that number."""
    names = {key.name for key in keys if isinstance(key, Sides)}
    return frozenset(key for key in keys if key not in names)


def fitting(found: Sym, value: Any) -> Sym:
    """A value as a literal has it: one number for a list of equal ones; without its term if it is another one."""
    if found.whole is not None and squared(found.value) == value:
        return Sym(value, found.whole, _sides(variables(found.whole) | found.taint))
    if found.items is not None and not isinstance(value, tuple):
        terms = {each.term for each in found.items}
        if len(terms) == 1 and not found.taint:
            return fitting(replace(found.items[0], taint=found.all), value)
        return frozen(value, found.all)
    if isinstance(value, tuple):
        if found.items is None or len(found.items) != len(value):
            return frozen(value, found.all)
        items = tuple(fitting(each, part) for each, part in zip(found.items, value, strict=True))
        return Sym(value, None, found.taint, items)
    same = found.value == value and isinstance(found.value, bool) == isinstance(value, bool)
    return replace(found, value=value) if same else frozen(value, found.all)


__all__ = ["Net", "Seen", "fitting"]
