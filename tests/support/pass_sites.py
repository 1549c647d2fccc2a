"""For every rule: a random net with sites of it."""

from __future__ import annotations

from typing import Any

from archdsl import ops
from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops.base import Op
from tests.support.pass_nets import Garden, Site
from tests.support.redesign_sites import REDESIGN

__all__ = ["EXACT", "EXACT_EVAL", "REDESIGN", "Site", "net"]


def net(seed: int, site: Site, sites: int = 2, *, quiet: bool = False, **facts: Any) -> Graph:
    """A net with several sites, one after the other, and other layers between them; if `quiet` not before them."""
    garden = Garden(seed, **facts)
    x = garden.x if quiet else garden.wander(garden.x)
    for _ in range(sites):
        garden.nest()
        x = garden.wander(_smaller(garden, site(garden, x)), 1)
    return garden.graph(x)


def _smaller(g: Garden, x: Value) -> Value:
    """The value with few channels and places, so that a net stays quick."""
    shape = g.shape(x)
    if shape.rank > 1 and (shape.sizes[0] > 6 or max(shape.spatial) > 9):
        x = g.add(ops.AdaptiveAvgPool(size=4), g.add(ops.Conv(out=4, kernel=1), x))
    return x


# ------------------------------------------------------------------- exact


def parallel_convolutions(g: Garden, x: Value) -> Value:
    first = g.conv(g.shape(x), groups=1)
    count = g.random.randint(2, 5)
    widths = [g.random.randint(1, 4) for _ in range(count)]
    if g.chance(0.4):
        widths = [widths[0]] * count
    found = []
    for width in widths:
        if g.chance(0.3):
            g.nest()
        y = g.add(first.model_copy(update={"out": width}), x)
        found.append(g.add(g.activation(), y) if g.chance(0.4) else y)
    if g.chance(0.3):
        found.append(g.add(g.conv(g.shape(x)), x))
    g.random.shuffle(found)
    return g.used(found)


def split_and_same(g: Garden, x: Value) -> Value:
    count = g.random.randint(2, 4)
    kind = g.random.choice(("conv", "norm", "channel", "chain"))
    unequal = kind in ("norm", "channel") and g.chance(0.5)
    sizes = tuple(g.random.randint(1, 3) for _ in range(count)) if unequal else (g.random.randint(1, 3),) * count
    x = g.add(ops.Conv(out=sum(sizes), kernel=1), x) if g.shape(x).rank > 1 else g.add(ops.Linear(out=sum(sizes)), x)
    pieces: list[Value] = list(g.all(ops.Split(pieces=sizes if len(set(sizes)) > 1 else count), x))
    for step in ("conv", "norm", "channel") if kind == "chain" else (kind,):
        shape = g.shape(pieces[0])
        op: Op = g.norm() if step == "norm" else g.per_channel(shape)
        if step == "conv" and shape.rank > 1:
            op = g.conv(shape)
        order = list(range(count))
        g.random.shuffle(order)
        for index in order:
            pieces[index] = g.add(op, pieces[index])
    if g.chance(0.2):
        g.output(pieces[0])
    g.random.shuffle(pieces)
    return g.used(pieces) if g.chance(0.8) else g.add(ops.Concat(), *pieces)


def summed_convolutions(g: Garden, x: Value, bias: bool = False) -> Value:
    sizes = [g.random.randint(1, 3) for _ in range(g.random.randint(2, 4))]
    x = g.add(ops.Conv(out=sum(sizes), kernel=1), x)
    pieces = list(g.all(ops.Split(pieces=tuple(sizes)), x))
    first = g.conv(g.shape(pieces[0]), groups=1, bias=bias, reparam=None)
    found = [g.add(first, piece) for piece in pieces]
    if g.chance(0.3):
        found.append(g.add(first.model_copy(update={"bias": False}), x))
    if g.chance(0.3):
        y = g.add(ops.Conv(out=4, kernel=1), x)
        found += [g.add(first, piece) for piece in g.all(ops.Split(pieces=2), y)]
    if g.chance(0.3):
        found.append(g.add(ops.Tanh(), found[-1]))
        found.append(g.add(first.model_copy(update={"bias": False}), x))
    g.random.shuffle(found)
    return g.add(ops.Add(), *found)


def summed_biased(g: Garden, x: Value) -> Value:
    return summed_convolutions(g, x, bias=True)


def multibranch(g: Garden, x: Value) -> Value:
    """ResNeXt's figure 3 (a), 3 (b), or a sum of unequal widths."""
    count, width, out = g.random.randint(2, 5), g.random.randint(1, 3), g.random.randint(2, 5)
    narrow = g.conv(g.shape(x), groups=1, out=width)
    norm, act, other = g.norm(), g.activation(), g.norm()
    ends = []
    form = g.random.choice("ab")
    for _ in range(count):
        y = g.chain(x, narrow, norm, act)
        wide = ops.Conv(out=width, kernel=3, bias=False)
        y = g.chain(y, wide, other, act)
        ends.append(g.add(ops.Conv(out=out, kernel=1, bias=False), y) if form == "a" else y)
    if form == "a":
        return g.add(ops.Add(), *ends)
    return g.add(ops.Conv(out=out, kernel=1, bias=False), g.add(ops.Concat(), *ends))


def grouped_bottleneck(g: Garden, x: Value) -> Value:
    groups, each, wide = g.random.randint(2, 4), g.random.randint(1, 2), g.random.randint(1, 2)
    steps = [
        g.conv(g.shape(x), out=groups * each, groups=1, reparam=None),
        g.norm(),
        g.activation(),
        ops.Conv(out=groups * wide, kernel=3, groups=groups, bias=g.chance(0.5)),
        g.norm(),
        g.activation(),
        ops.Conv(out=g.random.randint(1, 4), kernel=g.random.choice((1, 3)), bias=False),
    ]
    for op in steps:
        x = g.add(op, x)
        if g.chance(0.15):
            g.scope = g.random.choice(list(g.around()))
    return x


def identities(g: Garden, x: Value) -> Value:
    kind = g.random.randrange(6)
    if kind == 0:
        return g.add(g.random.choice([ops.Identity(), ops.Scale(factor=1.0)]), x)
    if kind == 1:
        still = [ops.Dropout(rate=0.0), ops.StochasticDepth(rate=0.0), ops.DropoutChannels(rate=0.0)]
        return g.add(g.random.choice(still), x)
    if kind == 2:
        return g.add(ops.Concat(), g.add(ops.Split(pieces=1), x))
    if kind == 3 and g.shape(x).rank > 1:
        g.output(g.chain(x, ops.GlobalAvgPool(), ops.Flatten(), ops.Flatten()))
        return g.add(ops.Scale(factor=1.0), x)
    if kind == 4:
        pieces = g.all(ops.Split(pieces=(1, g.channels(x) - 1)), x) if g.channels(x) > 1 else (x,)
        return g.add(ops.Concat(), *pieces)
    return g.add(ops.Identity(), g.add(ops.Identity(), x))


def equal_subgraphs(g: Garden, x: Value) -> Value:
    op = g.per_channel(g.shape(x))
    found = [g.add(op, x) for _ in range(g.random.randint(2, 4))]
    if g.chance(0.5):
        found = [g.add(ops.Tanh(), value) for value in found]
    if g.chance(0.4):
        y = g.add(ops.Relu(), found[0])
        found += [g.add(ops.Mul(), found[0], y), g.add(ops.Mul(), found[0], y)]
    return g.add(ops.Add(), *found)


def dead_ends(g: Garden, x: Value) -> Value:
    y = x
    for _ in range(g.random.randint(1, 4)):
        y = g.add(g.activation(), y)
    if g.chance(0.3):
        g.add(ops.Add(), y, x)
    if g.chance(0.3):
        g.all(ops.Split(pieces=1), y)
    return g.add(ops.Tanh(), x)


def dead_layers(g: Garden, x: Value) -> Value:
    g.chain(x, g.norm(), g.activation(), ops.Dropout(rate=0.5))
    return g.add(ops.Tanh(), x)


# -------------------------------------------------------------- exact-eval


def norm_behind_linear(g: Garden, x: Value) -> Value:
    shape = g.shape(x)
    kind = g.random.choice(("conv", "conv", "transpose", "linear"))
    norm = g.norm(eps=g.random.choice((1e-6, 1e-5, 1e-3)))
    if kind == "linear" or shape.rank < 2:
        if shape.rank > 1:
            g.output(g.chain(x, ops.Flatten(), ops.Linear(out=4, bias=g.chance(0.5)), norm))
            return x
        return g.chain(x, ops.Linear(out=4, bias=g.chance(0.5)), norm)
    if kind == "conv":
        return g.chain(x, g.conv(shape, reparam=None), norm)
    return g.chain(x, g.transposed(shape), norm)


def norm_before_linear(g: Garden, x: Value) -> Value:
    shape = g.shape(x)
    norm = g.norm(eps=g.random.choice((1e-6, 1e-5, 1e-3)))
    normed = g.add(norm, g.add(ops.Tanh(), x))
    if shape.rank < 2:
        return g.add(ops.Linear(out=3, bias=g.chance(0.5)), normed)
    if g.chance(0.4):
        g.output(g.chain(normed, ops.Flatten(), ops.Linear(out=4, bias=g.chance(0.5))))
        return x
    mode = g.random.choice(({"padding": "valid"}, {"padding": "same", "padding_mode": "replicate", "kernel": 3}))
    return g.add(g.conv(shape, reparam=None, **mode), normed)


def norm_beside_linear(g: Garden, x: Value) -> Value:
    return (norm_behind_linear if g.chance(0.6) else norm_before_linear)(g, x)


def scaled(g: Garden, x: Value) -> Value:
    channels = g.channels(x)
    factor = g.random.uniform(-2, 2)
    kind = g.random.choice(("scale", "affine", "affine"))
    if kind == "scale":
        y = g.add(ops.Scale(factor=factor), x)
        shape = g.shape(y)
        return g.add(g.conv(shape, reparam=None) if shape.rank > 1 else ops.Linear(out=3), y)
    flat = g.chance(0.3)
    shift = tuple(0.0 if flat else g.random.uniform(-1, 1) for _ in range(channels))
    y = g.add(ops.Affine(scale=tuple(g.random.uniform(-2, 2) for _ in range(channels)), shift=shift), x)
    shape = g.shape(y)
    if shape.rank < 2:
        return g.add(ops.Linear(out=3, bias=g.chance(0.5)), y)
    if g.chance(0.2):
        g.output(g.chain(y, ops.Flatten(), ops.Linear(out=3, bias=g.chance(0.5))))
        return x
    if g.chance(0.3):
        return g.add(g.transposed(shape, **({} if flat else {"kernel": 1, "stride": 1})), y)
    mode = {} if flat else {"padding": "valid", "padding_mode": g.random.choice(("zeros", "reflect"))}
    if not flat and g.chance(0.3):  # padding that repeats the input repeats what was shifted
        mode = {"padding": "same", "padding_mode": "replicate", "kernel": 3}
    return g.add(g.conv(shape, reparam=None, **mode), y)


def normed(g: Garden, x: Value) -> Value:
    """A norm without running statistics, and the linear map that reads it."""
    shape = g.shape(x)
    affine: dict[str, Any] = {"eps": g.random.choice((1e-5, 1e-3)), "affine": True}
    bare = g.chance(0.3)
    layer = ops.LayerNorm(eps=1e-5, axis="c", bias=not bare)
    if shape.rank > 1:
        x = g.add(ops.Conv(out=6, kernel=1), g.add(ops.Tanh(), x))
    channels = [layer, ops.GroupNorm(groups=g.random.choice((1, 2)), **affine), ops.BatchNorm(track=False, **affine)]
    if shape.rank > 1 and max(shape.spatial) > 1:
        channels.append(ops.InstanceNorm(**affine))
    if shape.rank < 2:
        y = g.add(ops.LayerNorm(eps=1e-5, bias=g.chance(0.7)), g.add(ops.Linear(out=5), x))
        return g.add(ops.Linear(out=4, bias=g.chance(0.5)), y)
    normed = g.add(g.random.choice(channels), x)
    if g.chance(0.3):
        last = g.add(ops.LayerNorm(eps=1e-5), x) if g.chance(0.5) else normed
        g.output(g.chain(last, ops.Flatten(), ops.Linear(out=4, bias=g.chance(0.5))))
        if last is not normed:
            return g.add(ops.Conv(out=3, kernel=1, bias=g.chance(0.5)), normed)
        return x
    padded = isinstance(g.b.nodes[normed.node].op, ops.LayerNorm) and bare
    mode = g.random.choice(({"padding": "valid"}, {"padding": "same", "padding_mode": "replicate", "kernel": 3}))
    fixed = {"padding": "same", "kernel": 3} if padded else mode
    return g.add(g.conv(g.shape(normed), reparam=None, **fixed), normed)


def late_stride(g: Garden, x: Value) -> Value:
    """A convolution, layers of each place alone, and one that keeps some of the places; or an average behind a 1x1."""
    if g.shape(x).rank < 2:
        return x
    if g.chance(0.3):
        x = g.add(ops.Conv(out=3, kernel=1, bias=g.chance(0.5), groups=1), x)
        window = min(2, *g.shape(x).spatial)
        return g.add(ops.AvgPool(kernel=window, stride=2, ceil=g.chance(0.3)), x)
    x = g.add(g.conv(g.shape(x), reparam=None), x)
    between = [g.norm(), g.activation(), ops.LayerNorm(axis="c", eps=0.1), ops.Scale(factor=-0.6)]
    g.random.shuffle(between)
    x = g.chain(x, *between[: g.random.randint(0, 3)])
    dims = g.shape(x).rank - 1
    stride = g.random.choice((2, 3, tuple(range(1, dims + 1)) if dims > 1 else 2))
    ends = [
        ops.Conv(out=3, kernel=1, stride=stride, bias=g.chance(0.5)),
        ops.MaxPool(kernel=1, stride=stride),
        ops.AvgPool(kernel=1, stride=stride),
    ]
    return g.add(g.random.choice(ends), x)


def dropouts(g: Garden, x: Value) -> Value:
    return g.add(
        g.random.choice([ops.Dropout(rate=0.4), ops.DropoutChannels(rate=0.2), ops.StochasticDepth(rate=0.5)]), x
    )


def two_linear(g: Garden, x: Value) -> Value:
    shape = g.shape(x)
    if shape.rank < 2 or g.chance(0.2):
        flat = x if shape.rank < 2 else g.add(ops.Flatten(), x)
        y = g.chain(flat, *(ops.Linear(out=g.random.randint(1, 4), bias=g.chance(0.5)) for _ in range(3)))
        if shape.rank < 2:
            return y
        g.output(y)
        return x
    fixed: dict[str, Any] = {"groups": 1, "reparam": None}
    kind = g.random.choice(("first", "second", "flatten"))
    if kind != "first":  # any convolution, then a 1x1 or, behind a flatten, a linear layer
        zeros = {"padding_mode": "zeros"} if kind == "flatten" else {}
        if kind == "flatten":  # maps of one form, so that the convolution is one matrix
            x = g.add(ops.AdaptiveAvgPool(size=shape.spatial), x)
        y = g.add(g.conv(g.shape(x), **fixed, **zeros), x)
        if kind == "second":
            stride = g.random.choice((1, 2))
            return g.add(ops.Conv(out=g.random.randint(1, 4), kernel=1, stride=stride, bias=g.chance(0.5)), y)
        g.output(g.chain(y, ops.Flatten(), ops.Linear(out=g.random.randint(1, 4), bias=g.chance(0.5))))
        return x
    bias = g.chance(0.5)
    stride = g.random.choice((1, 1, 2))
    x = g.add(ops.Conv(out=g.random.randint(1, 5), kernel=1, stride=stride, bias=bias), x)
    if stride > 1 or (bias and g.chance(0.7)):
        fixed["padding"] = "valid"
    elif bias:
        fixed |= {"padding": "same", "padding_mode": "replicate", "kernel": 3}
    return g.add(g.conv(g.shape(x), **fixed), x)


def parallel_sum(g: Garden, x: Value) -> Value:
    """RepVGG's branches: an odd kernel, smaller ones and the identity."""
    shape, channels = g.shape(x), g.channels(x)
    groups = g.random.choice([n for n in (1, 2, 3) if channels % n == 0])
    dilation, stride = g.random.choice((1, 1, 2)), g.random.choice((1, 1, 2))
    kernels = [3, *(g.random.choice((1, 3)) for _ in range(g.random.randint(0, 2)))]
    ends = [
        g.add(ops.Conv(out=channels, kernel=k, stride=stride, dilation=dilation, groups=groups, bias=g.chance(0.5)), x)
        for k in kernels
    ]
    if stride == 1 and (len(ends) < 2 or g.chance(0.5)):
        ends.append(x)
    if g.chance(0.3):
        ends.append(g.add(ops.Conv(out=channels, kernel=1, stride=stride), g.add(ops.Relu(), x)))
    if len(ends) < 2:
        ends.append(g.add(ops.Conv(out=channels, kernel=1, stride=stride, groups=groups), x))
    g.random.shuffle(ends)
    assert shape.rank > 1
    return g.add(ops.Add(), *ends)


def residual_relu(g: Garden, x: Value) -> Value:
    scope = g.scope
    g.scope = g.b.scope("residual", scope)
    body = g.chain(x, ops.Conv(out=g.channels(x), kernel=3), g.norm())
    total = g.add(ops.Add(), body, x)
    g.scope = scope
    return g.add(ops.Relu(), total)


EXACT: dict[str, tuple[Site, dict[str, Any]]] = {
    "merge-parallel-convolutions": (parallel_convolutions, {}),
    "regroup-split": (split_and_same, {}),
    "sum-of-convolutions": (summed_convolutions, {}),
    "multibranch-to-grouped": (multibranch, {}),
    "grouped-to-multibranch": (grouped_bottleneck, {}),
    "remove-identities": (identities, {}),
    "merge-equal-subgraphs": (equal_subgraphs, {}),
    "dead-code": (dead_ends, {}),
}
EXACT_EVAL: dict[str, tuple[Site, dict[str, Any]]] = {
    "sum-of-convolutions,biases=true": (summed_biased, {}),
    "dead-code,weights=true": (dead_layers, {}),
    "fold-batchnorm": (norm_beside_linear, {}),
    "fold-affine": (scaled, {}),
    "fold-affine-norm": (normed, {}),
    "early-downsampling": (late_stride, {}),
    "drop-dropout": (dropouts, {}),
    "merge-linear": (two_linear, {}),
    "reparameterize": (parallel_sum, {}),
    "deepen": (residual_relu, {}),
}
