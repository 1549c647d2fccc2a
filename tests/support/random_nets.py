"""Random legal nets: blocks called with several sizes, odd names, branches, skips, shared weights, side heads."""

from __future__ import annotations

from random import Random
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.ir.program import Output, Value
from archdsl.ops import (
    Add,
    BatchNorm,
    Concat,
    Constant,
    Conv,
    Flatten,
    Gelu,
    GlobalAvgPool,
    Identity,
    KaimingNormal,
    LeakyRelu,
    Learned,
    Linear,
    MaxPool,
    Mul,
    Normal,
    Ones,
    Op,
    Relu,
    Sigmoid,
    Split,
    Zeros,
)
from tests.support.nets import Net, again

ODD = ("forward", "class", "type", "block1-0", "x", "self", "items", "keys", "torch", "F", "lambda", "_modules")
PLAIN = ("conv", "norm", "a", "b", "path0", "path1", "path2", "path3", "layer", "proj", "conv1", "bn1")
MOST_DEPTH = 3


class _Grower:
    """One net as it grows. A block is a seed: each call replays it, with the width and stride that it is given."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.net = Net.start("net", self.random.choice((2, 4)), 8, 8)
        self.blocks = [self.random.randrange(10**9) for _ in range(3)]
        self.taken: dict[str, set[str]] = {}
        self.extra: list[Value] = []

    def label(self, random: Random, scope: int) -> str | None:
        """A label that the level does not have yet, or none."""
        pool = random.choice((None, None, PLAIN, ODD))
        if pool is None:
            return None
        taken = self.taken.setdefault(self.net.builder.scopes[scope].path, set())
        free = [name for name in pool if name not in taken]
        if not free:
            return None
        taken.add(name := random.choice(free))
        return name

    def body(self, random: Random, scope: int, depth: int, length: int) -> None:
        """A few statements in a scope, on the current value."""
        for _ in range(length):
            self.statement(random, scope, depth)

    def statement(self, random: Random, scope: int, depth: int) -> None:
        kinds = ["op"] * 4 + ["gate", "param"]
        if depth < MOST_DEPTH:
            kinds += ["residual", "branches", "level", "split"] + ["block"] * 4 + ["repeat"] * 2 + ["shared"]
        getattr(self, f"_{random.choice(kinds)}")(random, scope, depth)

    def _op(self, random: Random, scope: int, depth: int) -> None:
        self.net.then(self.operation(random), scope, self.label(random, scope))

    def operation(self, random: Random, width: int | None = None) -> Op:
        channels = self.net.channels()
        init = random.choice((None, None, KaimingNormal(mode="fan_out"), Normal(std=0.1)))
        groups = random.choice((1, 1, channels))
        out = width or channels
        conv = Conv(
            out=out,
            kernel=random.choice((1, 3)),
            groups=groups if out % groups == 0 else 1,
            bias=random.random() < 0.5,
            init=init,
        )
        scaled = BatchNorm(eps=random.choice((1e-5, 1e-3)), init=random.choice((None, Zeros(), Ones())))
        others: list[Op] = [Relu(), Sigmoid(), Gelu(), LeakyRelu(slope=0.2), Identity(), BatchNorm(), scaled]
        others.append(MaxPool(kernel=3, stride=1, padding=1))
        return conv if width or random.random() < 0.4 else random.choice(others)

    def _residual(self, random: Random, scope: int, depth: int) -> None:
        before = self.net.here
        inner = self.net.builder.scope("residual", scope)
        self.body(random, inner, depth + 1, random.randint(1, 3))
        after = self.net.here
        if random.random() < 0.4 or self.net.channels(after) != self.net.channels(before):
            self.net.here = before
            self.net.then(Conv(out=self.net.channels(after), kernel=1), inner, self.label(random, inner), skip=True)
            before = self.net.here
        self.net.merge(Add(), (after, before) if random.random() < 0.7 else (before, after), inner)

    def _branches(self, random: Random, scope: int, depth: int) -> None:
        before, found = self.net.here, []
        alike = random.randrange(10**9) if random.random() < 0.5 else None
        labels = [f"branch{at}" for at in range(random.choice((2, 4, 5)))]
        taken = self.taken.setdefault(self.net.builder.scopes[scope].path, set())
        if taken & set(labels):
            return
        taken |= set(labels)
        for label in labels:
            self.net.here = before
            level = self.net.scope("level", scope, label=label)
            self.body(Random(alike) if alike is not None else random, level, MOST_DEPTH, 2)
            found.append(self.net.here)
        alike_all = len({self.net.channels(value) for value in found}) == 1
        self.net.merge(random.choice((Add(), Concat(), Mul())) if alike_all else Concat(), tuple(found), scope)
        if self.net.channels() > 8:
            self.net.then(Conv(out=4, kernel=1), scope, self.label(random, scope))

    def _gate(self, random: Random, scope: int, depth: int) -> None:
        before = self.net.here
        self.net.then(GlobalAvgPool(), scope)
        self.net.then(Conv(out=self.net.channels(before), kernel=1), scope, self.label(random, scope))
        gate = self.net.then(Sigmoid(), scope)
        self.net.merge(Mul(), (before, gate), scope)

    def _level(self, random: Random, scope: int, depth: int) -> None:
        level = self.net.scope("level", scope, label=self.label(random, scope))
        self.body(random, level, depth + 1, random.randint(1, 3))

    def _split(self, random: Random, scope: int, depth: int) -> None:
        if self.net.channels() % 2:
            return
        builder = self.net.builder
        name = self.net.take(scope, None)
        prefix = builder.scopes[scope].path
        first, second = builder.add(Split(pieces=2), (self.net.here,), f"{prefix}.{name}" if prefix else name, scope)
        self.net.here = second
        self.body(random, scope, MOST_DEPTH, 1)
        self.net.merge(Concat(), (first, self.net.here), scope)

    def _param(self, random: Random, scope: int, depth: int) -> None:
        builder = self.net.builder
        taken = self.taken.setdefault(builder.scopes[scope].path, set())
        label = next((name for name in ("scale", "type", "gamma-1") if name not in taken), None)
        if label is None:
            return
        taken.add(label)
        prefix = builder.scopes[scope].path
        init = random.choice((Constant(value=0.5), Normal(std=0.3), Ones()))
        learned = Learned(init=init, sizes=(self.net.channels(), 1, 1))
        (scale,) = builder.add(learned, (), f"{prefix}.{label}" if prefix else label, scope)
        self.net.merge(Mul(), (self.net.here, scale), scope)

    def block(self, parent: int, which: int, label: str | None, depth: int, width: int) -> None:
        """A call of a block: the same statements at each call, the width apart."""
        doc = 'What it does, with "quotes", a \\ and """ in its words.' if which == 0 else ""
        facts: dict[str, Any] = {"block": f"Block{which}", "arguments": (("width", width),), "doc": doc}
        scope = self.net.scope("block", parent, label=label, **facts)
        self.net.then(Conv(out=width, kernel=1, bias=False), scope, "entry")
        self.body(Random(self.blocks[which]), scope, MOST_DEPTH - 1 if which else depth + 1, 3)

    def _block(self, random: Random, scope: int, depth: int) -> None:
        if depth >= MOST_DEPTH - 1:  # a block holds no blocks, save the first, which holds the others
            return
        which = random.randrange(1, 3) if depth else random.randrange(3)
        self.block(scope, which, self.label(random, scope), depth, random.choice((2, 4, 6)))

    def _repeat(self, random: Random, scope: int, depth: int) -> None:
        if depth >= MOST_DEPTH - 1:
            return
        level = self.net.scope("level", scope, label=self.label(random, scope))
        which, width = random.randrange(1, 3), random.choice((2, 4))
        for _ in range(random.randint(2, 5)):
            self.block(level, which, None, MOST_DEPTH, width)

    def _shared(self, random: Random, scope: int, depth: int) -> None:
        """The same weights twice, or thrice: the nodes of the first application once more, on another value."""
        builder = self.net.builder
        level = self.net.scope("level", scope, label=self.label(random, scope))
        first = len(builder.nodes)
        entered = self.net.here
        width = self.net.channels()
        self.net.then(Conv(out=width, kernel=3), level, "conv")
        self.net.then(random.choice((Relu(), BatchNorm())), level)
        last = len(builder.nodes)
        for _ in range(random.randint(1, 2)):
            if random.random() < 0.5:
                self.net.then(Relu(), scope)
            moved = {entered: self.net.here}
            for node in builder.nodes[first:last]:
                inputs = tuple(moved[value] for value in node.inputs)
                (self.net.here,) = builder.add(node.op, inputs, node.path, again(builder, node.path, level))
                moved[Value(builder.nodes.index(node, first))] = self.net.here

    def graph(self) -> Graph:
        """The whole net, perhaps with several inputs of its head and a side head in training."""
        self.body(self.random, 0, 0, self.random.randint(3, 6))
        outputs: list[Output] = []
        if self.random.random() < 0.4:
            outputs += self.side_head()
        self.net.then(GlobalAvgPool(), 0)
        self.net.then(Flatten(), 0)
        self.net.then(Linear(out=3), 0, "head")
        outputs.insert(self.random.randint(0, len(outputs)), Output("logits", self.net.here))
        if self.random.random() < 0.3:
            outputs.append(Output("features", Value(self.net.here.node - 1)))
        return Graph(self.net.builder.program(tuple(outputs), doc="A random net."))

    def side_head(self) -> list[Output]:
        here, builder = self.net.here, self.net.builder
        scope = self.net.scope("level", 0, label="aux", role="aux")
        for op, name in ((GlobalAvgPool(), "0"), (Flatten(), "1"), (Linear(out=3), "fc")):
            self.net.here = builder.add(op, (self.net.here,), f"aux.{name}", scope, training=True)[0]
        found = [Output("side", self.net.here, training=True)]
        self.net.here = here
        return found


def random_net(seed: int) -> Graph:
    """A legal net of some 10 to 100 operations; the same seed gives the same net."""
    return _Grower(seed).graph()
