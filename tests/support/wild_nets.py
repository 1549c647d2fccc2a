"""Random legal nets over all operations: nested levels, blocks, repeats, branches, residuals, gates, shared and learned
weights, lists of values, several inputs and outputs, side heads. Everything that is computed is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random
from typing import Any

from archdsl import ops
from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Node, Output, Value
from archdsl.ops.base import Op, ShapeError
from archdsl.shapes import Shape
from tests.support.nets import Net, again
from tests.support.wild_bare import bare, everywhere, tokens
from tests.support.wild_ops import UNARY, numbers, positive

Statement = Callable[[Random, int, int], None]
ODD = ("forward", "class", "type", "block1-0", "x", "self", "items", "lambda", "_modules", "F", "deep.a-b")
AUTOMATIC = ("add", "concat", "mul", "tensor", "mean", "gather", "affine", "image", "rearrange")  # words and helpers
PLAIN = ("conv", "norm", "a", "b", "layer", "proj", "conv1", "bn1", "fc", "d.0x")
MOST_DEPTH = 3
MOST_ELEMENTS, MOST_NODES = 700, 40
INPUTS = ((4, 7, 6), (3, 8, 8), (6, 5, 5), (4, 6, 4), (2, 9, 7), (4, 12), (6, 9), (3, 4, 5, 4), (8,), (6,))


@dataclass
class Wild:
    """One net as it grows; `net.here` is the current value."""

    random: Random
    net: Net
    blocks: list[int]
    taken: dict[str, set[str]]
    outputs: list[Output]

    # ------------------------------------------------------------------ names

    def label(self, random: Random, scope: int, always: bool = False) -> str | None:
        """A label that the level does not have yet, or none."""
        pool = random.choice((None, None, PLAIN, ODD, AUTOMATIC)) if not always else PLAIN
        if pool is None:
            return None
        taken = self.taken.setdefault(self.net.builder.scopes[scope].path, set())
        prefix = self.net.builder.scopes[scope].path
        paths = {node.path for node in self.net.builder.nodes}
        free = [name for name in pool if name not in taken and (f"{prefix}.{name}" if prefix else name) not in paths]
        if not free:
            return None
        taken.add(name := random.choice(free))
        return name

    def automatic(self, scope: int, word: str) -> str:
        """A path for a merge or literal, which steps aside where a label has it."""
        paths, levels = {node.path for node in self.net.builder.nodes}, {each.path for each in self.net.builder.scopes}
        while (path := self.net.builder.free_path(scope, word)) in paths | levels:
            pass
        return path

    def level(self, random: Random, scope: int, **facts: Any) -> int:
        """A scope that opens a path level, under a label or its position."""
        return self.net.scope("level", scope, label=self.label(random, scope), **facts)

    @property
    def shape(self) -> Shape:
        """The shape of the current value."""
        return self.net.builder.shape(self.net.here)

    @property
    def full(self) -> bool:
        """Whether the net has as many operations as it may have."""
        return len(self.net.builder.nodes) >= MOST_NODES

    # ------------------------------------------------------------- operations

    def add(
        self, op: Op, values: tuple[Value, ...], scope: int, label: str | None = None, most: int = 10 * MOST_ELEMENTS
    ) -> tuple[Value, ...]:
        """A node under its label, its position or, for merges, its word. Raises `ShapeError` before it takes a name."""
        outputs = op.outputs(*(self.net.builder.shape(value) for value in values))
        if any(shape.elements > most or len(outputs) > 8 for shape in outputs):
            raise ShapeError("too large")
        if not op.numbered:
            path = self.automatic(scope, op.word)
        else:
            name, prefix = self.net.take(scope, label), self.net.builder.scopes[scope].path
            path = f"{prefix}.{name}" if prefix else name
        results = self.net.builder.add(op, values, path, scope)
        self.net.here = results[0]
        return results

    def learned(self, random: Random, scope: int, *sizes: int) -> Value:
        """A learned tensor or a literal, perhaps with an activation behind it, which has no batch either."""
        if random.random() < 0.3:
            path = self.automatic(scope, "tensor")
            (value,) = self.net.builder.add(ops.TensorLiteral(values=numbers(random, sizes)), (), path, scope)
            return self.activated(random, scope, value)
        taken = self.taken.setdefault(self.net.builder.scopes[scope].path, set())
        label = next((name for name in ("scale", "type", "gamma-1", "g2", "g3", "g4") if name not in taken), None)
        if label is None:
            raise ShapeError("no name left")
        taken.add(label)
        prefix = self.net.builder.scopes[scope].path
        init = random.choice((ops.Constant(value=0.5), ops.Normal(std=0.3), ops.Ones()))
        node = ops.Learned(init=init, sizes=sizes)
        (value,) = self.net.builder.add(node, (), f"{prefix}.{label}" if prefix else label, scope)
        return self.activated(random, scope, value)

    def activated(self, random: Random, scope: int, value: Value) -> Value:
        """A value without a batch, perhaps with something behind it."""
        if random.random() < 0.3:
            later = (ops.Sigmoid(), ops.Tanh(), ops.Scale(factor=0.5), ops.Gather(indices=(0,)))
            op = random.choice(later[: 3 + (self.net.builder.shape(value).sizes[0] == 1)])
            (value,) = self.add(op, (value,), scope)
        return value

    def operation(self, random: Random, scope: int, depth: int) -> None:
        """One operation of one value, whichever of some fits."""
        for _ in range(12):
            make = random.choice(UNARY)
            with suppress(ShapeError, ValueError):
                op = make(random, self.shape)
                if op is not None:
                    op.outputs(self.shape)
                    self.add(op, (self.net.here,), scope, self.label(random, scope), MOST_ELEMENTS)
                    return

    # ------------------------------------------------------------- statements

    def body(self, random: Random, scope: int, depth: int, length: int) -> None:
        """A few statements in a scope."""
        for _ in range(length):
            if not self.full:
                self.statement(random, scope, depth)

    def statement(self, random: Random, scope: int, depth: int) -> None:
        """One statement; where a shape forbids it, what was built of it so far stays, and is read."""
        kinds: list[Statement] = [self.operation] * 9
        kinds += [self.residual, self.branches, self.gate, self.pieces, self.slices, self.stacked, self.weighed]
        kinds += [partial(tokens, self), self.sub_level]
        kinds += [partial(bare, self), partial(everywhere, self)] if depth < MOST_DEPTH else []
        if depth < MOST_DEPTH:
            kinds += [self.block_call] * 3 + [self.repeat, self.shared]
        random.choice(kinds)(random, scope, depth)

    def alike(self, random: Random, scope: int, depth: int, wanted: Shape) -> bool:
        """A few operations after which the current value has the wanted shape, projected if need be."""
        self.body(random, scope, MOST_DEPTH, random.randint(1, 2))
        if self.shape == wanted:
            return True
        with suppress(ShapeError, ValueError):
            if wanted.rank > 1 and self.shape.rank == wanted.rank and self.shape.spatial == wanted.spatial:
                self.add(ops.Conv(out=wanted.sizes[0], kernel=1), (self.net.here,), scope)
            elif wanted.rank == 1:
                if self.shape.rank > 1:
                    self.add(ops.Flatten(), (self.net.here,), scope)
                self.add(ops.Linear(out=wanted.sizes[0]), (self.net.here,), scope)
            elif wanted.rank > 1 and wanted.rank == self.shape.rank:
                self.add(ops.Resize(size=wanted.spatial), (self.net.here,), scope)
                self.add(ops.Conv(out=wanted.sizes[0], kernel=1), (self.net.here,), scope)
        return self.shape == wanted

    def joined(self, random: Random, scope: int, *values: Value) -> None:
        """The values as one: any merge that takes their shapes, else each flattened and all concatenated."""
        if len(values) == 1:  # in the language a merge of one is that one
            self.net.here = values[0]
            return
        shapes = {self.net.builder.shape(value) for value in values}
        merges: list[Op] = [ops.Concat()]
        if len(shapes) == 1:
            merges += [ops.Add(), ops.Add(), ops.Mean(), *([ops.Mul()] if len(set(values)) == len(values) == 2 else [])]
        for op in random.sample(merges, len(merges)):
            with suppress(ShapeError):
                self.add(op, values, scope)
                return
        flat = []
        for value in values:
            plain = self.net.builder.shape(value).axes in (("c",), (None,))
            flat.append(value if plain else self.add(ops.Flatten(), (value,), scope)[0])
        self.add(ops.Concat(), tuple(flat), scope)

    def residual(self, random: Random, scope: int, depth: int) -> None:
        """A body and a shortcut around it, summed; in a third of them the body ends in a drop of whole examples."""
        start, wanted = self.net.here, self.shape
        inner = self.net.builder.scope("residual", scope)
        fits = self.alike(random, inner, depth + 1, wanted)
        if fits and random.random() < 0.3:
            self.add(ops.StochasticDepth(rate=random.choice((0.0, 0.3))), (self.net.here,), inner)
        body = self.net.here
        if fits:
            self.add(ops.Add(), random.choice(((body, start), (start, body))), inner)
        else:
            self.joined(random, inner, body, start)

    def branches(self, random: Random, scope: int, depth: int) -> None:
        """Two to four branches of one value, in levels of their own, alike or not."""
        labels = [f"branch{at}" for at in range(random.randint(2, 4))]
        taken = self.taken.setdefault(self.net.builder.scopes[scope].path, set())
        if taken & set(labels):
            return
        taken |= set(labels)
        start, ends, alike = self.net.here, [], random.randrange(10**9) if random.random() < 0.5 else None
        fan = self.net.builder.scope("branches", scope)
        for label in labels:
            self.net.here = start
            level = self.net.scope("level", self.net.builder.scope("branch", fan), label=label)
            self.body(Random(alike) if alike is not None else random, level, MOST_DEPTH, 2)
            ends.append(self.net.here)
        self.joined(random, fan, *ends)

    def gate(self, random: Random, scope: int, depth: int) -> None:
        """Squeeze and excite: channels gated by what all of space holds."""
        start = self.net.here
        if self.shape.rank < 2 or self.shape.axes[0] != "c":
            return
        squeeze = random.choice((ops.GlobalAvgPool(), ops.GlobalMaxPool(), ops.AdaptiveAvgPool(size=1)))
        (pooled,) = self.add(squeeze, (start,), scope)
        (hidden,) = self.add(ops.Conv(out=self.shape.sizes[0], kernel=1), (pooled,), scope, self.label(random, scope))
        activation = random.choice((ops.Sigmoid(), ops.Hardsigmoid(), ops.Tanh()))
        (gate,) = self.add(activation, (hidden,), scope)
        self.add(ops.Mul(), random.choice(((start, gate), (gate, start))), scope)

    def pieces(self, random: Random, scope: int, depth: int) -> None:
        """Channels split, one piece worked on, all joined again, perhaps in another order."""
        size = self.shape.sizes[0]
        parts: Any = random.choice([count for count in (2, 3) if size % count == 0] or [None])
        if parts is None or random.random() < 0.3:
            parts = (1, size - 1) if size > 1 else 1
        pieces = list(self.add(ops.Split(pieces=parts), (self.net.here,), scope, self.label(random, scope)))
        self.net.here = pieces[-1]
        self.body(random, scope, MOST_DEPTH, 1)
        pieces[-1] = self.net.here
        random.shuffle(pieces)
        self.joined(random, scope, *pieces)

    def slices(self, random: Random, scope: int, depth: int) -> None:
        """All slices along an axis as a list, merged."""
        named = [(name, size) for name, size in zip(self.shape.axes, self.shape.sizes, strict=True) if name]
        small = [name for name, size in named if 1 < size <= 6]
        if self.shape.rank < 2 or not small:
            return
        slices = self.add(ops.Unstack(axis=random.choice(small)), (self.net.here,), scope)
        self.joined(random, scope, *slices)

    def stacked(self, random: Random, scope: int, depth: int) -> None:
        """A value beside a function of it along a new axis, which a slice or a mean takes away again."""
        if self.shape.rank > 3:
            return
        start = self.net.here
        (other,) = self.add(random.choice((ops.Tanh(), ops.Relu(), ops.Scale(factor=-1.5))), (start,), scope)
        axis = random.choice((None, "n"))
        self.add(ops.Stack(axis=axis), random.choice(((start, other), (other, start, other))), scope)
        if axis is not None and random.random() < 0.5:
            self.add(ops.Last(axis=axis), (self.net.here,), scope)
            return
        self.joined(random, scope, *self.add(ops.Unstack(), (self.net.here,), scope))

    def weighed(self, random: Random, scope: int, depth: int) -> None:
        """A learned tensor multiplied, added, joined, or a learned matrix."""
        start, sizes = self.net.here, self.shape.sizes
        kind = random.choice(("mul", "gate", "add", "concat", "stack", "matmul"))
        if kind == "matmul" and len(sizes) == 2:
            matrix = self.learned(random, scope, sizes[1], positive(random, 3, 6))
            self.add(ops.Matmul(), (start, matrix), scope)
        elif kind == "gate" and len(sizes) > 1:
            gate = self.learned(random, scope, sizes[0], *(1 for _ in sizes[1:]))
            self.add(ops.Mul(), (gate, start), scope)
        else:
            own = self.learned(random, scope, *sizes)
            pair = random.choice(((start, own), (own, start)))
            merge: dict[str, Op] = {"mul": ops.Mul(), "concat": ops.Concat(), "stack": ops.Mean()}
            self.add(merge.get(kind, ops.Add()), pair, scope)

    def sub_level(self, random: Random, scope: int, depth: int) -> None:
        """Statements in a level of their own, perhaps with a role."""
        role = random.choice((None, None, "stem", "stage", "head")) if depth == 0 else None
        self.body(random, self.level(random, scope, role=role), depth + 1, random.randint(1, 3))

    # ----------------------------------------------------------------- blocks

    def block(self, parent: int, which: int, label: str | None, depth: int, width: int) -> None:
        """A call of a block: the same statements at each call, the width apart."""
        doc = 'What it does, with "quotes", a \\ and """ in its words.' if which == 0 else ""
        facts: dict[str, Any] = {"block": f"Block{which}", "arguments": (("width", width),), "doc": doc}
        scope = self.net.scope("block", parent, label=label, **facts)
        with suppress(ShapeError):
            entry: Op = ops.Conv(out=width, kernel=1, bias=False) if self.shape.rank > 1 else ops.Linear(out=width)
            self.add(entry, (self.net.here,), scope, "entry")
        self.body(Random(self.blocks[which]), scope, MOST_DEPTH if which else depth + 1, 2)

    def block_call(self, random: Random, scope: int, depth: int) -> None:
        """One call of one of three blocks."""
        which = random.randrange(1, 3) if depth else random.randrange(3)
        self.block(scope, which, self.label(random, scope), depth, random.choice((2, 4, 6)))

    def repeat(self, random: Random, scope: int, depth: int) -> None:
        """The same block several times, in a level."""
        level, which, width = self.level(random, scope), random.randrange(1, 3), random.choice((2, 4))
        for _ in range(random.randint(2, 4)):
            self.block(self.net.builder.scope("iteration", level), which, None, MOST_DEPTH, width)

    def shared(self, random: Random, scope: int, depth: int) -> None:
        """The same weights twice or thrice: the nodes of the first application once more, on another value."""
        if self.shape.rank < 2 or self.shape.axes[0] != "c":
            return
        builder, level = self.net.builder, self.level(random, scope)
        first, entered = len(builder.nodes), self.net.here
        self.add(ops.Conv(out=self.shape.sizes[0], kernel=3), (entered,), level, "conv")
        self.add(random.choice((ops.Relu(), ops.BatchNorm(), ops.DropoutChannels())), (self.net.here,), level)
        applied = builder.nodes[first:]
        for _ in range(random.randint(1, 2)):
            if random.random() < 0.5:
                self.add(ops.Relu(), (self.net.here,), scope)
            moved = {entered: self.net.here}
            for offset, node in enumerate(applied):
                inputs = tuple(moved[value] for value in node.inputs)
                (end,) = builder.add(node.op, inputs, node.path, again(builder, node.path, level))
                moved[Value(first + offset)] = self.net.here = end

    # ------------------------------------------------------------------ whole

    def batched(self) -> Iterator[tuple[int, Node]]:
        """The nodes that compute something of an input, not of learned tensors alone."""
        found: set[int] = set()
        for index, node in enumerate(self.net.builder.nodes):
            if isinstance(node.op, ops.Input) or any(value.node in found for value in node.inputs):
                found.add(index)
                if node.inputs:
                    yield index, node

    def side_head(self) -> None:
        """A head of training alone on the current value, which stays."""
        here, builder = self.net.here, self.net.builder
        scope = self.net.scope("level", builder.scope("role", 0, role="aux"), label="side")
        for op, name in ((ops.Flatten(), "0"), (ops.Linear(out=3), "fc"), (ops.Dropout(rate=0.0), "2")):
            self.net.here = builder.add(op, (self.net.here,), f"side.{name}", scope, training=True)[0]
        self.outputs.append(Output("side", self.net.here, training=True))
        self.net.here = here

    def graph(self) -> Graph:
        """The whole net: 15 operations or more, one output or several."""
        least = self.random.randint(15, 28)
        aux = self.random.random() < 0.3
        tries = 0
        while len(self.net.builder.nodes) < least and tries < 60:
            tries += 1
            self.statement(self.random, 0, 0)
            if aux and 8 < len(self.net.builder.nodes) == self.net.here.node + 1:  # a text has it where its value is
                aux = False
                self.side_head()
        if self.random.random() < 0.5 and self.shape.rank > 1 and self.shape.axes[0] == "c":
            head = self.net.builder.scope("role", 0, role="head")
            self.add(ops.GlobalAvgPool(), (self.net.here,), head)
            self.add(ops.Flatten(), (self.net.here,), head)
            self.add(ops.Linear(out=3), (self.net.here,), head, "head")
        if self.random.random() < 0.25:
            computed = [at for at, node in self.batched() if not node.training and not node.op.random]
            self.outputs.append(Output("features", Value(self.random.choice(computed))))
        if any(not output.training for output in self.outputs) or self.random.random() < 0.5:
            self.outputs.insert(self.random.randint(0, len(self.outputs)), Output("logits", self.net.here))
        else:  # as the language names them where nothing else is said
            self.outputs.insert(0, Output("output", self.net.here))
        return Graph(self.net.builder.program(tuple(self.outputs), doc="A random net."))


def wild_net(seed: int) -> Graph:
    """A legal net of some 15 to 45 operations; the same seed gives the same net."""
    for attempt in count():
        with suppress(ShapeError):
            return _grown(Random(1_000_003 * attempt + seed))
    raise AssertionError


def _grown(random: Random) -> Graph:
    """A net, if no statement of it runs into a shape that it cannot take. Raises `ShapeError`."""
    sizes = random.choice(INPUTS)
    several = random.random() < 0.15
    builder = Builder("net")
    first = builder.input(*sizes, name="left" if several else "input")
    net = Net(builder, first, {})
    wild = Wild(random, net, [random.randrange(10**9) for _ in range(3)], {}, [])
    if several:
        wild.joined(random, 0, first, builder.input(*sizes, name="right"))
    return wild.graph()
