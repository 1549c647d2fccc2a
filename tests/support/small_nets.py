"""Nets made by hand through the builder, with scopes as the elaborator makes them, and random ones."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from archdsl import ops
from archdsl.graph.graph import Graph
from archdsl.ir.builder import Builder
from archdsl.ir.program import Output, Program, Value

Values = tuple[Value, ...]


def conv(out: int, kernel: int = 3, **more: object) -> ops.Conv:
    made: ops.Conv = ops.make(ops.Conv, out=out, kernel=kernel, bias=False, **more)
    return made


def chain(b: Builder, value: Value, scope: int, layers: Sequence[tuple[str, ops.Op]], skip: bool = False) -> Value:
    """Layers one after another, named in the scope's level."""
    level = b.scopes[scope].path
    for name, op in layers:
        (value,) = b.add(op, (value,), f"{level}.{name}" if level else name, scope, skip=skip)
    return value


def _bottleneck(
    b: Builder, x: Value, parent: int, level: str, width: int, stride: int, groups: int, base: int
) -> Value:
    mid, out = width * base // 64 * groups, width * 4
    arguments = (("width", width), ("stride", stride), ("groups", groups), ("base", base))
    block = b.scope("block", parent, level=level, block="Bottleneck", arguments=arguments)
    residual = b.scope("residual", block)
    norm, relu = ops.BatchNorm(), ops.Relu()
    layers = [
        ("conv1", conv(mid, 1)),
        ("bn1", norm),
        ("2", relu),
        ("conv2", conv(mid, 3, stride=stride, groups=groups)),
    ]
    layers += [("bn2", norm), ("5", relu), ("conv3", conv(out, 1)), ("bn3", norm)]
    body = chain(b, x, b.scope("branch", residual), layers)
    return _close(b, x, body, block, residual, out, stride)


def _multibranch(b: Builder, x: Value, parent: int, level: str, width: int, stride: int, paths: int, d: int) -> Value:
    arguments = (("width", width), ("stride", stride), ("cardinality", paths), ("d", d))
    block = b.scope("block", parent, level=level, block="Multibranch", arguments=arguments)
    residual = b.scope("residual", block)
    body = b.scope("branch", residual)
    branches = b.scope("branches", body)
    norm, relu = ops.BatchNorm(), ops.Relu()
    ends = []
    for path in range(paths):
        inside = b.scope("level", b.scope("iteration", branches), level=f"path{path}")
        layers = [
            ("0", conv(d, 1)),
            ("1", norm),
            ("2", relu),
            ("3", conv(d, 3, stride=stride)),
            ("4", norm),
            ("5", relu),
        ]
        ends.append(chain(b, x, inside, [*layers, ("6", conv(width * 4, 1))]))
    (total,) = b.add(ops.Add(), tuple(ends), b.free_path(branches, "add"), branches)
    return _close(b, x, chain(b, total, body, [("bn3", norm)]), block, residual, width * 4, stride)


def _close(b: Builder, x: Value, body: Value, block: int, residual: int, out: int, stride: int) -> Value:
    """The shortcut, the sum and the relu behind it."""
    skip = b.scope("skip", residual)
    short = x
    if b.shape(x).sizes[0] != out or stride != 1:
        project = b.scope(
            "block", skip, level="downsample", block="Project", arguments=(("out", out), ("stride", stride))
        )
        short = chain(b, x, project, [("0", conv(out, 1, stride=stride)), ("1", ops.BatchNorm())], skip=True)
    (total,) = b.add(ops.Add(), (body, short), b.free_path(residual, "add"), residual)
    return chain(b, total, block, [("relu", ops.Relu())])


def _basic(b: Builder, x: Value, parent: int, level: str, width: int, stride: int, *_: int) -> Value:
    block = b.scope("block", parent, level=level, block="Basic", arguments=(("width", width), ("stride", stride)))
    residual = b.scope("residual", block)
    norm, relu = ops.BatchNorm(), ops.Relu()
    layers = [
        ("conv1", conv(width, 3, stride=stride)),
        ("bn1", norm),
        ("2", relu),
        ("conv2", conv(width)),
        ("bn2", norm),
    ]
    return _close(b, x, chain(b, x, b.scope("branch", residual), layers), block, residual, width, stride)


BLOCKS = {"basic": _basic, "bottleneck": _bottleneck, "multibranch": _multibranch}


def resnet(block: str = "basic", layers: Sequence[int] = (2, 2, 2, 2), groups: int = 1, base: int = 64) -> Graph:
    """A ResNet with torchvision's names; for `multibranch`, groups are the paths and base their width."""
    b = Builder(f"resnet_{block}")
    x = b.input(3, 224, 224)
    stem = b.scope("role", 0, role="stem")
    entry = b.scope("block", stem, block="Stem7", arguments=(("width", 64),))
    x = chain(b, x, entry, [("conv1", conv(64, 7, stride=2)), ("bn1", ops.BatchNorm()), ("relu", ops.Relu())])
    x = chain(b, x, stem, [("maxpool", ops.make(ops.MaxPool, kernel=3, stride=2, padding=1))])
    for index, depth in enumerate(layers):
        turn = b.scope("iteration")
        stage = b.scope("level", turn, level=f"layer{index + 1}", role="stage")
        for place in range(depth):
            width, stride = 64 << index, 2 if index and not place else 1
            d = base * width // 64 if block == "multibranch" else base
            x = BLOCKS[block](b, x, b.scope("iteration", stage), str(place), width, stride, groups, d)
    head = b.scope("role", 0, role="head")
    x = chain(b, x, head, [("gap", ops.GlobalAvgPool()), ("flatten", ops.Flatten()), ("fc", ops.Linear(out=1000))])
    return Graph(b.program(x))


docs = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]) | st.just("\n"), max_size=8)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A random legal net: convolutions, norms, activations, pools, sums, lists, learned tensors, many scopes."""
    b = Builder(draw(st.sampled_from(["net", "arch", "_", "scalar", "x"])))
    x = b.input(*draw(st.sampled_from([(4, 8, 8), (2, 16), (4, 4, 4, 4), (6,)])), name="input")
    values = [x]
    scope = 0
    for index in range(draw(st.integers(1, 14))):
        scope = _scope(draw, b, scope, index)
        x = draw(st.sampled_from(values))
        values += _layer(draw, b, x, values, scope, index)
    outputs: tuple[Output, ...] | Value = values[-1]
    if draw(st.booleans()):
        outputs = (Output("logits", values[-1]), Output("side", values[0]))
    facts = {"doc": draw(docs), "digest": "5f", "parameters": (("n", (1, 2.5, None, ("a", True))),)}
    return b.program(outputs, **facts)


def _scope(draw: st.DrawFn, b: Builder, scope: int, index: int) -> int:
    kind = draw(st.sampled_from(["stay", "up", "level", "block", "iteration", "role"]))
    parent = b.scopes[scope].parent
    if kind == "stay" or (kind == "up" and parent is None):
        return scope
    if kind == "up":
        assert parent is not None
        return parent
    if kind in {"iteration", "role"}:
        return b.scope(kind, scope, role="stage" if kind == "role" else None)
    facts = {"block": "Block", "arguments": (("width", index), ("rate", 1e-5), ("mode", "same"), ("act", None))}
    return b.scope(kind, scope, level=f"s{index}", doc=draw(docs), **(facts if kind == "block" else {}))


def _layer(draw: st.DrawFn, b: Builder, x: Value, values: list[Value], scope: int, index: int) -> Values:
    shape = b.shape(x)
    level = b.scopes[scope].path
    path = f"{level}.{index}" if level else str(index)
    same = tuple(value for value in values if b.shape(value) == shape)
    choices: list[tuple[ops.Op, Values]] = [(ops.Relu(), (x,)), (ops.Add(), (*same, x)), (ops.Dropout(rate=0.25), (x,))]
    choices.append((ops.Gelu(approximate="tanh"), (x,)))
    if shape.rank > 1 and shape.sizes[0] % 2 == 0 and shape.axes[0] == "c":
        init = draw(st.sampled_from([None, ops.KaimingNormal(mode="fan_out"), ops.Zeros(), ops.Constant(value=1e-6)]))
        kernel = draw(st.sampled_from([1, 3]))
        choices.append((ops.make(ops.Conv, out=4, kernel=kernel, groups=2, init=init), (x,)))
        choices.append((ops.BatchNorm(eps=draw(st.sampled_from([1e-5, 1e-3, 0.1]))), (x,)))
        choices += [(ops.Split(pieces=2), (x,)), (ops.Concat(), (x, *same))]
    op, inputs = draw(st.sampled_from(choices))
    if draw(st.integers(0, 6)) == 0:
        inputs, op = (), ops.Learned(init=ops.Ones(), sizes=shape.sizes)
    return b.add(op, inputs, path, scope, skip=draw(st.booleans()))
