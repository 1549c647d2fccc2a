"""Parallel convolutions that are added are one convolution."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import Add, Affine, BatchNorm, Conv, Identity, Scale
from archdsl.ops.window import Window
from archdsl.passes.arrays import Along, Const, Expr, Padded, Plus, Times
from archdsl.passes.canonical import meant
from archdsl.passes.common import geometry, input_shape, is_shared, only_reader, sides
from archdsl.passes.edit import Edit, Source
from archdsl.passes.normed import less_mean, moved, scale_of
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise

Diagonal = tuple[int, ...]  # the norms, scales and shifts of a branch without convolution, in order; none is identity


@dataclass(frozen=True)
class Reparameterize(Pass):
    """Parallel 3x3, 1x1 and identity branches that are added become one convolution (fold batch norms first).

    A branch of norms, `affine` and `scale` alone is a 1x1 convolution too, whose matrix is diagonal.
    """

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = "A * x + B * x + x + (s x + t) = (A + pad(B) + I + diag(s)) * x + t"
    source: ClassVar[str] = "Ding et al. 2021, arXiv:2101.03697, section 3.3 (RepVGG)"

    def rewrite(self, edit: Edit, add: Match[Add]) -> Keep | None:
        """Adds the weights of convolutions that read one value, and of branches that only scale and shift it."""
        graph = edit.graph
        read = [conv.node.inputs[0] for value in add.node.inputs if (conv := _conv(graph, value)) is not None]
        reason: str | None = None
        for source in dict.fromkeys(read):
            terms = _terms(graph, add, source)
            if not terms.convs or len(terms.convs) + len(terms.diagonals) < 2:
                continue
            found = _reason(graph, terms)
            if found is None:
                _merge(edit, add, terms)
                return None
            reason = reason or found
        return NOT_A_SITE if reason is None else Keep(reason)


@dataclass
class _Terms:
    """What is added: convolutions of one value, branches that scale and shift each channel of it, and the rest."""

    convs: list[Match[Conv]] = field(default_factory=list)
    diagonals: list[Diagonal] = field(default_factory=list)
    rest: list[Value] = field(default_factory=list)


def _conv(graph: Graph, value: Value) -> Match[Conv] | None:
    node = graph.nodes[value.node]
    return Match(value.node, node, node.op) if isinstance(node.op, Conv) else None


def _terms(graph: Graph, add: Match[Add], source: Value) -> _Terms:
    """The arguments of a sum, by what they make of a value."""
    terms = _Terms()
    for value in add.node.inputs:
        conv, diagonal = _conv(graph, value), _diagonal(graph, add, value, source)
        if conv is not None and conv.node.inputs[0] == source and only_reader(graph, conv.index) == add.index:
            terms.convs.append(conv)
        elif diagonal is not None:
            terms.diagonals.append(diagonal)
        else:
            terms.rest.append(value)
    return terms


def _diagonal(graph: Graph, add: Match[Add], value: Value, source: Value) -> Diagonal | None:
    """The layers that make an argument of a sum from a value channel by channel; `None` if others do."""
    chain: list[int] = []
    reader, value = add.index, meant(graph, value)
    while value != meant(graph, source):
        node = graph.nodes[value.node]
        own = isinstance(node.op, Scale | Affine) or (isinstance(node.op, BatchNorm) and node.op.track)
        if not own or graph.applications[node.path] > 1 or _reader(graph, value.node) != reader:
            return None
        chain.insert(0, value.node)
        reader, value = value.node, meant(graph, node.inputs[0])
    return tuple(chain)


def _reader(graph: Graph, index: int) -> int | None:
    """The one node that reads a node's result, identities not counted."""
    reader = only_reader(graph, index)
    while reader is not None and isinstance(graph.nodes[reader].op, Identity):
        reader = only_reader(graph, reader)
    return reader


def _window(graph: Graph, conv: Match[Conv]) -> Window:
    return conv.op.window(input_shape(graph, conv))


def _widest(graph: Graph, convs: list[Match[Conv]]) -> Match[Conv]:
    """The convolution with the largest window, which the others have to fit into."""
    return max(convs, key=lambda conv: prod(_window(graph, conv).kernel))


def _reason(graph: Graph, terms: _Terms) -> str | None:
    """Why the terms are not one convolution, or `None`."""
    widest = _widest(graph, terms.convs)
    outer = _window(graph, widest)
    for conv in terms.convs:
        window = _window(graph, conv)
        if is_shared(graph, conv):
            return "the weights are shared"
        if conv.op.reparam or conv.op.padding_mode != "zeros" or conv.op.groups != widest.op.groups:
            return "the convolutions differ in groups, in how they pad, or are weight-normalised"
        if window.stride != outer.stride or not _centred(window, outer):
            return "the convolutions do not look at the same places"
    places = {geometry(graph, conv)[:4] for conv in terms.convs}
    if any(sides(graph, conv) is None for conv in terms.convs) and (len(places) > 1 or terms.diagonals):
        return "the convolutions do not look at the same places at every size, by which `same_tf` pads"
    one = (1,) * len(outer.kernel)
    identity = Window(one, one, one, ((0, 0),) * len(outer.kernel))
    if terms.diagonals and (any(stride != 1 for stride in outer.stride) or not _centred(identity, outer)):
        return "the identity does not look at the same places as the convolution"
    return None


def _merge(edit: Edit, add: Match[Add], terms: _Terms) -> None:
    """One convolution in the place of the widest, and the sum with what is left."""
    graph, widest = edit.graph, _widest(edit.graph, terms.convs)
    kernel, channels, groups = _window(graph, widest).kernel, input_shape(graph, widest).sizes[0], widest.op.groups
    weights: list[Expr] = []
    biases: list[Expr] = [edit.take(conv.index, "bias") for conv in terms.convs if conv.op.bias]
    for conv in terms.convs:
        inner = _window(graph, conv).kernel
        around = tuple(((a - b) // 2, (a - b) // 2) for a, b in zip(kernel, inner, strict=True))
        weights.append(Padded(edit.take(conv.index, "weight"), ((0, 0), (0, 0), *around)))
    for diagonal in terms.diagonals:
        scale, shift = _scale_and_shift(edit, diagonal)
        same = _identity(channels, groups, kernel)
        weights.append(same if scale is None else Times((same, Along(scale, 0, len(kernel) + 2))))
        biases += [shift] if shift is not None else []
    path = widest.node.path
    op = widest.op.model_copy(update={"bias": bool(biases)})
    result: Source = edit.add(op, widest.node.inputs, at=widest.index, path=path)[0]
    edit.weight(path, weight=Plus(tuple(weights)))
    if biases:
        edit.weight(path, bias=Plus(tuple(biases)))
    if terms.rest:
        result = edit.add(Add(), (result, *terms.rest), at=add.index, path=add.node.path)[0]
    edit.redirect(add.value, result)
    layers = [index for diagonal in terms.diagonals for index in diagonal]
    edit.remove(add.index, *(conv.index for conv in terms.convs), *layers, *_passing(graph, add, layers, terms.rest))


def _passing(graph: Graph, add: Match[Add], layers: list[int], rest: list[Value]) -> set[int]:
    """The identities that nothing reads but the sum and the layers which go with it."""
    found: set[int] = set()
    todo = [value.node for value in add.node.inputs if value not in rest]
    todo += [value.node for index in layers for value in graph.nodes[index].inputs]
    gone = {add.index, *layers}
    while todo:
        index = todo.pop()
        if not isinstance(graph.nodes[index].op, Identity) or only_reader(graph, index) not in gone:
            continue
        found.add(index)
        gone.add(index)
        todo += [value.node for value in graph.nodes[index].inputs]
    return found


def _scale_and_shift(edit: Edit, diagonal: Diagonal) -> tuple[Expr | None, Expr | None]:
    """What a branch multiplies each channel by and adds to it; `None` for one and for zero."""
    scale: Expr | None = None
    shift: Expr | None = None
    for index in diagonal:
        node = edit.graph.nodes[index]
        match node.op:
            case BatchNorm() as op:
                norm = Match(index, node, op)
                factor, shift = scale_of(edit, norm), moved(edit, norm, less_mean(edit, norm, shift))
            case Affine(scale=numbers, shift=added):
                factor = Const(numbers, (len(numbers),))
                carried = None if shift is None else Times((factor, shift))
                own = Const(added, (len(added),))
                shift = own if carried is None else Plus((carried, own))
            case Scale(factor=number):
                factor = Const((number,) * node.outputs[0].sizes[0], node.outputs[0].sizes[:1])
                shift = None if shift is None else Times((factor, shift))
            case _:
                raise AssertionError(node.op.word)
        scale = factor if scale is None else Times((factor, scale))
    return scale, shift


def _centred(inner: Window, outer: Window) -> bool:
    """True if the centre of both windows falls on the same element everywhere, with the same spacing."""
    for small, large, a, b, one, two in zip(
        inner.kernel, outer.kernel, inner.dilation, outer.dilation, inner.sides, outer.sides, strict=True
    ):
        if small > large or (large - small) % 2 or (small > 1 and a != b):
            return False
        shift = b * (large - small) // 2
        if (one[0] + shift, one[1] + shift) != two:
            return False
    return True


def _identity(channels: int, groups: int, kernel: tuple[int, ...]) -> Const:
    """The weight of a convolution that is the identity."""
    per_group, middle = channels // groups, tuple(size // 2 for size in kernel)
    offset = 0
    for size, centre in zip(kernel, middle, strict=True):
        offset = offset * size + centre
    volume = prod(kernel)
    values = [0.0] * (channels * per_group * volume)
    for channel in range(channels):
        values[(channel * per_group + channel % per_group) * volume + offset] = 1.0
    return Const(tuple(values), (channels, per_group, *kernel))
