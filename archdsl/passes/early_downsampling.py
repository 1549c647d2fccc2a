"""The stride of a layer that throws places away, moved to the convolution that computes them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from archdsl.analysis.places import downsampled, is_matrix
from archdsl.graph import Graph
from archdsl.ir.program import Value
from archdsl.ops import AvgPool, BatchNorm, Conv, MaxPool
from archdsl.ops.window import Window
from archdsl.passes.common import BY_SIZE, input_shape, is_shared, may_pad, only_reader, sides
from archdsl.passes.edit import Edit
from archdsl.passes.rule import NOT_A_SITE, Keep, Match, Pass, Promise

Late = Match[Conv | MaxPool | AvgPool]


@dataclass(frozen=True)
class EarlyDownsampling(Pass):
    """A convolution whose places are thrown away behind it takes the stride, and an average goes before a 1x1.

    What throws places away is a convolution or pool with a stride and a window of one place; between the two, each
    layer acts on each place alone. Where no batch norm is between them, training stays the same too.
    """

    promise: ClassVar[Promise] = "exact-eval"
    law: ClassVar[str] = (
        "(f(W x))[s i] = f((W x)[s i]) for f of each place alone, and mean(W x + b) = W mean(x) + b for a 1x1 W"
    )
    source: ClassVar[str] = (
        "by linearity; Szegedy et al. 2015, arXiv:1512.00567, section 5 (what a reduction of the grid costs)"
    )

    def rewrite(self, edit: Edit, late: Late) -> Keep | None:
        """Lets all layers from the convolution on compute the small map; weights and sizes stay."""
        graph = edit.graph
        chain = downsampled(graph, late.index)
        if chain is None or any(index in edit.touched for index in chain):
            return NOT_A_SITE
        node = graph.nodes[chain[0]]
        assert isinstance(node.op, Conv)
        conv = Match(chain[0], node, node.op)
        reason = _reason(graph, conv, chain[1:], late)
        if reason is not None:
            return Keep(reason)
        if _throws_away(graph, late):
            _stride(edit, conv, chain[-1], late)
        else:
            _average(edit, conv, late)
        return None


def _reason(graph: Graph, conv: Match[Conv], between: tuple[int, ...], late: Late) -> str | None:
    """Why the places must be computed, or `None`."""
    tapped = next((place for place in (conv.index, *between) if only_reader(graph, place) is None), None)
    if tapped is not None:
        return f"what {graph.nodes[tapped].path} makes is read elsewhere too, at the larger size"
    if is_shared(graph, conv) or is_shared(graph, late):
        return "one of the two layers is applied in several places"
    norms = [graph.nodes[place].op for place in between]
    if any(isinstance(op, BatchNorm) and not op.track for op in norms):
        return "the norm uses the statistics of the batch in inference too, of all places"
    if _throws_away(graph, late) and sides(graph, conv) is None:
        return BY_SIZE
    counts = isinstance(late.op, AvgPool) and late.op.count_padding and may_pad(graph, late)
    if counts and conv.op.bias:
        return "the average counts its padding, which has no bias"
    return None


def _window(graph: Graph, match: Late) -> Window:
    return match.op.window(input_shape(graph, match))


def _throws_away(graph: Graph, late: Late) -> bool:
    return prod(_window(graph, late).kernel) == 1


def _stride(edit: Edit, conv: Match[Conv], last: int, late: Late) -> None:
    """Multiplies the strides; a pool of one place is gone then."""
    early, window = _window(edit.graph, conv), _window(edit.graph, late)
    steps = tuple(a * b for a, b in zip(early.stride, window.stride, strict=True))
    update: dict[str, object] = {"stride": steps[0] if len(set(steps)) == 1 else steps}
    if conv.op.padding == "same_tf":  # which depends on the stride
        update["padding"] = early.sides
    edit.change(conv.index, conv.op.model_copy(update=update))
    if isinstance(late.op, Conv):
        edit.change(late.index, late.op.model_copy(update={"stride": 1}))
    else:
        edit.redirect(late.value, Value(last))
        edit.remove(late.index)


def _average(edit: Edit, conv: Match[Conv], late: Late) -> None:
    """Swaps a 1x1 convolution and the average behind it."""
    assert is_matrix(edit.graph, conv.index)
    path = late.node.path if late.node.scope == conv.node.scope else edit.child(conv.node.scope, "pool")
    pooled = edit.add(late.op, conv.node.inputs, at=conv.index, path=path)
    moved = edit.add(conv.op, pooled, at=conv.index, path=conv.node.path)
    edit.redirect(late.value, moved[0])
    edit.remove(conv.index, late.index)
