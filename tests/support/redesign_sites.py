"""For every redesign: sites of it in a random net."""

from __future__ import annotations

from typing import Any

from archdsl import ops
from archdsl.ir.program import Value
from archdsl.ops.base import Op
from tests.support.pass_nets import Garden, Site


def strided_bottleneck(g: Garden, x: Value) -> Value:
    act = g.activation()
    steps = (ops.Conv(out=3, kernel=1, stride=2, bias=False), g.norm(), act, ops.Conv(out=4, kernel=3, bias=False))
    return g.chain(x, *steps)


def seven_by_seven(g: Garden, x: Value) -> Value:
    if g.shape(g.x).rank == 3 and x == g.x:
        stem = ops.Conv(out=4, kernel=7, stride=g.random.choice((1, 2)), bias=g.chance(0.5))
        return g.chain(x, stem, g.norm(), ops.Relu())
    return x


def strided_shortcut(g: Garden, x: Value) -> Value:
    scope = g.scope
    g.scope = g.b.scope("residual", scope)
    width, stride = g.random.randint(2, 5), 2
    body = g.chain(x, ops.Conv(out=width, kernel=3, stride=stride), g.norm())
    short = g.all(ops.Conv(out=width, kernel=1, stride=stride, bias=g.chance(0.5)), x, skip=True)[0]
    short = g.all(g.norm(), short, skip=True)[0]
    total = g.add(ops.Add(), body, short)
    g.scope = scope
    return total


def large_kernel(g: Garden, x: Value) -> Value:
    size = g.random.choice((5, 7))
    if g.dims != 2:
        return x
    valid = min(g.shape(x).spatial) >= size and g.chance(0.4)
    stride = g.random.choice((1, 2, (1, 2)))
    return g.chain(x, ops.Conv(out=3, kernel=size, stride=stride, padding="valid" if valid else "same"), g.norm())


def plain_convolution(g: Garden, x: Value) -> Value:
    x = g.add(ops.Tanh(), x)
    return g.chain(x, g.conv(g.shape(x), groups=1, reparam=None, kernel=g.random.choice((2, 3))), g.norm())


def residual_body(g: Garden, x: Value) -> Value:
    scope = g.scope
    g.scope = g.b.scope("residual", scope)
    if g.chance(0.5):
        g.scope = g.b.scope("level", g.scope, level=g.name())
    body = g.chain(x, ops.Conv(out=g.channels(x), kernel=3), g.norm())
    while g.b.scopes[g.scope].kind != "residual":
        g.scope = g.b.scopes[g.scope].parent or 0
    total = g.add(ops.Add(), body, x)
    g.scope = scope
    return total


def connected_head(g: Garden, x: Value) -> Value:
    y = g.add(ops.AdaptiveAvgPool(size=2), x) if g.chance(0.5) else x
    y = g.chain(y, ops.Flatten(), ops.Linear(out=5), ops.Relu(), ops.Dropout(rate=0.5), ops.Linear(out=4))
    g.output(g.add(ops.Softmax(), y) if g.chance(0.5) else y)
    return x


def summed_skip(g: Garden, x: Value) -> Value:
    total = g.add(ops.Add(), g.chain(x, ops.Conv(out=g.channels(x), kernel=3), ops.Relu()), x)
    total = g.chain(total, g.norm(), g.activation())
    if g.chance(0.5):
        total = g.add(ops.MaxPool(kernel=3, stride=1, padding="same"), total)
    return g.add(ops.Conv(out=3, kernel=1), total)


def plain_block(g: Garden, x: Value) -> Value:
    scope = g.scope
    stride = g.random.choice((1, 2))
    width = g.channels(x) + g.random.randint(0, 3)
    x = g.add(ops.Tanh(), x)
    g.scope = g.b.scope("block", scope, level=g.name(), block="Humdrum")
    steps = (
        ops.Conv(out=width, kernel=3, stride=stride),
        g.norm(),
        ops.Relu(),
        ops.Conv(out=width, kernel=3),
        g.norm(),
    )
    x = g.chain(x, *steps, ops.Relu())
    g.scope = scope
    return x


def clipped_residual(g: Garden, x: Value) -> Value:
    scope = g.scope
    g.scope = g.b.scope("residual", scope)
    if g.chance(0.5):
        g.scope = g.b.scope("level", g.scope, level=g.name())
    kernel = 3 if g.shape(x).rank > 1 else 1
    first: Op = ops.Conv(out=g.channels(x), kernel=kernel) if kernel > 1 else ops.Linear(out=g.channels(x))
    body = g.chain(x, first, g.norm(), g.random.choice((ops.Relu(), ops.Relu6())))
    if g.chance(0.3):
        body = g.add(g.random.choice((ops.StochasticDepth(rate=0.2), ops.Dropout(rate=0.2))), body)
    while g.b.scopes[g.scope].kind != "residual":
        g.scope = g.b.scopes[g.scope].parent or 0
    total = g.add(ops.Add(), body, x)
    g.scope = scope
    return g.add(g.activation(), total) if g.chance(0.4) else total


def activated_bottleneck(g: Garden, x: Value) -> Value:
    wide = g.random.choice((4, 6))
    steps: list[Op] = [ops.Conv(out=wide, kernel=1), ops.Relu6(), ops.Conv(out=wide, kernel=3, groups=wide)]
    steps += [g.norm(), ops.Relu6()][: g.random.randint(0, 2)]
    steps.append(ops.Conv(out=g.random.randint(1, wide // 2), kernel=1))
    if g.chance(0.7):
        steps.append(g.norm())
    return g.chain(x, *steps, g.random.choice((ops.Relu(), ops.Relu6())))


REDESIGN: dict[str, tuple[Site, dict[str, Any]]] = {
    "resnet-b": (strided_bottleneck, {}),
    "resnet-c,width=3": (seven_by_seven, {"dims": 2, "quiet": True}),
    "resnet-d": (strided_shortcut, {}),
    "factorize-kernels": (large_kernel, {"dims": 2}),
    "factorize-kernels,form=asymmetric": (large_kernel, {"dims": 2}),
    "depthwise-separable": (plain_convolution, {}),
    "squeeze-excite,reduction=2": (residual_body, {}),
    "pool-head": (connected_head, {}),
    "concat-skip": (summed_skip, {}),
    "residualize": (plain_block, {}),
    "signed-residual": (clipped_residual, {}),
    "signed-residual,behind=true": (clipped_residual, {}),
    "linear-bottleneck": (activated_bottleneck, {}),
}
