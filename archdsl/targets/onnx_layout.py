"""Merges, and what moves elements, in ONNX."""

from __future__ import annotations

import math

import numpy as np

from archdsl.ops.layout import Flatten, Gather, Last, Roll, Shuffle, Slice, Split, TensorLiteral, Unstack
from archdsl.ops.merge import Add, Attention, Concat, Matmul, Mean, Mul, Stack
from archdsl.ops.rearrange import Rearrange
from archdsl.targets.onnx_activation import along
from archdsl.targets.onnx_emit import BATCH, Lead
from archdsl.targets.onnx_place import Emitters, Link, Place
from archdsl.targets.onnx_space import cut, taken


def _add(place: Place, op: Add) -> None:
    place.result("Add" if len(place.inputs) == 2 else "Sum", place.inputs)


def _mean(place: Place, op: Mean) -> None:
    place.result("Mean", place.inputs)


def _mul(place: Place, op: Mul) -> None:
    """Factor by factor, in order."""
    product, sizes, lead = place.inputs[0], place.shapes[0].sizes, place.leads[0]
    for number, factor in enumerate(place.inputs[1:-1], 1):
        sizes = tuple(map(max, sizes, place.shapes[number].sizes))
        lead = place.lead if place.lead in (lead, place.leads[number]) else None
        product = place.step("Mul", [product, factor], sizes, f"{number}", lead=lead)
    place.result("Mul", [product, place.inputs[-1]])


def _concat(place: Place, op: Concat) -> None:
    place.result("Concat", _spread(place), axis=op.place(*place.shapes) + 1)


def _stack(place: Place, op: Stack) -> None:
    axes, sizes = place.integers("axes", [1]), place.output.sizes
    rows = [
        place.step("Unsqueeze", [value, axes], (1, *sizes[1:]), f"{number}")
        for number, value in enumerate(_spread(place))
    ]
    place.result("Concat", rows, axis=1)


def _spread(place: Place) -> list[str]:
    """All inputs over the same batch: those that have none are repeated for each example."""
    values = [place.with_lead(number) for number in range(len(place.inputs))]
    if all(lead == place.lead for lead in place.leads):
        return values
    batch = _batch(place, place.inputs[place.leads.index(BATCH)])
    for number, lead in enumerate(place.leads):
        if lead != place.lead:
            sizes = place.shapes[number].sizes
            ones = place.integers(f"{number}/ones", [1] * len(sizes))
            whole = place.step(
                "Concat", [batch, ones], (1 + len(sizes),), f"{number}/sizes", lead=None, dtype="int64", axis=0
            )
            values[number] = place.step("Expand", [values[number], whole], sizes, f"{number}/spread")
    return values


def _batch(place: Place, value: str) -> str:
    """The size of the batch, as a list of one."""
    return place.step("Shape", [value], (1,), "batch", lead=None, dtype="int64", start=0, end=1)


def _matmul(place: Place, op: Matmul) -> None:
    place.result("MatMul", place.inputs)


def _attention(place: Place, op: Attention) -> None:
    """softmax(q k^T * scale) v; a causal one adds minus infinity where the key is later than the query."""
    q, k, v = (place.with_lead(number) for number in range(3))
    leads: list[Lead] = [lead or 1 for lead in place.leads]
    rank, keys = place.shapes[1].rank, place.shapes[1].sizes
    perm = [*range(rank - 1), rank, rank - 1]
    turned = place.step("Transpose", [k], (*keys[:-2], keys[-1], keys[-2]), "turned", lead=leads[1], perm=perm)
    sizes = (*place.shapes[0].sizes[:-1], keys[-2])
    scale = 1 / math.sqrt(keys[-1]) if op.scale is None else op.scale
    lead: Lead = BATCH if BATCH in leads[:2] else 1
    product = place.step("MatMul", [q, turned], sizes, "product", lead=lead)
    scores = place.step("Mul", [product, place.constant("scale", scale)], sizes, "scores", lead=lead)
    if op.causal:
        later = np.triu(np.full(sizes[-2:], -np.inf), 1)
        scores = place.step("Add", [scores, place.constant("mask", later)], sizes, "masked", lead=lead)
    weights = place.step("Softmax", [scores], sizes, "weights", lead=lead, axis=rank)
    place.result("MatMul", [weights, v])


def _split(place: Place, op: Split) -> None:
    sizes = place.integers("split", op.sizes(place.shape))
    place.result("Split", [place.input, sizes], axis=along(place, op.axis, 0))


def _unstack(place: Place, op: Unstack) -> None:
    for number in range(len(place.outputs)):
        index = place.integers(f"{number}/index", number)
        place.result_of(number, "Gather", [place.input, index], axis=along(place, op.axis, 0))


def _slice(place: Place, op: Slice) -> None:
    axis = along(place, op.axis, 0) - 1
    cut(place, [op.start], [place.output.sizes[axis]], [axis])


def _last(place: Place, op: Last) -> None:
    axis = along(place, op.axis)
    place.result("Gather", [place.input, place.integers("index", place.shape.sizes[axis - 1] - 1)], axis=axis)


def _flatten(place: Place, op: Flatten) -> None:
    place.result("Flatten", [place.input], axis=1)


def _gather(place: Place, op: Gather) -> None:
    place.result("Gather", [place.input, place.integers("indices", op.indices)], axis=along(place, op.axis, 0))


def _tensor(place: Place, op: TensorLiteral) -> None:
    place.given(op.values)


def _roll(place: Place, op: Roll) -> None:
    axis = along(place, op.axis, 0) - 1
    size = place.shape.sizes[axis]
    place.finish(place.input, [taken(place, list(place.shape.sizes), axis, (np.arange(size) - op.shift) % size)])


def _shuffle(place: Place, op: Shuffle) -> None:
    """Groups and their channels as two axes, exchanged."""
    channels, *spatial = place.shape.sizes
    apart, turned = (op.groups, channels // op.groups, *spatial), (channels // op.groups, op.groups, *spatial)
    perm = [0, 2, 1, *range(3, 3 + len(spatial))]
    links = [
        _reshaped(place, apart, "groups"),
        Link("Transpose", [], turned, "turned", {"perm": perm}),
        _reshaped(place, place.shape.sizes, "channels"),
    ]
    place.finish(place.input, links)


def _rearrange(place: Place, op: Rearrange) -> None:
    """Axes split, permuted, repeated and merged, each where the pattern does it."""
    steps, links = op.steps(place.shape), []
    if steps.split != place.shape.sizes:
        links.append(_reshaped(place, steps.split, "split"))
    sizes = tuple(steps.split[index] for index in steps.order)
    if steps.order != tuple(range(len(steps.order))):
        perm = [0, *(index + 1 for index in steps.order)]
        links.append(Link("Transpose", [], sizes, "permuted", {"perm": perm}))
    if steps.new:
        single = tuple(1 if index in steps.new else size for index, size in enumerate(steps.repeated))
        whole = place.integers("repeated/sizes", [1, *steps.repeated])
        links += [_reshaped(place, single, "single"), Link("Expand", [whole], steps.repeated, "repeated")]
    if steps.merged != steps.repeated:
        links.append(_reshaped(place, steps.merged, "merged"))
    place.finish(place.input, links)


def _reshaped(place: Place, sizes: tuple[int, ...], suffix: str) -> Link:
    return Link("Reshape", [place.integers(f"{suffix}/sizes", [0, *sizes])], sizes, suffix)


EMITTERS: Emitters = {
    Add: _add,
    Mean: _mean,
    Mul: _mul,
    Concat: _concat,
    Stack: _stack,
    Matmul: _matmul,
    Attention: _attention,
    Split: _split,
    Unstack: _unstack,
    Slice: _slice,
    Last: _last,
    Flatten: _flatten,
    Roll: _roll,
    Gather: _gather,
    TensorLiteral: _tensor,
    Shuffle: _shuffle,
    Rearrange: _rearrange,
}
