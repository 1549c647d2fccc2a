"""Nets built by hand with the builder, as the elaborator builds them from specs/families/resnet.arch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Value
from archdsl.ops import (
    Add,
    BatchNorm,
    Conv,
    Flatten,
    GlobalAvgPool,
    KaimingNormal,
    Linear,
    MaxPool,
    Op,
    Relu,
)

FAN_OUT = KaimingNormal(mode="fan_out")


def conv(out: int, kernel: int, stride: int = 1, groups: int = 1) -> Conv:
    """A convolution as the family's `defaults` make it."""
    return Conv(out=out, kernel=kernel, stride=stride, groups=groups, bias=False, init=FAN_OUT)


@dataclass
class Net:
    """A builder with a current value: `then` adds an operation to a level, under a label or its position."""

    builder: Builder
    here: Value
    positions: dict[str, int]

    @classmethod
    def start(cls, name: str, *sizes: int) -> Net:
        builder = Builder(name)
        return cls(builder, builder.input(*sizes), {})

    def take(self, scope: int, label: str | None = None) -> str:
        """The name of the next child of a scope's level, which it takes: its label, else its position."""
        path = self.builder.scopes[scope].path
        position = self.positions.get(path, 0)
        self.positions[path] = position + 1
        return label if label is not None else str(position)

    def scope(self, kind: str, parent: int = 0, *, label: str | None = None, opens: bool = True, **facts: Any) -> int:
        """A scope that takes a place in its parent's level, and opens a level there."""
        return self.builder.scope(kind, parent, level=self.take(parent, label) if opens else None, **facts)

    def then(self, op: Op, scope: int = 0, label: str | None = None, skip: bool = False) -> Value:
        """The operation on the current value, which becomes its result."""
        name, prefix = self.take(scope, label), self.builder.scopes[scope].path
        path = f"{prefix}.{name}" if prefix else name
        self.here = self.builder.add(op, (self.here,), path, scope, skip=skip)[0]
        return self.here

    def merge(self, op: Op, values: tuple[Value, ...], scope: int = 0) -> Value:
        """The merge of several values, which becomes the current one."""
        path = self.builder.free_path(scope, op.word)
        self.here = self.builder.add(op, values, path, scope)[0]
        return self.here

    def channels(self, value: Value | None = None) -> int:
        """Channels of a value, the current one by default."""
        return self.builder.shape(value or self.here).sizes[0]

    def graph(self, **facts: Any) -> Graph:
        """The finished net; the current value is its output."""
        return Graph(self.builder.program(self.here, **facts))


def again(builder: Builder, path: str, scope: int = 0) -> int:
    """The scope of a further application of the weights at a path, which were declared in `scope`."""
    level = builder.scopes[scope].path
    return builder.scope("shared", scope, level=path[len(level) + 1 :] if level else path)


def project(net: Net, parent: int, value: Value, out: int, stride: int) -> Value:
    """The shortcut: a strided 1x1 convolution where the shapes differ, else the identity."""
    if stride == 1 and net.channels(value) == out:
        return value
    outer = net.builder.scope("skip", parent)
    scope = net.scope(
        "block",
        outer,
        label="downsample",
        block="Project",
        arguments=(("out", out), ("stride", stride)),
        doc="Option B: a strided 1x1 convolution where the shapes differ, else the identity.",
    )
    net.here = value
    net.then(conv(out, 1, stride), scope, skip=True)
    return net.then(BatchNorm(), scope, skip=True)


def basic_block(net: Net, parent: int, width: int, stride: int = 1, **_: int) -> None:
    """Two 3x3 convolutions and a shortcut."""
    scope = net.scope("block", parent, block="BasicBlock", arguments=(("width", width), ("stride", stride)))
    before = net.here
    inner = net.builder.scope("residual", scope)
    net.then(conv(width, 3, stride), inner, "conv1")
    net.then(BatchNorm(), inner, "bn1")
    net.then(Relu(), inner)
    net.then(conv(width, 3), inner, "conv2")
    after = net.then(BatchNorm(), inner, "bn2")
    short = project(net, inner, before, width, stride)
    net.merge(Add(), (after, short), inner)
    net.then(Relu(), scope)


def bottleneck(net: Net, parent: int, width: int, stride: int = 1, groups: int = 1, base: int = 64) -> None:
    """1x1, 3x3 and 1x1 convolutions and a shortcut."""
    arguments = (("width", width), ("stride", stride), ("groups", groups), ("base", base))
    scope = net.scope("block", parent, block="Bottleneck", arguments=arguments)
    before, mid, out = net.here, width * base // 64 * groups, width * 4
    inner = net.builder.scope("residual", scope)
    net.then(conv(mid, 1), inner, "conv1")
    net.then(BatchNorm(), inner, "bn1")
    net.then(Relu(), inner)
    net.then(conv(mid, 3, stride, groups), inner, "conv2")
    net.then(BatchNorm(), inner, "bn2")
    net.then(Relu(), inner)
    net.then(conv(out, 1), inner, "conv3")
    after = net.then(BatchNorm(), inner, "bn3")
    short = project(net, inner, before, out, stride)
    net.merge(Add(), (after, short), inner)
    net.then(Relu(), scope)


def multibranch(net: Net, parent: int, width: int, stride: int = 1, cardinality: int = 32, base: int = 4) -> None:
    """Figure 3(a) of the ResNeXt paper: one path for each group; the paths are added."""
    arguments = (("width", width), ("stride", stride), ("cardinality", cardinality), ("base", base))
    scope = net.scope("block", parent, block="MultiBranch", arguments=arguments)
    before, d, paths = net.here, width * base // 64, []
    inner = net.builder.scope("residual", scope)
    fan = net.builder.scope("branches", inner)
    for g in range(cardinality):
        turn = net.builder.scope("iteration", fan)
        path = net.scope("level", net.builder.scope("branch", turn), label=f"path{g}")
        net.here = before
        for op in (conv(d, 1), BatchNorm(), Relu(), conv(d, 3, stride), BatchNorm(), Relu(), conv(width * 4, 1)):
            net.then(op, path)
        paths.append(net.here)
    net.merge(Add(), tuple(paths), fan)
    after = net.then(BatchNorm(), inner, "bn3")
    short = project(net, inner, before, width * 4, stride)
    net.merge(Add(), (after, short), inner)
    net.then(Relu(), scope)


def resnet(
    name: str,
    block: Any = bottleneck,
    layers: tuple[int, ...] = (3, 4, 6, 3),
    *,
    size: int = 224,
    classes: int = 1000,
    width: int = 64,
    **options: int,
) -> Graph:
    """A residual net with torchvision's keys, as specs/families/resnet.arch describes it."""
    net = Net.start(name, 3, size, size)
    stem = net.builder.scope("role", 0, role="stem")
    entry = net.builder.scope("block", stem, block="Stem7", arguments=(("width", width),))
    net.then(conv(width, 7, 2), entry, "conv1")
    net.then(BatchNorm(), entry, "bn1")
    net.then(Relu(), entry)
    net.then(MaxPool(kernel=3, stride=2, padding=1), stem)
    for i, depth in enumerate(layers):
        stage = net.scope("level", 0, label=f"layer{i + 1}", role="stage")
        for j in range(depth):
            turn = net.builder.scope("iteration", stage)
            block(net, turn, width * 2**i, 2 if i and not j else 1, **options)
    head = net.builder.scope("role", 0, role="head")
    net.then(GlobalAvgPool(), head)
    net.then(Flatten(), head)
    net.then(Linear(out=classes), head, "fc")
    doc = "Deep residual networks. He et al. 2015, arXiv:1512.03385. The keys are torchvision's."
    return net.graph(doc=doc, digest="0" * 64, source=f"{name}.arch", parameters=(("num_classes", classes),))


def resnet18(**options: Any) -> Graph:
    """ResNet-18."""
    return resnet("resnet18", basic_block, (2, 2, 2, 2), **options)


def resnet50(**options: Any) -> Graph:
    """ResNet-50."""
    return resnet("resnet50", **options)


def resnext50(**options: Any) -> Graph:
    """ResNeXt-50 (32x4d)."""
    return resnet("resnext50", groups=32, base=4, **options)


def wide_resnet50_2(**options: Any) -> Graph:
    """Wide ResNet-50-2."""
    return resnet("wide_resnet50_2", base=128, **options)


def resnext50_multibranch(**options: Any) -> Graph:
    """ResNeXt-50 (32x4d) in the paper's form with explicit branches."""
    return resnet("resnext50_multibranch", multibranch, **options)
